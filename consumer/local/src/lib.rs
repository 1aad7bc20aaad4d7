//! The embedded stack: the whole domain-events pipeline in one process.
//!
//! A [`Stack`] runs an SQS endpoint, a DynamoDB endpoint and the consumer on
//! loopback ports. It needs no AWS account and no Docker. Everything from the AWS
//! SDK on is the same as in production, so a service can be tested against it
//! unchanged.

#![forbid(unsafe_code)]

pub mod sqs;
mod stack;
mod table;

pub use stack::{Options, Stack, StartError};
pub use table::{CreateTable, create_table};

/// The README's examples, compiled as they are printed there.
#[cfg(doctest)]
#[doc = include_str!("../../../README.md")]
mod readme {}
