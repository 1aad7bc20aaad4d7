//! Exports the schemas of your events, and checks that events stay readable.
//!
//! List your events once, with [`events!`](crate::events). This module provides:
//!
//! - [`Events::json_schemas`]: a JSON Schema (2020-12) for each event, as it appears in a
//!   message;
//! - [`Events::asyncapi`]: one AsyncAPI 3 document for all events;
//! - [`message_schema`]: a JSON Schema for any event, for producers in other languages;
//! - [`assert_lock`]: a check for your tests, which fails if a change makes an event
//!   unreadable.
//!
//! The types of the events must derive `JsonSchema` in addition to `DomainEvent`. Add
//! `schemars` 1 to your dependencies:
//!
//! ```
//! # #[cfg(feature = "derive")] {
//! use domain_events::DomainEvent;
//! use schemars::JsonSchema;
//! use serde::{Deserialize, Serialize};
//!
//! #[derive(Serialize, Deserialize, JsonSchema, DomainEvent)]
//! struct OrderPlaced {
//!     #[event(id)]
//!     order_id: String,
//!     total_cents: u64,
//! }
//!
//! let events = domain_events::events![OrderPlaced];
//! let schemas = events.json_schemas()?;
//! assert_eq!(schemas[0].event_type.as_str(), "ORDER_PLACED");
//! # }
//! # Ok::<(), domain_events::schema::SchemaError>(())
//! ```
//!
//! # The compatibility check
//!
//! Write a test, and commit the file `events.lock` beside it:
//!
//! ```no_run
//! # use domain_events::schema::Events;
//! # fn events() -> Events { Events::new() }
//! # mod not_a_module {
//! #[test]
//! # fn f() {}}
//! fn events_stay_readable() {
//!     domain_events::schema::assert_lock("events.lock", &events());
//! }
//! ```
//!
//! `EVENTS_LOCK=update cargo test` writes the file. For every version of every
//! event, the file contains the schema of each form that was ever written, and
//! examples. The check compares your code with all these schemas, and reads all these
//! examples, because stored events are never rewritten.
//!
//! The check accepts changes that keep every event readable: a new event, a new field
//! that may be absent, a rename with an alias, or a new version with an upcast. In
//! continuous integration the check is strict: the lock must contain every event in its
//! current form (see [`Mode`]).
//!
//! The first lock is written only if every type can read its own output. To check this,
//! examples are generated from the schema: every variant, present and absent values, full
//! and empty lists and maps. Test your own values with [`assert_reads_back`].

use schemars::JsonSchema;
use schemars::generate::{SchemaGenerator, SchemaSettings};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use fault::Fault;
use keywords::bare;
use problem::Mismatch;

use crate::event::DecodeError;
use crate::event::definition::EventDefinition;
use crate::event::envelope::Envelope;
use crate::event::{DomainEvent, EventType};

mod alternatives;
mod asyncapi;
mod candidates;
mod check;
mod compatibility;
mod data;
mod envelope;
mod example;
mod fault;
mod generator;
mod incompatibility;
mod keywords;
mod lock;
mod lock_error;
mod message;
mod nearest;
mod number;
mod pattern;
mod problem;
mod reference;
mod report;
mod round_trip;

pub use check::{
    Mode, assert_lock, assert_locked, check_document, check_lock, print_document, run_program,
};
pub use envelope::message_schema;
pub use lock_error::LockError;
pub use problem::{SchemaError, SchemaProblem};
pub use report::{Audience, BreakingChange, Report};
pub use round_trip::assert_reads_back;

/// Lists the events of a program, for [`schema`](crate::schema).
///
/// Takes events and enums of events, and refuses to compile if two of them have
/// the same name, like [`assert_distinct!`](crate::assert_distinct). Earlier versions
/// of an event may also be listed.
///
/// ```
/// # #[cfg(feature = "derive")] {
/// # use domain_events::DomainEvent;
/// # #[derive(serde::Serialize, serde::Deserialize, schemars::JsonSchema, DomainEvent)]
/// # struct OrderPlaced { #[event(id)] order_id: String }
/// # #[derive(serde::Serialize, serde::Deserialize, schemars::JsonSchema, DomainEvent)]
/// # struct OrderShipped { #[event(id)] order_id: String }
/// let events = domain_events::events![OrderPlaced, OrderShipped];
/// # assert_eq!(events.json_schemas().unwrap().len(), 2);
/// # }
/// ```
#[macro_export]
macro_rules! events {
    ($($event:ty),* $(,)?) => {{
        $crate::assert_distinct!($($event),*);
        $crate::schema::Events::new()$(.with::<$event>())*
    }};
}

/// The events of a program; see [`events!`](crate::events).
///
/// # Examples
///
/// ```
/// # #[cfg(feature = "derive")] {
/// # use domain_events::DomainEvent;
/// # #[derive(serde::Serialize, serde::Deserialize, schemars::JsonSchema, DomainEvent)]
/// # struct OrderPlaced { #[event(id)] order_id: String, total_cents: u64 }
/// use domain_events::schema::Events;
///
/// // The macro `events!` creates the same list, and also checks that the names differ.
/// let events = Events::new().with::<OrderPlaced>();
/// assert_eq!(events.json_schemas()?[0].version, 1);
/// # }
/// # Ok::<(), domain_events::schema::SchemaError>(())
/// ```
#[derive(Debug, Default)]
pub struct Events {
    all: Vec<Described>,
}

/// One event, with the functions that use its type.
#[derive(Debug)]
struct Described {
    definition: EventDefinition,
    schema: fn(&mut SchemaGenerator) -> schemars::Schema,
    /// Reads the JSON text of an event's data, and writes the event.
    envelope: fn(&str, &EventDefinition) -> Result<Envelope, Mismatch>,
    /// Reads the event, writes it again, and checks that both are equal.
    reads_back: fn(&Envelope) -> Result<(), Mismatch>,
    read: fn(&Envelope) -> Result<bool, DecodeError>,
}

/// The JSON Schema of one event.
///
/// # Examples
///
/// ```
/// # #[cfg(feature = "derive")] {
/// # use domain_events::DomainEvent;
/// # #[derive(serde::Serialize, serde::Deserialize, schemars::JsonSchema, DomainEvent)]
/// # struct OrderPlaced { #[event(id)] order_id: String, total_cents: u64 }
/// for event in domain_events::events![OrderPlaced].json_schemas()? {
///     let file = format!("{}-{}.schema.json", event.event_type, event.version);
///     println!("{file}: {:#}", event.schema);
/// }
/// # }
/// # Ok::<(), domain_events::schema::SchemaError>(())
/// ```
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct EventSchema {
    /// The event's type.
    pub event_type: EventType,
    /// Version of its data.
    pub version: u16,
    /// The schema of the whole event, as a message contains it.
    pub schema: Value,
}

impl Events {
    /// Creates an empty list of events.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds the events of `E`.
    #[must_use]
    pub fn with<E: DomainEvent + DeserializeOwned + JsonSchema>(mut self) -> Self {
        let described = |definition: &EventDefinition| Described {
            definition: *definition,
            schema: E::json_schema,
            envelope: round_trip::envelope::<E>,
            reads_back: round_trip::check::<E>,
            read: |envelope| envelope.decode::<E>().map(|event| event.is_some()),
        };
        self.all.extend(E::DEFINITIONS.iter().map(described));
        self
    }

    /// Returns a JSON Schema (2020-12) for each event as it appears in a message, with an
    /// example.
    ///
    /// # Errors
    ///
    /// [`SchemaError`] if an event has no example that matches its schema.
    ///
    /// # Examples
    ///
    /// ```
    /// # #[cfg(feature = "derive")] {
    /// # use domain_events::DomainEvent;
    /// # #[derive(serde::Serialize, serde::Deserialize, schemars::JsonSchema, DomainEvent)]
    /// # struct OrderPlaced { #[event(id)] order_id: String, total_cents: u64 }
    /// # let events = domain_events::events![OrderPlaced];
    /// for event in events.json_schemas()? {
    ///     println!("{} version {}: {:#}", event.event_type, event.version, event.schema);
    /// }
    /// # }
    /// # Ok::<(), domain_events::schema::SchemaError>(())
    /// ```
    pub fn json_schemas(&self) -> Result<Vec<EventSchema>, SchemaError> {
        let (mut schemas, mut problems) = (Vec::new(), Vec::new());
        for described in self.written() {
            let schema = described.written().and_then(|data| {
                let data = data.unwrap_or(Value::Bool(false));
                let example = described.example()?;
                Ok(EventSchema {
                    event_type: described.definition.event_type(),
                    version: described.definition.version(),
                    schema: message::json_schema(&described.definition, data, &example),
                })
            });
            match schema {
                Ok(schema) => schemas.push(schema),
                Err(problem) => problems.push(problem),
            }
        }
        if problems.is_empty() {
            Ok(schemas)
        } else {
            Err(SchemaError { problems })
        }
    }

    /// Returns an AsyncAPI 3.0 document for all events, with an example of each event. `title`
    /// and `version` are the title and version of your service.
    ///
    /// # Errors
    ///
    /// [`SchemaError`] if an event has no example that matches its schema.
    ///
    /// # Examples
    ///
    /// ```
    /// # #[cfg(feature = "derive")] {
    /// # use domain_events::DomainEvent;
    /// # #[derive(serde::Serialize, serde::Deserialize, schemars::JsonSchema, DomainEvent)]
    /// # struct OrderPlaced { #[event(id)] order_id: String, total_cents: u64 }
    /// # let events = domain_events::events![OrderPlaced];
    /// let document = events.asyncapi("Shop", "1.0.0")?;
    /// assert_eq!(document["asyncapi"], "3.0.0");
    /// # }
    /// # Ok::<(), domain_events::schema::SchemaError>(())
    /// ```
    pub fn asyncapi(&self, title: &str, version: &str) -> Result<Value, SchemaError> {
        asyncapi::document(self, title, version)
    }

    /// Returns each event once. An event may be listed alone and also as a variant of an enum.
    fn distinct(&self) -> impl Iterator<Item = &Described> {
        let mut seen = std::collections::HashSet::new();
        let key = |d: &EventDefinition| (d.event_type().into_string(), d.version());
        self.all
            .iter()
            .filter(move |described| seen.insert(key(&described.definition)))
    }

    /// Returns the events that are written. serde does not write skipped variants of an enum.
    fn written(&self) -> impl Iterator<Item = &Described> {
        let is_written = |described: &&Described| {
            let mut generator = SchemaSettings::draft2020_12()
                .for_serialize()
                .into_generator();
            data::schema(described, &mut generator).is_some()
        };
        self.distinct().filter(is_written)
    }
}

impl Described {
    /// Returns the schema of the data, with the definitions that it refers to.
    fn data(&self, settings: SchemaSettings) -> Result<Option<Value>, SchemaProblem> {
        let mut generator = settings.into_generator();
        let Some(mut schema) = data::schema(self, &mut generator) else {
            return Ok(None);
        };
        let definitions = generator.take_definitions(true);
        let mut needed = Map::new();
        reference::collect(&schema, &definitions, &mut needed)
            .map_err(|reference| SchemaProblem::unresolved(&self.definition, reference))?;
        if let (Some(object), false) = (schema.as_object_mut(), needed.is_empty()) {
            object.insert("$defs".to_owned(), needed.into());
        }
        Ok(Some(schema))
    }

    /// Returns the schema of the data that is written, or `None` if the event is never written.
    fn written(&self) -> Result<Option<Value>, SchemaProblem> {
        self.data(SchemaSettings::draft2020_12().for_serialize())
    }

    /// Returns the schema of the data that is read, or `None` if the event is never read.
    fn read_schema(&self) -> Result<Option<Value>, SchemaProblem> {
        let schema = self.data(SchemaSettings::draft2020_12().for_deserialize())?;
        let is_read = self.definition.write_only_variant().is_none();
        // With `rename(deserialize)`, a variant has a name for reading that the derive does
        // not know. It is then read, but its schema is unknown.
        Ok(schema.or(is_read.then_some(Value::Bool(true))))
    }

    /// Returns the schemas of the data that is written and read, if they show that the type can
    /// read its own output.
    fn readable_schemas(&self) -> Result<(Option<Value>, Option<Value>), SchemaProblem> {
        let (written, read) = (self.written()?, self.read_schema()?);
        if let (Some(written), Some(read)) = (&written, &read) {
            let found = incompatibility::incompatibilities(&bare(written), &bare(read));
            // A type may ignore a field that it writes, and it may write fewer values than
            // its schema allows.
            let is_fault = |fault: &Fault| !matches!(fault, Fault::Dropped | Fault::Narrower(_));
            if let Some(found) = found.into_iter().find(|found| is_fault(&found.fault)) {
                let mismatch = Mismatch {
                    pointer: format!("/Data{}", found.pointer),
                    reason: found.fault.of_own_output(),
                };
                return Err(SchemaProblem::unreadable_output(&self.definition, mismatch));
            }
        }
        Ok((written, read))
    }

    /// Returns an example of the event, as the SDK sends it.
    fn example(&self) -> Result<Value, SchemaProblem> {
        example::first(self)
    }
}
