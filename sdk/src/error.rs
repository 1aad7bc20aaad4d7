//! The error for an invalid event. Every layer above uses these types.

use std::borrow::Cow;
use std::error::Error;
use std::fmt;

/// The rule that an invalid event violates.
///
/// The codes are part of the wire contract: in the dead-letter queue, a rejected message has
/// its code in the attribute `RejectionCode`.
///
/// # Examples
///
/// ```
/// use domain_events::{EntityId, RejectionCode};
///
/// let error = EntityId::new("").unwrap_err();
/// assert_eq!(error.code(), RejectionCode::InvalidValue);
/// assert_eq!(error.code().as_str(), "INVALID_VALUE");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum RejectionCode {
    /// The body is not exactly one JSON value (RFC 8259).
    NotJson,
    /// The value is neither a JSON object nor an array of objects.
    NotAnEvent,
    /// An object has the same key twice, after its escapes are decoded.
    DuplicateKey,
    /// A required field is missing.
    MissingField,
    /// A field does not have the JSON type that the contract requires.
    WrongType,
    /// A field has the correct JSON type, but an invalid value.
    InvalidValue,
    /// A top-level field has a name that is reserved for the store.
    ReservedField,
    /// A number that DynamoDB cannot store without changing it.
    NumberNotStorable,
    /// A value is nested deeper than DynamoDB's 32 levels.
    TooDeep,
    /// The event exceeds the limit of DynamoDB for an item (400 KB), or the limit of SQS for
    /// a message (1 MiB).
    TooLarge,
    /// The store contains another event with the same `ID`, `Timestamp` and `EventId`.
    IdentityReused,
    /// Every key under which the event can be stored belongs to another event of the same
    /// entity with the same timestamp and creation time.
    TieBreaksExhausted,
}

impl RejectionCode {
    /// Returns the text of the code in the attribute `RejectionCode`.
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

/// An event that violates the contract and can never be stored without a change.
///
/// The error describes the first fault of the event; [`others`](Self::others) lists
/// further faults. It contains positions, types and sizes, but never the payload, so it can
/// be logged. For an event of your own types, the [`pointer`](Self::pointer) contains the
/// names of fields, but never the keys of maps, because these keys are data.
///
/// The error is permanent: a retry with the same event fails in the same way.
///
/// # Examples
///
/// ```
/// use domain_events::{EventId, RejectionCode, wire};
///
/// let body = r#"{"Timestamp":1596719980123,"EventType":"order placed","ID":"7"}"#;
/// let events = wire::decode(body, &EventId::from_static("message-1"))?;
/// let error = events[0].outcome.as_ref().unwrap_err();
///
/// assert_eq!(error.code(), RejectionCode::InvalidValue);
/// assert_eq!(error.pointer(), "/Timestamp");
/// assert!(error.reason().contains("looks like milliseconds"));
/// let others: Vec<_> = error.others().iter().map(|other| other.pointer()).collect();
/// assert_eq!(others, ["/EventType", "/EmitterId", "/EmitterType"]);
/// # Ok::<(), domain_events::InvalidEvent>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InvalidEvent {
    code: RejectionCode,
    pointer: String,
    reason: String,
    others: Box<[Self]>,
}

impl InvalidEvent {
    pub(crate) fn new(code: RejectionCode, pointer: &str, reason: impl Into<String>) -> Self {
        Self {
            code,
            pointer: pointer.to_owned(),
            reason: reason.into(),
            others: Box::default(),
        }
    }

    /// Combines faults into one error: the first fault, which contains the other faults.
    pub(crate) fn first_of(faults: Vec<Self>) -> Option<Self> {
        let mut faults = faults.into_iter();
        let first = faults.next()?;
        Some(Self {
            others: faults.collect(),
            ..first
        })
    }

    /// The rule that the event violates.
    pub fn code(&self) -> RejectionCode {
        self.code
    }

    /// The position of the fault, as a JSON Pointer (RFC 6901). It is empty if the
    /// fault is about the whole event.
    pub fn pointer(&self) -> &str {
        &self.pointer
    }

    /// A sentence that states the found and the expected value, without payload.
    pub fn reason(&self) -> &str {
        &self.reason
    }

    /// Further faults of the same event, in the order of its text. At most seven are
    /// reported. The errors in this list have no further faults.
    pub fn others(&self) -> &[Self] {
        &self.others
    }
}

/// Prints the first fault and the number of further faults. Characters that are unsafe to
/// print on a terminal are escaped.
impl fmt::Display for InvalidEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "invalid event: {}", self.code)?;
        if !self.pointer.is_empty() {
            // The pointer may contain keys that another producer chose.
            write!(f, " at {}", printable(&self.pointer))?;
        }
        write!(f, ": {}", self.reason)?;
        match self.others.len() {
            0 => Ok(()),
            1 => f.write_str(" (and 1 more fault)"),
            more => write!(f, " (and {more} more faults)"),
        }
    }
}

impl Error for InvalidEvent {}

/// Returns the text of an error and of its causes on one line, separated by colons.
pub fn with_causes(error: &(dyn Error + 'static)) -> String {
    let causes = std::iter::successors(Some(error), |error| (**error).source());
    let texts: Vec<String> = causes.map(ToString::to_string).collect();
    texts.join(": ")
}

/// Returns the text with an escape in place of each character that is unsafe to print.
pub fn printable(text: &str) -> Cow<'_, str> {
    if !text.contains(is_unsafe_to_print) {
        return text.into();
    }
    let mut printed = String::with_capacity(text.len() + 16);
    for character in text.chars() {
        match is_unsafe_to_print(character) {
            true => printed.extend(character.escape_unicode()),
            false => printed.push(character),
        }
    }
    printed.into()
}

/// Whether a character must be escaped where a person reads the text: control characters,
/// which a terminal executes; line and paragraph separators, which some viewers take for
/// the end of a line; and invisible formatting characters, such as those that reverse the
/// direction of text.
pub fn is_unsafe_to_print(character: char) -> bool {
    character.is_control()
        || matches!(
            character,
            '\u{ad}' | '\u{61c}' | '\u{180e}'
                | '\u{200b}'..='\u{200f}'
                | '\u{2028}'..='\u{202e}'
                | '\u{2060}'..='\u{206f}'
                | '\u{feff}'
                | '\u{fff9}'..='\u{fffb}'
                | '\u{e0000}'..='\u{e007f}'
        )
}
