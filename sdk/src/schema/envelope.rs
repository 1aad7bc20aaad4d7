//! The JSON Schema of an event of any type, for producers in other languages.

use serde_json::{Value, json};

use crate::event::fields::{
    CAUSATION_ID, CORRELATION_ID, DATA, EMITTER_ID, EMITTER_TYPE, EVENT_ID, EVENT_TYPE, EXPIRES_AT,
    ID, INDEX_KEY, STORED_AT, TIMESTAMP, TRACE_PARENT, VERSION,
};

/// Returns the JSON Schema (2020-12) of a message: one event of any type, or an array of
/// events.
///
/// A message that does not match is rejected by the consumer. Not every message that
/// matches is accepted, because JSON Schema cannot express some rules: lengths in
/// bytes, duplicate keys, the number of decimals of a timestamp, and the limits of
/// DynamoDB on numbers, nesting and size.
///
/// # Examples
///
/// ```
/// let schema = domain_events::schema::message_schema();
/// assert_eq!(schema["$defs"]["Event"]["required"][0], "Timestamp");
/// ```
#[must_use]
pub fn message_schema() -> Value {
    let text = |most: u32| json!({"type": "string", "minLength": 1, "maxLength": most});
    let optional =
        |most: u32| json!({"type": ["string", "null"], "minLength": 1, "maxLength": most});
    let known = json!({
        TIMESTAMP: {
            "description": "When the event was created, in seconds since 1970-01-01T00:00:00Z, with at most nine decimals.",
            "type": "number",
            "minimum": 0,
            // Inclusive, because many validators round 9999999999.999999999 up to this
            // number.
            "maximum": 10_000_000_000_u64,
        },
        EVENT_TYPE: {
            "description": "What happened, for example ORDER_PLACED.",
            "type": "string",
            "pattern": "^[A-Z][A-Z0-9]*(_[A-Z0-9]+)*$",
            "maxLength": 128,
        },
        ID: text(2048),
        EMITTER_ID: text(2048),
        EMITTER_TYPE: text(256),
        DATA: {"type": ["object", "null"]},
        EVENT_ID: optional(128),
        VERSION: {"type": ["integer", "null"], "minimum": 1, "maximum": u16::MAX},
        CORRELATION_ID: optional(128),
        CAUSATION_ID: optional(128),
        TRACE_PARENT: {"type": ["string", "null"]},
        STORED_AT: false,
        EXPIRES_AT: false,
        INDEX_KEY: false,
    });
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": "urn:domain-events:message",
        "title": "Message",
        "description": "One event, or several events in an array.",
        "anyOf": [
            {"$ref": "#/$defs/Event"},
            {"type": "array", "minItems": 1, "items": {"$ref": "#/$defs/Event"}},
        ],
        "$defs": {
            "Event": {
                "type": "object",
                "required": [TIMESTAMP, EVENT_TYPE, ID, EMITTER_ID, EMITTER_TYPE],
                "properties": known,
                "propertyNames": {"pattern": "^[A-Za-z_][A-Za-z0-9_.-]{0,254}$"},
                // The 11 fields above and 20 additional fields.
                "maxProperties": 31,
            },
        },
    })
}
