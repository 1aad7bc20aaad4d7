//! The embedded stack: the whole domain-events pipeline in one process.
//!
//! A [`Stack`] runs an SQS endpoint, a DynamoDB endpoint and the consumer on loopback
//! ports. It needs no AWS account and no Docker. A service uses the same AWS SDK and the
//! same protocols as in production, so it can be tested without changes.
//!
//! ```
//! use domain_events::{DomainEvent, Emitter, Sdk};
//! use domain_events_local::{Options, Stack};
//! use serde::{Deserialize, Serialize};
//!
//! #[derive(Debug, PartialEq, Serialize, Deserialize, DomainEvent)]
//! struct OrderPlaced {
//!     #[event(id)]
//!     order_id: u64,
//! }
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let stack = Stack::start(Options::default()).await?;
//! let sdk = Sdk::builder(stack.queue_url(), Emitter::system("shop")?)
//!     .sqs_client(stack.sqs_client())
//!     .build()
//!     .await?;
//!
//! sdk.emit(OrderPlaced { order_id: 7 }).await?; // what the service does
//!
//! stack.wait_until_drained().await; // every message is stored or rejected
//! let events = stack.events().await?;
//! assert_eq!(events[0].decode::<OrderPlaced>()?, Some(OrderPlaced { order_id: 7 }));
//! # Ok(())
//! # }
//! ```
//!
//! For tests without a network, see the feature `testing` of `domain-events`.
//!
//! # What differs from AWS
//!
//! - The endpoints accept any credentials and region, and do not authenticate clients.
//! - [`sqs`] lists the differences of the SQS endpoint.
//! - The DynamoDB endpoint is [dynoxide](https://crates.io/crates/dynoxide-rs). It compares
//!   the names of tables without regard to case: `Events` cannot be created next to
//!   `events`, while DynamoDB treats them as two tables.
//! - The embedded table does not delete expired events; DynamoDB deletes them within a few
//!   days.

#![forbid(unsafe_code)]

mod access;
mod dynamodb;
mod feed;
mod outage;
mod page;
mod server;
pub mod sqs;
mod stack;
mod table;

pub use outage::Outage;
pub use stack::{Options, Outbox, Stack, StartError};
pub use table::{CreateTable, create_outbox_table, create_table};

/// The Rust blocks of the README and of the pages in `docs`, as tests.
#[cfg(doctest)]
mod pages {
    #[doc = include_str!("../../../README.md")]
    mod readme {}
    #[doc = include_str!("../../../docs/evolution.md")]
    mod evolution {}
    #[doc = include_str!("../../../docs/idempotency.md")]
    mod idempotency {}
    #[doc = include_str!("../../../docs/test-kit.md")]
    mod test_kit {}
}
