//! The only file that calls DynamoDB.

use std::sync::LazyLock;
use std::time::Duration;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_dynamodb::operation::query::{self, QueryOutput};
use aws_sdk_dynamodb::operation::scan::{self, ScanOutput};
use aws_sdk_dynamodb::types::{
    AttributeValue, BatchStatementError, BatchStatementErrorCodeEnum as Code, KeySchemaElement,
    KeyType, TableDescription,
};
use aws_smithy_runtime_api::client::interceptors::context::Output;
use aws_smithy_types::config_bag::FrozenLayer;

use super::append::{InsertOutcome, Table};
use super::error::StoreError;
use super::item::{Item, NewItem};
use super::page::{self, Page};
use super::request::{PageRequest, Placeholders, Query, ScanSegment, key};
use super::sort_key::SortKey;
use super::table;
use super::table_error::{Operation, TableError, TableErrorKind};
use crate::aws::AwsFailure;
use crate::event::fields::{ID, INDEX_KEY, TIMESTAMP};
use crate::event::timestamp::Timestamp;
use crate::exchange::{RequestBody, ResponseBody, operation};
use crate::json::escape::push_escaped;

/// The AWS SDK's configuration of the two operations that return pages.
static QUERY: LazyLock<FrozenLayer> = LazyLock::new(|| operation(&query::Query::new()));
static SCAN: LazyLock<FrozenLayer> = LazyLock::new(|| operation(&scan::Scan::new()));

/// A table, and the client that reaches it.
#[derive(Debug, Clone)]
pub(crate) struct DynamoDb {
    client: Client,
    table: String,
}

impl DynamoDb {
    pub(crate) fn new(client: Client, table: String) -> Self {
        Self { client, table }
    }

    pub(crate) fn table(&self) -> &str {
        &self.table
    }

    fn region(&self) -> Option<&str> {
        self.client.config().region().map(AsRef::as_ref)
    }

    fn error<E>(&self, operation: Operation, error: &SdkError<E>) -> TableError
    where
        E: ProvideErrorMetadata + std::error::Error + 'static,
    {
        self.failure(operation, &AwsFailure::new(error))
    }

    fn failure(&self, operation: Operation, failure: &AwsFailure) -> TableError {
        TableError::new(operation, &self.table, self.region(), failure)
    }

    pub(crate) async fn page(
        &self,
        request: &PageRequest,
        start: Option<Item>,
    ) -> Result<Page, TableError> {
        match request {
            PageRequest::Query(query) => self.query(query, start).await,
            PageRequest::Scan(segment) => self.scan(segment, start).await,
        }
    }

    async fn query(&self, query: &Query, start: Option<Item>) -> Result<Page, TableError> {
        let index = query.partition.index();
        let (name, hash_key) = query.partition.hash_key();
        let mut placeholders = Placeholders::default();
        placeholders.name("#hash", name);
        placeholders.value(":hash", AttributeValue::S(hash_key.to_owned()));
        let condition = match placeholders.sort_key(query.from.as_ref(), query.to.as_ref()) {
            Some(sort_key) => format!("#hash = :hash AND {sort_key}"),
            None => "#hash = :hash".to_owned(),
        };
        let filter = placeholders.stored_since(query.stored_since);
        let request = self
            .client
            .query()
            .table_name(&self.table)
            .set_index_name(index.map(str::to_owned))
            .key_condition_expression(condition)
            .set_filter_expression(filter.map(str::to_owned))
            .set_expression_attribute_names(placeholders.names)
            .set_expression_attribute_values(placeholders.values)
            .scan_index_forward(!query.latest_first)
            // DynamoDB cannot read an index consistently.
            .consistent_read(index.is_none())
            .set_limit(query.page_size)
            .set_exclusive_start_key(start);
        let page = ResponseBody::new(QUERY.clone(), page::read, || {
            Output::erase(QueryOutput::builder().build())
        });
        match request.customize().interceptor(page.clone()).send().await {
            Ok(_) => self.content(Operation::Query(index), &page),
            Err(error) => Err(self.error(Operation::Query(index), &error)),
        }
    }

    async fn scan(&self, scan: &ScanSegment, start: Option<Item>) -> Result<Page, TableError> {
        let mut placeholders = Placeholders::default();
        let mut conditions = Vec::new();
        conditions.extend(placeholders.sort_key(scan.from.as_ref(), scan.to.as_ref()));
        conditions.extend(placeholders.stored_since(scan.stored_since));
        let filter = (!conditions.is_empty()).then(|| conditions.join(" AND "));
        let request = self
            .client
            .scan()
            .table_name(&self.table)
            .segment(i32::from(scan.segment))
            .total_segments(i32::from(scan.total_segments))
            .set_filter_expression(filter)
            .set_expression_attribute_names(placeholders.names)
            .set_expression_attribute_values(placeholders.values)
            .consistent_read(true)
            .set_exclusive_start_key(start);
        let page = ResponseBody::new(SCAN.clone(), page::read, || {
            Output::erase(ScanOutput::builder().build())
        });
        match request.customize().interceptor(page.clone()).send().await {
            Ok(_) => self.content(Operation::Scan, &page),
            Err(error) => Err(self.error(Operation::Scan, &error)),
        }
    }

    /// The page that this crate read from the response. A response that only the AWS SDK could
    /// read is an error, because its events would be lost.
    fn content(&self, operation: Operation, page: &ResponseBody<Page>) -> Result<Page, TableError> {
        page.take()
            .ok_or_else(|| self.failure(operation, &AwsFailure::Response { status: 200 }))
    }

    /// Checks the table's keys, and the index by event type if it `has_index`.
    pub(crate) async fn check(&self, has_index: bool) -> Result<(), TableError> {
        let described = self.client.describe_table().table_name(&self.table).send();
        let error = match described.await {
            Ok(output) => {
                let description = output.table.unwrap_or_else(|| {
                    // A response without a description counts as an empty description.
                    TableDescription::builder().build()
                });
                return self.check_description(&description, has_index);
            }
            Err(error) => self.error(Operation::Describe, &error),
        };
        if error.kind() != TableErrorKind::AccessDenied {
            return Err(error);
        }
        // The consumer's permissions do not include `DescribeTable`, and a reader may
        // have no other permission than `Query`.
        match self.check_keys().await {
            Err(error) if error.kind() == TableErrorKind::AccessDenied => {
                let mut query = Query::at_timestamp(NO_ENTITY, Timestamp::MIN);
                query.page_size = Some(1);
                self.query(&query, None).await.map(drop)
            }
            outcome => outcome,
        }
    }

    fn check_description(
        &self,
        description: &TableDescription,
        has_index: bool,
    ) -> Result<(), TableError> {
        let found = |kind, cause| Err(TableError::found(kind, &self.table, self.region(), cause));
        let keys = keys_of(description, description.key_schema());
        if keys != [(ID, KeyType::Hash, "S"), (TIMESTAMP, KeyType::Range, "N")] {
            let keys = described(&keys);
            return found(TableErrorKind::KeySchema, format!("its keys are {keys}"));
        }
        if !has_index {
            return Ok(());
        }
        let index = description
            .global_secondary_indexes()
            .iter()
            .find(|index| index.index_name() == Some(table::INDEX_NAME));
        let Some(index) = index else {
            let cause = format!("it has no index {:?}", table::INDEX_NAME);
            return found(TableErrorKind::IndexNotFound, cause);
        };
        let keys = keys_of(description, index.key_schema());
        if keys
            != [
                (INDEX_KEY, KeyType::Hash, "S"),
                (TIMESTAMP, KeyType::Range, "N"),
            ]
        {
            let keys = described(&keys);
            let cause = format!("the keys of its index {:?} are {keys}", table::INDEX_NAME);
            return found(TableErrorKind::KeySchema, cause);
        }
        Ok(())
    }

    /// Reads a key that no event has. DynamoDB refuses the request if the table has other
    /// keys.
    async fn check_keys(&self) -> Result<(), TableError> {
        let request = self
            .client
            .get_item()
            .table_name(&self.table)
            .set_key(Some(key(NO_ENTITY, "-1")))
            .projection_expression(ID);
        match request.send().await {
            Ok(_) => Ok(()),
            Err(error) => Err(self.error(Operation::LookUp, &error)),
        }
    }

    /// The outcome of one statement in a response with HTTP status 200.
    fn outcome(&self, error: &BatchStatementError) -> InsertOutcome {
        let code = error.code().map_or("no error code", Code::as_str);
        let status = match error.code() {
            Some(Code::InternalServerError) => 500,
            _ => 400,
        };
        let failure = AwsFailure::service(status, code, error.message());
        match error.code() {
            Some(Code::DuplicateItem) => return InsertOutcome::KeyExists,
            Some(Code::ItemCollectionSizeLimitExceeded) => {
                return InsertOutcome::Refused(code.to_owned());
            }
            _ => {}
        }
        let error = self.failure(Operation::Insert, &failure);
        match error.kind() {
            TableErrorKind::Throttled | TableErrorKind::Unavailable => {
                InsertOutcome::Retryable(error.into())
            }
            TableErrorKind::Refused if code.starts_with("Validation") => {
                InsertOutcome::Refused(code.to_owned())
            }
            // An operator may create the table or grant the permission later, but not
            // within the milliseconds of a retry.
            _ => InsertOutcome::Failed(error.into()),
        }
    }
}

/// An id that no event has, for requests that must not find an item.
const NO_ENTITY: &str = "domain-events/no-entity";

/// Name, role and type of each key.
fn keys_of<'a>(
    description: &'a TableDescription,
    schema: &'a [KeySchemaElement],
) -> Vec<(&'a str, KeyType, &'a str)> {
    let kind = |name: &str| {
        let mut definitions = description.attribute_definitions().iter();
        let definition = definitions.find(|definition| definition.attribute_name() == name);
        definition.map_or("unknown", |d| d.attribute_type().as_str())
    };
    schema
        .iter()
        .map(|key| {
            let name = key.attribute_name();
            (name, key.key_type().clone(), kind(name))
        })
        .collect()
}

fn described(keys: &[(&str, KeyType, &str)]) -> String {
    let one = |(name, role, kind): &(&str, KeyType, &str)| {
        let role = match role {
            KeyType::Hash => "hash",
            _ => "sort",
        };
        format!("{name} ({role} key, type {kind})")
    };
    keys.iter().map(one).collect::<Vec<_>>().join(" and ")
}

/// The body of a `BatchExecuteStatement` that inserts the items.
fn insert_body(table: &str, items: &[NewItem]) -> String {
    let size = |item: &NewItem| item.names.len() + item.parameters.len() + table.len() + 64;
    let mut body = String::with_capacity(32 + items.iter().map(size).sum::<usize>());
    body.push_str(r#"{"Statements":["#);
    for (index, item) in items.iter().enumerate() {
        if index > 0 {
            body.push(',');
        }
        body.push_str(r#"{"Statement":"INSERT INTO \""#);
        push_escaped(&mut body, table);
        body.push_str(r#"\" VALUE {"#);
        push_escaped(&mut body, &item.names);
        body.push_str(r#"}","Parameters":["#);
        body.push_str(&item.parameters);
        body.push_str("]}");
    }
    body.push_str("]}");
    body
}

impl Table for DynamoDb {
    async fn insert(&self, items: Vec<NewItem>) -> Vec<InsertOutcome> {
        let count = items.len();
        let body = RequestBody::new(insert_body(&self.table, &items).into_bytes());
        drop(items);
        let request = self.client.batch_execute_statement();
        let response = request.customize().interceptor(body).send().await;
        let mut outcomes: Vec<InsertOutcome> = match response {
            Ok(output) => output
                .responses()
                .iter()
                .map(|r| {
                    r.error()
                        .map_or(InsertOutcome::Inserted, |e| self.outcome(e))
                })
                .collect(),
            Err(error) => {
                let error = self.error(Operation::Insert, &error);
                let code = error.code().unwrap_or_default();
                let outcome = match error.kind() {
                    TableErrorKind::Refused if code.starts_with("Validation") => {
                        if count == 1 {
                            InsertOutcome::Refused(code.to_owned())
                        } else {
                            InsertOutcome::BatchRefused
                        }
                    }
                    _ => InsertOutcome::Failed(error.into()),
                };
                vec![outcome; count]
            }
        };
        // The API promises one response for each statement. The outcome of a statement
        // without one is unknown.
        outcomes.resize_with(count, || {
            let missing = AwsFailure::Service {
                status: 500,
                code: "NoResponse".to_owned(),
                message: "the response does not contain the outcome of the statement".to_owned(),
            };
            InsertOutcome::Retryable(self.failure(Operation::Insert, &missing).into())
        });
        // A refusal is caused by the event, unless the table has the wrong keys, which only
        // an operator can correct. One check of the keys is enough for each request.
        let is_refusal = |outcome: &InsertOutcome| {
            matches!(
                outcome,
                InsertOutcome::Refused(_) | InsertOutcome::BatchRefused
            )
        };
        if outcomes.iter().any(is_refusal)
            && let Err(error) = self.check_keys().await
        {
            for outcome in outcomes.iter_mut().filter(|outcome| is_refusal(outcome)) {
                *outcome = InsertOutcome::Failed(error.clone().into());
            }
        }
        outcomes
    }

    async fn item_at(&self, id: &str, sort_key: &SortKey) -> Result<Option<Item>, StoreError> {
        let request = self
            .client
            .get_item()
            .table_name(&self.table)
            .set_key(Some(key(id, sort_key.as_str())))
            .consistent_read(true);
        match request.send().await {
            Ok(output) => Ok(output.item),
            Err(error) => Err(self.error(Operation::LookUp, &error).into()),
        }
    }

    async fn sleep(&self, duration: Duration) {
        tokio::time::sleep(duration).await;
    }
}
