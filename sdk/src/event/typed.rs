//! Converts typed events to envelopes, and envelopes to typed events.

use std::fmt::Display;
use std::num::NonZeroU16;

use serde::de::DeserializeOwned;

use super::context::Context;
use super::decode_error::DecodeError;
use super::definition::EventDefinition;
use super::domain_event::DomainEvent;
use super::emitter::{Emitter, EmitterId, EmitterType};
use super::envelope::{Envelope, Parts};
use super::ids::{EntityId, displayed};
use super::timestamp::Timestamp;
use super::{event_id, fields, upcast};
use crate::error::{InvalidEvent, RejectionCode};
use crate::json::document::{self, Json, VariantName};

impl Envelope {
    /// Wraps `event`, with a new identity and the present time.
    ///
    /// # Errors
    ///
    /// [`InvalidEvent`] if an id violates its rule, if the event has an emitter id without an
    /// emitter type or the reverse, or if DynamoDB could never store the event.
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
    /// # Ok(())
    /// # }
    /// ```
    pub fn new<E: DomainEvent + ?Sized>(
        event: &E,
        context: &Context,
    ) -> Result<Self, InvalidEvent> {
        let definition = event.definition();
        let emitter = emitter_of(event, context)?;
        let data = encode_event(event, &definition)?;
        let timestamp = Timestamp::now();
        let parts = Parts {
            timestamp,
            event_type: definition.event_type(),
            id: EntityId::new(displayed(event.entity_id(), fields::ID)?)?,
            emitter,
            data: Some(data),
            event_id: event_id::new_v7(timestamp),
            version: NonZeroU16::new(definition.version()).filter(|v| v.get() != 1),
            correlation_id: context.correlation_id.clone(),
            causation_id: context.causation_id.clone(),
            trace_parent: context.trace_parent.clone(),
            extra: Vec::new(),
        };
        Ok(Self::checked(parts)?)
    }

    /// Reads the event's data as `E`. `None` if `E` does not have the event's type.
    ///
    /// # Errors
    ///
    /// [`DecodeError`] if `E` has the event's type and the data does not fit it, if the
    /// event was written by a later version than `E`, or if `E` defines no upcast from the
    /// version that wrote the event.
    ///
    /// # Examples
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/doc/setup.rs"));
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use domain_events::{Context, Emitter, Envelope};
    ///
    /// let order = OrderPlaced { order_id: 7, cents: 4990 };
    /// let envelope = Envelope::new(&order, &Context::new(Emitter::system("shop")?))?;
    /// assert_eq!(envelope.decode::<OrderPlaced>()?, Some(order));
    /// # Ok(())
    /// # }
    /// ```
    pub fn decode<E: DomainEvent + DeserializeOwned>(&self) -> Result<Option<E>, DecodeError> {
        let mut definitions = E::DEFINITIONS.iter();
        match definitions.position(|definition| definition.matches(self.event_type())) {
            Some(index) => upcast::read(self, index).map(Some),
            None => Ok(None),
        }
    }
}

/// Returns the emitter that the event states, or otherwise the emitter of the context. The id
/// and the type always come from the same source, because a mixture would be an emitter that
/// does not exist.
fn emitter_of<E: DomainEvent + ?Sized>(
    event: &E,
    context: &Context,
) -> Result<Emitter, InvalidEvent> {
    match (event.emitter_type(), event.emitter_id()) {
        (None, None) => Ok(context.emitter.clone()),
        (Some(kind), Some(id)) => own_emitter(kind, id),
        (Some(_), None) => Err(incomplete_emitter(fields::EMITTER_ID, fields::EMITTER_TYPE)),
        (None, Some(_)) => Err(incomplete_emitter(fields::EMITTER_TYPE, fields::EMITTER_ID)),
    }
}

fn own_emitter(kind: &dyn Display, id: &dyn Display) -> Result<Emitter, InvalidEvent> {
    let kind = EmitterType::new(displayed(kind, fields::EMITTER_TYPE)?)?;
    let id = EmitterId::new(displayed(id, fields::EMITTER_ID)?)?;
    Ok(Emitter::new(kind, id))
}

fn incomplete_emitter(missing: &str, present: &str) -> InvalidEvent {
    let reason = format!(
        "the event's type states an {present} and no {missing}; let it state both, or neither to use the \
         emitter of the handle"
    );
    InvalidEvent::new(RejectionCode::MissingField, &format!("/{missing}"), reason)
}

/// Encodes the `Data` of an event.
pub(super) fn encode_event<E: DomainEvent + ?Sized>(
    event: &E,
    definition: &EventDefinition,
) -> Result<Json, InvalidEvent> {
    document::encode(event, variant_name::<E>(definition))
}

/// Determines whether serde's variant name is part of `Data`. An enum of events is written
/// without the name, because the event type implies the variant. A type that is a single event
/// keeps the name, because no other field identifies the variant.
pub(super) fn variant_name<E: DomainEvent + ?Sized>(definition: &EventDefinition) -> VariantName {
    if const { EventDefinition::are_of_enum(E::DEFINITIONS) } {
        VariantName::Implied(definition.variant().map(|(_, name)| name))
    } else {
        VariantName::Kept
    }
}
