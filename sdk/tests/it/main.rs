//! The SDK as its users see it. One binary, so that it links once.

mod derive;
mod evolution;
mod pii;
mod wire;
