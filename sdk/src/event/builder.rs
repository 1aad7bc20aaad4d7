//! Envelopes that are built field by field.

use std::fmt;

use serde::Serialize;

use super::envelope::{Envelope, Parts};
use super::ids::{CausationId, CorrelationId, Emitter, EntityId, EventId, EventType};
use super::timestamp::Timestamp;
use crate::error::InvalidEvent;
use crate::json::document;

impl Envelope {
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
}

/// Builds an [`Envelope`] field by field.
#[derive(Clone)]
pub struct EnvelopeBuilder(Parts);

impl fmt::Debug for EnvelopeBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("EnvelopeBuilder")
            .field(&self.0.event_type)
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
        self.0.data = Some(document::encode(data)?);
        self.build()
    }
}
