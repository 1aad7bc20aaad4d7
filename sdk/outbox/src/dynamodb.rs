//! The outbox in a DynamoDB table.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::operation::scan::builders::ScanFluentBuilder;
use aws_sdk_dynamodb::types::{
    AttributeValue, DeleteRequest, Put, TransactWriteItem, WriteRequest,
};
use domain_events::__internals::{AwsFailure, Backoff};
use domain_events::Prepared;
use futures::{StreamExt as _, TryStreamExt as _, stream};

use crate::rows::{Backlog, Cursor, OutboxRows, Page, PageRequest, Row, RowsError};

/// The hash key of the table: the identity of the event, a string.
const EVENT_ID: &str = "EventId";
/// The attribute with the body of the message, a string.
const MESSAGE: &str = "Message";
/// The attribute with the time of the put, in seconds since 1970, a number.
const AT: &str = "At";

/// The maximum number of deletions in one `BatchWriteItem` (DynamoDB API reference).
const MAX_DELETES: usize = 25;
/// How many `BatchWriteItem` requests are in flight at the same time.
const MAX_DELETE_REQUESTS: usize = 8;
/// The maximum number of times that the unprocessed items of a batch are sent again.
const MAX_DELETE_RETRIES: u32 = 8;
const DELETE_RETRY: Backoff = Backoff::new(Duration::from_millis(25), Duration::from_secs(2));

/// Writes an event into the outbox of a DynamoDB transaction.
pub trait OutboxPut {
    /// Returns the write that puts the message of this event into `table`. Add it to the
    /// `TransactWriteItems` request that writes the state: DynamoDB then writes both or
    /// neither.
    ///
    /// The transaction fails if the table already contains a row with the same identity. An
    /// item may have at most 400 KB; every prepared event is smaller.
    ///
    /// Call [`Sdk::prepare`](domain_events::Sdk::prepare) after you have read the state, and
    /// add a condition on the version of the state to the same transaction. The timestamps of
    /// an entity then have the order of its commits.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// use aws_sdk_dynamodb::types::{AttributeValue, TransactWriteItem, Update};
    /// use domain_events::{DomainEvent, Sdk};
    /// use domain_events_outbox::OutboxPut as _;
    ///
    /// # async fn run<E: DomainEvent>(
    /// #     sdk: Sdk, dynamodb: aws_sdk_dynamodb::Client, confirmed: E, version: u64,
    /// # ) -> Result<(), Box<dyn std::error::Error>> {
    /// // `version` is the version of the order that the service has read.
    /// let event = sdk.prepare(&confirmed)?;
    /// let state = Update::builder()
    ///     .table_name("orders")
    ///     .key("OrderId", AttributeValue::S("order-1".into()))
    ///     .condition_expression("#version = :version")
    ///     .update_expression("set #state = :state, #version = :next")
    ///     .expression_attribute_names("#state", "State")
    ///     .expression_attribute_names("#version", "Version")
    ///     .expression_attribute_values(":state", AttributeValue::S("confirmed".into()))
    ///     .expression_attribute_values(":version", AttributeValue::N(version.to_string()))
    ///     .expression_attribute_values(":next", AttributeValue::N((version + 1).to_string()))
    ///     .build()?;
    /// dynamodb
    ///     .transact_write_items()
    ///     .transact_items(TransactWriteItem::builder().update(state).build())
    ///     .transact_items(event.outbox_put("orders-outbox"))
    ///     .send()
    ///     .await?;
    /// # Ok(())
    /// # }
    /// ```
    fn outbox_put(&self, table: impl Into<String>) -> TransactWriteItem;
}

impl OutboxPut for Prepared {
    fn outbox_put(&self, table: impl Into<String>) -> TransactWriteItem {
        let put = Put::builder()
            .table_name(table)
            .item(EVENT_ID, AttributeValue::S(self.event_id().to_string()))
            .item(MESSAGE, AttributeValue::S(self.body().to_owned()))
            .item(AT, AttributeValue::N(seconds(now())))
            .condition_expression(format!("attribute_not_exists({EVENT_ID})"))
            .build();
        #[expect(
            clippy::expect_used,
            reason = "`build` fails only without an item or a table name"
        )]
        let put = put.expect("a put with a table name and an item can be built");
        TransactWriteItem::builder().put(put).build()
    }
}

/// An outbox table in DynamoDB. This is a cheap handle that contains a client.
///
/// The table has the hash key `EventId` (string) and no sort key. Its rows contain
/// `Message` (string: the body of the message) and `At` (number: the time of the put in
/// seconds since 1970). The Terraform module `outbox` creates it.
///
/// Reading the rows scans the table. The table is usually empty, so a scan costs very little.
/// [`backlog`](OutboxRows::backlog) also reads the whole table.
///
/// Ages are differences between the clock of the process that wrote the row and the clock
/// of the relay.
///
/// # Examples
///
/// ```no_run
/// # async fn run(sdk: domain_events::Sdk, client: aws_sdk_dynamodb::Client) {
/// use domain_events_outbox::{DynamoDbOutbox, Relay};
///
/// let outbox = DynamoDbOutbox::new(client, "orders-outbox");
/// let relay = Relay::builder(sdk, outbox).build();
/// let report = relay.run(std::future::pending()).await;
/// # let _ = report;
/// # }
/// ```
#[derive(Clone)]
pub struct DynamoDbOutbox {
    client: Client,
    table: Arc<str>,
    name: Arc<str>,
}

impl DynamoDbOutbox {
    /// Creates a handle to the outbox in `table`.
    pub fn new(client: Client, table: impl AsRef<str>) -> Self {
        let table = table.as_ref();
        Self {
            client,
            table: table.into(),
            name: format!("the DynamoDB table {table}").into(),
        }
    }

    fn scan(&self) -> ScanFluentBuilder {
        self.client.scan().table_name(&*self.table)
    }

    fn failed(&self, action: &'static str, failure: &AwsFailure) -> RowsError {
        // The error contains no text of the AWS crates, because such a text may quote the
        // request and therefore the rows.
        RowsError::new(action, format!("table {}: {failure}", self.table))
    }

    /// Deletes up to [`MAX_DELETES`] rows.
    async fn delete_batch(&self, event_ids: Vec<String>) -> Result<(), RowsError> {
        let action = "delete rows of the outbox";
        let deletes = event_ids.into_iter().map(|id| {
            let delete = DeleteRequest::builder().key(EVENT_ID, AttributeValue::S(id));
            delete
                .build()
                .map(|delete| WriteRequest::builder().delete_request(delete).build())
        });
        let deletes: Result<Vec<_>, _> = deletes.collect();
        let mut deletes = deletes.map_err(|_| self.failed(action, &AwsFailure::Request))?;
        let mut retry = 0;
        loop {
            let request = self.client.batch_write_item();
            let sent = request.request_items(&*self.table, deletes).send().await;
            let output = sent.map_err(|error| self.failed(action, &AwsFailure::new(&error)))?;
            // If the table is throttled, DynamoDB may leave some rows unprocessed although it
            // returns HTTP 200.
            let unprocessed = output.unprocessed_items.unwrap_or_default();
            deletes = unprocessed.into_values().flatten().collect();
            if deletes.is_empty() {
                return Ok(());
            }
            retry += 1;
            if retry > MAX_DELETE_RETRIES {
                let left = deletes.len();
                let reason = format!("table {}: {left} rows were not processed", self.table);
                return Err(RowsError::new(action, reason));
            }
            tokio::time::sleep(DELETE_RETRY.delay(retry)).await;
        }
    }
}

impl OutboxRows for DynamoDbOutbox {
    fn name(&self) -> &str {
        &self.name
    }

    async fn page(&self, request: PageRequest) -> Result<Page, RowsError> {
        let limit = i32::try_from(request.max_rows).unwrap_or(i32::MAX);
        let mut scan = self.scan().consistent_read(true).limit(limit);
        if let Some(Cursor(event_id)) = request.after {
            scan = scan.exclusive_start_key(EVENT_ID, AttributeValue::S(event_id));
        }
        if !request.min_age.is_zero() {
            // The filter excludes young rows instead of selecting old rows, so that it also
            // selects a row whose time is missing or has another type.
            scan = scan
                .filter_expression("not (#at between :young and :future)")
                .expression_attribute_names("#at", AT)
                .expression_attribute_values(":young", moved(now(), request.min_age, false))
                .expression_attribute_values(":future", moved(now(), request.min_age, true));
        }
        let output = scan
            .send()
            .await
            .map_err(|error| self.failed("read rows of the outbox", &AwsFailure::new(&error)))?;
        let next = output.last_evaluated_key.as_ref().and_then(text_of_key);
        let items = output.items.unwrap_or_default();
        Ok(page(items, next, request.max_bytes))
    }

    async fn delete(&self, event_ids: Vec<String>) -> Result<(), RowsError> {
        let batches: Vec<_> = event_ids
            .chunks(MAX_DELETES)
            .map(<[String]>::to_vec)
            .collect();
        stream::iter(batches)
            .map(|ids| self.delete_batch(ids))
            .buffer_unordered(MAX_DELETE_REQUESTS)
            .try_collect()
            .await
    }

    async fn backlog(&self) -> Result<Backlog, RowsError> {
        let scan = self.scan().projection_expression("#at");
        let mut pages = scan
            .expression_attribute_names("#at", AT)
            .into_paginator()
            .send();
        let (mut rows, mut oldest, now) = (0, None, now());
        while let Some(page) = pages.next().await {
            let page = page.map_err(|error| {
                self.failed("count the rows of the outbox", &AwsFailure::new(&error))
            })?;
            for item in page.items() {
                rows += 1;
                oldest = oldest.max(Some(age(item, now)));
            }
        }
        Ok(Backlog { rows, oldest })
    }
}

impl fmt::Debug for DynamoDbOutbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DynamoDbOutbox")
            .field("table", &self.table)
            .finish_non_exhaustive()
    }
}

type Item = HashMap<String, AttributeValue>;

/// Returns the rows of a page of a scan, up to the first row that exceeds `max_bytes`. The scan
/// can be continued after any row.
fn page(items: Vec<Item>, next: Option<String>, max_bytes: usize) -> Page {
    let mut page = Page {
        rows: Vec::with_capacity(items.len()),
        next: next.map(Cursor),
    };
    let (mut bytes, count) = (0, items.len());
    for (index, item) in items.into_iter().enumerate() {
        let Some(row) = row(item) else { continue };
        bytes += row.message.len();
        let is_full = bytes >= max_bytes && index + 1 < count;
        if is_full {
            page.next = Some(Cursor(row.event_id.clone()));
        }
        page.rows.push(row);
        if is_full {
            break;
        }
    }
    page
}

/// Converts an item to a row. If the message of the item is not a string, the row gets an empty
/// message, which the relay reports as a row that cannot be sent.
fn row(mut item: Item) -> Option<Row> {
    let event_id = text_of(item.remove(EVENT_ID)?)?;
    let message = item.remove(MESSAGE).and_then(text_of).unwrap_or_default();
    Some(Row { event_id, message })
}

fn text_of(value: AttributeValue) -> Option<String> {
    match value {
        AttributeValue::S(text) => Some(text),
        _ => None,
    }
}

fn text_of_key(key: &Item) -> Option<String> {
    key.get(EVENT_ID)?.as_s().ok().cloned()
}

/// Returns the age of a row. A row without a time has the age of a row from 1970.
fn age(item: &Item, now: Duration) -> Duration {
    let at = item.get(AT).and_then(|at| at.as_n().ok());
    let at = at.and_then(|at| at.parse().ok()).unwrap_or(0.0);
    now.saturating_sub(Duration::try_from_secs_f64(at).unwrap_or_default())
}

/// Returns the time since 1970.
fn now() -> Duration {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default()
}

fn moved(now: Duration, by: Duration, into_future: bool) -> AttributeValue {
    let time = match into_future {
        true => now.saturating_add(by),
        false => now.saturating_sub(by),
    };
    AttributeValue::N(seconds(time))
}

/// Formats a time for DynamoDB: in seconds, with three decimals.
fn seconds(time: Duration) -> String {
    format!("{}.{:03}", time.as_secs(), time.subsec_millis())
}
