//! The consumer of domain events: it receives them from SQS and stores them in DynamoDB.
//!
//! One [`Handler`] runs in two [`hosts`]: the Lambda function (binary `bootstrap`) and a
//! long-polling worker (the command `domain-events worker`, and the embedded stack).

#![forbid(unsafe_code)]

pub mod config;
pub mod hosts;
pub mod log;

mod aws;
mod dead_letters;
mod handler;
mod metrics;
mod outcome;
mod record;
mod rejection;
mod report;

pub use dead_letters::DeadLetterQueue;
pub use handler::Handler;
pub use metrics::Metrics;
pub use record::Record;
pub use report::Report;

/// Items for the tests, the benchmarks and the fuzz targets of this project. They are not
/// part of the public API and can change without notice.
#[doc(hidden)]
pub mod __internals {
    pub use crate::aws::{RequestCounter, dynamodb, load, sqs};
    pub use crate::hosts::lambda::read_payload;
    pub use crate::record::{DecodeFailure, RecordEvent, decode_record};
    pub use crate::rejection::Rejection;
}
