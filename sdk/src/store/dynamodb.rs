//! The only file that calls DynamoDB.

use std::time::Duration;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_dynamodb::types::{
    AttributeValue, BatchStatementError, BatchStatementErrorCodeEnum as Code, BatchStatementRequest,
};

use super::append::{Insert, Inserted, Table};
use super::item::{Item, SortKey};
use crate::event::fields::{EVENT_ID, ID, INDEX_KEY, TIMESTAMP};
use crate::event::timestamp::Timestamp;
use crate::event::{EntityId, EventId};
use crate::store::error::StoreError;

/// Name of the optional index by event type.
pub(crate) const INDEX_NAME: &str = "by-type";

/// A table, behind a client.
#[derive(Debug, Clone)]
pub(crate) struct DynamoDb {
    client: Client,
    table: String,
}

/// Which items a query gives.
#[derive(Debug, Clone)]
pub(crate) struct Query {
    pub(crate) partition: Partition,
    /// First and last sort key, both included. Without a bound, what no event
    /// can have as its key is found as well, so that it is told and not passed
    /// over.
    pub(crate) from: Option<SortKey>,
    pub(crate) to: Option<SortKey>,
    pub(crate) latest_first: bool,
    pub(crate) page_size: Option<i32>,
}

/// One hash key, of the table or of its index by event type.
#[derive(Debug, Clone)]
pub(crate) enum Partition {
    Entity(String),
    IndexShard(String),
}

impl Query {
    /// All that an entity has at one timestamp.
    pub(crate) fn of_moment(id: &EntityId, timestamp: Timestamp) -> Self {
        Self {
            partition: Partition::Entity(id.to_string()),
            from: Some(SortKey::first_of(timestamp)),
            to: Some(SortKey::last_of(timestamp)),
            latest_first: false,
            page_size: None,
        }
    }
}

/// A page of a query, and the key that the next one starts behind.
#[derive(Debug)]
pub(crate) struct Page {
    pub(crate) items: Vec<Item>,
    pub(crate) next: Option<Item>,
}

impl DynamoDb {
    pub(crate) fn new(client: Client, table: String) -> Self {
        Self { client, table }
    }

    pub(crate) fn table(&self) -> &str {
        &self.table
    }

    pub(crate) async fn page(
        &self,
        query: &Query,
        start: Option<Item>,
    ) -> Result<Page, StoreError> {
        let (index, name, key) = match &query.partition {
            Partition::Entity(id) => (None, ID, id),
            Partition::IndexShard(key) => (Some(INDEX_NAME.to_owned()), INDEX_KEY, key),
        };
        // An index cannot be read consistently.
        let consistent = index.is_none();
        let number = |key: &SortKey| AttributeValue::N(key.as_str().to_owned());
        let condition = match (&query.from, &query.to) {
            (None, None) => "#hash = :hash",
            (Some(_), None) => "#hash = :hash AND #sort >= :from",
            (None, Some(_)) => "#hash = :hash AND #sort <= :to",
            (Some(_), Some(_)) => "#hash = :hash AND #sort BETWEEN :from AND :to",
        };
        let bounded = query.from.is_some() || query.to.is_some();
        let names = [("#hash", name)]
            .into_iter()
            .chain(bounded.then_some(("#sort", TIMESTAMP)))
            .map(|(short, name)| (short.to_owned(), name.to_owned()));
        let values = [(":hash", AttributeValue::S(key.clone()))]
            .into_iter()
            .chain(query.from.as_ref().map(|from| (":from", number(from))))
            .chain(query.to.as_ref().map(|to| (":to", number(to))))
            .map(|(name, value)| (name.to_owned(), value));
        let request = self
            .client
            .query()
            .table_name(&self.table)
            .set_index_name(index)
            .key_condition_expression(condition)
            .set_expression_attribute_names(Some(names.collect()))
            .set_expression_attribute_values(Some(values.collect()))
            .scan_index_forward(!query.latest_first)
            .consistent_read(consistent)
            .set_limit(query.page_size)
            .set_exclusive_start_key(start);
        let output = request
            .send()
            .await
            .map_err(|e| failed("querying the table", e))?;
        let next = output.last_evaluated_key.filter(|key| !key.is_empty());
        Ok(Page {
            items: output.items.unwrap_or_default(),
            next,
        })
    }

    fn statement(&self, insert: Insert) -> Result<BatchStatementRequest, StoreError> {
        // Names are of the form that the wire format checks, so nothing in them
        // can end the quotes.
        let names: Vec<String> = insert
            .attributes
            .iter()
            .map(|(name, _)| format!("'{name}':?"))
            .collect();
        let statement = format!(
            "INSERT INTO \"{}\" VALUE {{{}}}",
            self.table,
            names.join(",")
        );
        let parameters = insert
            .attributes
            .into_iter()
            .map(|(_, value)| value)
            .collect();
        BatchStatementRequest::builder()
            .statement(statement)
            .set_parameters(Some(parameters))
            .build()
            .map_err(|_| StoreError::Refused {
                code: "the statement cannot be built".to_owned(),
            })
    }
}

impl Table for DynamoDb {
    async fn insert(&self, inserts: Vec<Insert>) -> Vec<Inserted> {
        let count = inserts.len();
        let statements: Result<Vec<_>, _> = inserts
            .into_iter()
            .map(|insert| self.statement(insert))
            .collect();
        let statements = match statements {
            Ok(statements) => statements,
            Err(error) => return vec![Inserted::Failed(error); count],
        };
        match self
            .client
            .batch_execute_statement()
            .set_statements(Some(statements))
            .send()
            .await
        {
            Ok(output) => {
                let mut outcomes: Vec<Inserted> = output
                    .responses()
                    .iter()
                    .map(|r| r.error().map_or(Inserted::New, outcome))
                    .collect();
                // One response a statement is the API's promise; a statement
                // without one has an unknown outcome.
                outcomes.resize_with(count, || {
                    Inserted::Again(StoreError::Unknown {
                        message: "no response for a statement".to_owned(),
                    })
                });
                outcomes
            }
            Err(error) => {
                let refused = error
                    .as_service_error()
                    .is_some_and(|e| e.code() == Some("ValidationException"));
                let error = failed("inserting items", error);
                let outcome = if refused {
                    Inserted::BatchRefused(error)
                } else {
                    Inserted::Failed(error)
                };
                vec![outcome; count]
            }
        }
    }

    async fn identity_at(
        &self,
        id: &str,
        sort_key: &SortKey,
    ) -> Result<Option<EventId>, StoreError> {
        let request = self
            .client
            .get_item()
            .table_name(&self.table)
            .key(ID, AttributeValue::S(id.to_owned()))
            .key(TIMESTAMP, AttributeValue::N(sort_key.as_str().to_owned()))
            .projection_expression(EVENT_ID)
            .consistent_read(true);
        let output = request
            .send()
            .await
            .map_err(|e| failed("reading the item under a taken key", e))?;
        match output.item.unwrap_or_default().remove(EVENT_ID) {
            Some(AttributeValue::S(id)) => Ok(EventId::new(id).ok()),
            _ => Ok(None),
        }
    }

    async fn sleep(&self, duration: Duration) {
        tokio::time::sleep(duration).await;
    }
}

/// What became of one statement inside an HTTP 200.
fn outcome(error: &BatchStatementError) -> Inserted {
    let code = error.code().map_or("no code", |code| code.as_str());
    let message = format!("{code}: {}", error.message().unwrap_or("no message"));
    match error.code() {
        Some(Code::DuplicateItem) => Inserted::KeyTaken,
        Some(Code::ValidationError | Code::ItemCollectionSizeLimitExceeded) => {
            Inserted::Failed(StoreError::Refused {
                code: code.to_owned(),
            })
        }
        Some(
            Code::ThrottlingError
            | Code::ProvisionedThroughputExceeded
            | Code::RequestLimitExceeded,
        ) => Inserted::Again(StoreError::Throttled { message }),
        Some(Code::InternalServerError | Code::TransactionConflict) => {
            Inserted::Again(StoreError::Unknown { message })
        }
        // A missing table or permission: it may be mended, but not by waiting
        // some milliseconds.
        _ => Inserted::Failed(StoreError::Unavailable { message }),
    }
}

/// The error and its causes. Not `DisplayErrorContext` of the AWS SDK: that adds
/// the raw answer, with the items in it.
fn causes(error: &(dyn std::error::Error + 'static)) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    let texts: Vec<String> = causes.map(ToString::to_string).collect();
    texts.join(": ")
}

fn failed<E>(doing: &str, error: SdkError<E>) -> StoreError
where
    E: ProvideErrorMetadata + std::error::Error + Send + Sync + 'static,
{
    let message = match error
        .as_service_error()
        .and_then(|e| e.code().zip(e.message()))
    {
        Some((code, message)) => format!("{doing}: {code}: {message}"),
        None => format!("{doing}: {}", causes(&error)),
    };
    match &error {
        SdkError::TimeoutError(_) | SdkError::DispatchFailure(_) | SdkError::ResponseError(_) => {
            StoreError::Unknown { message }
        }
        _ => match error
            .as_service_error()
            .and_then(ProvideErrorMetadata::code)
        {
            Some(
                "ProvisionedThroughputExceededException"
                | "ThrottlingException"
                | "RequestLimitExceeded",
            ) => StoreError::Throttled { message },
            Some("InternalServerError") => StoreError::Unknown { message },
            Some("ValidationException") => StoreError::Refused {
                code: "ValidationException".to_owned(),
            },
            _ => StoreError::Unavailable { message },
        },
    }
}
