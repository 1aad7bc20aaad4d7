//! The envelope: an event with all fields of the wire format.

use std::fmt;
use std::num::NonZeroU16;

use crate::error::{InvalidEvent, RejectionCode};
use crate::event::emitter::Emitter;
use crate::event::fields;
use crate::event::ids::{CausationId, CorrelationId, EntityId, EventId, EventType};
use crate::event::timestamp::Timestamp;
use crate::json::document::Json;
use crate::json::number;

/// The maximum size of an item in DynamoDB, including attribute names (developer guide,
/// "Quotas": item size).
pub const MAX_ITEM_BYTES: usize = 400 * 1024;

/// The bytes that the store adds to an item: `StoredAt` and `ExpiresAt`; `IndexKey`, with an
/// event type of 128 bytes, `#` and a shard of five digits; and a tie-break in the
/// `Timestamp`, whose number then has 38 digits. They are counted when the envelope is
/// created, so that an accepted event is never too large for the store.
const STORE_BYTES: usize = (8 + 12) + (9 + 12) + (8 + 134) + 21;

/// An event with all its fields, ready to be sent or stored.
///
/// An envelope is always valid: every way to create one performs the same checks.
///
/// # Examples
///
/// ```
/// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/doc/setup.rs"));
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use domain_events::{Context, Emitter, Envelope};
///
/// let context = Context::new(Emitter::system("shop")?);
/// let envelope = Envelope::new(&OrderPlaced { order_id: 7, cents: 4990 }, &context)?;
/// assert_eq!(envelope.event_type(), &"ORDER_PLACED");
/// assert_eq!(envelope.entity_id(), &"7");
/// assert_eq!(envelope.emitter(), &Emitter::system("shop")?);
/// assert_eq!(envelope.version(), 1);
/// assert_eq!(envelope.data(), Some(r#"{"order_id":7,"cents":4990}"#));
/// # Ok(())
/// # }
/// ```
#[derive(Clone, PartialEq)]
pub struct Envelope(Box<Parts>);

/// The fields of an envelope. The types check most fields; [`Envelope::checked`] checks the
/// others: the type of `data`, the names and the number of `extra`, and the total size.
#[derive(Clone, PartialEq)]
pub(crate) struct Parts {
    pub(crate) timestamp: Timestamp,
    pub(crate) event_type: EventType,
    pub(crate) id: EntityId,
    pub(crate) emitter: Emitter,
    /// `None` if the event has no `Data`. `null` is a value.
    pub(crate) data: Option<Json>,
    pub(crate) event_id: EventId,
    pub(crate) version: Option<NonZeroU16>,
    pub(crate) correlation_id: Option<CorrelationId>,
    pub(crate) causation_id: Option<CausationId>,
    pub(crate) trace_parent: Option<String>,
    pub(crate) extra: Vec<(Box<str>, Json)>,
}

/// Fields that do not form a valid envelope, and the reason.
pub(crate) struct Refused {
    pub(crate) error: InvalidEvent,
    pub(crate) parts: Box<Parts>,
}

impl From<Refused> for InvalidEvent {
    fn from(refused: Refused) -> Self {
        refused.error
    }
}

impl Envelope {
    /// The only constructor of envelopes. Every source of events uses it: this program, a
    /// message, and an item, which another writer may have stored.
    pub(crate) fn checked(parts: Parts) -> Result<Self, Refused> {
        match parts.fault() {
            None => Ok(Self(Box::new(parts))),
            Some(error) => Err(Refused {
                error,
                parts: Box::new(parts),
            }),
        }
    }

    /// The same event with another timestamp and identity.
    #[cfg(any(feature = "schema", feature = "sqs"))]
    pub(crate) fn stamped(mut self, timestamp: Timestamp, event_id: EventId) -> Self {
        self.0.timestamp = timestamp;
        self.0.event_id = event_id;
        self
    }

    pub(crate) fn parts(&self) -> &Parts {
        &self.0
    }

    pub(crate) fn body_size_hint(&self) -> usize {
        // The names of the fields, quotes and punctuation take about 180 bytes.
        let text = |json: &Json| json.text.len() + 4;
        let Parts { data, extra, .. } = &*self.0;
        let ids = self.entity_id().as_str().len() + self.emitter().id().as_str().len();
        data.as_ref().map_or(0, text)
            + extra.iter().map(|(k, v)| k.len() + text(v)).sum::<usize>()
            + ids
            + 320
    }

    /// The time at which the event was created.
    pub fn timestamp(&self) -> Timestamp {
        self.0.timestamp
    }

    /// The type of the event.
    pub fn event_type(&self) -> &EventType {
        &self.0.event_type
    }

    /// The entity that the event is about.
    pub fn entity_id(&self) -> &EntityId {
        &self.0.id
    }

    /// The user or system that caused the event.
    pub fn emitter(&self) -> &Emitter {
        &self.0.emitter
    }

    /// The event's identity.
    pub fn event_id(&self) -> &EventId {
        &self.0.event_id
    }

    /// The version of the event's data. It is 1 if the event states no version.
    pub fn version(&self) -> u16 {
        self.0.version.map_or(1, NonZeroU16::get)
    }

    /// The conversation that the event belongs to.
    pub fn correlation_id(&self) -> Option<&CorrelationId> {
        self.0.correlation_id.as_ref()
    }

    /// The event that caused this event.
    pub fn causation_id(&self) -> Option<&CausationId> {
        self.0.causation_id.as_ref()
    }

    /// The W3C trace context, as it was received.
    pub fn trace_parent(&self) -> Option<&str> {
        self.0.trace_parent.as_deref()
    }

    /// The event's data as JSON text, which is an object or `null`. `None` if the event has
    /// no data.
    pub fn data(&self) -> Option<&str> {
        self.0.data.as_ref().map(|json| &*json.text)
    }

    /// The top-level fields that the wire format does not define, as names and JSON texts.
    pub fn extra_fields(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0
            .extra
            .iter()
            .map(|(name, json)| (&**name, &*json.text))
    }
}

impl Parts {
    /// The first rule that the fields violate.
    fn fault(&self) -> Option<InvalidEvent> {
        if let Some(data) = &self.data
            && !matches!(data.kind(), "an object" | "null")
        {
            return Some(fields::wrong_data(data.kind()));
        }
        if self.extra.len() > fields::MAX_EXTRA_FIELDS {
            return Some(fields::too_many_fields());
        }
        let mut names = self.extra.iter().map(|(name, _)| &**name);
        if let Some(name) = names.find(|name| !fields::is_field_name(name)) {
            return Some(fields::bad_field_name(name));
        }
        let size = self.size() + STORE_BYTES;
        (size > MAX_ITEM_BYTES).then(|| {
            let reason = format!(
                "found an event that takes {size} bytes in the table; DynamoDB's limit for an item is \
                 {MAX_ITEM_BYTES} (400 KB), so store the bulk elsewhere and refer to it"
            );
            InvalidEvent::new(RejectionCode::TooLarge, "", reason)
        })
    }

    /// The bytes that DynamoDB counts for the event's own attributes.
    fn size(&self) -> usize {
        let text = |name: &str, text: &str| name.len() + text.len();
        let optional = |name: &str, value: Option<&str>| value.map_or(0, |v| text(name, v));
        let version = |v: NonZeroU16| number::integer_size(itoa::Buffer::new().format(v.get()));
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

/// Prints the ids and the size of the data, and never the data.
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
