//! What is known of an event before there is one: its names, its version, and
//! the versions before.

use std::fmt;
use std::panic::Location;

use crate::event::ids::{EmitterId, EmitterType, EventType, is_event_type};

/// How one kind of event is called and versioned.
///
/// Names are checked when the constant is evaluated, so a wrong one does not
/// compile.
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
    place: &'static Location<'static>,
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
            pii: &[],
            older: None,
            variant: None,
            write_only_variant: None,
            of_enum: false,
            emitter_id: None,
            emitter_type: None,
            place: Location::caller(),
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

    /// The id of the emitter, of an event that always has the same.
    ///
    /// # Panics
    ///
    /// If it is empty or over 2,048 bytes.
    #[track_caller]
    #[must_use]
    pub const fn with_emitter_id(self, id: &'static &'static str) -> Self {
        // Only its check is wanted, and a constant cannot drop it.
        std::mem::forget(EmitterId::from_static(id));
        Self {
            emitter_id: Some(id),
            ..self
        }
    }

    /// The type of the emitter, of an event that always has the same. A
    /// reference to the text, `&"SYSTEM"`, which can be handed out as it is.
    ///
    /// # Panics
    ///
    /// If it is empty or over 256 bytes.
    #[track_caller]
    #[must_use]
    pub const fn with_emitter_type(self, kind: &'static &'static str) -> Self {
        std::mem::forget(EmitterType::from_static(kind));
        Self {
            emitter_type: Some(kind),
            ..self
        }
    }

    /// The fields of the data that tell something about a person, by the names
    /// that they have there. [`Redacted`](crate::Redacted) hides them, and an
    /// exported schema marks them.
    #[must_use]
    pub const fn with_pii(self, fields: &'static [&'static str]) -> Self {
        Self {
            pii: fields,
            ..self
        }
    }

    /// The same definition, for data in which the event's own fields do not stand
    /// at the top, where they would be found by their names.
    ///
    /// # Panics
    ///
    /// If one of them is personal data, which nobody would hide.
    #[track_caller]
    #[must_use]
    pub const fn assert_no_pii(self) -> Self {
        assert!(
            self.pii.is_empty(),
            "a field of this event is `pii`, which is hidden by its name at the top of the data, and the enum's \
             `#[serde(...)]` takes it from there: remove `content`, `into` or `with`"
        );
        self
    }

    /// The version before, as the `DEFINITIONS` of its type;
    /// [`DomainEvent::upcast`](crate::DomainEvent::upcast) reads it. Comes after
    /// everything else that is said of the event.
    ///
    /// # Panics
    ///
    /// If `older` is not one event, not of the version before, or has a name
    /// under which this event is not read.
    #[track_caller]
    #[must_use]
    pub const fn upcast_from(self, older: &'static [Self]) -> Self {
        let [older] = older else {
            panic!("the version before must be a struct, which is one event");
        };
        assert!(
            older.version == self.version - 1,
            "a version is upcast from the one before: the older type's `version` must be one less than this one's"
        );
        let mut names_meet = self.is_called(older.event_type);
        let mut i = 0;
        while i < older.aliases.len() {
            names_meet &= self.is_called(older.aliases[i]);
            i += 1;
        }
        assert!(
            names_meet,
            "the version before is another event: give the older type the `type` that this event has, \
             and repeat its aliases here; or give this event the older type's name as an `alias`"
        );
        Self {
            older: Some(older),
            ..self
        }
    }

    /// The definition of a type that is one event, as its `DEFINITIONS`: for a
    /// variant that holds it.
    ///
    /// # Panics
    ///
    /// If the type is an enum of events: such an enum does not nest.
    #[track_caller]
    #[must_use]
    pub const fn single(definitions: &'static [Self]) -> Self {
        match definitions {
            [definition] if !definition.of_enum => *definition,
            _ => panic!("a variant holds one event, not an enum of events"),
        }
    }

    /// Marks the definition as that of an enum's variant, by the number that
    /// serde's derive gives the variant when it deserializes, and by its name.
    ///
    /// # Panics
    ///
    /// If it is a variant's already: an enum of events does not nest.
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

    /// Marks the definition as one of an enum's variant that serde writes under
    /// `serde_name` and never reads. Serde has no number for such a variant.
    #[must_use]
    pub const fn for_write_only_variant(self, serde_name: &'static str) -> Self {
        Self {
            write_only_variant: Some(serde_name),
            of_enum: true,
            ..self
        }
    }

    /// Whether they are those of an enum, which has one for each variant.
    pub(crate) const fn are_of_enum(definitions: &[Self]) -> bool {
        !matches!(definitions, [one] if !one.of_enum)
    }

    /// The name that is written.
    pub const fn event_type(&self) -> EventType {
        EventType::known(self.event_type)
    }

    /// Version of the event's data, from 1.
    pub const fn version(&self) -> u16 {
        self.version
    }

    /// Former names.
    pub const fn aliases(&self) -> &'static [&'static str] {
        self.aliases
    }

    /// The fields of the data that tell something about a person.
    pub const fn pii(&self) -> &'static [&'static str] {
        self.pii
    }

    /// The id of the emitter, if it is always the same.
    pub fn emitter_id(&self) -> Option<&'static dyn fmt::Display> {
        self.emitter_id.map(|id| id as &dyn fmt::Display)
    }

    /// The type of the emitter, if it is always the same.
    pub fn emitter_type(&self) -> Option<&'static dyn fmt::Display> {
        self.emitter_type.map(|kind| kind as &dyn fmt::Display)
    }

    /// The version before, if it can be read.
    pub const fn older(&self) -> Option<&'static Self> {
        self.older
    }

    /// Number and name of the enum's variant, as serde has them.
    pub const fn variant(&self) -> Option<(u32, &'static str)> {
        self.variant
    }

    /// The name of the enum's variant that serde writes and never reads.
    #[cfg(feature = "schema")]
    pub(crate) const fn write_only_variant(&self) -> Option<&'static str> {
        self.write_only_variant
    }

    /// Whether an event stored under `event_type` is one of these.
    pub fn matches(&self, event_type: &EventType) -> bool {
        self.is_called(event_type.as_str())
    }

    const fn is_called(&self, name: &str) -> bool {
        let mut called = equal(self.event_type, name);
        let mut i = 0;
        while i < self.aliases.len() {
            called |= equal(self.aliases[i], name);
            i += 1;
        }
        called
    }
}

/// Refuses to compile if two of the events have one name.
///
/// A stored event is found by its event type, so two types of one name would
/// read each other's events. Write it once in your program, with every event
/// and every enum of events; [`events!`](crate::events) contains it.
///
/// ```
/// # use domain_events::{DomainEvent, EventDefinition};
/// # macro_rules! event { ($name:ident, $text:literal) => {
/// # #[derive(serde::Serialize)] struct $name { id: String }
/// # impl DomainEvent for $name {
/// #     const DEFINITIONS: &'static [EventDefinition] = &[EventDefinition::new($text)];
/// #     fn entity_id(&self) -> &dyn std::fmt::Display { &self.id }
/// # }}}
/// # event!(OrderPlaced, "ORDER_PLACED");
/// # event!(OrderShipped, "ORDER_SHIPPED");
/// domain_events::assert_distinct!(OrderPlaced, OrderShipped);
/// ```
///
/// An event may be listed both by itself and inside of an enum, and so may its
/// earlier versions. A type that reads another's events on purpose, a slim one
/// for a projection say, is left out: that is why the list is yours, and not
/// gathered by the linker.
#[macro_export]
macro_rules! assert_distinct {
    ($($event:ty),* $(,)?) => {
        const _: () = $crate::EventDefinition::require_distinct(&[
            $(<$event as $crate::DomainEvent>::DEFINITIONS),*
        ]);
    };
}

impl EventDefinition {
    /// What [`assert_distinct!`](crate::assert_distinct) calls.
    ///
    /// # Panics
    ///
    /// If two events have one name, current or former.
    #[track_caller]
    pub const fn require_distinct(types: &[&[Self]]) {
        let mut i = 0;
        while i < types.len() {
            // With itself as well: an enum may hold two types of one name.
            let mut j = i;
            while j < types.len() {
                require_disjoint(types[i], types[j]);
                j += 1;
            }
            i += 1;
        }
    }

    const fn shared_name(&self, other: &Self) -> Option<&'static str> {
        if other.is_called(self.event_type) {
            return Some(self.event_type);
        }
        let mut i = 0;
        while i < self.aliases.len() {
            if other.is_called(self.aliases[i]) {
                return Some(self.aliases[i]);
            }
            i += 1;
        }
        None
    }

    /// Whether it is the other event, or one of its earlier versions.
    pub(crate) const fn precedes(&self, other: &Self) -> bool {
        let mut next = Some(other);
        while let Some(definition) = next {
            if self.is_same(definition) {
                return true;
            }
            next = definition.older;
        }
        false
    }

    /// Whether events of both are written under one name and version.
    pub(crate) const fn is_named_as(&self, other: &Self) -> bool {
        self.version == other.version && equal(self.event_type, other.event_type)
    }

    /// Whether both were written at one place, which is where the type is.
    const fn is_same(&self, other: &Self) -> bool {
        let (a, b) = (self.place, other.place);
        self.is_named_as(other)
            && a.line() == b.line()
            && a.column() == b.column()
            && equal(a.file(), b.file())
    }
}

#[track_caller]
const fn require_disjoint(ones: &[EventDefinition], others: &[EventDefinition]) {
    let mut i = 0;
    while i < ones.len() {
        let mut j = 0;
        while j < others.len() {
            let (one, other) = (&ones[i], &others[j]);
            if let Some(name) = one.shared_name(other)
                && !one.precedes(other)
                && !other.precedes(one)
            {
                two_types_of_one_name(name);
            }
            j += 1;
        }
        i += 1;
    }
}

/// A constant's panic takes one text, so the sentence is put together by hand.
#[track_caller]
const fn two_types_of_one_name(name: &str) -> ! {
    const SENTENCE: [&str; 2] = [
        "two types have the EventType ",
        ", and stored events are told apart by it: give one of them another `type`",
    ];
    let mut text = [0; 256];
    let mut length = 0;
    let parts = [SENTENCE[0], name, SENTENCE[1]];
    let mut part = 0;
    while part < parts.len() {
        let bytes = parts[part].as_bytes();
        let mut i = 0;
        while i < bytes.len() && length < text.len() {
            text[length] = bytes[i];
            length += 1;
            i += 1;
        }
        part += 1;
    }
    match std::str::from_utf8(text.split_at(length).0) {
        Ok(text) => panic!("{}", text),
        Err(_) => panic!("two types have one EventType"),
    }
}

const fn equal(a: &str, b: &str) -> bool {
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
