//! The schema of a whole event, which contains the schema of its data.

use serde_json::{Map, Value, json};

use crate::event::definition::EventDefinition;
use crate::event::fields::{
    CAUSATION_ID, CORRELATION_ID, DATA, EMITTER_ID, EMITTER_TYPE, EVENT_ID, EVENT_TYPE, ID,
    TIMESTAMP, TRACE_PARENT, VERSION,
};

/// Returns a complete JSON Schema document, with the definitions at the top.
pub(super) fn json_schema(definition: &EventDefinition, mut data: Value, example: &Value) -> Value {
    let (event_type, version) = (definition.event_type(), definition.version());
    let definitions = data.as_object_mut().and_then(|data| data.remove("$defs"));
    let mut schema = message(definition, data);
    if let Some(schema) = schema.as_object_mut() {
        schema.insert(
            "$schema".to_owned(),
            "https://json-schema.org/draft/2020-12/schema".into(),
        );
        let id = format!("urn:domain-events:{event_type}:{version}");
        schema.insert("$id".to_owned(), id.into());
        schema.insert("examples".to_owned(), json!([example]));
        if let Some(definitions) = definitions {
            schema.insert("$defs".to_owned(), definitions);
        }
    }
    schema
}

/// Returns the schema of the event object. The wire format limits the bytes of a text, and JSON
/// Schema can limit only its characters, so the schema allows longer texts.
pub(super) fn message(definition: &EventDefinition, data: Value) -> Value {
    let text = |most: u32| json!({"type": "string", "minLength": 1, "maxLength": most});
    let optional =
        |most: u32| json!({"type": ["string", "null"], "minLength": 1, "maxLength": most});
    let (event_type, version) = (definition.event_type(), definition.version());
    let mut required = vec![TIMESTAMP, EVENT_TYPE, ID, EMITTER_ID, EMITTER_TYPE];
    if data["type"] != "null" {
        required.push(DATA);
    }
    // An absent version means version 1.
    let version = if version == 1 {
        json!({"enum": [1, null]})
    } else {
        required.push(VERSION);
        json!({"const": version})
    };
    let mut schema = Map::new();
    let description = data.get("description").cloned();
    schema.extend(description.map(|text| ("description".to_owned(), text)));
    schema.insert("title".to_owned(), event_type.as_str().into());
    schema.insert("type".to_owned(), "object".into());
    schema.insert("required".to_owned(), required.into());
    let properties = json!({
        TIMESTAMP: {
            "type": "number",
            "minimum": 0,
            // Inclusive, because many validators round 9999999999.999999999 up to this
            // number.
            "maximum": 10_000_000_000_u64,
            "description": "When the event was created, in seconds since 1970-01-01T00:00:00Z.",
        },
        EVENT_TYPE: {"const": event_type.as_str()},
        ID: text(2048),
        EMITTER_ID: text(2048),
        EMITTER_TYPE: text(256),
        DATA: data,
        EVENT_ID: optional(128),
        VERSION: version,
        CORRELATION_ID: optional(128),
        CAUSATION_ID: optional(128),
        TRACE_PARENT: {"type": ["string", "null"]},
    });
    schema.insert("properties".to_owned(), properties);
    schema.into()
}
