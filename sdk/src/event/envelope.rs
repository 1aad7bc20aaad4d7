//! The envelope: an event with all that the contract asks of it.

use std::fmt;

use crate::error::{InvalidEvent, RejectionCode};
use crate::event::fields;
use crate::event::ids::{CausationId, CorrelationId, Emitter, EntityId, EventId, EventType};
use crate::event::timestamp::Timestamp;
use crate::json::document::Json;
use crate::json::number;

/// The largest item that DynamoDB holds, names included (developer guide,
/// "Quotas": item size).
pub const MAX_ITEM_BYTES: usize = 400 * 1024;

/// What the store adds to an item, at the most: `StoredAt` and `ExpiresAt`, and
/// `IndexKey` with an event type of 128 bytes, `#` and a shard of five digits.
/// And what a tie-break adds to the `Timestamp`, whose number then has all the
/// 38 digits there are. Counted from the start, so that an event is not found
/// too large only once it has come to the store.
const ROOM_FOR_THE_STORE: usize = (8 + 12) + (9 + 12) + (8 + 134) + 21;

/// An event that keeps the contract, ready to be sent or stored.
///
/// There is no way to hold an invalid one: every way to make it goes through
/// the same checks.
#[derive(Clone, PartialEq)]
pub struct Envelope(Box<Parts>);

/// The fields, each correct by itself.
#[derive(Clone, PartialEq)]
pub(crate) struct Parts {
    pub(crate) timestamp: Timestamp,
    pub(crate) event_type: EventType,
    pub(crate) id: EntityId,
    pub(crate) emitter: Emitter,
    /// `None` where there is no `Data`; `null` is a value.
    pub(crate) data: Option<Json>,
    pub(crate) event_id: EventId,
    pub(crate) version: Option<u16>,
    pub(crate) correlation_id: Option<CorrelationId>,
    pub(crate) causation_id: Option<CausationId>,
    pub(crate) trace_parent: Option<String>,
    pub(crate) extra: Vec<(Box<str>, Json)>,
}

impl Envelope {
    /// The one place where envelopes are made.
    pub(crate) fn checked(parts: Parts) -> Result<Self, InvalidEvent> {
        let size = parts.size() + ROOM_FOR_THE_STORE;
        if size > MAX_ITEM_BYTES {
            let reason = format!(
                "found an event that takes {size} bytes in the table; DynamoDB's limit is {MAX_ITEM_BYTES} (400 KB) \
                 an item, so keep the bulk elsewhere and refer to it"
            );
            return Err(InvalidEvent::new(RejectionCode::TooLarge, "", reason));
        }
        Ok(Self(Box::new(parts)))
    }

    /// The same event, as if it had been made then.
    #[cfg(feature = "schema")]
    pub(crate) fn stamped(mut self, timestamp: Timestamp, event_id: EventId) -> Self {
        self.0.timestamp = timestamp;
        self.0.event_id = event_id;
        self
    }

    pub(crate) fn parts(&self) -> &Parts {
        &self.0
    }

    pub(crate) fn body_size_hint(&self) -> usize {
        // The fields' names, quotes and punctuation come to some 180 bytes.
        let text = |json: &Json| json.text.len() + 4;
        let Parts { data, extra, .. } = &*self.0;
        let ids = self.entity_id().as_str().len() + self.emitter().id().as_str().len();
        data.as_ref().map_or(0, text)
            + extra.iter().map(|(k, v)| k.len() + text(v)).sum::<usize>()
            + ids
            + 320
    }

    /// When the event was created.
    pub fn timestamp(&self) -> Timestamp {
        self.0.timestamp
    }

    /// What happened.
    pub fn event_type(&self) -> &EventType {
        &self.0.event_type
    }

    /// The entity that the event is about.
    pub fn entity_id(&self) -> &EntityId {
        &self.0.id
    }

    /// Who caused it.
    pub fn emitter(&self) -> &Emitter {
        &self.0.emitter
    }

    /// The event's identity.
    pub fn event_id(&self) -> &EventId {
        &self.0.event_id
    }

    /// Version of the event's data; 1 where none was sent.
    pub fn version(&self) -> u16 {
        self.0.version.unwrap_or(1)
    }

    /// The conversation that the event is part of.
    pub fn correlation_id(&self) -> Option<&CorrelationId> {
        self.0.correlation_id.as_ref()
    }

    /// The event that caused this one.
    pub fn causation_id(&self) -> Option<&CausationId> {
        self.0.causation_id.as_ref()
    }

    /// The W3C trace context, as it came.
    pub fn trace_parent(&self) -> Option<&str> {
        self.0.trace_parent.as_deref()
    }

    /// The event's data as JSON text: an object, `null`, or nothing.
    pub fn data(&self) -> Option<&str> {
        self.0.data.as_ref().map(|json| &*json.text)
    }

    /// Top-level fields that are not the contract's own, as name and JSON text.
    pub fn extra_fields(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0
            .extra
            .iter()
            .map(|(name, json)| (&**name, &*json.text))
    }
}

impl Parts {
    /// Bytes that DynamoDB counts for the event's own attributes.
    fn size(&self) -> usize {
        let text = |name: &str, text: &str| name.len() + text.len();
        let optional = |name: &str, value: Option<&str>| value.map_or(0, |v| text(name, v));
        let version = |v: u16| number::integer_size(itoa::Buffer::new().format(v));
        fields::TIMESTAMP.len()
            + self.timestamp.size()
            + text(fields::EVENT_TYPE, self.event_type.as_str())
            + text(fields::ID, self.id.as_str())
            + text(fields::EMITTER_ID, self.emitter.id().as_str())
            + text(fields::EMITTER_TYPE, self.emitter.kind().as_str())
            + self
                .data
                .as_ref()
                .map_or(0, |json| fields::DATA.len() + json.size)
            + text(fields::EVENT_ID, self.event_id.as_str())
            + self
                .version
                .map_or(0, |v| fields::VERSION.len() + version(v))
            + optional(
                fields::CORRELATION_ID,
                self.correlation_id.as_ref().map(CorrelationId::as_str),
            )
            + optional(
                fields::CAUSATION_ID,
                self.causation_id.as_ref().map(CausationId::as_str),
            )
            + optional(fields::TRACE_PARENT, self.trace_parent.as_deref())
            + self
                .extra
                .iter()
                .map(|(name, json)| name.len() + json.size)
                .sum::<usize>()
    }
}

/// The ids and the data's size; never the data, which may be anybody's secret.
impl fmt::Debug for Envelope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Envelope")
            .field("timestamp", &self.timestamp())
            .field("event_type", &self.event_type().as_str())
            .field("entity_id", &self.entity_id().as_str())
            .field("event_id", &self.event_id().as_str())
            .field("version", &self.version())
            .field("emitter_type", &self.emitter().kind().as_str())
            .field("emitter_id", &self.emitter().id().as_str())
            .field("data_bytes", &self.data().map(str::len))
            .finish_non_exhaustive()
    }
}
