//! The SDK as its users see it. One binary, so that it links once.

mod derive;
mod evolution;
#[cfg(feature = "schema")]
mod gate;
mod pii;
#[cfg(feature = "schema")]
mod schema;
mod wire;
