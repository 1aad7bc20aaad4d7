//! Domain events for Rust services on AWS.

#![forbid(unsafe_code)]

pub mod wire;

mod definition;
mod envelope;
mod error;
mod event;
mod identity;
mod older;
mod redacted;
#[cfg(feature = "schema")]
pub mod schema;
#[cfg(feature = "sqs")]
mod sdk;
#[cfg(feature = "store")]
pub mod store;
mod timestamp;

#[cfg(feature = "derive")]
pub use domain_events_derive::DomainEvent;

pub use definition::EventDefinition;
pub use envelope::{Context, Envelope, EnvelopeBuilder, MAX_ITEM_BYTES};
#[cfg(feature = "sqs")]
pub use error::{BuildError, EmitError, TryEmitError};
#[cfg(feature = "store")]
pub use error::{CorruptItem, ReadError, StoreError};
pub use error::{DecodeError, InvalidEvent, RejectionCode};
pub use event::{
    CausationId, CorrelationId, DomainEvent, Emitter, EmitterId, EmitterType, EntityId, EventId,
    EventType,
};
pub use older::OlderEvent;
pub use redacted::Redacted;
#[cfg(feature = "spool")]
pub use sdk::SpoolError;
#[cfg(feature = "sqs")]
pub use sdk::{Durability, Emission, Receipt, RequestError, Sdk, SdkBuilder, ShutdownReport};
/// What a domain event's own `Serialize` is; the derive's bounds name it.
#[doc(no_inline)]
pub use serde::Serialize;
/// What reading an older version asks of its type; the derive's bounds name it.
#[doc(no_inline)]
pub use serde::de::DeserializeOwned;
#[cfg(feature = "store")]
pub use store::{Appended, Decoded, EventStore, StoredEvent};
pub use timestamp::Timestamp;

/// The README's examples, compiled as they stand there.
#[cfg(all(doctest, feature = "derive", feature = "sqs", feature = "store"))]
#[doc = include_str!("../../README.md")]
mod readme {}
