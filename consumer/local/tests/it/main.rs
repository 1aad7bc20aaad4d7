//! The embedded stack and its SQS endpoint, used through real AWS clients. One binary, so
//! that it links once.

#![forbid(unsafe_code)]
#![allow(
    clippy::unwrap_used,
    reason = "clippy exempts test functions, but not the helpers that they call"
)]

mod outbox;
mod sqs_endpoint;
mod stack;
mod support;
