//! The check that no two event types of a program have the same name.

use super::definition::{EventDefinition, equal};

/// Refuses to compile if two event types have the same name.
///
/// A stored event is found by its event type, so two types with the same name would read
/// each other's events. Call this macro once in your program, with every event and every
/// enum of events; [`events!`](crate::events) includes it.
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
/// An event may be listed twice, alone and as the content of an enum's variant. The same is
/// true for its earlier versions. If a type has type parameters, list only one instance,
/// because its instances are different types with the same name. The macro distinguishes
/// instances that occur only in enums by their size and alignment.
///
/// If a type is meant to read the events of another type, such as a smaller type for a
/// projection, list only one of the two types. For this reason, the list is written by hand.
#[macro_export]
macro_rules! assert_distinct {
    ($($event:ty),* $(,)?) => {
        const _: () = {
            const TYPES: &[&[$crate::EventDefinition]] = &[
                $(<$event as $crate::DomainEvent>::DEFINITIONS),*
            ];
            $crate::EventDefinition::require_distinct::<
                { $crate::EventDefinition::distinct_slots(TYPES) },
            >(TYPES)
        };
    };
}

/// An entry of the table of names: the hash of a name, and the indices of its type and
/// definition. The index of the type counts from 1; 0 is an empty slot.
type Slot = (u64, usize, usize);

impl EventDefinition {
    /// Returns the number of slots that [`require_distinct`](Self::require_distinct) needs.
    pub const fn distinct_slots(types: &[&[Self]]) -> usize {
        let mut names = 0;
        let mut i = 0;
        while i < types.len() {
            let mut j = 0;
            while j < types[i].len() {
                names += 1 + types[i][j].aliases().len();
                j += 1;
            }
            i += 1;
        }
        2 * names + 1
    }

    /// Performs the check of [`assert_distinct!`](crate::assert_distinct).
    ///
    /// # Panics
    ///
    /// If two types have the same name, current or former.
    #[track_caller]
    pub const fn require_distinct<const SLOTS: usize>(types: &[&[Self]]) {
        // The check uses a hash table, because comparing every pair of types would take the
        // compiler seconds.
        let mut slots: [Slot; SLOTS] = [(0, 0, 0); SLOTS];
        let mut i = 0;
        while i < types.len() {
            let mut j = 0;
            while j < types[i].len() {
                let mut alias = 0;
                insert(&mut slots, types, (i, j), types[i][j].name());
                while alias < types[i][j].aliases().len() {
                    insert(&mut slots, types, (i, j), types[i][j].aliases()[alias]);
                    alias += 1;
                }
                j += 1;
            }
            i += 1;
        }
    }

    /// Returns true if both definitions belong to the same type, or this definition is an
    /// earlier version of the other.
    pub(crate) const fn precedes(&self, other: &Self) -> bool {
        let mut next = Some(other);
        while let Some(definition) = next {
            if self.is_same(definition) {
                return true;
            }
            next = definition.older();
        }
        false
    }

    /// Returns true if events of both definitions are written with the same name and version.
    pub(crate) const fn is_named_as(&self, other: &Self) -> bool {
        self.version() == other.version() && equal(self.name(), other.name())
    }

    const fn is_same(&self, other: &Self) -> bool {
        let (a, b) = (self.declared, other.declared);
        self.is_named_as(other)
            && a.location.line() == b.location.line()
            && a.location.column() == b.location.column()
            && equal(a.location.file(), b.location.file())
            && equal(a.path, b.path)
            && match (a.layout, b.layout) {
                (Some(a), Some(b)) => a[0] == b[0] && a[1] == b[1] && a[2] == b[2],
                _ => true,
            }
    }
}

/// Adds a name, and compares its type with every type that has the same name.
#[track_caller]
const fn insert(
    slots: &mut [Slot],
    types: &[&[EventDefinition]],
    (i, j): (usize, usize),
    name: &'static str,
) {
    let hash = hash(name);
    let one = &types[i][j];
    let mut slot = (hash % slots.len() as u64) as usize;
    while slots[slot].1 != 0 {
        let (other_hash, other_i, other_j) = slots[slot];
        let is_itself = other_i - 1 == i && other_j == j;
        if other_hash == hash && !is_itself {
            let other = &types[other_i - 1][other_j];
            // Two definitions of one generic type do not show with certainty whether they
            // belong to the same instance. The instance in an enum may be the listed one.
            let may_be_one = other_i - 1 != i && (one.is_of_enum() || other.is_of_enum());
            let is_generic = !may_be_one && one.declared.layout.is_some() && one.is_named_as(other);
            let is_related = one.precedes(other) || other.precedes(one);
            if other.is_called(name) && (is_generic || !is_related) {
                same_name(name, is_generic);
            }
        }
        slot = (slot + 1) % slots.len();
    }
    slots[slot] = (hash, i + 1, j);
}

/// Computes the FNV-1a hash of a name.
const fn hash(name: &str) -> u64 {
    let name = name.as_bytes();
    let mut hash: u64 = 0xcbf2_9ce4_8422_2325;
    let mut i = 0;
    while i < name.len() {
        hash = (hash ^ name[i] as u64).wrapping_mul(0x0000_0100_0000_01b3);
        i += 1;
    }
    hash
}

/// Panics with the message. A panic in a constant takes only one text, so the message is
/// assembled by hand.
#[track_caller]
const fn same_name(name: &str, is_generic: bool) -> ! {
    let advice = if is_generic {
        ", and a stored event is found by its EventType: list one instance of a generic event"
    } else {
        ", and a stored event is found by its EventType: give one of them another `type`"
    };
    let parts = ["two types have the EventType ", name, advice];
    let mut text = [0; 320];
    let mut length = 0;
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
        Err(_) => panic!("two types have the same EventType"),
    }
}
