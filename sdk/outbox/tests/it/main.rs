//! Tests of the SQL outboxes, and of the relay against the embedded stack.

#![forbid(unsafe_code)]
#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    reason = "clippy exempts test functions, but not the functions that tests share"
)]

#[path = "../support/postgres.rs"]
mod postgres;

mod deliver;
mod fast_path;
mod order_rule;
mod rows;
mod service;
mod sweep;
