//! The environment variables of the hosts, read once at start.

use std::fmt;
use std::num::NonZeroU16;

use domain_events::store::Retention;
use tracing::Level;

/// The settings of every host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// `EVENT_TABLE`: the name of the DynamoDB table.
    pub table: String,
    /// `DEAD_LETTER_QUEUE_URL`: the queue for rejected messages.
    pub dead_letter_queue_url: String,
    /// `EVENT_RETENTION`: how long events are kept; forever if not set.
    pub retention: Retention,
    /// `EVENT_INDEX_SHARDS`: the number of shards of the index by event type. If not set,
    /// there is no index.
    pub index_shards: Option<NonZeroU16>,
    /// `EVENT_LOG`: the lowest level that is logged. The default is `info`.
    pub log: Level,
}

/// The settings of the worker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WorkerConfig {
    /// The settings of every host.
    pub config: Config,
    /// `EVENT_QUEUE_URL`: the queue to receive events from.
    pub queue_url: String,
    /// `EVENT_WORKER_POLLERS`: how many pollers run at the same time, 1 to 64; 2 if not
    /// set.
    pub pollers: usize,
}

/// All environment variables that are missing or invalid.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InvalidConfig(Vec<String>);

impl fmt::Display for InvalidConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "invalid configuration:")?;
        self.0
            .iter()
            .try_for_each(|problem| write!(f, "\n  - {problem}"))
    }
}

impl std::error::Error for InvalidConfig {}

impl Config {
    /// Reads the environment of the process.
    ///
    /// # Errors
    ///
    /// [`InvalidConfig`] with everything that is missing or invalid.
    pub fn from_env() -> Result<Self, InvalidConfig> {
        let mut variables = Variables::new(&process_environment);
        let config = variables.config();
        variables.finish(config)
    }
}

impl WorkerConfig {
    /// Reads the environment of the process.
    ///
    /// # Errors
    ///
    /// [`InvalidConfig`] with everything that is missing or invalid.
    pub fn from_env() -> Result<Self, InvalidConfig> {
        Self::read(&process_environment)
    }

    fn read(lookup: &Lookup<'_>) -> Result<Self, InvalidConfig> {
        let mut variables = Variables::new(lookup);
        let config = variables.config();
        let queue_url = variables.url(
            "EVENT_QUEUE_URL",
            "the URL of the queue to receive events from",
        );
        let pollers = variables.optional(
            "EVENT_WORKER_POLLERS",
            "a whole number from 1 to 64",
            |text| text.parse().ok().filter(|n| (1..=64).contains(n)),
        );
        if let (Some(config), Some(queue_url)) = (&config, &queue_url)
            && config.dead_letter_queue_url == *queue_url
        {
            variables.problems.push(
                "DEAD_LETTER_QUEUE_URL is the same as EVENT_QUEUE_URL, so a rejected message would be received again and again; set it to the URL of another queue"
                    .to_owned(),
            );
        }
        let worker = config.zip(queue_url).map(|(config, queue_url)| Self {
            config,
            queue_url,
            pollers: pollers.unwrap_or(2),
        });
        variables.finish(worker)
    }
}

/// Whether a text is the URL of an SQS queue: a URL whose last part is a queue name (SQS
/// API reference, "CreateQueue").
fn is_queue_url(text: &str) -> bool {
    let Some((_, path)) = authority(text) else {
        return false;
    };
    let name = path.rsplit('/').next().unwrap_or_default();
    let base = name.strip_suffix(".fifo").unwrap_or(name);
    let allowed = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    !base.is_empty() && name.len() <= 80 && base.chars().all(allowed)
}

/// The authority of an HTTP URL, and what follows it.
fn authority(text: &str) -> Option<(&str, &str)> {
    let rest = text
        .strip_prefix("https://")
        .or_else(|| text.strip_prefix("http://"))?;
    let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let valid = !authority.is_empty() && text.chars().all(|c| c.is_ascii_graphic());
    valid.then_some((authority, path))
}

type Lookup<'a> = dyn Fn(&str) -> Option<String> + 'a;

fn process_environment(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

/// Reads variables and collects the invalid ones.
struct Variables<'a> {
    lookup: &'a Lookup<'a>,
    problems: Vec<String>,
}

impl<'a> Variables<'a> {
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
            "the URL of the queue for rejected messages",
        );
        let retention = self.retention();
        let index_shards = self.optional(
            "EVENT_INDEX_SHARDS",
            "a whole number from 1 to 65,535",
            |text| text.parse().ok(),
        );
        self.check_endpoints();
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
        let what = format!(
            "{what}, for example https://sqs.eu-central-1.amazonaws.com/123456789012/events"
        );
        self.required(name, &what, |text| {
            is_queue_url(text).then(|| text.to_owned())
        })
    }

    /// Checks the endpoints, which the AWS clients read themselves. Without this check, an
    /// endpoint without a scheme would only cause an error at the first request.
    fn check_endpoints(&mut self) {
        for name in [
            "AWS_ENDPOINT_URL",
            "AWS_ENDPOINT_URL_SQS",
            "AWS_ENDPOINT_URL_DYNAMODB",
        ] {
            let what = "a URL that begins with https:// or http://";
            self.optional(name, what, |text| authority(text).map(drop));
        }
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

    /// Treats an empty variable as not set, because deployment templates set unused
    /// variables to an empty value.
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
    fn three_variables_suffice() {
        let config = read(&COMPLETE).unwrap();
        assert_eq!((config.pollers, config.config.index_shards), (2, None));
    }

    #[test]
    fn queue_url_ends_with_a_queue_name() {
        for url in [
            "https://sqs.example/1/events",
            "http://localhost:9324/000000000000/events.fifo",
        ] {
            assert!(is_queue_url(url), "{url}");
        }
        for url in [
            "events",
            "arn:aws:sqs:eu-central-1:123456789012:events",
            "https://",
            "https://sqs.example",
            "https://sqs.example/1/events/",
            "https://sqs.example/1/eve nts",
            "https://sqs.example/1/events\n",
            "https:///1/events",
        ] {
            assert!(!is_queue_url(url), "{url}");
        }
    }

    #[test]
    fn queue_is_not_its_own_dead_letter_queue() {
        let mut variables = COMPLETE;
        variables[1].1 = variables[2].1;
        let error = read(&variables).unwrap_err().to_string();
        assert!(
            error.contains("DEAD_LETTER_QUEUE_URL is the same as EVENT_QUEUE_URL"),
            "{error}"
        );
    }

    #[test]
    fn all_invalid_variables_are_reported_at_once() {
        let error = read(&[
            ("EVENT_QUEUE_URL", "events"),
            ("EVENT_TABLE", " "),
            ("EVENT_RETENTION", "A"),
            ("EVENT_INDEX_SHARDS", "0"),
            ("EVENT_WORKER_POLLERS", "65"),
            ("EVENT_LOG", "loud"),
            ("AWS_ENDPOINT_URL_SQS", "127.0.0.1:9324"),
            ("AWS_ENDPOINT_URL_DYNAMODB", "http:// local"),
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
            "AWS_ENDPOINT_URL_SQS is \"127.0.0.1:9324\"",
            "AWS_ENDPOINT_URL_DYNAMODB is \"http:// local\"",
        ] {
            assert!(error.contains(name), "{error}");
        }
    }
}
