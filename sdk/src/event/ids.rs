//! The checked texts of an event: newtypes that hold only valid values.

use std::borrow::Cow;
use std::fmt;

use crate::error::{InvalidEvent, RejectionCode};

/// The maximum length of an event type, in bytes.
pub(crate) const MAX_EVENT_TYPE: usize = 128;

/// `[A-Z][A-Z0-9]*(_[A-Z0-9]+)*`, at most 128 bytes. It is a `const fn` so that the
/// derive can check names at compile time.
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

/// Defines a newtype for the text of one field of the contract.
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
            #[doc = concat!("[`InvalidEvent`] at `/", $field, "` if the text violates the rule.")]
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

            /// Checks a literal. In a constant, the check happens at compile time.
            ///
            /// # Panics
            ///
            /// If `text` violates the rule.
            #[track_caller]
            pub const fn from_static(text: &'static str) -> Self {
                assert!($check(text), concat!($field, " must be ", $rule));
                Self(Cow::Borrowed(text))
            }

            /// Returns the text itself.
            pub fn as_str(&self) -> &str {
                &self.0
            }

            /// Returns the text as an owned string.
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

        /// Writes the text.
        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(&self.0)
            }
        }

        /// Reads and checks a text.
        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                Self::new(String::deserialize(deserializer)?).map_err(serde::de::Error::custom)
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

pub(super) use checked_text;

pub(super) const fn up_to<const MAX: usize>(text: &str) -> bool {
    !text.is_empty() && text.len() <= MAX
}

checked_text!(
    /// The type of an event, such as `ORDER_PLACED`.
    ///
    /// # Examples
    ///
    /// ```
    /// use domain_events::EventType;
    ///
    /// const ORDER_PLACED: EventType = EventType::from_static("ORDER_PLACED"); // checked at compile time
    /// let read: EventType = "ORDER_PLACED".parse()?;
    /// assert_eq!(read, ORDER_PLACED);
    /// assert!(EventType::new("OrderPlaced").is_err());
    /// # Ok::<(), domain_events::InvalidEvent>(())
    /// ```
    EventType,
    "EventType",
    is_event_type,
    "of the form EVENT_EXAMPLE (A-Z, 0-9 and single underscores between words, a letter first) and at most 128 bytes"
);
checked_text!(
    /// Id of the entity that an event is about. It is the hash key of the table, so its maximum
    /// length is the limit of DynamoDB (developer guide, "Quotas": partition key length).
    ///
    /// [`EntityId::of`] creates an id from any value that can be displayed.
    ///
    /// # Examples
    ///
    /// ```
    /// use domain_events::EntityId;
    ///
    /// let id = EntityId::new("order-7")?;
    /// assert_eq!(id, "order-7");
    /// assert_eq!(serde_json::to_string(&id).unwrap(), r#""order-7""#);
    /// assert!(EntityId::new("").is_err());
    /// # Ok::<(), domain_events::InvalidEvent>(())
    /// ```
    EntityId,
    "ID",
    up_to::<2048>,
    "1 to 2,048 bytes of UTF-8"
);
checked_text!(
    /// Identity of an event. Messages with the same `ID`, `Timestamp` and `EventId` are
    /// one event.
    ///
    /// # Examples
    ///
    /// ```
    /// use domain_events::EventId;
    ///
    /// let new = EventId::random(); // a UUID of version 7
    /// let imported = EventId::new("legacy-4711")?;
    /// assert_ne!(new, imported);
    /// # Ok::<(), domain_events::InvalidEvent>(())
    /// ```
    EventId,
    "EventId",
    up_to::<128>,
    "1 to 128 bytes of UTF-8"
);
checked_text!(
    /// Identifies the conversation, process or request that an event belongs to.
    ///
    /// # Examples
    ///
    /// ```
    /// use domain_events::CorrelationId;
    ///
    /// let id: CorrelationId = "request-9f2c".parse()?; // from a header, for `Sdk::with_correlation_id`
    /// assert_eq!(id.as_str(), "request-9f2c");
    /// # Ok::<(), domain_events::InvalidEvent>(())
    /// ```
    CorrelationId,
    "CorrelationId",
    up_to::<128>,
    "1 to 128 bytes of UTF-8"
);
checked_text!(
    /// The [`EventId`] of the event that caused this event.
    ///
    /// # Examples
    ///
    /// ```
    /// use domain_events::{CausationId, EventId};
    ///
    /// let cause = EventId::random();
    /// let id = CausationId::from(cause.clone()); // `Sdk::caused_by` accepts both
    /// assert_eq!(id.as_str(), cause.as_str());
    /// ```
    CausationId,
    "CausationId",
    up_to::<128>,
    "1 to 128 bytes of UTF-8"
);

impl EventType {
    /// Creates an event type that has already been checked.
    pub(crate) const fn known(name: &'static str) -> Self {
        Self(Cow::Borrowed(name))
    }
}

impl EntityId {
    /// Creates an id from the `Display` text of `value`.
    ///
    /// ```
    /// # fn main() -> Result<(), domain_events::InvalidEvent> {
    /// use domain_events::EntityId;
    ///
    /// assert_eq!(EntityId::of(&7)?, "7");
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// [`InvalidEvent`] at `/ID` if the text is empty or longer than 2,048 bytes, or if
    /// `Display` returns an error.
    pub fn of(value: &(impl fmt::Display + ?Sized)) -> Result<Self, InvalidEvent> {
        Self::new(displayed(&value, "ID")?)
    }
}

/// Returns the text of an id or emitter type whose type the user defined. `field` is the field
/// of the wire format that contains the text.
pub(crate) fn displayed(value: &dyn fmt::Display, field: &str) -> Result<String, InvalidEvent> {
    use std::fmt::Write as _;

    let mut text = String::new();
    // `write!` is used because `to_string` panics if `Display` returns an error.
    match write!(text, "{value}") {
        Ok(()) => Ok(text),
        Err(fmt::Error) => Err(InvalidEvent::new(
            RejectionCode::InvalidValue,
            &format!("/{field}"),
            format!("the Display of the value for {field} returned an error"),
        )),
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn event_type_follows_its_grammar() {
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
    fn invalid_text_is_not_in_the_error() {
        let error = EntityId::new("secret".repeat(400)).unwrap_err();
        assert_eq!(error.pointer(), "/ID");
        assert_eq!(
            error.reason(),
            "found 2400 bytes; ID must be 1 to 2,048 bytes of UTF-8"
        );
        assert!(!format!("{error:?}").contains("secret"));
    }

    #[test]
    fn failing_display_is_an_error() {
        struct Fails;
        impl fmt::Display for Fails {
            fn fmt(&self, _: &mut fmt::Formatter<'_>) -> fmt::Result {
                Err(fmt::Error)
            }
        }
        let error = EntityId::of(&Fails).unwrap_err();
        assert_eq!(error.pointer(), "/ID");
    }

    #[test]
    fn entity_id_is_made_from_any_displayed_value() {
        let id = uuid::Uuid::nil();
        let expected = EntityId::from_static("7");
        assert_eq!(EntityId::of("7").unwrap(), expected);
        assert_eq!(EntityId::of(&"7".to_owned()).unwrap(), expected);
        assert_eq!(EntityId::of(&7).unwrap(), expected);
        assert_eq!(EntityId::of(&expected).unwrap(), expected);
        assert_eq!(EntityId::of(&id).unwrap().as_str(), id.to_string());
        assert!(EntityId::of("").is_err());
    }

    #[test]
    fn ids_are_read_from_their_own_json() {
        let id = EntityId::from_static("7");
        let json = serde_json::to_string(&id).unwrap();
        assert_eq!(json, "\"7\"");
        assert_eq!(serde_json::from_str::<EntityId>(&json).unwrap(), id);
        assert!(serde_json::from_str::<EntityId>("\"\"").is_err());
    }
}
