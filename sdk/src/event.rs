//! The vocabulary: events, their types, and who caused them.

use std::borrow::Cow;
use std::fmt;

use serde::Serialize;

use crate::error::{InvalidEvent, RejectionCode};

/// A fact of your domain that is worth keeping.
///
/// Derive it; or write it by hand, which is as good:
///
/// ```
/// use domain_events::{DomainEvent, EventDefinition};
///
/// #[derive(serde::Serialize)]
/// struct OrderPlaced {
///     order_id: String,
///     total_cents: u64,
/// }
///
/// impl DomainEvent for OrderPlaced {
///     const DEFINITIONS: &'static [EventDefinition] = &[EventDefinition::new("ORDER_PLACED")];
///
///     fn entity_id(&self) -> &dyn std::fmt::Display {
///         &self.order_id
///     }
/// }
/// ```
///
/// What the type's own `Serialize` writes becomes the event's `Data`. It has to
/// be a JSON object, or `null` for an event without data. Of an enum with
/// serde's default representation only the variant's content is written: its
/// name is already told by the event type.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a domain event",
    label = "this type does not implement `DomainEvent`",
    note = "add `#[derive(serde::Serialize, domain_events::DomainEvent)]` to `{Self}` and mark the field that holds the entity's id with `#[event(id)]`"
)]
pub trait DomainEvent: Serialize {
    /// Every event type that a value of this type can have: one for a struct,
    /// one per variant for an enum.
    const DEFINITIONS: &'static [EventDefinition];

    /// The definition of this value; one of [`DEFINITIONS`](Self::DEFINITIONS).
    fn definition(&self) -> EventDefinition {
        Self::DEFINITIONS[0]
    }

    /// Id of the entity that the event is about: 1 to 2,048 bytes when displayed.
    fn entity_id(&self) -> &dyn fmt::Display;

    /// Id of the user or system that caused the event, where the event itself
    /// knows it; else the `Sdk` handle's emitter is taken.
    fn emitter_id(&self) -> Option<&dyn fmt::Display> {
        None
    }

    /// Type of the emitter, where the event itself knows it.
    fn emitter_type(&self) -> Option<&dyn fmt::Display> {
        None
    }
}

macro_rules! through_pointer {
    ($($pointer:ty),*) => {$(
        impl<E: DomainEvent + ?Sized> DomainEvent for $pointer {
            const DEFINITIONS: &'static [EventDefinition] = E::DEFINITIONS;

            fn definition(&self) -> EventDefinition {
                (**self).definition()
            }
            fn entity_id(&self) -> &dyn fmt::Display {
                (**self).entity_id()
            }
            fn emitter_id(&self) -> Option<&dyn fmt::Display> {
                (**self).emitter_id()
            }
            fn emitter_type(&self) -> Option<&dyn fmt::Display> {
                (**self).emitter_type()
            }
        }
    )*};
}

through_pointer!(&E, Box<E>);

/// How one kind of event is called and versioned.
///
/// Names are checked when the constant is evaluated, so a wrong one does not
/// compile.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EventDefinition {
    event_type: &'static str,
    version: u16,
    aliases: &'static [&'static str],
    variant: Option<u32>,
}

impl EventDefinition {
    /// A definition of version 1 without aliases.
    ///
    /// # Panics
    ///
    /// At compile time in a constant, if `event_type` is not of the form
    /// `EVENT_EXAMPLE` or is longer than 128 bytes.
    #[track_caller]
    pub const fn new(event_type: &'static str) -> Self {
        require_event_type(event_type);
        Self {
            event_type,
            version: 1,
            aliases: &[],
            variant: None,
        }
    }

    /// The version of the event's data.
    ///
    /// # Panics
    ///
    /// If `version` is 0: versions count from 1.
    #[track_caller]
    #[must_use]
    pub const fn with_version(self, version: u16) -> Self {
        assert!(version > 0, "an event's version must be 1 to 65535");
        Self { version, ..self }
    }

    /// Former names, under which stored events are still read.
    ///
    /// # Panics
    ///
    /// If one of them is no valid event type.
    #[track_caller]
    #[must_use]
    pub const fn with_aliases(self, aliases: &'static [&'static str]) -> Self {
        let mut i = 0;
        while i < aliases.len() {
            require_event_type(aliases[i]);
            i += 1;
        }
        Self { aliases, ..self }
    }

    /// Marks the definition as that of an enum's variant, by the number that
    /// serde's derive gives the variant when it deserializes.
    ///
    /// # Panics
    ///
    /// If it is a variant's already: an enum of events does not nest.
    #[track_caller]
    #[must_use]
    pub const fn in_variant(self, serde_index: u32) -> Self {
        Self {
            variant: Some(serde_index),
            ..self
        }
    }

    /// The name that is written.
    pub const fn event_type(&self) -> EventType {
        EventType(Cow::Borrowed(self.event_type))
    }

    /// Version of the event's data, from 1.
    pub const fn version(&self) -> u16 {
        self.version
    }

    /// Former names.
    pub const fn aliases(&self) -> &'static [&'static str] {
        self.aliases
    }

    /// Number of the enum's variant, as serde counts.
    pub const fn variant(&self) -> Option<u32> {
        self.variant
    }

    /// Whether an event stored under `event_type` is one of these.
    pub fn reads(&self, event_type: &EventType) -> bool {
        self.event_type == event_type.as_str() || self.aliases.contains(&event_type.as_str())
    }
}

/// The longest event type, in bytes.
pub(crate) const MAX_EVENT_TYPE: usize = 128;

#[track_caller]
const fn require_event_type(name: &str) {
    assert!(
        is_event_type(name),
        "an event type must look like ORDER_PLACED: words of A-Z and 0-9 joined by single underscores, \
         the first starting with a letter, at most 128 bytes"
    );
}

/// `[A-Z][A-Z0-9]*(_[A-Z0-9]+)*`, at most 128 bytes. A `const fn`, so that the
/// derive can force it at compile time.
const fn is_event_type(name: &str) -> bool {
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

impl EventId {
    /// A new identity: a UUID of version 7, so that identities sort by time.
    pub fn random() -> Self {
        let mut buffer = uuid::Uuid::encode_buffer();
        Self(Cow::Owned(
            uuid::Uuid::now_v7()
                .hyphenated()
                .encode_lower(&mut buffer)
                .to_owned(),
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
        assert_eq!(error.place(), "/ID");
        assert_eq!(
            error.reason(),
            "found 2400 bytes; ID must be 1 to 2,048 bytes of UTF-8"
        );
        assert!(!format!("{error:?}").contains("secret"));
    }
}
