//! Domain events for Rust services on AWS.

pub mod wire;

mod envelope;
mod error;
mod event;
#[cfg(feature = "sqs")]
mod sdk;
#[cfg(feature = "store")]
pub mod store;
mod timestamp;

#[cfg(feature = "derive")]
pub use domain_events_derive::DomainEvent;

pub use envelope::{Context, Envelope, EnvelopeBuilder, MAX_ITEM_BYTES};
#[cfg(feature = "sqs")]
pub use error::{BuildError, EmitError, TryEmitError};
#[cfg(feature = "store")]
pub use error::{CorruptItem, ReadError, StoreError};
pub use error::{DecodeError, InvalidEvent, RejectionCode};
pub use event::{
    CausationId, CorrelationId, DomainEvent, Emitter, EmitterId, EmitterType, EntityId,
    EventDefinition, EventId, EventType,
};
#[cfg(feature = "spool")]
pub use sdk::SpoolError;
#[cfg(feature = "sqs")]
pub use sdk::{Durability, Emission, Receipt, RequestError, Sdk, SdkBuilder, ShutdownReport};
/// What a domain event's own `Serialize` is; the derive's bounds name it.
#[doc(no_inline)]
pub use serde::Serialize;
#[cfg(feature = "store")]
pub use store::{Appended, Decoded, EventStore, StoredEvent};
pub use timestamp::Timestamp;

/// The README's examples, compiled as they stand there.
#[cfg(all(doctest, feature = "derive", feature = "sqs", feature = "store"))]
#[doc = include_str!("../../README.md")]
mod readme {}
