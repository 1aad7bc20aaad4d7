//! The wire format: how an event is written as a JSON object, with every rule and limit.
//!
//! Producers and the consumer run the same code. [`encode`] and [`decode`] refuse the same
//! events for the same reasons, so the store can hold every event that `emit` accepted.

mod decode;
mod encode;
mod transport_envelope;

pub use decode::{DecodedEvent, Identification, decode};
pub use encode::encode;
#[cfg(feature = "sqs")]
pub(crate) use encode::encode_unbounded;

/// The maximum size of a message, and of a request with all its messages, in bytes (SQS
/// developer guide, "Message quotas", since August 2025).
pub const MAX_MESSAGE_BYTES: usize = 1_048_576;
