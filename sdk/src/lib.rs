//! Domain events for Rust services on AWS: derive an event on a type, emit it to Amazon
//! SQS, store it in DynamoDB, and read it back as a typed value.
//!
//! - [`DomainEvent`](macro@DomainEvent) makes a struct or an enum an event.
//! - [`Sdk`] emits events. Create it with [`Sdk::from_env`].
//! - [`EventStore`] reads events. Start with [`EventStore::history`].
//! - [`wire`] is the contract with producers in other languages. An [`Envelope`] always
//!   complies with this contract.
//!
//! ```no_run
//! use domain_events::{DomainEvent, Sdk};
//! use serde::{Deserialize, Serialize};
//!
//! #[derive(Debug, Serialize, Deserialize, DomainEvent)]
//! #[event(emitter_type = "USER")] // the EventType is ORDER_PLACED, from the name
//! struct OrderPlaced {
//!     #[event(id)]
//!     order_id: String,
//!     #[event(emitter_id)]
//!     customer: String,
//!     total_cents: u64,
//! }
//!
//! # async fn run() -> Result<(), Box<dyn std::error::Error>> {
//! let sdk = Sdk::from_env().await?; // EVENT_QUEUE_URL, EVENT_EMITTER_ID
//! let receipt = sdk
//!     .emit(OrderPlaced {
//!         order_id: "order-1001".into(),
//!         customer: "u-42".into(),
//!         total_cents: 4990,
//!     })
//!     .await?;
//! println!("SQS accepted event {}", receipt.event_id);
//! # Ok(())
//! # }
//! ```
//!
//! The package `domain-events-consumer` stores the events; `domain-events-local` is an
//! embedded stack for tests.
//!
//! # Features
//!
//! | feature | content | on by default |
//! |---|---|---|
//! | `derive` | `#[derive(DomainEvent)]` | yes |
//! | `sqs` | [`Sdk`], the publisher | yes |
//! | `profiles` | AWS profiles with `sso`, `credential_process` or `aws login` for [`Sdk`] | yes |
//! | `store` | [`EventStore`], on DynamoDB | |
//! | `spool` | files on disk that store events while SQS is unavailable: [`SdkBuilder::spool`] | |
//! | `metrics` | the publisher's counters and gauges, through the `metrics` facade: see [`Sdk`] | |
//! | `opentelemetry` | the current span as an event's `TraceParent` | |
//! | `schema` | JSON Schema and AsyncAPI of a program's events, and the check that stored events stay readable: [`schema`] | |

#![forbid(unsafe_code)]

#[cfg(feature = "__aws")]
mod aws;
#[cfg(feature = "__aws")]
mod backoff;
mod error;
mod event;
#[cfg(feature = "__aws")]
mod exchange;
mod json;
#[cfg(feature = "sqs")]
mod publisher;
#[cfg(feature = "__aws")]
mod queue_url;
#[cfg(feature = "schema")]
pub mod schema;
#[cfg(feature = "store")]
pub mod store;
pub mod wire;

/// Items for the other packages of this project. They are not part of the public API and can
/// change without notice.
#[doc(hidden)]
pub mod __internals {
    #[cfg(feature = "__aws")]
    pub use crate::aws::{AwsFailure, behavior_version, configured_sqs_endpoint, timeouts};
    #[cfg(feature = "__aws")]
    pub use crate::backoff::Backoff;
    pub use crate::error::{is_unsafe_to_print, printable, with_causes};
    #[cfg(feature = "sqs")]
    pub use crate::publisher::buffer::pending::group_name;
    #[cfg(feature = "sqs")]
    pub use crate::publisher::sqs::client as sqs_client;
    #[cfg(feature = "__aws")]
    pub use crate::queue_url::{InvalidQueueUrl, QueueUrl, check_endpoint, quoted};
    #[cfg(feature = "store")]
    pub use crate::store::config::is_table_name;
    #[cfg(feature = "__internals")]
    pub use crate::store::internals::{attributes_of, events_of_page, item_of, read_item};
}

#[cfg(feature = "testing")]
pub use publisher::testing;

#[cfg(feature = "derive")]
pub use domain_events_derive::DomainEvent;

pub use error::{InvalidEvent, RejectionCode};
#[doc(hidden)]
pub use event::MarkedField;
pub use event::{
    CausationId, Context, CorrelationId, DecodeError, DomainEvent, Emitter, EmitterId, EmitterType,
    EntityId, Envelope, EnvelopeBuilder, EventDefinition, EventId, EventType, IntoEntityId,
    MAX_ITEM_BYTES, PastVersion, Redacted, Timestamp,
};
#[cfg(feature = "sqs")]
pub use publisher::{
    BuildError, Durability, EmitError, EmitFuture, Prepared, Receipt, RequestError, Sdk,
    SdkBuilder, ShutdownReport, TryEmitError,
};
#[cfg(feature = "spool")]
pub use publisher::{SpoolDamage, SpoolError};
/// serde's trait, to which the generated code of the derive refers.
#[doc(no_inline)]
pub use serde::Serialize;
/// serde's trait, to which the generated code of the derive refers.
#[doc(no_inline)]
pub use serde::de::DeserializeOwned;
#[cfg(feature = "store")]
pub use store::{
    AppendOutcome, CorruptItem, Decoded, EventStore, ReadError, StoreError, StoredEvent,
};
