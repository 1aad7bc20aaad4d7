//! The consumer against real endpoints. One binary, because linking takes long.

#![forbid(unsafe_code)]
#![allow(
    clippy::unwrap_used,
    reason = "clippy exempts test functions, but not the functions that tests share"
)]

mod bootstrap;
mod canary;
mod dead_letters;
mod handler;
mod hostile;
mod recorded;
mod store;
mod support;
mod worker;
