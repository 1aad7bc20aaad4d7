//! The JSON values that the page receives.

use domain_events::{EventId, StoredEvent, wire};
use domain_events_outbox::{Backlog, Row};
use serde::Serialize;

use crate::sqs::InspectedMessage;

/// An event as the page shows it. `data` is JSON text, because JavaScript would round the
/// numbers in it.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct EventView {
    key: String,
    id: String,
    event_type: String,
    version: u16,
    timestamp: String,
    stored_at: Option<String>,
    emitter_id: String,
    emitter_type: String,
    event_id: String,
    correlation_id: Option<String>,
    causation_id: Option<String>,
    trace_parent: Option<String>,
    data: Option<String>,
    other: Vec<(String, String)>,
}

impl EventView {
    pub(super) fn new(event: &StoredEvent) -> Self {
        let emitter = event.emitter();
        let other = event.extra_fields();
        Self {
            key: event.cursor().to_string(),
            id: event.entity_id().to_string(),
            event_type: event.event_type().to_string(),
            version: event.version(),
            timestamp: event.timestamp().to_string(),
            stored_at: event.stored_at().map(|time| time.to_string()),
            emitter_id: emitter.id().to_string(),
            emitter_type: emitter.kind().to_string(),
            event_id: event.event_id().to_string(),
            correlation_id: event.correlation_id().map(ToString::to_string),
            causation_id: event.causation_id().map(ToString::to_string),
            trace_parent: event.trace_parent().map(str::to_owned),
            data: event.data().map(str::to_owned),
            other: other
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .collect(),
        }
    }
}

/// Events, and whether there are more events than the response contains.
#[derive(Debug, Serialize)]
pub(super) struct Events {
    pub(super) events: Vec<EventView>,
    pub(super) more: bool,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Statistics {
    pub(super) outbox: Option<OutboxCount>,
    pub(super) visible: usize,
    pub(super) in_flight: usize,
    pub(super) delayed: usize,
    pub(super) oldest_millis: Option<u64>,
    pub(super) rejected: usize,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct RejectedView {
    /// The sequence number as text, because JavaScript would round a number.
    seq: String,
    message_id: String,
    sent_at: u64,
    receives: u32,
    code: Option<String>,
    pointer: Option<String>,
    reason: Option<String>,
    original_message_id: Option<String>,
    body: String,
}

impl From<InspectedMessage> for RejectedView {
    fn from(message: InspectedMessage) -> Self {
        let attribute = |name: &str| message.attribute(name).map(str::to_owned);
        Self {
            seq: message.seq.to_string(),
            message_id: message.id().to_owned(),
            sent_at: message.sent_at(),
            receives: message.receives,
            code: attribute("RejectionCode"),
            pointer: attribute("RejectionPointer"),
            reason: attribute("RejectionReason"),
            original_message_id: attribute("OriginalMessageId"),
            body: message.body().to_owned(),
        }
    }
}

/// The number of rows that are waiting in the outbox, and the age of the oldest row.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct OutboxCount {
    rows: u64,
    oldest_millis: Option<u64>,
}

impl From<Backlog> for OutboxCount {
    fn from(backlog: Backlog) -> Self {
        let millis = |age: std::time::Duration| u64::try_from(age.as_millis()).unwrap_or(u64::MAX);
        Self {
            rows: backlog.rows,
            oldest_millis: backlog.oldest.map(millis),
        }
    }
}

/// A row of the outbox. If its message is not a valid event, the row has only its key and
/// the reason.
#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct OutboxRow {
    event_id: String,
    event_type: Option<String>,
    id: Option<String>,
    timestamp: Option<String>,
    problem: Option<String>,
}

impl OutboxRow {
    pub(super) fn new(row: &Row) -> Self {
        let event_id = row.event_id.clone();
        let problem = |reason: String| Self {
            event_id: event_id.clone(),
            problem: Some(reason),
            ..Self::default()
        };
        let key = match EventId::new(row.event_id.clone()) {
            Ok(key) => key,
            Err(error) => return problem(error.to_string()),
        };
        let event = match wire::decode(&row.message, &key) {
            Ok(mut events) if events.len() == 1 => events.remove(0).outcome,
            Ok(_) => {
                return problem("the message is an array; a row must contain one event".to_owned());
            }
            Err(error) => return problem(error.to_string()),
        };
        match event {
            Ok(event) => Self {
                event_type: Some(event.event_type().to_string()),
                id: Some(event.entity_id().to_string()),
                timestamp: Some(event.timestamp().to_string()),
                event_id,
                problem: None,
            },
            Err(error) => problem(error.to_string()),
        }
    }
}
