//! The definition of an event type: its names, its version, and the version before it.

use std::fmt;
use std::panic::Location;

use super::emitter::{EmitterId, EmitterType};
use super::ids::{EventType, is_event_type};

/// The names, the version and the personal data of one event type.
///
/// A definition is a constant. Its names are checked when the constant is evaluated, so
/// an invalid name is a compile error.
///
/// # Examples
///
/// ```
/// use domain_events::EventDefinition;
///
/// const DEFINITION: EventDefinition = EventDefinition::new("ORDER_PLACED")
///     .with_version(2)
///     .with_aliases(&["ORDER_CREATED"])
///     .with_emitter_type(&"SYSTEM")
///     .with_emitter_id(&"shop")
///     .with_pii(&["address"]);
///
/// assert!(DEFINITION.matches(&"ORDER_CREATED".parse()?)); // stored under its former name
/// assert_eq!((DEFINITION.version(), DEFINITION.pii()), (2, &["address"][..]));
/// # Ok::<(), domain_events::InvalidEvent>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EventDefinition {
    event_type: &'static str,
    version: u16,
    aliases: &'static [&'static str],
    pii: &'static [&'static str],
    older: Option<&'static Self>,
    variant: Option<(u32, &'static str)>,
    write_only_variant: Option<&'static str>,
    of_enum: bool,
    emitter_id: Option<&'static &'static str>,
    emitter_type: Option<&'static &'static str>,
    pub(super) declared: Declaration,
}

/// The place at which an event type is declared. Two definitions with equal declarations belong
/// to the same type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Declaration {
    pub(super) location: &'static Location<'static>,
    /// The path of the type. One macro call may declare several types at one location.
    pub(super) path: &'static str,
    /// Size, alignment and need to drop of an instance of a generic type. Different instances
    /// have the same location and path.
    pub(super) layout: Option<[usize; 3]>,
}

impl EventDefinition {
    /// Creates a definition with version 1 and without aliases.
    ///
    /// # Panics
    ///
    /// If `event_type` does not have the form `EVENT_EXAMPLE`, or is longer than 128 bytes.
    /// In a constant, this is a compile error.
    #[track_caller]
    pub const fn new(event_type: &'static str) -> Self {
        require_event_type(event_type);
        Self {
            event_type,
            version: 1,
            aliases: &[],
            pii: &[],
            older: None,
            variant: None,
            write_only_variant: None,
            of_enum: false,
            emitter_id: None,
            emitter_type: None,
            declared: Declaration {
                location: Location::caller(),
                path: "",
                layout: None,
            },
        }
    }

    /// Sets the path of the event's type, such as `concat!(module_path!(), "::OrderPlaced")`.
    /// If one macro call declares several types, [`assert_distinct!`](crate::assert_distinct)
    /// distinguishes them by this path.
    #[must_use]
    pub const fn of_type(self, path: &'static str) -> Self {
        Self {
            declared: Declaration {
                path,
                ..self.declared
            },
            ..self
        }
    }

    /// Does the same as [`of_type`](Self::of_type) for an instance of a type with type
    /// parameters. All instances share a definition. The `layout` distinguishes them: the size,
    /// the alignment, and 1 if the type needs to be dropped.
    #[must_use]
    pub const fn of_generic_type(self, path: &'static str, layout: [usize; 3]) -> Self {
        Self {
            declared: Declaration {
                path,
                layout: Some(layout),
                ..self.declared
            },
            ..self
        }
    }

    /// Sets the version of the event's data.
    ///
    /// # Panics
    ///
    /// If `version` is 0. The first version is 1.
    #[track_caller]
    #[must_use]
    pub const fn with_version(self, version: u16) -> Self {
        assert!(version > 0, "an event's version must be 1 to 65535");
        Self { version, ..self }
    }

    /// Former event types. Events that are stored with a former type can still be read.
    ///
    /// # Panics
    ///
    /// If a former event type is not valid.
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

    /// Sets the id of the emitter, if all events of this type have the same emitter. Set the
    /// type of the emitter, too.
    ///
    /// # Panics
    ///
    /// If the id is empty or longer than 2,048 bytes.
    #[track_caller]
    #[must_use]
    pub const fn with_emitter_id(self, id: &'static &'static str) -> Self {
        // The call only checks the text. The value is forgotten, because a constant cannot drop
        // it.
        std::mem::forget(EmitterId::from_static(id));
        Self {
            emitter_id: Some(id),
            ..self
        }
    }

    /// Sets the type of the emitter, if all events of this type have the same emitter type. It
    /// is a reference to a text, `&"SYSTEM"`, so that it can be returned as `&dyn Display`.
    ///
    /// # Panics
    ///
    /// If the type is empty or longer than 256 bytes.
    #[track_caller]
    #[must_use]
    pub const fn with_emitter_type(self, kind: &'static &'static str) -> Self {
        std::mem::forget(EmitterType::from_static(kind));
        Self {
            emitter_type: Some(kind),
            ..self
        }
    }

    /// Sets the fields with personal data, by their names in `Data`.
    /// [`Redacted`](crate::Redacted) hides them, and an exported schema marks them.
    #[must_use]
    pub const fn with_pii(self, fields: &'static [&'static str]) -> Self {
        Self {
            pii: fields,
            ..self
        }
    }

    /// Asserts that no field of the definition is personal data. The derive calls it for an
    /// enum whose `#[serde(...)]` moves the fields of the event away from the top level of the
    /// data, because a field with personal data is found by its name at the top level.
    ///
    /// # Panics
    ///
    /// If a field is personal data.
    #[track_caller]
    #[must_use]
    pub const fn assert_no_pii(self) -> Self {
        assert!(
            self.pii.is_empty(),
            "a field of this event is marked `pii`, and is found by its name at the top of the data; the enum's \
             `#[serde(...)]` moves it: remove `content`, `into` or `with`"
        );
        self
    }

    /// Sets the previous version, as the `DEFINITIONS` of its type.
    /// [`DomainEvent::upcast`](crate::DomainEvent::upcast) reads it. Call this method last,
    /// because it compares names and versions.
    ///
    /// # Panics
    ///
    /// If `older` is not exactly one event, does not have the previous version, or has a
    /// name that this event does not have.
    ///
    /// # Examples
    ///
    /// ```
    /// use domain_events::EventDefinition;
    ///
    /// const V1: &[EventDefinition] = &[EventDefinition::new("ORDER_PLACED")];
    /// const V2: EventDefinition = EventDefinition::new("ORDER_PLACED").with_version(2).upcast_from(V1);
    /// assert_eq!(V2.older(), Some(&V1[0]));
    /// ```
    #[track_caller]
    #[must_use]
    pub const fn upcast_from(self, older: &'static [Self]) -> Self {
        let [older] = older else {
            panic!("the previous version must be a struct, which is one event");
        };
        assert!(
            older.version == self.version - 1,
            "a version is upcast from the previous version: the `version` of the older type must be one less than \
             the `version` of this type"
        );
        let mut has_all_names = self.is_called(older.event_type);
        let mut i = 0;
        while i < older.aliases.len() {
            has_all_names &= self.is_called(older.aliases[i]);
            i += 1;
        }
        assert!(
            has_all_names,
            "the previous version is another event: give the older type the same `type` as this event, \
             and repeat its aliases here; or add the older type's name to this event as an `alias`"
        );
        Self {
            older: Some(older),
            ..self
        }
    }

    /// Returns the definition of a type that is exactly one event, from its `DEFINITIONS`. It
    /// is the start of the definition of a variant that holds the event.
    ///
    /// # Panics
    ///
    /// If the type is an enum of events. Such enums do not nest.
    #[track_caller]
    #[must_use]
    pub const fn single(definitions: &'static [Self]) -> Self {
        match definitions {
            [definition] if !definition.of_enum => *definition,
            _ => panic!("a variant holds one event, not an enum of events"),
        }
    }

    /// Marks the definition as belonging to a variant of an enum. serde's derive identifies
    /// the variant by `serde_index` when it deserializes, and writes it as `serde_name`.
    ///
    /// # Panics
    ///
    /// If the definition already belongs to a variant. Enums of events do not nest.
    #[track_caller]
    #[must_use]
    pub const fn for_variant(self, serde_index: u32, serde_name: &'static str) -> Self {
        assert!(
            !self.of_enum,
            "a variant holds one event, not an enum of events"
        );
        Self {
            variant: Some((serde_index, serde_name)),
            of_enum: true,
            ..self
        }
    }

    /// Marks the definition as belonging to a variant that serde writes with the name
    /// `serde_name` and never reads. serde has no number for such a variant.
    #[must_use]
    pub const fn for_write_only_variant(self, serde_name: &'static str) -> Self {
        Self {
            write_only_variant: Some(serde_name),
            of_enum: true,
            ..self
        }
    }

    /// Returns true if the definition belongs to a variant of an enum.
    pub(super) const fn is_of_enum(&self) -> bool {
        self.of_enum
    }

    /// Returns true if the definitions belong to an enum, which has one for each variant.
    pub(crate) const fn are_of_enum(definitions: &[Self]) -> bool {
        !matches!(definitions, [one] if !one.of_enum)
    }

    pub(super) const fn name(&self) -> &'static str {
        self.event_type
    }

    /// Returns the event type that is written.
    pub const fn event_type(&self) -> EventType {
        EventType::known(self.event_type)
    }

    /// Version of the event's data, from 1.
    pub const fn version(&self) -> u16 {
        self.version
    }

    /// Former event types.
    pub const fn aliases(&self) -> &'static [&'static str] {
        self.aliases
    }

    /// Returns the fields with personal data, by their names in `Data`.
    pub const fn pii(&self) -> &'static [&'static str] {
        self.pii
    }

    /// Returns the id of the emitter, if it is constant.
    pub fn emitter_id(&self) -> Option<&'static dyn fmt::Display> {
        self.emitter_id.map(|id| id as &dyn fmt::Display)
    }

    /// Returns the type of the emitter, if it is constant.
    pub fn emitter_type(&self) -> Option<&'static dyn fmt::Display> {
        self.emitter_type.map(|kind| kind as &dyn fmt::Display)
    }

    /// Returns the previous version, if this program can read it.
    pub const fn older(&self) -> Option<&'static Self> {
        self.older
    }

    /// Returns the number and the name that serde's derive gives the enum's variant.
    pub const fn variant(&self) -> Option<(u32, &'static str)> {
        self.variant
    }

    /// Returns the name of the enum's variant that serde writes and never reads.
    #[cfg(feature = "schema")]
    pub(crate) const fn write_only_variant(&self) -> Option<&'static str> {
        self.write_only_variant
    }

    /// Returns true if events that are stored with `event_type` have this definition.
    pub fn matches(&self, event_type: &EventType) -> bool {
        self.is_called(event_type.as_str())
    }

    pub(super) const fn is_called(&self, name: &str) -> bool {
        let mut called = equal(self.event_type, name);
        let mut i = 0;
        while i < self.aliases.len() {
            called |= equal(self.aliases[i], name);
            i += 1;
        }
        called
    }
}

pub(super) const fn equal(a: &str, b: &str) -> bool {
    let (a, b) = (a.as_bytes(), b.as_bytes());
    let mut i = 0;
    while i < a.len() && i < b.len() && a[i] == b[i] {
        i += 1;
    }
    i == a.len() && i == b.len()
}

#[track_caller]
const fn require_event_type(name: &str) {
    assert!(
        is_event_type(name),
        "an event type must look like ORDER_PLACED: words of A-Z and 0-9 joined by single underscores, \
         the first starting with a letter, at most 128 bytes"
    );
}
