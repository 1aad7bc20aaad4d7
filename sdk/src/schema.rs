//! What a program's events look like to others, and the gate against breaking
//! them.
//!
//! List your events once, with [`events!`](crate::events). Of that list come
//!
//! - [`Events::json_schemas`]: a JSON Schema (2020-12) of each event as it stands
//!   on the wire;
//! - [`Events::asyncapi`]: one AsyncAPI 3 document of all of them;
//! - [`assert_lock`]: a test that fails when a change would keep somebody from
//!   reading an event.
//!
//! The events' types derive `JsonSchema` beside `DomainEvent`, from a dependency
//! on `schemars` 1 of your own:
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
//! # The gate
//!
//! A test in your program, and a file `events.lock` that is committed beside it:
//!
//! ```no_run
//! # use domain_events::schema::Events;
//! # fn events() -> Events { Events::new() }
//! # mod not_a_module {
//! #[test]
//! # fn f() {}}
//! fn events_are_still_read() {
//!     domain_events::schema::assert_lock("events.lock", &events());
//! }
//! ```
//!
//! `EVENTS_LOCK=update cargo test` writes the file. It holds the schema of every
//! version of every event, and one stored example of each, which your code reads
//! back whenever the test runs. What others can live with, passes: a new event, a
//! field that may be absent, a rename with an alias, a new version with an upcast.

use schemars::JsonSchema;
use schemars::generate::{SchemaGenerator, SchemaSettings};
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::event::DecodeError;
use crate::event::definition::EventDefinition;
use crate::event::envelope::Envelope;
use crate::event::{DomainEvent, EventType};

mod asyncapi;
mod check;
mod compat;
mod data;
mod example;
mod gate;
mod lock;
mod shape;
mod wire;

pub use check::{LockError, Mode, assert_lock, check_document, check_lock, document_of, print};
pub use example::SchemaError;
pub use gate::{Break, Reader, Report};

/// Lists the events of a program, for [`schema`](crate::schema).
///
/// It takes events and enums of events, and refuses to compile if two of them
/// have one name, like [`assert_distinct!`](crate::assert_distinct). Earlier
/// versions of an event may be listed as well.
#[macro_export]
macro_rules! events {
    ($($event:ty),* $(,)?) => {{
        $crate::assert_distinct!($($event),*);
        $crate::schema::Events::new()$(.with::<$event>())*
    }};
}

/// The events of a program; see [`events!`](crate::events).
#[derive(Debug, Default)]
pub struct Events {
    all: Vec<Described>,
}

/// One event, with what its type can do.
#[derive(Debug)]
struct Described {
    definition: EventDefinition,
    schema: fn(&mut SchemaGenerator) -> schemars::Schema,
    /// Makes an envelope of the JSON text of an event's data.
    envelope: fn(&str, &EventDefinition) -> Result<Envelope, String>,
    read: fn(&Envelope) -> Result<bool, DecodeError>,
}

/// The JSON Schema of one event.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct EventSchema {
    /// The event's type.
    pub event_type: EventType,
    /// Version of its data.
    pub version: u16,
    /// The schema of the whole event, as it stands in a message.
    pub schema: Value,
}

impl Events {
    /// No events.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds the events of `E`.
    #[must_use]
    pub fn with<E: DomainEvent + DeserializeOwned + JsonSchema>(mut self) -> Self {
        let is_enum = E::DEFINITIONS.iter().any(|d| d.variant().is_some());
        // What serde skips is never on the wire.
        let written = |d: &&EventDefinition| d.variant().is_some() || !is_enum;
        let described = |definition: &EventDefinition| Described {
            definition: *definition,
            schema: E::json_schema,
            envelope: example::envelope::<E>,
            read: |envelope| envelope.decode::<E>().map(|event| event.is_some()),
        };
        let definitions = E::DEFINITIONS.iter().filter(written);
        self.all.extend(definitions.map(described));
        self
    }

    /// A JSON Schema (2020-12) of each event as it stands on the wire, with an
    /// example.
    ///
    /// # Errors
    ///
    /// [`SchemaError`] if no example can be made of an event.
    pub fn json_schemas(&self) -> Result<Vec<EventSchema>, SchemaError> {
        let schema = |described: &Described| {
            let data = described.data(SchemaSettings::draft2020_12().for_serialize());
            let example = described.example()?;
            Ok(EventSchema {
                event_type: described.definition.event_type(),
                version: described.definition.version(),
                schema: wire::json_schema(&described.definition, data, &example),
            })
        };
        self.distinct().map(schema).collect()
    }

    /// An AsyncAPI 3.0 document of all events, with an example of each. `title`
    /// and `version` are those of your service.
    ///
    /// # Errors
    ///
    /// [`SchemaError`] if no example can be made of an event.
    pub fn asyncapi(&self, title: &str, version: &str) -> Result<Value, SchemaError> {
        asyncapi::document(self, title, version)
    }

    /// Each event once, though it may be listed by itself and inside of an enum.
    fn distinct(&self) -> impl Iterator<Item = &Described> {
        let mut seen = std::collections::HashSet::new();
        let key = |d: &EventDefinition| (d.event_type().into_string(), d.version());
        self.all
            .iter()
            .filter(move |described| seen.insert(key(&described.definition)))
    }
}

impl Described {
    /// The schema of the data by itself, with the definitions that it needs.
    fn data(&self, settings: SchemaSettings) -> Value {
        let mut generator = settings.into_generator();
        let schema = data::schema(self, &mut generator);
        let definitions = generator.take_definitions(true);
        data::with_definitions(schema, &definitions)
    }

    /// An event as our SDK sends it.
    fn example(&self) -> Result<Value, SchemaError> {
        let data = self.data(SchemaSettings::draft2020_12().for_deserialize());
        example::message(self, &data)
    }
}
