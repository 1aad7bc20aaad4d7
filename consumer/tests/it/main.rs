//! The consumer against real endpoints. One binary, so that it links once.

#![forbid(unsafe_code)]
#![allow(
    clippy::unwrap_used,
    reason = "clippy knows the tests, but not what they share"
)]

mod bootstrap;
mod handler;
mod hostile;
mod hostile_list;
mod recorded;
mod store;
mod support;
mod worker;
