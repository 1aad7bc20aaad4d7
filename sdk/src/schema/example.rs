//! Examples of events, made from their schemas.

use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};

use super::Described;
use super::data::name_of;
use crate::event::definition::EventDefinition;
use crate::event::timestamp::Timestamp;
use crate::event::{Context, Envelope};
use crate::event::{DomainEvent, Emitter, EmitterId, EmitterType, EventId, EventType};
use crate::json::document;
use crate::wire;

/// No example of an event can be made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "no example of {event_type} (version {version}) can be made from its schema: {reason}; \
     give the type or the field one by `#[schemars(example = …)]`"
)]
#[non_exhaustive]
pub struct SchemaError {
    /// The event's type.
    pub event_type: EventType,
    /// Version of its data.
    pub version: u16,
    /// Why the event's own type refused what its schema allows.
    pub reason: String,
}

/// The event as our SDK sends it. `data` is the schema by which it is read.
pub(super) fn message(described: &Described, data: &Value) -> Result<Value, SchemaError> {
    let definition = &described.definition;
    let failed = |reason: String| SchemaError {
        event_type: definition.event_type(),
        version: definition.version(),
        reason,
    };
    let maker = Maker {
        definitions: data["$defs"].as_object(),
    };
    let data = maker.make(data, 0).unwrap_or(Value::Null).to_string();
    let envelope = (described.envelope)(&data, definition).map_err(failed)?;
    (described.read)(&envelope).map_err(|error| failed(error.to_string()))?;
    let body = wire::encode(&envelope).map_err(|error| failed(error.to_string()))?;
    serde_json::from_str(&body).map_err(|error| failed(error.to_string()))
}

/// Reads the data as the event's type, and lets that write it: then it is an
/// example of what is written.
pub(super) fn envelope<E: DomainEvent + DeserializeOwned>(
    data: &str,
    definition: &EventDefinition,
) -> Result<Envelope, String> {
    let variant = definition.variant().map(|(index, _)| index);
    let event: E = document::decode(data, variant)
        .map_err(|misfit| format!("{}: {}", misfit.pointer, misfit.reason))?;
    let emitter = Emitter::new(
        EmitterType::from_static("USER"),
        EmitterId::from_static("user-1"),
    );
    // Always the same, so that the documents are.
    let timestamp = Timestamp::from_nanos(1_767_225_600_000_000_000).unwrap_or(Timestamp::MIN);
    let event_id = EventId::from_static("019b76da-a800-7000-8000-000000000000");
    let envelope = Envelope::new(&event, &Context::new(emitter));
    envelope
        .map(|envelope| envelope.stamped(timestamp, event_id))
        .map_err(|error| error.to_string())
}

/// How deep an example goes: a type may contain itself.
const DEEPEST: usize = 12;

struct Maker<'a> {
    definitions: Option<&'a Map<String, Value>>,
}

impl Maker<'_> {
    /// A value that fits, if one ends.
    fn make(&self, schema: &Value, depth: usize) -> Option<Value> {
        if depth > DEEPEST {
            return None;
        }
        let Some(object) = schema.as_object() else {
            return (schema != &Value::Bool(false)).then(|| json!("example"));
        };
        let given = [&schema["examples"][0], &schema["const"], &schema["enum"][0]];
        if let Some(given) = given.into_iter().find(|value| !value.is_null()) {
            return Some(given.clone());
        }
        if let Some(default) = object.get("default").filter(|value| !value.is_null()) {
            return Some(default.clone());
        }
        if let Some(name) = object.get("$ref").and_then(name_of) {
            let definition = self.definitions.and_then(|all| all.get(name))?;
            return self.make(definition, depth + 1);
        }
        let mut parts = Vec::new();
        if let Some(all) = schema["allOf"].as_array() {
            for part in all {
                parts.push(self.make(part, depth + 1)?);
            }
        }
        if let Some(any) = ["oneOf", "anyOf"]
            .iter()
            .find_map(|key| schema[key].as_array())
        {
            let mut made = any.iter().filter_map(|one| self.make(one, depth + 1));
            let made: Vec<_> = made.by_ref().collect();
            let something = made.iter().find(|value| !value.is_null());
            parts.push(something.or(made.first())?.clone());
        }
        if parts.is_empty() || object.contains_key("properties") {
            parts.push(self.of_type(schema, depth)?);
        }
        // Flattened parts stand beside one another in one object.
        if parts.len() > 1 && parts.iter().all(Value::is_object) {
            let members = parts.into_iter().filter_map(|part| match part {
                Value::Object(members) => Some(members),
                _ => None,
            });
            return Some(members.flatten().collect::<Map<_, _>>().into());
        }
        parts.into_iter().next()
    }

    fn of_type(&self, schema: &Value, depth: usize) -> Option<Value> {
        let kind = match &schema["type"] {
            Value::String(kind) => kind.as_str(),
            Value::Array(kinds) => {
                let kinds = kinds.iter().filter_map(Value::as_str);
                kinds.min_by_key(|kind| *kind == "null")?
            }
            _ if schema.get("properties").is_some() => "object",
            _ => "string",
        };
        Some(match kind {
            "null" => Value::Null,
            "boolean" => true.into(),
            "integer" => whole(schema).into(),
            "number" => fraction(schema).into(),
            "string" => text(schema).into(),
            "array" => self.array(schema, depth)?,
            _ => self.object(schema, depth)?,
        })
    }

    fn object(&self, schema: &Value, depth: usize) -> Option<Value> {
        let mut object = Map::new();
        let required = |name: &str| {
            let names = schema["required"].as_array();
            names.is_some_and(|names| names.iter().any(|other| other == name))
        };
        for (name, schema) in schema["properties"].as_object().into_iter().flatten() {
            match self.make(schema, depth + 1) {
                Some(value) => drop(object.insert(name.clone(), value)),
                None if required(name) => return None,
                None => {}
            }
        }
        Some(object.into())
    }

    fn array(&self, schema: &Value, depth: usize) -> Option<Value> {
        if let Some(items) = schema["prefixItems"].as_array() {
            let made = items.iter().map(|item| self.make(item, depth + 1));
            return made.collect::<Option<Vec<_>>>().map(Value::from);
        }
        let least = schema["minItems"].as_u64().unwrap_or(0);
        let count = usize::try_from(least.max(1)).unwrap_or(1);
        match self.make(&schema["items"], depth + 1) {
            Some(item) => Some(vec![item; count].into()),
            None if least == 0 => Some(json!([])),
            None => None,
        }
    }
}

fn whole(schema: &Value) -> i64 {
    let bound = |key: &str| schema[key].as_i64();
    let least = bound("minimum").or(bound("exclusiveMinimum").map(|bound| bound + 1));
    let most = bound("maximum").or(bound("exclusiveMaximum").map(|bound| bound - 1));
    1.max(least.unwrap_or(1)).min(most.unwrap_or(i64::MAX))
}

fn fraction(schema: &Value) -> f64 {
    let bound = |key: &str| schema[key].as_f64();
    let least = bound("minimum").or(bound("exclusiveMinimum").map(|bound| bound + 0.5));
    let most = bound("maximum").or(bound("exclusiveMaximum").map(|bound| bound - 0.5));
    1.5_f64
        .max(least.unwrap_or(1.5))
        .min(most.unwrap_or(f64::MAX))
}

fn text(schema: &Value) -> String {
    let text = match schema["format"].as_str().unwrap_or_default() {
        "uuid" => "53877b2e-e496-41ea-b678-9b42a44d5e59",
        "date-time" => "2026-01-01T00:00:00Z",
        "partial-date-time" => "2026-01-01T00:00:00",
        "date" => "2026-01-01",
        "time" | "partial-time" => "00:00:00",
        "duration" => "PT1S",
        "ipv4" | "ip" => "192.0.2.1",
        "ipv6" => "2001:db8::1",
        "uri" | "url" => "https://example.com/",
        "email" => "somebody@example.com",
        "hostname" => "example.com",
        _ => "example",
    };
    let length = |key: &str| schema[key].as_u64().and_then(|n| usize::try_from(n).ok());
    let text: String = text
        .chars()
        .take(length("maxLength").unwrap_or(usize::MAX))
        .collect();
    let short = length("minLength").unwrap_or(0).saturating_sub(text.len());
    text + &"e".repeat(short)
}
