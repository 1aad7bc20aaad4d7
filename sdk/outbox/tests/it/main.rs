//! The rows of the SQL databases, and the relay against the embedded stack.

#![forbid(unsafe_code)]
#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    reason = "clippy knows the tests, but not what they share"
)]

#[path = "../support/postgres.rs"]
mod postgres;

mod deliver;
mod fast_path;
mod order_rule;
mod rows;
mod service;
mod sweep;
