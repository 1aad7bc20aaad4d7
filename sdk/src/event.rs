//! The vocabulary: events, their types, and who caused them.

use std::borrow::Cow;
use std::fmt;

use serde::Serialize;

use crate::definition::EventDefinition;
use crate::error::{DecodeError, InvalidEvent, RejectionCode};
use crate::identity;
use crate::older::OlderEvent;
use crate::timestamp::Timestamp;

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
    /// knows it; else the `Sdk` handle's emitter is taken. By itself it is that of
    /// the [`definition`](Self::definition).
    fn emitter_id(&self) -> Option<&dyn fmt::Display> {
        self.definition().emitter_id()
    }

    /// Type of the emitter, where the event itself knows it.
    fn emitter_type(&self) -> Option<&dyn fmt::Display> {
        self.definition().emitter_type()
    }

    /// Reads what an earlier version of the event left behind. The stored event
    /// stays as it is.
    ///
    /// To be written where [`DEFINITIONS`](Self::DEFINITIONS) has a version from
    /// 2 on; it is never called for version 1.
    ///
    /// ```
    /// use domain_events::{DecodeError, DomainEvent, EventDefinition, OlderEvent};
    /// # use serde::{Deserialize, Serialize};
    /// # #[derive(Serialize, Deserialize)]
    /// # struct OrderPlacedV1 { order_id: String, total: f64 }
    /// # impl DomainEvent for OrderPlacedV1 {
    /// #     const DEFINITIONS: &'static [EventDefinition] = &[EventDefinition::new("ORDER_PLACED")];
    /// #     fn entity_id(&self) -> &dyn std::fmt::Display { &self.order_id }
    /// # }
    /// # #[derive(Serialize, Deserialize)]
    /// # struct OrderPlaced { order_id: String, total_cents: u64 }
    /// # impl From<OrderPlacedV1> for OrderPlaced {
    /// #     fn from(old: OrderPlacedV1) -> Self {
    /// #         Self { order_id: old.order_id, total_cents: (old.total * 100.0) as u64 }
    /// #     }
    /// # }
    ///
    /// impl DomainEvent for OrderPlaced {
    ///     const DEFINITIONS: &'static [EventDefinition] = &[EventDefinition::new("ORDER_PLACED")
    ///         .with_version(2)
    ///         .upcast_from(OrderPlacedV1::DEFINITIONS)];
    ///
    ///     fn entity_id(&self) -> &dyn std::fmt::Display {
    ///         &self.order_id
    ///     }
    ///
    ///     fn upcast(older: OlderEvent<'_>) -> Result<Self, DecodeError> {
    ///         older.read_as::<OrderPlacedV1>().map(Self::from)
    ///     }
    /// }
    /// ```
    ///
    /// # Errors
    ///
    /// [`DecodeError`] if the data does not fit the older version, or if there
    /// is no way up from it.
    fn upcast(older: OlderEvent<'_>) -> Result<Self, DecodeError>
    where
        Self: Sized,
    {
        Err(older.unreadable())
    }
}

macro_rules! through_pointer {
    ($pointer:ty $(, $made_by:path)?) => {
        impl<E: DomainEvent> DomainEvent for $pointer {
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
            $(
                fn upcast(older: OlderEvent<'_>) -> Result<Self, DecodeError> {
                    E::upcast(older).map($made_by)
                }
            )?
        }
    };
}

through_pointer!(&E);
through_pointer!(Box<E>, Box::new);

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
    /// A new identity: a UUID of version 7, so that identities sort by time. Two
    /// of one millisecond resemble each other: it is an identity, not a secret.
    pub fn random() -> Self {
        identity::at(Timestamp::now())
    }

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
        assert_eq!(error.place(), "/ID");
        assert_eq!(
            error.reason(),
            "found 2400 bytes; ID must be 1 to 2,048 bytes of UTF-8"
        );
        assert!(!format!("{error:?}").contains("secret"));
    }
}
