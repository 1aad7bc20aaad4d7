//! The error of a failed request to DynamoDB, described so that an operator can act on it.

use std::fmt;

use super::table;
use crate::aws::AwsFailure;

/// A request to DynamoDB that failed.
///
/// `Display` is one line: what was attempted, on which table and in which region, why it
/// failed, and what to do next. It contains no item.
///
/// # Examples
///
/// ```no_run
/// # async fn run(store: &domain_events::EventStore) -> Result<(), Box<dyn std::error::Error>> {
/// use domain_events::store::TableErrorKind;
///
/// if let Err(error) = store.check_table().await {
///     let remedy = match error.kind() {
///         TableErrorKind::TableNotFound => "check EVENT_TABLE and AWS_REGION",
///         TableErrorKind::AccessDenied => "attach the reader's policy",
///         _ if error.is_retryable() => "try again",
///         _ => "see the runbook",
///     };
///     eprintln!("{error}; {remedy}"); // the error names the table and the region
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableError(Box<Facts>);

#[derive(Debug, Clone, PartialEq, Eq)]
struct Facts {
    operation: Operation,
    table: String,
    region: Option<String>,
    kind: TableErrorKind,
    code: Option<String>,
    cause: String,
}

/// Why a request to DynamoDB failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum TableErrorKind {
    /// The table's capacity is exceeded.
    Throttled,
    /// DynamoDB did not respond, or failed. Whether a write was carried out is unknown.
    Unavailable,
    /// The table does not exist in this region.
    TableNotFound,
    /// The credentials do not permit the request.
    AccessDenied,
    /// The credentials are missing, invalid or expired.
    Credentials,
    /// The table's keys are not `ID` (a string) and `Timestamp` (a number), or an index
    /// has keys of the wrong type.
    KeySchema,
    /// The table does not have the index.
    IndexNotFound,
    /// DynamoDB, or the AWS SDK, refused the request for another reason.
    Refused,
}

/// A request to DynamoDB, as an error describes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Operation {
    Insert,
    LookUp,
    /// A query of the table, or of the index with this name.
    Query(Option<&'static str>),
    Scan,
    Describe,
}

impl Operation {
    fn index(self) -> Option<&'static str> {
        match self {
            Self::Query(index) => index,
            _ => None,
        }
    }

    /// Returns the IAM action that permits the operation.
    fn action(self) -> &'static str {
        match self {
            Self::Insert => "dynamodb:PartiQLInsert",
            Self::LookUp => "dynamodb:GetItem",
            Self::Query(_) => "dynamodb:Query",
            Self::Scan => "dynamodb:Scan",
            Self::Describe => "dynamodb:DescribeTable",
        }
    }
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Insert => f.write_str("inserting into"),
            Self::LookUp => f.write_str("looking up an event in"),
            Self::Query(None) => f.write_str("querying"),
            Self::Query(Some(index)) => write!(f, "querying the index {index:?} of"),
            Self::Scan => f.write_str("scanning"),
            Self::Describe => f.write_str("checking"),
        }
    }
}

impl TableError {
    pub(crate) fn new(
        operation: Operation,
        table: &str,
        region: Option<&str>,
        failure: &AwsFailure,
    ) -> Self {
        let kind = kind(operation, failure);
        let cause = match (operation, failure.code()) {
            // The message about an invalid insert may quote the item.
            (Operation::Insert, Some(code)) if code.starts_with("Validation") => code.to_owned(),
            _ => failure.to_string(),
        };
        Self(Box::new(Facts {
            operation,
            table: table.to_owned(),
            region: region.map(str::to_owned),
            kind,
            code: failure.code().map(str::to_owned),
            cause,
        }))
    }

    /// Creates an error that a check of the table found, in addition to the errors that
    /// DynamoDB returns.
    pub(crate) fn found(
        kind: TableErrorKind,
        table: &str,
        region: Option<&str>,
        cause: String,
    ) -> Self {
        Self(Box::new(Facts {
            operation: Operation::Describe,
            table: table.to_owned(),
            region: region.map(str::to_owned),
            kind,
            code: None,
            cause,
        }))
    }

    /// Returns why the request failed.
    pub fn kind(&self) -> TableErrorKind {
        self.0.kind
    }

    /// Returns the name of the table.
    pub fn table(&self) -> &str {
        &self.0.table
    }

    /// Returns the region of the client, if it has one.
    pub fn region(&self) -> Option<&str> {
        self.0.region.as_deref()
    }

    /// DynamoDB's error code, if it responded with one.
    pub fn code(&self) -> Option<&str> {
        self.0.code.as_deref()
    }

    /// Returns true if the same request may succeed later without a change by an operator.
    pub fn is_retryable(&self) -> bool {
        matches!(
            self.0.kind,
            TableErrorKind::Throttled | TableErrorKind::Unavailable
        )
    }

    /// Returns what the operator should do next.
    fn remedy(&self) -> String {
        let Facts {
            operation,
            kind,
            code,
            ..
        } = &*self.0;
        let text = match kind {
            TableErrorKind::Throttled => {
                "retry later, or raise the capacity of the table and of its indexes"
            }
            TableErrorKind::Unavailable => match operation {
                Operation::Insert => {
                    "append the events again, which is always safe; if it persists, check the network, AWS_REGION and AWS_ENDPOINT_URL_DYNAMODB"
                }
                _ => {
                    "retry; if it persists, check the network, AWS_REGION and AWS_ENDPOINT_URL_DYNAMODB"
                }
            },
            TableErrorKind::TableNotFound => {
                "check the name of the table (EVENT_TABLE), AWS_REGION and AWS_ENDPOINT_URL_DYNAMODB"
            }
            TableErrorKind::AccessDenied => {
                let action = operation.action();
                let object = match operation.index() {
                    Some(_) => "the table and its indexes (`/index/*`)",
                    None => "the table",
                };
                return format!("grant {action} on {object} to these credentials");
            }
            TableErrorKind::Credentials => {
                "renew the credentials, or check which ones the process uses"
            }
            TableErrorKind::KeySchema => {
                "the event store needs a table with the hash key ID (a string) and the sort key Timestamp (a number); check EVENT_TABLE"
            }
            TableErrorKind::IndexNotFound => match operation.index() {
                Some(table::CORRELATION_INDEX_NAME) => {
                    "create the index (the Terraform variable correlation_index) with the hash key CorrelationId (a string) and the sort key Timestamp (a number)"
                }
                _ => {
                    "create the index (the Terraform variable index_shards) and set EVENT_INDEX_SHARDS for the consumer; it contains only events that are stored afterwards"
                }
            },
            // The AWS SDK refused it, before DynamoDB saw it.
            TableErrorKind::Refused if code.is_none() => {
                "correct the configuration of the DynamoDB client"
            }
            TableErrorKind::Refused => {
                "check the state of the table and of its encryption key in the AWS console"
            }
        };
        text.to_owned()
    }
}

fn kind(operation: Operation, failure: &AwsFailure) -> TableErrorKind {
    let code = failure.code().unwrap_or_default();
    let message = match failure {
        AwsFailure::Service { message, .. } => message,
        _ => "",
    };
    if failure.is_throttled() {
        TableErrorKind::Throttled
    } else if failure.is_credentials() {
        TableErrorKind::Credentials
    } else if code.starts_with("AccessDenied") {
        TableErrorKind::AccessDenied
    } else if operation.index().is_some() && message.contains("specified index") {
        TableErrorKind::IndexNotFound
    } else if code.starts_with("ResourceNotFound") {
        TableErrorKind::TableNotFound
    } else if code.starts_with("Validation") && is_about_keys(operation, message) {
        TableErrorKind::KeySchema
    } else if failure.is_transient() || code == "TransactionConflict" {
        TableErrorKind::Unavailable
    } else {
        TableErrorKind::Refused
    }
}

/// Returns true if DynamoDB refused the request because the table has other keys.
fn is_about_keys(operation: Operation, message: &str) -> bool {
    let says = |text: &str| message.contains(text);
    match operation {
        // The key of a look-up is always well formed, so nothing else can be invalid.
        Operation::LookUp => true,
        Operation::Query(_) => says("key schema element") || says("does not match the schema type"),
        // An index uses one of the store's attributes as a key, with a different type.
        Operation::Insert => {
            says("Type mismatch for Index Key")
                && [
                    table::SORT_KEY,
                    table::INDEX_KEY,
                    table::CORRELATION_INDEX_KEY,
                ]
                .into_iter()
                .any(says)
        }
        Operation::Scan | Operation::Describe => false,
    }
}

impl fmt::Display for TableError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Facts {
            operation,
            table,
            region,
            kind,
            code,
            cause,
        } = &*self.0;
        write!(f, "{operation} table {table:?}")?;
        match region {
            Some(region) => write!(f, " in region {region}")?,
            None => f.write_str(" without a region")?,
        }
        write!(f, " failed: {cause}")?;
        // A failure of the client itself already says what to do.
        match (kind, code) {
            (TableErrorKind::Credentials | TableErrorKind::Refused, None) => Ok(()),
            _ => write!(f, "; {}", self.remedy()),
        }
    }
}

impl std::error::Error for TableError {}

#[cfg(test)]
mod tests {
    use super::*;

    fn service(code: &str, message: &str) -> AwsFailure {
        AwsFailure::Service {
            status: if code == "InternalServerError" {
                500
            } else {
                400
            },
            code: code.to_owned(),
            message: message.to_owned(),
        }
    }

    #[test]
    fn failure_is_classified_by_code_and_message() {
        use TableErrorKind as Kind;
        let by_type = Operation::Query(Some(table::INDEX_NAME));
        for (operation, code, message, kind) in [
            (Operation::Insert, "ThrottlingError", "", Kind::Throttled),
            (
                Operation::Insert,
                "ProvisionedThroughputExceeded",
                "",
                Kind::Throttled,
            ),
            (
                Operation::Insert,
                "RequestLimitExceeded",
                "",
                Kind::Throttled,
            ),
            (
                Operation::Insert,
                "InternalServerError",
                "",
                Kind::Unavailable,
            ),
            (
                Operation::Insert,
                "TransactionConflict",
                "",
                Kind::Unavailable,
            ),
            (Operation::Insert, "AccessDenied", "", Kind::AccessDenied),
            (
                Operation::Query(None),
                "AccessDeniedException",
                "",
                Kind::AccessDenied,
            ),
            (
                Operation::Insert,
                "ResourceNotFound",
                "",
                Kind::TableNotFound,
            ),
            (
                Operation::Scan,
                "ResourceNotFoundException",
                "",
                Kind::TableNotFound,
            ),
            (
                Operation::Scan,
                "ExpiredTokenException",
                "",
                Kind::Credentials,
            ),
            (Operation::Scan, "ValidationException", "", Kind::Refused),
            (
                Operation::LookUp,
                "ValidationException",
                "anything",
                Kind::KeySchema,
            ),
            (
                Operation::Query(None),
                "ValidationException",
                "Query condition missed key schema element: pk",
                Kind::KeySchema,
            ),
            (
                by_type,
                "ValidationException",
                "The table does not have the specified index: by-type",
                Kind::IndexNotFound,
            ),
            (
                Operation::Insert,
                "ValidationError",
                "Type mismatch for Index Key IndexKey Expected: N Actual: S IndexName: by-type",
                Kind::KeySchema,
            ),
            (
                Operation::Insert,
                "ValidationError",
                "Type mismatch for Index Key colour Expected: N Actual: S IndexName: x",
                Kind::Refused,
            ),
        ] {
            let error = TableError::new(operation, "t", None, &service(code, message));
            assert_eq!(error.kind(), kind, "{code}: {message}");
        }
    }

    #[test]
    fn text_names_operation_table_and_remedy() {
        let error = TableError::new(
            Operation::Query(Some(table::INDEX_NAME)),
            "events",
            Some("eu-west-1"),
            &service("AccessDeniedException", "not authorized"),
        );
        assert_eq!(
            error.to_string(),
            "querying the index \"by-type\" of table \"events\" in region eu-west-1 failed: \
             AccessDeniedException: not authorized; grant dynamodb:Query on the table and its \
             indexes (`/index/*`) to these credentials"
        );
    }

    #[test]
    fn invalid_insert_does_not_quote_the_item() {
        let failure = service("ValidationException", "cannot be converted: secret");
        let error = TableError::new(Operation::Insert, "events", None, &failure);
        assert!(
            !format!("{error} {error:?}").contains("secret"),
            "{error:?}"
        );
    }
}
