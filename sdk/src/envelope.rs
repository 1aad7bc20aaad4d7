//! The envelope: an event with all that the contract asks of it.

use std::fmt;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::error::{DecodeError, InvalidEvent, RejectionCode};
use crate::event::{
    CausationId, CorrelationId, DomainEvent, Emitter, EmitterId, EmitterType, EntityId, EventId,
    EventType,
};
use crate::identity;
use crate::older;
use crate::timestamp::Timestamp;
use crate::wire::data::{self, Json};
use crate::wire::field;
use crate::wire::number;

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

/// What an event's surroundings say of it.
#[derive(Debug, Clone)]
pub struct Context {
    emitter: Emitter,
    correlation_id: Option<CorrelationId>,
    causation_id: Option<CausationId>,
    trace_parent: Option<String>,
}

impl Context {
    /// A context with the emitter of all events that do not name their own.
    pub fn new(emitter: Emitter) -> Self {
        Self {
            emitter,
            correlation_id: None,
            causation_id: None,
            trace_parent: None,
        }
    }

    /// Another emitter in the same context.
    #[must_use]
    pub fn with_emitter(self, emitter: Emitter) -> Self {
        Self { emitter, ..self }
    }

    /// The conversation that the events are part of.
    #[must_use]
    pub fn with_correlation_id(self, id: CorrelationId) -> Self {
        Self {
            correlation_id: Some(id),
            ..self
        }
    }

    /// The event that causes the events.
    #[must_use]
    pub fn with_causation_id(self, id: CausationId) -> Self {
        Self {
            causation_id: Some(id),
            ..self
        }
    }

    /// The W3C trace context, `00-…-…-01`; kept as it is.
    #[must_use]
    pub fn with_trace_parent(self, trace_parent: impl Into<String>) -> Self {
        Self {
            trace_parent: Some(trace_parent.into()),
            ..self
        }
    }

    /// The emitter of events that do not name their own.
    pub fn emitter(&self) -> &Emitter {
        &self.emitter
    }
}

impl Envelope {
    /// Wraps `event`, with a new identity and the present time.
    ///
    /// # Errors
    ///
    /// [`InvalidEvent`] if an id breaks its rule, or if DynamoDB could never
    /// hold the event.
    pub fn new<E: DomainEvent + ?Sized>(
        event: &E,
        context: &Context,
    ) -> Result<Self, InvalidEvent> {
        let definition = event.definition();
        let own = &context.emitter;
        let emitter = Emitter::new(
            match event.emitter_type() {
                Some(kind) => EmitterType::new(kind.to_string())?,
                None => own.kind().clone(),
            },
            match event.emitter_id() {
                Some(id) => EmitterId::new(id.to_string())?,
                None => own.id().clone(),
            },
        );
        let data = data::encode_event(event).map_err(|error| match definition.pii() {
            [] => error,
            // What the type's own `Serialize` says may tell what it failed on.
            _ => error.without_source(),
        })?;
        let timestamp = Timestamp::now();
        Self::checked(Parts {
            timestamp,
            event_type: definition.event_type(),
            id: EntityId::new(event.entity_id().to_string())?,
            emitter,
            data: Some(data),
            event_id: identity::at(timestamp),
            version: Some(definition.version()).filter(|v| *v != 1),
            correlation_id: context.correlation_id.clone(),
            causation_id: context.causation_id.clone(),
            trace_parent: context.trace_parent.clone(),
            extra: Vec::new(),
        })
    }

    /// An envelope from its fields, for events that are no Rust type of yours:
    /// imports, tests, relays.
    pub fn builder(event_type: EventType, id: EntityId, emitter: Emitter) -> EnvelopeBuilder {
        EnvelopeBuilder(Parts {
            timestamp: Timestamp::now(),
            event_type,
            id,
            emitter,
            data: None,
            event_id: EventId::random(),
            version: None,
            correlation_id: None,
            causation_id: None,
            trace_parent: None,
            extra: Vec::new(),
        })
    }

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

    /// Reads the event's data as `E`; `None` if `E` does not know its type.
    ///
    /// # Errors
    ///
    /// [`DecodeError`] if the type is known and the data is not of its shape, was
    /// written by a later version than `E`, or by an earlier one that `E` has no
    /// way up from.
    pub fn decode<E: DomainEvent + DeserializeOwned>(&self) -> Result<Option<E>, DecodeError> {
        let mut definitions = E::DEFINITIONS.iter();
        match definitions.position(|definition| definition.reads(self.event_type())) {
            Some(index) => older::read(self, index).map(Some),
            None => Ok(None),
        }
    }
}

impl Parts {
    /// Bytes that DynamoDB counts for the event's own attributes.
    fn size(&self) -> usize {
        let text = |name: &str, text: &str| name.len() + text.len();
        let optional = |name: &str, value: Option<&str>| value.map_or(0, |v| text(name, v));
        let version = |v: u16| number::integer_size(itoa::Buffer::new().format(v));
        field::TIMESTAMP.len()
            + self.timestamp.size()
            + text(field::EVENT_TYPE, self.event_type.as_str())
            + text(field::ID, self.id.as_str())
            + text(field::EMITTER_ID, self.emitter.id().as_str())
            + text(field::EMITTER_TYPE, self.emitter.kind().as_str())
            + self
                .data
                .as_ref()
                .map_or(0, |json| field::DATA.len() + json.size)
            + text(field::EVENT_ID, self.event_id.as_str())
            + self
                .version
                .map_or(0, |v| field::VERSION.len() + version(v))
            + optional(
                field::CORRELATION_ID,
                self.correlation_id.as_ref().map(CorrelationId::as_str),
            )
            + optional(
                field::CAUSATION_ID,
                self.causation_id.as_ref().map(CausationId::as_str),
            )
            + optional(field::TRACE_PARENT, self.trace_parent.as_deref())
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

/// Builds an [`Envelope`] field by field.
#[derive(Clone)]
pub struct EnvelopeBuilder(Parts);

impl fmt::Debug for EnvelopeBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("EnvelopeBuilder")
            .field(&Envelope(Box::new(self.0.clone())))
            .finish()
    }
}

impl EnvelopeBuilder {
    /// When the event was created; the present unless set.
    #[must_use]
    pub fn timestamp(mut self, timestamp: Timestamp) -> Self {
        self.0.timestamp = timestamp;
        self
    }

    /// The event's identity; a new one unless set.
    #[must_use]
    pub fn event_id(mut self, id: EventId) -> Self {
        self.0.event_id = id;
        self
    }

    /// Version of the data; none, which means 1, unless set.
    #[must_use]
    pub fn version(mut self, version: std::num::NonZeroU16) -> Self {
        self.0.version = Some(version.get());
        self
    }

    /// The conversation that the event is part of.
    #[must_use]
    pub fn correlation_id(mut self, id: CorrelationId) -> Self {
        self.0.correlation_id = Some(id);
        self
    }

    /// The event that caused this one.
    #[must_use]
    pub fn causation_id(mut self, id: CausationId) -> Self {
        self.0.causation_id = Some(id);
        self
    }

    /// The W3C trace context; kept as it is.
    #[must_use]
    pub fn trace_parent(mut self, trace_parent: impl Into<String>) -> Self {
        self.0.trace_parent = Some(trace_parent.into());
        self
    }

    /// Makes the envelope, without `Data`.
    ///
    /// # Errors
    ///
    /// [`InvalidEvent`] if DynamoDB could never hold it.
    pub fn build(self) -> Result<Envelope, InvalidEvent> {
        Envelope::checked(self.0)
    }

    /// Makes the envelope, with `data` as its `Data`: anything whose
    /// `Serialize` writes a JSON object or `null`.
    ///
    /// # Errors
    ///
    /// [`InvalidEvent`] if `data` is something else, or if DynamoDB could never
    /// hold it.
    pub fn build_with<T: Serialize + ?Sized>(mut self, data: &T) -> Result<Envelope, InvalidEvent> {
        self.0.data = Some(data::encode(data)?);
        self.build()
    }
}
