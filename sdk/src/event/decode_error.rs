//! Why a stored event cannot be read as a type of this program.

use super::ids::EventType;

/// A stored event that its type in this program cannot read.
///
/// It tells places and kinds, never the data, so it may be logged.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DecodeError {
    /// The data is not of the type's shape.
    #[error(
        "the data of a stored {event_type} (version {version}) does not fit its type at {pointer}: {reason}"
    )]
    Data {
        /// Type of the stored event.
        event_type: EventType,
        /// Version that it was stored with.
        version: u16,
        /// Where, as a JSON pointer (RFC 6901).
        pointer: String,
        /// What was found and what is expected, in kind.
        reason: String,
    },
    /// The event was written by an earlier version, and the type has no way up
    /// from that.
    #[error(
        "a stored {event_type} has version {stored}, and this program has no way up from it to version {known}"
    )]
    OlderVersion {
        /// Type of the stored event.
        event_type: EventType,
        /// Version that it was stored with.
        stored: u16,
        /// Version that this program reads.
        known: u16,
    },
    /// The event was written by a later version of the program.
    #[error(
        "a stored {event_type} has version {stored}, and this program knows up to version {known}"
    )]
    NewerVersion {
        /// Type of the stored event.
        event_type: EventType,
        /// Version that it was stored with.
        stored: u16,
        /// Latest version that this program knows.
        known: u16,
    },
}
