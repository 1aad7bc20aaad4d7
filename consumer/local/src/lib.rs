//! The embedded stack: the whole domain-events pipeline in one process.
//!
//! A [`Stack`] runs an SQS endpoint, a DynamoDB endpoint and the consumer on loopback
//! ports. It needs no AWS account and no Docker. A service uses the same AWS SDK and the
//! same protocols as in production, so it can be tested without changes.
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

/// The README's examples, compiled as they are printed there.
#[cfg(doctest)]
#[doc = include_str!("../../../README.md")]
mod readme {}
