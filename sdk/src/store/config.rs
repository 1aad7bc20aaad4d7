//! Reads the settings of an event store from environment variables.

use std::fmt;
use std::num::NonZeroU16;

/// The environment variables do not describe an event store. The error lists every
/// problem.
///
/// # Examples
///
/// ```no_run
/// # async fn run() -> Result<(), Box<dyn std::error::Error>> {
/// use domain_events::EventStore;
///
/// if let Err(error) = EventStore::from_env().await {
///     error.problems().for_each(|problem| eprintln!("{problem}"));
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct StoreConfigError(Vec<String>);

impl StoreConfigError {
    /// Returns the settings that are missing or malformed, one sentence for each.
    pub fn problems(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(String::as_str)
    }
}

impl fmt::Display for StoreConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("invalid configuration of the event store:")?;
        self.0
            .iter()
            .try_for_each(|problem| write!(f, "\n  - {problem}"))
    }
}

/// Prints the same text as `Display`, because a `main` that returns an error prints it with
/// `Debug`.
impl fmt::Debug for StoreConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl std::error::Error for StoreConfigError {}

#[derive(Debug, PartialEq, Eq)]
pub(crate) struct StoreConfig {
    pub(crate) table: String,
    pub(crate) index_shards: Option<NonZeroU16>,
}

impl StoreConfig {
    /// Reads the variables. `has_region` states whether the AWS SDK has found a region.
    pub(crate) fn read(
        lookup: impl Fn(&str) -> Option<String>,
        has_region: bool,
    ) -> Result<Self, StoreConfigError> {
        // An empty variable counts as not set, because templates produce empty variables.
        let variable = |name: &str| {
            lookup(name)
                .map(|text| text.trim().to_owned())
                .filter(|text| !text.is_empty())
        };
        let mut problems = Vec::new();
        let table = variable("EVENT_TABLE");
        match &table {
            None => problems
                .push("EVENT_TABLE is not set; set it to the name of the DynamoDB table".to_owned()),
            Some(name) if !is_table_name(name) => problems.push(format!(
                "EVENT_TABLE is {name:?}; set it to the name of the DynamoDB table, 3 to 255 of the characters a-z, A-Z, 0-9, `_`, `-` and `.`"
            )),
            Some(_) => {}
        }
        let shards = variable("EVENT_INDEX_SHARDS").map(|text| {
            text.parse().map_err(|_| {
                problems.push(format!(
                    "EVENT_INDEX_SHARDS is {text:?}; set it to a whole number from 1 to 65,535"
                ));
            })
        });
        if !has_region {
            problems.push(
                "AWS_REGION is not set; set it to the region of the table, or set it in the AWS profile"
                    .to_owned(),
            );
        }
        match table {
            Some(table) if problems.is_empty() => Ok(Self {
                table,
                index_shards: shards.and_then(Result::ok),
            }),
            _ => Err(StoreConfigError(problems)),
        }
    }
}

/// Returns true if DynamoDB accepts the text as a table's name or ARN (API reference,
/// "TableName").
pub fn is_table_name(name: &str) -> bool {
    let is_plain = |b: u8| b.is_ascii_alphanumeric() || b"_-.".contains(&b);
    let plain = (3..=255).contains(&name.len()) && name.bytes().all(is_plain);
    plain || name.starts_with("arn:") && name.contains(":table/")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(variables: &[(&str, &str)], has_region: bool) -> Result<StoreConfig, StoreConfigError> {
        let lookup = |name: &str| {
            let mut found = variables.iter().filter(|(n, _)| *n == name);
            found.next().map(|(_, value)| (*value).to_owned())
        };
        StoreConfig::read(lookup, has_region)
    }

    #[test]
    fn table_alone_is_enough() {
        let config = read(&[("EVENT_TABLE", " events\n")], true).unwrap();
        assert_eq!((&*config.table, config.index_shards), ("events", None));
        let arn = "arn:aws:dynamodb:eu-west-1:123456789012:table/events";
        assert_eq!(read(&[("EVENT_TABLE", arn)], true).unwrap().table, arn);
    }

    #[test]
    fn all_problems_are_reported_together() {
        let variables = [("EVENT_TABLE", ""), ("EVENT_INDEX_SHARDS", "0")];
        let error = read(&variables, false).unwrap_err();
        assert_eq!(
            error.to_string(),
            "invalid configuration of the event store:\
             \n  - EVENT_TABLE is not set; set it to the name of the DynamoDB table\
             \n  - EVENT_INDEX_SHARDS is \"0\"; set it to a whole number from 1 to 65,535\
             \n  - AWS_REGION is not set; set it to the region of the table, or set it in the AWS profile"
        );
        assert_eq!(format!("{error:?}"), error.to_string());
        let error = read(&[("EVENT_TABLE", "my events")], true).unwrap_err();
        assert!(error.to_string().contains("EVENT_TABLE is \"my events\""));
    }
}
