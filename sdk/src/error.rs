//! Why an event is refused. Every layer above uses these types.

use std::error::Error;
use std::fmt;
use std::sync::Arc;

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
    /// The store contains another event with the same `ID`, `Timestamp` and `EventId`.
    IdentityReused,
    /// Other events have all the keys that the event can have in the table: they are of
    /// the same entity and have the same timestamp and creation time.
    TieBreaksExhausted,
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
            Self::IdentityReused => "IDENTITY_REUSED",
            Self::TieBreaksExhausted => "TIE_BREAKS_EXHAUSTED",
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
    pointer: String,
    reason: String,
    source: Option<Arc<serde_json::Error>>,
}

impl InvalidEvent {
    pub(crate) fn new(code: RejectionCode, pointer: &str, reason: impl Into<String>) -> Self {
        Self {
            code,
            pointer: pointer.to_owned(),
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
        self.pointer = format!("/{step}{}", self.pointer);
        self
    }

    /// The kind of breach.
    pub fn code(&self) -> RejectionCode {
        self.code
    }

    /// Where, as a JSON pointer (RFC 6901); empty where the whole event is meant.
    pub fn pointer(&self) -> &str {
        &self.pointer
    }

    /// What was found and what is expected, in one sentence without payload.
    pub fn reason(&self) -> &str {
        &self.reason
    }
}

impl PartialEq for InvalidEvent {
    fn eq(&self, other: &Self) -> bool {
        (self.code, &self.pointer, &self.reason) == (other.code, &other.pointer, &other.reason)
    }
}

impl fmt::Display for InvalidEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            code,
            pointer,
            reason,
            ..
        } = self;
        if pointer.is_empty() {
            write!(f, "invalid event: {code}: {reason}")
        } else {
            write!(f, "invalid event: {code} at {pointer}: {reason}")
        }
    }
}

impl Error for InvalidEvent {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.source.as_deref().map(|e| e as _)
    }
}

/// An error and its causes on one line, each after a colon.
pub fn with_causes(error: &(dyn Error + 'static)) -> String {
    let causes = std::iter::successors(Some(error), |error| (**error).source());
    let texts: Vec<String> = causes.map(ToString::to_string).collect();
    texts.join(": ")
}
