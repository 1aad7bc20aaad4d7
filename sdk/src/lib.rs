//! Domain events for Rust services on AWS: derive an event on a type, emit it to Amazon
//! SQS, store it in DynamoDB, and read it back as a typed value.
//!
//! This page explains the concepts in the order in which a service needs them.
//!
//! # 1. An event
//!
//! An event is a fact about an entity: order 7 was placed, by customer 42, for 49.90. It is a
//! Rust type that derives [`DomainEvent`](macro@DomainEvent) and `Serialize`:
//!
//! ```
//! # #[cfg(feature = "derive")] {
//! use domain_events::DomainEvent;
//! use serde::{Deserialize, Serialize};
//!
//! #[derive(Debug, Serialize, Deserialize, DomainEvent)]
//! #[event(emitter_type = "USER")] // the EventType is ORDER_PLACED, from the name
//! struct OrderPlaced {
//!     #[event(id)] // the entity
//!     order_id: u64,
//!     #[event(emitter_id)] // the user or system that caused the event
//!     customer: u64,
//!     cents: u64,
//! }
//! # }
//! ```
//!
//! The type's own `Serialize` determines the [data](Envelope::data) of the event. An enum has one
//! event type for each variant. The [macro](macro@DomainEvent) documents all attributes; a
//! handwritten `impl` of the trait [`DomainEvent`](trait@DomainEvent) is equivalent.
//!
//! An [`Envelope`] adds the fields that every event has: a [`Timestamp`], an identity
//! ([`EventId`]), the [`Emitter`], and the conversation and cause ([`CorrelationId`],
//! [`CausationId`]). An envelope always complies with the [wire format](wire), which is the contract
//! with producers in other languages (`docs/wire-format.md` in the repository).
//!
//! # 2. Emitting
//!
//! An [`Sdk`] is a cheap handle to a publisher. Create one at the start of the program, and clone
//! it. [`Sdk::on_behalf_of`], [`Sdk::with_correlation_id`] and [`Sdk::caused_by`] return handles for
//! one user, request or cause.
//!
//! ```no_run
//! # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/doc/setup.rs"));
//! use domain_events::{Emitter, Sdk};
//! use std::time::Duration;
//!
//! # async fn run() -> Result<(), Box<dyn std::error::Error>> {
//! let sdk = Sdk::from_env().await?; // EVENT_QUEUE_URL, EVENT_EMITTER_ID
//!
//! let as_user = sdk.on_behalf_of(Emitter::user("u-42")?);
//! let receipt = as_user.emit(OrderPlaced { order_id: 7, cents: 4990 }).await?;
//! println!("SQS accepted event {}", receipt.event_id);
//!
//! let report = sdk.shutdown(Duration::from_secs(10)).await; // at the end of the program
//! # let _ = report;
//! # Ok(())
//! # }
//! # fn main() {}
//! ```
//!
//! Under load, the publisher fills batches without any tuning. Its memory is bounded: while it is
//! full, `emit` waits, and [`Sdk::try_emit`] returns the event.
//!
//! # 3. What can go wrong
//!
//! `Ok` means durable: SQS has accepted the event, or, with a [spool](SdkBuilder::spool), the
//! event is on local disk. [`Receipt::durability`] says which. The consumer can store every event for
//! which `emit` returned `Ok`, because `emit` checks all limits of the table first.
//!
//! An [`EmitError`] says whether a retry can succeed ([`EmitError::is_retryable`]) and returns the
//! event ([`EmitError::into_envelope`]). Send the returned envelope with [`Sdk::emit_envelope`]: it
//! keeps its identity and its timestamp, so the event is stored once, even if SQS had accepted the
//! first attempt (`docs/idempotency.md`).
//!
//! If an event must exist exactly when a change of your own state exists, use [`Sdk::prepare`] and
//! an outbox (the package
//! `domain-events-outbox`). `docs/guarantees.md` lists what happens at each point of failure.
//!
//! # 4. Reading
//!
//! An [`EventStore`] reads the events back. A history is a stream of typed events in the order of
//! their timestamps:
//!
//! ```no_run
//! # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/doc/setup.rs"));
//! # #[cfg(feature = "store")]
//! # async fn run() -> Result<(), Box<dyn std::error::Error>> {
//! use domain_events::EventStore;
//! use futures::TryStreamExt;
//!
//! let store = EventStore::from_env().await?; // EVENT_TABLE
//! let mut history = store.history(7).decode::<OrderPlaced>();
//! while let Some(event) = history.try_next().await? {
//!     match event.known() {
//!         Some(placed) => println!("placed for {} cents", placed.cents),
//!         None => println!("an event that this type does not know"),
//!     }
//! }
//! # Ok(())
//! # }
//! # fn main() {}
//! ```
//!
//! [`EventStore::by_type`] reads all events of one type and [`EventStore::conversation`] all events
//! of one conversation, each through an optional index. [`EventStore::scan`] reads the whole table.
//! A history shows the past and must not decide what may happen only once (`docs/decisions.md`).
//! `docs/reading.md` explains cursors and late events.
//!
//! # 5. Testing
//!
//! With the feature `testing`, a [`Recorder`](testing::Recorder) creates an `Sdk` that records its
//! events, without a network:
//!
//! ```
//! # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/doc/setup.rs"));
//! # #[cfg(feature = "testing")]
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use domain_events::testing::Recorder;
//! use domain_events::{Emitter, assert_emitted};
//!
//! let recorder = Recorder::new();
//! let sdk = recorder.sdk(Emitter::system("shop")?);
//!
//! sdk.emit(OrderPlaced { order_id: 7, cents: 4990 }).await?; // what your service does
//! assert_emitted!(recorder, OrderPlaced { order_id: 7, .. });
//! # Ok(())
//! # }
//! # #[cfg(not(feature = "testing"))]
//! # fn main() {}
//! ```
//!
//! The package `domain-events-local` runs the whole pipeline in the process of the test. The same
//! test body runs on both (`docs/test-kit.md`).
//!
//! # 6. Evolution
//!
//! Stored events never change, so a program must read every form in which an event was ever
//! written. A new field needs a default. A new form needs a new version, and
//! `#[event(version = 2, upcast_from = OrderPlacedV1)]` names the type of the previous one
//! ([`DomainEvent::upcast`]). A test with [`schema::assert_lock`] fails
//! if a change makes stored events unreadable (`docs/evolution.md`).
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
//! | `testing` | an [`Sdk`] that records its events, for tests: [`testing`] | |
//! | `metrics` | the publisher's counters and gauges, through the `metrics` facade: see [`Sdk`] | |
//! | `opentelemetry` | the current span as an event's `TraceParent` | |
//! | `schema` | JSON Schema and AsyncAPI of a program's events, and the check that stored events stay readable: [`schema`] | |
//!
//! The features add to each other: enabling one never changes what another does. The public
//! interface contains types of `aws-sdk-sqs` and `aws-sdk-dynamodb` (in [`SdkBuilder::sqs_client`]
//! and [`EventStore::new`]), `chrono`, `futures`, `schemars`, `serde`, `serde_json` and `tokio`; a
//! new major version of one of them is a breaking change of this crate.

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
    EntityId, Envelope, EnvelopeBuilder, EventDefinition, EventId, EventType, MAX_ITEM_BYTES,
    PastVersion, Redacted, Timestamp,
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
