//! Typed events to envelopes, and envelopes to typed events.

use serde::de::DeserializeOwned;

use super::context::Context;
use super::decode_error::DecodeError;
use super::definition::EventDefinition;
use super::domain_event::DomainEvent;
use super::envelope::{Envelope, Parts};
use super::ids::{Emitter, EmitterId, EmitterType, EntityId};
use super::timestamp::Timestamp;
use super::{event_id, upcast};
use crate::error::InvalidEvent;
use crate::json::document::{self, Json};

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
        let data = encode_event(event).map_err(|error| match definition.pii() {
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
            event_id: event_id::at(timestamp),
            version: Some(definition.version()).filter(|v| *v != 1),
            correlation_id: context.correlation_id.clone(),
            causation_id: context.causation_id.clone(),
            trace_parent: context.trace_parent.clone(),
            extra: Vec::new(),
        })
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
        match definitions.position(|definition| definition.matches(self.event_type())) {
            Some(index) => upcast::read(self, index).map(Some),
            None => Ok(None),
        }
    }
}

/// Encodes the `Data` of an event. An enum of events is written without serde's
/// variant name, because the event type implies the variant. A single-event type
/// keeps the name: nothing else records which variant it was.
pub(super) fn encode_event<E: DomainEvent + ?Sized>(event: &E) -> Result<Json, InvalidEvent> {
    if const { EventDefinition::are_of_enum(E::DEFINITIONS) } {
        document::encode(event)
    } else {
        document::encode_with_variant(event)
    }
}
