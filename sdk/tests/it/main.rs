//! The SDK as its users see it. One binary, so that it links once.

// Clippy allows it in tests, and takes only functions marked as such for tests.
#![allow(clippy::unwrap_used)]

mod derive;
mod evolution;
#[cfg(feature = "schema")]
mod gate;
mod pii;
#[cfg(feature = "schema")]
mod schema;
mod wire;
