//! The consumer of domain events: it receives them from SQS and stores them in DynamoDB.
//!
//! One [`Handler`] runs in two [`hosts`]: the Lambda function (binary `bootstrap`) and a
//! long-polling worker (the command `domain-events worker`, and the embedded stack).
//!
//! # Examples
//!
//! The worker as a part of a program of your own:
//!
//! ```no_run
//! use domain_events_consumer::config::WorkerConfig;
//! use domain_events_consumer::hosts::{stop_signal, worker};
//!
//! # async fn run() -> Result<(), Box<dyn std::error::Error>> {
//! // EVENT_QUEUE_URL, DEAD_LETTER_QUEUE_URL, EVENT_TABLE
//! worker::run(WorkerConfig::from_env()?, stop_signal()?).await?;
//! # Ok(())
//! # }
//! ```
//!
//! The handler in another host, for example behind an HTTP endpoint:
//!
//! ```no_run
//! use domain_events::EventStore;
//! use domain_events_consumer::{DeadLetterQueue, Handler, Record};
//!
//! # async fn run(sqs: aws_sdk_sqs::Client, dead_letter_queue_url: String, id: &str, body: &str) -> Result<(), Box<dyn std::error::Error>> {
//! let dead_letters = DeadLetterQueue::new(sqs, dead_letter_queue_url);
//! let handler = Handler::new(EventStore::from_env().await?, dead_letters);
//!
//! let report = handler.handle(&[Record::new(id, body)], None).await;
//! if report.failed.is_empty() {
//!     // Stored, a duplicate, or moved to the dead-letter queue: acknowledge the message.
//! }
//! # Ok(())
//! # }
//! ```

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
    pub use crate::log::escaped;
    pub use crate::record::{DecodeFailure, RecordEvent, decode_record};
    pub use crate::rejection::Rejection;
}
