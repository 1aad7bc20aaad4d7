//! Events: their fields, their definitions, and the envelope around them.

pub(crate) mod builder;
pub(crate) mod clock;
pub(crate) mod context;
pub(crate) mod decode_error;
pub(crate) mod definition;
mod distinct;
mod domain_event;
mod emitter;
pub(crate) mod envelope;
pub(crate) mod event_id;
pub(crate) mod fields;
pub(crate) mod ids;
mod redacted;
pub(crate) mod timestamp;
mod typed;
pub(crate) mod upcast;

pub use builder::EnvelopeBuilder;
pub use context::Context;
pub use decode_error::DecodeError;
pub use definition::EventDefinition;
pub use domain_event::{DomainEvent, MarkedField};
pub use emitter::{Emitter, EmitterId, EmitterType};
pub use envelope::{Envelope, MAX_ITEM_BYTES};
pub use ids::{CausationId, CorrelationId, EntityId, EventId, EventType};
pub use redacted::Redacted;
pub use timestamp::Timestamp;
pub use upcast::PastVersion;
