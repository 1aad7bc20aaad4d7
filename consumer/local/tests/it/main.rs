//! Tests of the embedded stack and its SQS endpoint with real AWS clients. They are one binary,
//! because linking takes long.

#![forbid(unsafe_code)]
#![allow(
    clippy::unwrap_used,
    reason = "clippy exempts test functions, but not the helpers that they call"
)]

mod outbox;
mod sqs_endpoint;
mod stack;
mod support;
