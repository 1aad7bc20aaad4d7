//! Takes domain events from SQS and stores them in DynamoDB.
//!
//! One [`Handler`] in three hosts: the Lambda function (binary `bootstrap`), a
//! long-polling [`worker`] (`domain-events worker`), and the embedded stack
//! [`local`] (`domain-events local`).

#![forbid(unsafe_code)]

pub mod clients;
pub mod config;
pub mod handler;
#[cfg(feature = "lambda")]
pub mod lambda;
#[cfg(feature = "local")]
pub mod local;
pub mod log;
pub mod metrics;
pub mod verdict;
pub mod worker;

mod dead_letters;
mod failure;

pub use dead_letters::DeadLetterQueue;
pub use handler::Handler;

/// The README's examples, compiled as they stand there.
#[cfg(all(doctest, feature = "local"))]
#[doc = include_str!("../../README.md")]
mod readme {}
