//! The invocations of the function.

use std::io::Write as _;
use std::time::{Duration, SystemTime};

use aws_sdk_dynamodb::Client;
use domain_events::__internals::with_causes;
use domain_events::{BuildError, Emitter, InvalidEvent, Sdk};
use domain_events_consumer::__internals::load;
use domain_events_outbox::{
    Backlog, Delivery, DynamoDbOutbox, OutboxRows, Page, PageRequest, Relay, Row, RowsError,
    cloudwatch,
};
use lambda_runtime::LambdaEvent;
use serde::Serialize;
use serde_json::value::RawValue;
use tokio::time::{Instant, timeout_at};

use crate::config::Config;
use crate::payload::{self, Content, InvalidPayload, Payload, Record};

/// The time before the timeout of the invocation that is reserved for the response and the
/// metric.
const RESPONSE_RESERVE: Duration = Duration::from_secs(2);

/// Why the function cannot start.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StartError {
    #[error("{}", with_causes(.0))]
    Publisher(#[from] BuildError),
    #[error(transparent)]
    Emitter(#[from] InvalidEvent),
}

/// The response to an invocation by a stream. Lambda delivers the records from the lowest
/// failed sequence number again (Lambda developer guide, "Configuring partial batch response
/// with DynamoDB").
#[derive(Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct BatchResponse {
    batch_item_failures: Vec<BatchItemFailure>,
}

#[derive(Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
struct BatchItemFailure {
    item_identifier: String,
}

/// The function and the state that it keeps between invocations.
pub(crate) struct Function {
    outbox: Option<Outbox>,
    /// Sends the messages of state items.
    state: Relay,
}

struct Outbox {
    table: String,
    rows: DynamoDbOutbox,
    relay: Relay,
}

impl Function {
    pub(crate) async fn new(config: Config) -> Result<Self, StartError> {
        let aws = load().await;
        // The SDK requires an emitter, but every message already contains its own emitter.
        let sdk = Sdk::builder(config.queue_url, Emitter::system("relay")?)
            .sqs_client(aws_sdk_sqs::Client::new(&aws))
            .build()
            .await?;
        let outbox = config.table.map(|table| {
            let rows = DynamoDbOutbox::new(Client::new(&aws), &table);
            let relay = Relay::builder(sdk.clone(), rows.clone()).build();
            Outbox { table, rows, relay }
        });
        let state = Relay::builder(sdk, StateItems).build();
        Ok(Self { outbox, state })
    }

    pub(crate) async fn invoke(
        &self,
        event: LambdaEvent<Box<RawValue>>,
    ) -> Result<BatchResponse, InvalidPayload> {
        let deadline = deadline(event.context.deadline(), SystemTime::now());
        let table = self.outbox.as_ref().map(|outbox| &*outbox.table);
        match payload::read(event.payload.get(), table)? {
            Payload::Stream(records) => Ok(self.send(records, deadline).await),
            Payload::Sweep => {
                if let Some(outbox) = &self.outbox {
                    outbox.sweep(deadline).await;
                }
                Ok(BatchResponse::default())
            }
        }
    }

    /// Sends the records of a stream.
    async fn send(&self, records: Vec<Record>, deadline: Instant) -> BatchResponse {
        let (mut rows, mut states) = (Vec::new(), Vec::new());
        let mut failures = Vec::new();
        for record in records {
            match record.content {
                Content::Row(row) => rows.push((record.sequence_number, row)),
                Content::State(row) => states.push((record.sequence_number, row)),
                Content::Nothing => {}
                Content::Unreadable => {
                    tracing::error!(
                        sequence_number = record.sequence_number,
                        "a record of the stream cannot be read"
                    );
                    failures.push(record.sequence_number);
                }
            }
        }
        if let Some(Outbox { relay, .. }) = &self.outbox {
            // A row that can never be sent is not reported as failed, because a retry would
            // only delay the rows after it. The row stays in the table, and the alarm on the
            // age of the oldest row reports it.
            failures.extend(deliver(relay, rows, deadline, false).await);
        }
        failures.extend(deliver(&self.state, states, deadline, true).await);
        let failure = |item_identifier| BatchItemFailure { item_identifier };
        BatchResponse {
            batch_item_failures: failures.into_iter().map(failure).collect(),
        }
    }
}

impl Outbox {
    /// Sends the rows that the stream did not deliver, and writes the metric.
    async fn sweep(&self, deadline: Instant) {
        let outbox = self.rows.name();
        match timeout_at(deadline, self.relay.sweep()).await {
            Ok(report) => tracing::info!(
                outbox,
                sent = report.sent,
                refused = report.refused,
                failure = report.failure,
                "swept"
            ),
            // The next scheduled invocation continues.
            Err(_) => tracing::warn!(
                outbox,
                "the time limit of the invocation was reached before all rows were sent"
            ),
        }
        match self.rows.backlog().await {
            Ok(backlog) => {
                let line = cloudwatch::metric_line(&self.table, backlog);
                // The error is ignored, because a row must not fail when the metric cannot be
                // written.
                let _ = writeln!(std::io::stdout().lock(), "{line}");
            }
            // If the metric is missing, the alarm fires.
            Err(error) => {
                tracing::error!(outbox, error = %with_causes(&error), "could not count the rows for the metric")
            }
        }
    }
}

/// Sends rows, and returns the sequence numbers of the rows that must be delivered again.
async fn deliver(
    relay: &Relay,
    rows: Vec<(String, Row)>,
    deadline: Instant,
    report_refused: bool,
) -> Vec<String> {
    let (numbers, rows): (Vec<_>, Vec<_>) = rows.into_iter().unzip();
    if rows.is_empty() {
        return numbers;
    }
    let Ok(deliveries) = timeout_at(deadline, relay.deliver(rows)).await else {
        tracing::warn!(
            "the time limit of the invocation was reached; its rows are delivered again"
        );
        return numbers;
    };
    let failed = |(number, delivery): (String, Delivery)| {
        let error = delivery.outcome.err()?;
        tracing::error!(
            verdict = "failed",
            event_id = delivery.event_id,
            reason = %with_causes(&error),
        );
        (report_refused || !error.is_refused()).then_some(number)
    };
    numbers
        .into_iter()
        .zip(deliveries)
        .filter_map(failed)
        .collect()
}

fn deadline(ends: SystemTime, now: SystemTime) -> Instant {
    let left = ends.duration_since(now).unwrap_or_default();
    // If little time is left, at most half of it is reserved.
    Instant::now() + left.saturating_sub(RESPONSE_RESERVE.min(left / 2))
}

/// The messages in state items. The stream delivers them, and the relay deletes nothing after
/// it has sent them.
struct StateItems;

impl OutboxRows for StateItems {
    fn name(&self) -> &str {
        "the attributes OutboxMessage"
    }

    async fn page(&self, _request: PageRequest) -> Result<Page, RowsError> {
        Ok(Page::default())
    }

    async fn delete(&self, _event_ids: Vec<String>) -> Result<(), RowsError> {
        Ok(())
    }

    async fn backlog(&self) -> Result<Backlog, RowsError> {
        Ok(Backlog::default())
    }
}
