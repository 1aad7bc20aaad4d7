//! The functions of the command `domain-events`. The binary parses the arguments and calls
//! these functions.
//!
//! Data is written to standard output. Logs and progress are written to standard error. A
//! function that prints data takes a [`Format`].

#![forbid(unsafe_code)]

pub mod check;
pub mod connection;
pub mod doctor;
pub mod emit;
mod failure;
pub mod outbox;
pub mod output;
pub mod progress;
pub mod read;
pub mod rejected;
pub mod relay;
pub mod time;
pub mod transfer;
pub mod vectors;

pub use failure::{Failure, Outcome, exit_code};
pub use output::Format;
