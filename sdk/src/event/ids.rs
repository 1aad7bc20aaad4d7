//! The checked texts of an event, and the emitter that two of them make up.

use std::borrow::Cow;
use std::fmt;

use crate::error::{InvalidEvent, RejectionCode};

/// The longest event type, in bytes.
pub(crate) const MAX_EVENT_TYPE: usize = 128;

/// `[A-Z][A-Z0-9]*(_[A-Z0-9]+)*`, at most 128 bytes. A `const fn`, so that the
/// derive can force it at compile time.
pub(crate) const fn is_event_type(name: &str) -> bool {
    let bytes = name.as_bytes();
    if bytes.is_empty() || bytes.len() > MAX_EVENT_TYPE || !bytes[0].is_ascii_uppercase() {
        return false;
    }
    let mut i = 1;
    while i < bytes.len() {
        match bytes[i] {
            b'A'..=b'Z' | b'0'..=b'9' => {}
            b'_' if bytes[i - 1] != b'_' && i + 1 < bytes.len() => {}
            _ => return false,
        }
        i += 1;
    }
    true
}

/// Defines a checked text: a newtype that holds only what its field may hold.
macro_rules! checked_text {
    ($(#[$doc:meta])* $name:ident, $field:literal, $check:expr, $rule:literal) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Cow<'static, str>);

        impl $name {
            #[doc = concat!("Checks `text`: ", $rule, ".")]
            ///
            /// # Errors
            ///
            #[doc = concat!("[`InvalidEvent`] at `/", $field, "` if it breaks the rule.")]
            pub fn new(text: impl Into<Cow<'static, str>>) -> Result<Self, InvalidEvent> {
                let text = text.into();
                if $check(&text) {
                    return Ok(Self(text));
                }
                let found = match text.len() {
                    0 => "found an empty string".to_owned(),
                    n => format!("found {n} bytes"),
                };
                Err(InvalidEvent::new(
                    RejectionCode::InvalidValue,
                    concat!("/", $field),
                    format!(concat!("{}; ", $field, " must be ", $rule), found),
                ))
            }

            /// The same for a literal, checked at compile time in a constant.
            ///
            /// # Panics
            ///
            /// If `text` breaks the rule.
            #[track_caller]
            pub const fn from_static(text: &'static str) -> Self {
                assert!($check(text), concat!($field, " must be ", $rule));
                Self(Cow::Borrowed(text))
            }

            /// The text itself.
            pub fn as_str(&self) -> &str {
                &self.0
            }

            /// The text as an owned string.
            pub fn into_string(self) -> String {
                self.0.into_owned()
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&self.0)
            }
        }

        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }

        impl PartialEq<str> for $name {
            fn eq(&self, other: &str) -> bool {
                self.0 == other
            }
        }

        impl PartialEq<&str> for $name {
            fn eq(&self, other: &&str) -> bool {
                self.0 == *other
            }
        }

        impl std::str::FromStr for $name {
            type Err = InvalidEvent;
            fn from_str(text: &str) -> Result<Self, InvalidEvent> {
                Self::new(text.to_owned())
            }
        }

        impl TryFrom<String> for $name {
            type Error = InvalidEvent;
            fn try_from(text: String) -> Result<Self, InvalidEvent> {
                Self::new(text)
            }
        }

        impl TryFrom<&str> for $name {
            type Error = InvalidEvent;
            fn try_from(text: &str) -> Result<Self, InvalidEvent> {
                Self::new(text.to_owned())
            }
        }
    };
}

const fn up_to<const MAX: usize>(text: &str) -> bool {
    !text.is_empty() && text.len() <= MAX
}

checked_text!(
    /// What happened: `ORDER_PLACED`.
    EventType,
    "EventType",
    is_event_type,
    "of the form EVENT_EXAMPLE (A-Z, 0-9 and single underscores between words, a letter first) and at most 128 bytes"
);
checked_text!(
    /// Id of the entity that an event is about. The table's hash key, whose
    /// limit is DynamoDB's (developer guide, "Quotas": partition key length).
    EntityId,
    "ID",
    up_to::<2048>,
    "1 to 2,048 bytes of UTF-8"
);
checked_text!(
    /// Id of the user or system that caused an event.
    EmitterId,
    "EmitterId",
    up_to::<2048>,
    "1 to 2,048 bytes of UTF-8"
);
checked_text!(
    /// Kind of emitter: `USER` and `SYSTEM` by convention, or a text of yours.
    EmitterType,
    "EmitterType",
    up_to::<256>,
    "1 to 256 bytes of UTF-8"
);
checked_text!(
    /// Identity of one event. Two messages with one identity are one event.
    EventId,
    "EventId",
    up_to::<128>,
    "1 to 128 bytes of UTF-8"
);
checked_text!(
    /// Names the conversation, process or request that an event is part of.
    CorrelationId,
    "CorrelationId",
    up_to::<128>,
    "1 to 128 bytes of UTF-8"
);
checked_text!(
    /// The [`EventId`] of the event that caused this one.
    CausationId,
    "CausationId",
    up_to::<128>,
    "1 to 128 bytes of UTF-8"
);

impl EventType {
    /// For a name that is known to be of the right form.
    pub(crate) const fn known(name: &'static str) -> Self {
        Self(Cow::Borrowed(name))
    }
}

impl EventId {
    pub(crate) fn of_uuid(uuid: uuid::Uuid) -> Self {
        let mut buffer = uuid::Uuid::encode_buffer();
        Self(Cow::Owned(
            uuid.hyphenated().encode_lower(&mut buffer).to_owned(),
        ))
    }
}

impl From<EventId> for CausationId {
    fn from(id: EventId) -> Self {
        Self(id.0)
    }
}

impl From<&EventId> for CausationId {
    fn from(id: &EventId) -> Self {
        id.clone().into()
    }
}

/// Who or what causes events: an id and its type.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Emitter {
    id: EmitterId,
    kind: EmitterType,
}

impl Emitter {
    /// An emitter of any type.
    pub fn new(kind: EmitterType, id: EmitterId) -> Self {
        Self { id, kind }
    }

    /// An emitter of the type `USER`.
    ///
    /// # Errors
    ///
    /// [`InvalidEvent`] if the id is empty or over 2,048 bytes.
    pub fn user(id: impl Into<String>) -> Result<Self, InvalidEvent> {
        Ok(Self::new(
            EmitterType::from_static("USER"),
            EmitterId::new(id.into())?,
        ))
    }

    /// An emitter of the type `SYSTEM`.
    ///
    /// # Errors
    ///
    /// [`InvalidEvent`] if the id is empty or over 2,048 bytes.
    pub fn system(id: impl Into<String>) -> Result<Self, InvalidEvent> {
        Ok(Self::new(
            EmitterType::from_static("SYSTEM"),
            EmitterId::new(id.into())?,
        ))
    }

    /// The emitter's id.
    pub fn id(&self) -> &EmitterId {
        &self.id
    }

    /// The emitter's type.
    pub fn kind(&self) -> &EmitterType {
        &self.kind
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn event_types_follow_their_grammar() {
        for good in [
            "E",
            "EVENT_TEST",
            "ORDER2_PLACED_V10",
            "A_1",
            &"E".repeat(128),
        ] {
            assert!(is_event_type(good), "{good}");
        }
        for bad in [
            "",
            "_A",
            "A_",
            "A__B",
            "a",
            "1A",
            "A-B",
            "É",
            &"E".repeat(129),
        ] {
            assert!(!is_event_type(bad), "{bad}");
        }
    }

    #[test]
    fn a_refused_text_is_told_by_size_and_not_by_content() {
        let error = EntityId::new("secret".repeat(400)).unwrap_err();
        assert_eq!(error.pointer(), "/ID");
        assert_eq!(
            error.reason(),
            "found 2400 bytes; ID must be 1 to 2,048 bytes of UTF-8"
        );
        assert!(!format!("{error:?}").contains("secret"));
    }
}
