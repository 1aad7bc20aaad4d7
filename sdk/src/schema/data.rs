//! The schema of an event's `Data`, taken from what `schemars` says of its type.

use schemars::Schema;
use schemars::generate::SchemaGenerator;
use serde_json::{Map, Value, json};

use super::Described;

/// The keyword that marks personal data. JSON Schema takes unknown keywords as
/// annotations, and AsyncAPI takes those that begin with `x-`.
pub(super) const PII: &str = "x-pii";

/// The schema, with references into the generator's definitions.
pub(super) fn schema(described: &Described, generator: &mut SchemaGenerator) -> Value {
    let definition = &described.definition;
    let whole = (described.schema)(generator).to_value();
    let mut data = match definition.variant() {
        Some((index, name)) => variant(&whole, index, name),
        None => whole,
    };
    inline(&mut data, generator);
    for field in definition.pii() {
        mark(&mut data, field);
    }
    let Ok(mut schema) = Schema::try_from(data) else {
        return Value::Bool(true);
    };
    for transform in generator.transforms_mut() {
        transform.transform(&mut schema);
    }
    schema.to_value()
}

/// The schema together with those of the definitions that it refers to.
pub(super) fn with_definitions(mut schema: Value, definitions: &Map<String, Value>) -> Value {
    let mut needed = Map::new();
    reachable(&schema, definitions, &mut needed);
    if let (Some(object), false) = (schema.as_object_mut(), needed.is_empty()) {
        object.insert("$defs".to_owned(), needed.into());
    }
    schema
}

/// Collects the definitions that `value` refers to, and those that they do.
pub(super) fn reachable(
    value: &Value,
    definitions: &Map<String, Value>,
    found: &mut Map<String, Value>,
) {
    match value {
        Value::Object(object) => {
            let name = object.get("$ref").and_then(name_of);
            let definition = name.and_then(|name| definitions.get_key_value(name));
            if let Some((name, definition)) = definition
                && !found.contains_key(name)
            {
                found.insert(name.clone(), definition.clone());
                reachable(definition, definitions, found);
            }
            let members = object.values();
            members.for_each(|member| reachable(member, definitions, found));
        }
        Value::Array(items) => items
            .iter()
            .for_each(|item| reachable(item, definitions, found)),
        _ => {}
    }
}

/// The name at the end of a reference.
pub(super) fn name_of(reference: &Value) -> Option<&str> {
    reference.as_str()?.rsplit('/').next()
}

/// What stands in `Data` for a variant: with serde's default representation its
/// content, for the name is told by the event type; else the variant as it is.
fn variant(whole: &Value, index: u32, name: &str) -> Value {
    let alternatives = ["oneOf", "anyOf"]
        .iter()
        .find_map(|key| whole[key].as_array());
    let single = std::slice::from_ref(whole);
    let alternatives = alternatives.map_or(single, Vec::as_slice);
    let named = |value: &Value| value["const"] == name || value["enum"] == json!([name]);
    for alternative in alternatives {
        if alternative["type"] == "string" {
            let names = alternative["enum"].as_array();
            if named(alternative) || names.is_some_and(|names| names.iter().any(|n| n == name)) {
                return json!({"type": "null"});
            }
        }
        if alternative["required"] == json!([name]) {
            let mut content = alternative["properties"][name].clone();
            describe(&mut content, alternative);
            return content;
        }
        let tagged = alternative["properties"].as_object();
        if tagged.is_some_and(|fields| fields.values().any(named)) {
            return alternative.clone();
        }
    }
    let untagged = usize::try_from(index)
        .ok()
        .and_then(|index| alternatives.get(index));
    untagged.cloned().unwrap_or(Value::Bool(true))
}

/// The description of a variant is that of the event.
fn describe(content: &mut Value, variant: &Value) {
    if let (Some(content), Some(text)) = (content.as_object_mut(), variant.get("description")) {
        content.entry("description").or_insert_with(|| text.clone());
    }
}

/// Puts the event's own schema in the place of a reference to it.
fn inline(data: &mut Value, generator: &SchemaGenerator) {
    let name = data.get("$ref").and_then(name_of);
    let Some(definition) = name.and_then(|name| generator.definitions().get(name)) else {
        return;
    };
    let mut definition = definition.clone();
    describe(&mut definition, data);
    *data = definition;
}

fn mark(data: &mut Value, field: &str) {
    let Some(schema) = data["properties"].get_mut(field) else {
        return;
    };
    // What stands beside a reference is not seen before draft 2019-09.
    if schema.get("$ref").is_some() {
        *schema = json!({"allOf": [schema.take()]});
    }
    match schema {
        Value::Object(object) => {
            object.insert(PII.to_owned(), Value::Bool(true));
        }
        other => *other = json!({PII: true}),
    }
}
