//! The consumer of domain events: receives them from SQS and stores them in DynamoDB.
//!
//! One [`Handler`] runs in two [`hosts`]: the Lambda function (binary `bootstrap`) and
//! a long-polling worker (the command `domain-events worker`, and the embedded stack).

#![forbid(unsafe_code)]

pub mod clients;
pub mod config;
pub mod handler;
pub mod hosts;
pub mod log;
pub mod metrics;
pub mod record;

mod dead_letters;
mod failure;

pub use dead_letters::DeadLetterQueue;
pub use handler::Handler;
