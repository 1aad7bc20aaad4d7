//! Why an event is invalid. Every layer above uses these types.

use std::error::Error;
use std::fmt;

/// The rule that an invalid event breaks.
///
/// The codes are part of the wire contract: a rejected message arrives at the
/// dead-letter queue with its code in the attribute `RejectionCode`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum RejectionCode {
    /// The body is not exactly one JSON value (RFC 8259).
    NotJson,
    /// The value is neither a JSON object nor an array of objects.
    NotAnEvent,
    /// An object has the same key twice, after escapes are resolved.
    DuplicateKey,
    /// A required field is missing.
    MissingField,
    /// A field has another JSON type than the contract requires.
    WrongType,
    /// A field has the right JSON type and an invalid value.
    InvalidValue,
    /// A top-level field has a name that is reserved for the store.
    ReservedField,
    /// A number that DynamoDB cannot store without changing it.
    NumberNotStorable,
    /// A value is nested deeper than DynamoDB's 32 levels.
    TooDeep,
    /// The event exceeds DynamoDB's 400 KB for an item, or SQS's 1 MiB for a message.
    TooLarge,
    /// The store contains another event with the same `ID`, `Timestamp` and `EventId`.
    IdentityReused,
    /// Other events have all the keys that the event can have in the table: they are of
    /// the same entity and have the same timestamp and creation time.
    TieBreaksExhausted,
}

impl RejectionCode {
    /// The code as it is written into the attribute `RejectionCode`.
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

/// An event that breaks the contract and can never be stored as it is.
///
/// The error describes the first fault of the event; [`others`](Self::others) lists
/// further faults. It names positions, types and sizes, and never the payload, so it
/// may be logged. For an event of your own types, a [`pointer`](Self::pointer) shows
/// the names of fields and never the keys of maps, which are data.
///
/// The result is permanent: a retry with the same event fails in the same way.
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

    /// The first of the faults, with the others attached to it.
    pub(crate) fn first_of(faults: Vec<Self>) -> Option<Self> {
        let mut faults = faults.into_iter();
        let first = faults.next()?;
        Some(Self {
            others: faults.collect(),
            ..first
        })
    }

    /// The rule that the event breaks.
    pub fn code(&self) -> RejectionCode {
        self.code
    }

    /// The position of the fault, as a JSON Pointer (RFC 6901). It is empty if the
    /// fault concerns the whole event.
    pub fn pointer(&self) -> &str {
        &self.pointer
    }

    /// What was found and what is expected, in one sentence without payload.
    pub fn reason(&self) -> &str {
        &self.reason
    }

    /// Further faults of the same event, in the order of its text. At most seven are
    /// reported. Each of them has no further faults itself.
    pub fn others(&self) -> &[Self] {
        &self.others
    }
}

/// Prints the first fault, and the number of the others.
impl fmt::Display for InvalidEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "invalid event: {}", self.code)?;
        if !self.pointer.is_empty() {
            write!(f, " at {}", self.pointer)?;
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

/// An error and its causes on one line, each after a colon.
pub fn with_causes(error: &(dyn Error + 'static)) -> String {
    let causes = std::iter::successors(Some(error), |error| (**error).source());
    let texts: Vec<String> = causes.map(ToString::to_string).collect();
    texts.join(": ")
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
