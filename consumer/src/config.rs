//! Every environment variable of the hosts, read once, at start.

use std::fmt;
use std::num::NonZeroU16;

use domain_events::store::Retention;
use tracing::Level;

/// What a host is told by its environment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// `EVENT_TABLE`: name of the table.
    pub table: String,
    /// `DEAD_LETTER_QUEUE_URL`: where rejected messages go.
    pub dead_letter_queue_url: String,
    /// `EVENT_RETENTION`: how long events are kept; for ever if not set.
    pub retention: Retention,
    /// `EVENT_INDEX_SHARDS`: shards of the index by event type; none if not set.
    pub index_shards: Option<NonZeroU16>,
    /// `EVENT_LOG`: from which level on is logged; `info` if not set.
    pub log: Level,
}

/// What the worker is told besides.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WorkerConfig {
    /// What every host is told.
    pub config: Config,
    /// `EVENT_QUEUE_URL`: the queue that is polled.
    pub queue_url: String,
    /// `EVENT_WORKER_POLLERS`: how many receive at the same time; 1 to 64.
    pub pollers: usize,
}

/// The environment cannot be used. All that is wrong, in one message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InvalidConfig(Vec<String>);

impl fmt::Display for InvalidConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the environment is not complete:")?;
        self.0
            .iter()
            .try_for_each(|problem| write!(f, "\n  - {problem}"))
    }
}

impl std::error::Error for InvalidConfig {}

impl Config {
    /// Reads the process's environment.
    ///
    /// # Errors
    ///
    /// [`InvalidConfig`] with everything that is missing or malformed.
    pub fn from_env() -> Result<Self, InvalidConfig> {
        let mut reader = Reader::new(&process_environment);
        let config = reader.config();
        reader.finish(config)
    }
}

impl WorkerConfig {
    /// Reads the process's environment.
    ///
    /// # Errors
    ///
    /// [`InvalidConfig`] with everything that is missing or malformed.
    pub fn from_env() -> Result<Self, InvalidConfig> {
        Self::read(&process_environment)
    }

    fn read(lookup: &Lookup<'_>) -> Result<Self, InvalidConfig> {
        let mut reader = Reader::new(lookup);
        let config = reader.config();
        let queue_url = reader.url(
            "EVENT_QUEUE_URL",
            "the URL of the queue to take events from",
        );
        let pollers = reader.optional(
            "EVENT_WORKER_POLLERS",
            "a whole number from 1 to 64",
            |text| text.parse().ok().filter(|n| (1..=64).contains(n)),
        );
        if let (Some(config), Some(queue_url)) = (&config, &queue_url)
            && config.dead_letter_queue_url == *queue_url
        {
            reader.problems.push(
                "DEAD_LETTER_QUEUE_URL is EVENT_QUEUE_URL: a rejected message would come back for ever; give the URL of another queue"
                    .to_owned(),
            );
        }
        let worker = config.zip(queue_url).map(|(config, queue_url)| Self {
            config,
            queue_url,
            pollers: pollers.unwrap_or(2),
        });
        reader.finish(worker)
    }
}

type Lookup<'a> = dyn Fn(&str) -> Option<String> + 'a;

fn process_environment(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

/// Looks variables up and collects what is wrong with them.
struct Reader<'a> {
    lookup: &'a Lookup<'a>,
    problems: Vec<String>,
}

impl<'a> Reader<'a> {
    fn new(lookup: &'a Lookup<'a>) -> Self {
        Self {
            lookup,
            problems: Vec::new(),
        }
    }

    fn config(&mut self) -> Option<Config> {
        let table = self.required("EVENT_TABLE", "the name of the DynamoDB table", |text| {
            Some(text.to_owned())
        });
        let url = self.url(
            "DEAD_LETTER_QUEUE_URL",
            "the URL of the queue that rejected messages go to",
        );
        let retention = self.retention();
        let index_shards = self.optional(
            "EVENT_INDEX_SHARDS",
            "a whole number from 1 to 65,535",
            |text| text.parse().ok(),
        );
        let log = self.optional("EVENT_LOG", "error, warn, info, debug or trace", |text| {
            text.parse().ok()
        });
        Some(Config {
            table: table?,
            dead_letter_queue_url: url?,
            retention,
            index_shards,
            log: log.unwrap_or(Level::INFO),
        })
    }

    fn retention(&mut self) -> Retention {
        let text = self.lookup("EVENT_RETENTION").unwrap_or_default();
        text.parse().unwrap_or_else(|error| {
            self.problems.push(format!("EVENT_RETENTION: {error}"));
            Retention::default()
        })
    }

    fn url(&mut self, name: &str, what: &str) -> Option<String> {
        self.required(name, what, |text| {
            (text.starts_with("https://") || text.starts_with("http://")).then(|| text.to_owned())
        })
    }

    fn required<T>(
        &mut self,
        name: &str,
        what: &str,
        parse: impl Fn(&str) -> Option<T>,
    ) -> Option<T> {
        if self.lookup(name).is_none() {
            self.problems
                .push(format!("{name} is not set; set it to {what}"));
        }
        self.optional(name, what, parse)
    }

    fn optional<T>(
        &mut self,
        name: &str,
        what: &str,
        parse: impl Fn(&str) -> Option<T>,
    ) -> Option<T> {
        let text = self.lookup(name)?;
        let value = parse(&text);
        if value.is_none() {
            self.problems
                .push(format!("{name} is {text:?}; set it to {what}"));
        }
        value
    }

    /// A variable set to nothing counts as not set: that is what templates leave.
    fn lookup(&self, name: &str) -> Option<String> {
        (self.lookup)(name)
            .map(|text| text.trim().to_owned())
            .filter(|text| !text.is_empty())
    }

    fn finish<T>(self, value: Option<T>) -> Result<T, InvalidConfig> {
        match value {
            Some(value) if self.problems.is_empty() => Ok(value),
            _ => Err(InvalidConfig(self.problems)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(variables: &[(&str, &str)]) -> Result<WorkerConfig, InvalidConfig> {
        WorkerConfig::read(&|name| {
            variables
                .iter()
                .find(|(n, _)| *n == name)
                .map(|(_, v)| (*v).to_owned())
        })
    }

    const COMPLETE: [(&str, &str); 3] = [
        ("EVENT_TABLE", "events"),
        ("DEAD_LETTER_QUEUE_URL", "https://sqs.example/1/dead"),
        ("EVENT_QUEUE_URL", "https://sqs.example/1/events"),
    ];

    #[test]
    fn three_variables_are_enough() {
        let config = read(&COMPLETE).unwrap();
        assert_eq!((config.pollers, config.config.index_shards), (2, None));
    }

    #[test]
    fn a_queue_is_not_its_own_dead_letter_queue() {
        let mut variables = COMPLETE;
        variables[1].1 = variables[2].1;
        let error = read(&variables).unwrap_err().to_string();
        assert!(
            error.contains("DEAD_LETTER_QUEUE_URL is EVENT_QUEUE_URL"),
            "{error}"
        );
    }

    #[test]
    fn everything_that_is_wrong_is_told_at_once() {
        let error = read(&[
            ("EVENT_QUEUE_URL", "events"),
            ("EVENT_TABLE", " "),
            ("EVENT_RETENTION", "A"),
            ("EVENT_INDEX_SHARDS", "0"),
            ("EVENT_WORKER_POLLERS", "65"),
            ("EVENT_LOG", "loud"),
        ])
        .unwrap_err()
        .to_string();
        for name in [
            "EVENT_QUEUE_URL is \"events\"",
            "EVENT_TABLE is not set",
            "DEAD_LETTER_QUEUE_URL is not set",
            "EVENT_RETENTION: retention rule \"A\"",
            "EVENT_INDEX_SHARDS is \"0\"",
            "EVENT_WORKER_POLLERS is \"65\"",
            "EVENT_LOG is \"loud\"",
        ] {
            assert!(error.contains(name), "{error}");
        }
    }
}
