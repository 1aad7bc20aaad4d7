//! The wire format: how an event is written as a JSON object, with every rule and limit.
//!
//! Producers and the consumer run the same code. [`encode`] and [`decode`] refuse the same
//! events for the same reasons, so the store can hold every event that `emit` accepted.
//!
//! ```
//! use domain_events::{EventId, wire};
//!
//! let body = r#"{"Timestamp":1596719980,"EventType":"EVENT_TEST","ID":"7","EmitterId":"u-42","EmitterType":"USER","Data":{"foo":1.50}}"#;
//! let message_id = EventId::from_static("message-1"); // the identity of an event without one
//! for event in wire::decode(body, &message_id)? {
//!     let envelope = event.outcome?;
//!     assert_eq!(envelope.data(), Some(r#"{"foo":1.50}"#)); // numbers keep every digit
//!     println!("{}", wire::encode(&envelope)?);
//! }
//! # Ok::<(), domain_events::InvalidEvent>(())
//! ```

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
