//! What can go wrong, one type per operation.

use std::fmt;
use std::sync::Arc;

use crate::event::EventType;

#[cfg(feature = "sqs")]
mod emit;
#[cfg(feature = "store")]
mod store;

#[cfg(feature = "sqs")]
pub use emit::{BuildError, EmitError, TryEmitError};
#[cfg(feature = "store")]
pub use store::{CorruptItem, ReadError, StoreError};

/// Why an event was refused.
///
/// The codes are part of the wire contract: a rejected message arrives at the
/// dead-letter queue with its code in the attribute `RejectionCode`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum RejectionCode {
    /// The body is not exactly one JSON value (RFC 8259).
    NotJson,
    /// JSON, but not an object, and not an array of objects.
    NotAnEvent,
    /// A key stands twice in one object, whatever its escapes.
    DuplicateKey,
    /// A required field is absent.
    MissingField,
    /// A field has another JSON type than the contract gives it.
    WrongType,
    /// A field has the right type and breaks its rule.
    InvalidValue,
    /// A top-level name that the store keeps for itself.
    ReservedField,
    /// A number that DynamoDB cannot hold without changing it.
    NumberNotStorable,
    /// Nested deeper than DynamoDB's 32 levels.
    TooDeep,
    /// Over DynamoDB's 400 KB an item, or over the 1 MiB of an SQS message.
    TooLarge,
}

impl RejectionCode {
    /// The code as it stands in the attribute `RejectionCode`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NotJson => "NOT_JSON",
            Self::NotAnEvent => "NOT_AN_EVENT",
            Self::DuplicateKey => "DUPLICATE_KEY",
            Self::MissingField => "MISSING_FIELD",
            Self::WrongType => "WRONG_TYPE",
            Self::InvalidValue => "INVALID_VALUE",
            Self::ReservedField => "RESERVED_FIELD",
            Self::NumberNotStorable => "NUMBER_NOT_STORABLE",
            Self::TooDeep => "TOO_DEEP",
            Self::TooLarge => "TOO_LARGE",
        }
    }
}

impl fmt::Display for RejectionCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// An event that breaks the contract, and can never be stored as it is.
///
/// It names the place and what was found in kind and size, never the payload,
/// so it may be logged. Sending the same event again gives the same answer.
#[derive(Debug, Clone)]
pub struct InvalidEvent {
    code: RejectionCode,
    place: String,
    reason: String,
    source: Option<Arc<serde_json::Error>>,
}

impl InvalidEvent {
    pub(crate) fn new(code: RejectionCode, place: &str, reason: impl Into<String>) -> Self {
        Self {
            code,
            place: place.to_owned(),
            reason: reason.into(),
            source: None,
        }
    }

    pub(crate) fn caused_by(mut self, source: serde_json::Error) -> Self {
        self.source = Some(Arc::new(source));
        self
    }

    pub(crate) fn without_source(self) -> Self {
        Self {
            source: None,
            ..self
        }
    }

    /// Puts `key` in front of the place, as one step of a JSON pointer.
    pub(crate) fn inside(mut self, key: &str) -> Self {
        let step = key.replace('~', "~0").replace('/', "~1");
        self.place = format!("/{step}{}", self.place);
        self
    }

    /// The kind of breach.
    pub fn code(&self) -> RejectionCode {
        self.code
    }

    /// Where, as a JSON pointer (RFC 6901); empty where the whole event is meant.
    pub fn place(&self) -> &str {
        &self.place
    }

    /// What was found and what is expected, in one sentence without payload.
    pub fn reason(&self) -> &str {
        &self.reason
    }
}

impl PartialEq for InvalidEvent {
    fn eq(&self, other: &Self) -> bool {
        (self.code, &self.place, &self.reason) == (other.code, &other.place, &other.reason)
    }
}

impl fmt::Display for InvalidEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            code,
            place,
            reason,
            ..
        } = self;
        if place.is_empty() {
            write!(f, "invalid event: {code}: {reason}")
        } else {
            write!(f, "invalid event: {code} at {place}: {reason}")
        }
    }
}

impl std::error::Error for InvalidEvent {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.source.as_deref().map(|e| e as _)
    }
}

/// A stored event that its type in this program cannot read.
///
/// It tells places and kinds, never the data, so it may be logged.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DecodeError {
    /// The data is not of the type's shape.
    #[error(
        "the data of a stored {event_type} (version {version}) does not fit its type at {place}: {reason}"
    )]
    Data {
        /// Type of the stored event.
        event_type: EventType,
        /// Version that it was stored with.
        version: u16,
        /// Where, as a JSON pointer (RFC 6901).
        place: String,
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
