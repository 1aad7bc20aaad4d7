//! The environment variables of the function.

use tracing::Level;

/// The settings of the function.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Config {
    /// `EVENT_QUEUE_URL`: the queue to which events are sent.
    pub(crate) queue_url: String,
    /// `EVENT_OUTBOX_TABLE`: the outbox table. Without it, the function sends only the
    /// messages of state items.
    pub(crate) table: Option<String>,
    /// `EVENT_LOG`: the lowest level that is logged. The default is `info`.
    pub(crate) log: Level,
}

/// All environment variables that are missing or invalid.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("invalid configuration:\n  - {}", .0.join("\n  - "))]
pub(crate) struct InvalidConfig(Vec<String>);

impl Config {
    pub(crate) fn from_env() -> Result<Self, InvalidConfig> {
        Self::read(|name| std::env::var(name).ok())
    }

    fn read(lookup: impl Fn(&str) -> Option<String>) -> Result<Self, InvalidConfig> {
        // An empty variable is treated as not set, because deployment templates set unused
        // variables to an empty value.
        let lookup = |name: &str| {
            let text = lookup(name).map(|text| text.trim().to_owned());
            text.filter(|text| !text.is_empty())
        };
        let mut problems = Vec::new();
        // The builder of the publisher checks the URL later.
        let queue_url = lookup("EVENT_QUEUE_URL");
        if queue_url.is_none() {
            problems.push(
                "EVENT_QUEUE_URL is not set; set it to the URL of the queue of events".to_owned(),
            );
        }
        let log = lookup("EVENT_LOG").unwrap_or_else(|| "info".to_owned());
        let level = log.parse();
        if level.is_err() {
            problems.push(format!(
                "EVENT_LOG is {log:?}; set it to error, warn, info, debug or trace"
            ));
        }
        match (queue_url, level) {
            (Some(queue_url), Ok(log)) => Ok(Self {
                queue_url,
                table: lookup("EVENT_OUTBOX_TABLE"),
                log,
            }),
            _ => Err(InvalidConfig(problems)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_invalid_variables_are_reported() {
        let error = Config::read(|name| (name == "EVENT_LOG").then(|| "loud".to_owned()));
        let error = error.unwrap_err().to_string();
        assert!(error.contains("EVENT_QUEUE_URL is not set"), "{error}");
        assert!(error.contains("EVENT_LOG is \"loud\""), "{error}");
    }

    #[test]
    fn queue_alone_suffices() {
        let config = Config::read(|name| (name == "EVENT_QUEUE_URL").then(|| "url".to_owned()));
        let config = config.unwrap();
        assert_eq!((config.table, config.log), (None, Level::INFO));
    }
}
