//! Why a stored event cannot be read as a type of this program.

use super::ids::EventType;

/// A stored event cannot be read as its type in this program.
///
/// The error names positions and types and never the data, so it may be logged. A pointer
/// shows the names of fields and never the keys of maps, which are data.
///
/// # Examples
///
/// ```
/// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/doc/setup.rs"));
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use domain_events::{DecodeError, Emitter, Envelope};
///
/// let emitter = Emitter::system("shop")?;
/// let stored = Envelope::builder("ORDER_PLACED".parse()?, "7".parse()?, emitter)
///     .build_with(&serde_json::json!({ "order_id": 7, "cents": "many" }))?;
///
/// match stored.decode::<OrderPlaced>() {
///     Err(DecodeError::Data { pointer, reason, .. }) => {
///         assert_eq!(pointer, "/Data/cents");
///         println!("{reason}"); // without the data
///     }
///     other => panic!("{other:?}"),
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DecodeError {
    /// The data does not fit the type.
    #[error(
        "the data of a stored {event_type} (version {version}) does not fit its type at {pointer}: {reason}"
    )]
    Data {
        /// The event type of the stored event.
        event_type: EventType,
        /// The version of the stored event.
        version: u16,
        /// The position of the fault, as a JSON Pointer (RFC 6901).
        pointer: String,
        /// What was found and what is expected, without the data.
        reason: String,
    },
    /// The event was written by an earlier version of the program, and the type does not
    /// define how to read that version.
    #[error(
        "a stored {event_type} has version {stored}, and no upcast from version {stored} to {known} is defined"
    )]
    OlderVersion {
        /// The event type of the stored event.
        event_type: EventType,
        /// The version of the stored event.
        stored: u16,
        /// The version that this program reads.
        known: u16,
    },
    /// The event was written by a later version of the program.
    #[error(
        "a stored {event_type} has version {stored}, and this program reads versions up to {known}"
    )]
    NewerVersion {
        /// The event type of the stored event.
        event_type: EventType,
        /// The version of the stored event.
        stored: u16,
        /// The latest version that this program reads.
        known: u16,
    },
}
