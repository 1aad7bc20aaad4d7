//! Tests of the public API of the SDK. They share one binary, so that it is linked once.

#![forbid(unsafe_code)]
#![allow(
    clippy::unwrap_used,
    reason = "clippy exempts test functions, but not the helpers that they call"
)]

mod canary;
#[cfg(feature = "schema")]
mod compatibility;
mod data;
mod derive;
mod evolution;
mod hostile;
mod ids;
mod pii;
#[cfg(feature = "sqs")]
mod publisher;
#[cfg(feature = "sqs")]
mod publisher_env;
#[cfg(feature = "spool")]
mod publisher_spool;
#[cfg(all(feature = "derive", feature = "spool"))]
mod recorded;
mod round_trip;
#[cfg(feature = "schema")]
mod schema;
#[cfg(feature = "sqs")]
mod scripted_endpoint;
#[cfg(feature = "sqs")]
mod signature;
mod wire;
