//! The errors of schemas: why events cannot be described.

use std::fmt;

use crate::event::EventType;
use crate::event::definition::EventDefinition;

/// Why no document can be created for the events of a program, or why their lock cannot be
/// checked.
///
/// # Examples
///
/// ```
/// # #[cfg(feature = "derive")] {
/// # use domain_events::DomainEvent;
/// # #[derive(serde::Serialize, serde::Deserialize, schemars::JsonSchema, DomainEvent)]
/// # struct OrderPlaced { #[event(id)] order_id: String, total_cents: u64 }
/// match domain_events::events![OrderPlaced].asyncapi("Shop", "1.0.0") {
///     Ok(document) => println!("{document:#}"),
///     Err(error) => error.problems.iter().for_each(|problem| eprintln!("{problem}")),
/// }
/// # }
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct SchemaError {
    /// The problems, at most one for each event.
    pub problems: Vec<SchemaProblem>,
}

impl std::error::Error for SchemaError {}

impl fmt::Display for SchemaError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.problems.iter().enumerate() {
            if index > 0 {
                f.write_str("\n")?;
            }
            problem.fmt(f)?;
        }
        Ok(())
    }
}

/// The problem of one event.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SchemaProblem {
    /// The type of the event rejects every value that was generated from its schema.
    #[error(
        "no example of {event_type} (version {version}) can be made from its schema: {pointer}: {reason}; \
         give the type or the field an example with `#[schemars(example = …)]`; \
         or, if `with` or `deserialize_with` changes the form of the field, \
         name a type of that form with `#[schemars(with = \"…\")]`"
    )]
    NoExample {
        /// The event's type.
        event_type: EventType,
        /// Version of its data.
        version: u16,
        /// The position in the event, as a JSON pointer.
        pointer: String,
        /// Why the type refused the value.
        reason: String,
    },
    /// The type of the event writes a value that its schema does not allow.
    #[error(
        "what {event_type} (version {version}) writes at {pointer} contradicts its schema: {reason}; \
         correct the schema: name a type of the form that is written with `#[schemars(with = \"…\")]`, \
         or change the rule that the value violates"
    )]
    ContradictsSchema {
        /// The event's type.
        event_type: EventType,
        /// Version of its data.
        version: u16,
        /// The position in the event, as a JSON pointer.
        pointer: String,
        /// What the schema does not allow.
        reason: String,
    },
    /// The type of the event cannot read its own output.
    #[error(
        "{event_type} (version {version}) cannot read its own output at {pointer}: {reason}; \
         add `#[serde(default)]` to a field that may not be written, \
         and let `Serialize` and `Deserialize` use the same form"
    )]
    UnreadableOutput {
        /// The event's type.
        event_type: EventType,
        /// Version of its data.
        version: u16,
        /// The position in the event, as a JSON pointer.
        pointer: String,
        /// Why it cannot be read.
        reason: String,
    },
    /// A schema refers to a definition that does not exist.
    #[error(
        "the schema of {event_type} (version {version}) refers to `{reference}`, which is not one of its definitions; \
         get the schema of a type inside it from `SchemaGenerator::subschema_for`"
    )]
    UnresolvedReference {
        /// The event's type.
        event_type: EventType,
        /// Version of its data.
        version: u16,
        /// The `$ref`.
        reference: String,
    },
}

/// A position in an event, and the fault there.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Mismatch {
    pub(super) pointer: String,
    pub(super) reason: String,
}

impl SchemaProblem {
    pub(super) fn no_example(definition: &EventDefinition, mismatch: Mismatch) -> Self {
        Self::NoExample {
            event_type: definition.event_type(),
            version: definition.version(),
            pointer: mismatch.pointer,
            reason: mismatch.reason,
        }
    }

    pub(super) fn contradicts_schema(definition: &EventDefinition, mismatch: Mismatch) -> Self {
        Self::ContradictsSchema {
            event_type: definition.event_type(),
            version: definition.version(),
            pointer: mismatch.pointer,
            reason: mismatch.reason,
        }
    }

    pub(super) fn unreadable_output(definition: &EventDefinition, mismatch: Mismatch) -> Self {
        Self::UnreadableOutput {
            event_type: definition.event_type(),
            version: definition.version(),
            pointer: mismatch.pointer,
            reason: mismatch.reason,
        }
    }

    pub(super) fn unresolved(definition: &EventDefinition, reference: String) -> Self {
        Self::UnresolvedReference {
            event_type: definition.event_type(),
            version: definition.version(),
            reference,
        }
    }
}
