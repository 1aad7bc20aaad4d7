//! The schema of the `Data` of an event, derived from the schema that `schemars` generates
//! for its type.

use std::slice;

use schemars::Schema;
use schemars::generate::SchemaGenerator;
use serde_json::{Map, Value, json};

use super::alternatives::merge;
use super::{Described, reference};

/// The keyword that marks personal data. JSON Schema takes unknown keywords as
/// annotations, and AsyncAPI takes those that begin with `x-`.
pub(super) const PII: &str = "x-pii";

/// Returns the schema, with references to the definitions of the generator, or `None` if the
/// type does not write the event, or does not read it. The contract of the generator decides
/// whether the schema is for writing or for reading.
pub(super) fn schema(described: &Described, generator: &mut SchemaGenerator) -> Option<Value> {
    let definition = &described.definition;
    let whole = (described.schema)(generator).to_value();
    let mut data = match (definition.variant(), definition.write_only_variant()) {
        (Some((index, name)), _) => variant(&whole, Some(index), name)?,
        (None, Some(name)) => variant(&whole, None, name)?,
        (None, None) => whole,
    };
    inline(&mut data, generator.definitions());
    for field in definition.pii() {
        mark(&mut data, field);
    }
    let Ok(mut schema) = Schema::try_from(data) else {
        return Some(Value::Bool(true));
    };
    for transform in generator.transforms_mut() {
        transform.transform(&mut schema);
    }
    Some(schema.to_value())
}

/// Returns the schema of `Data` for a variant. With serde's default representation, `Data` is
/// the content of the variant, because the event type implies the variant. With other
/// representations, it is the whole variant.
fn variant(whole: &Value, index: Option<u32>, name: &str) -> Option<Value> {
    let alternatives = ["oneOf", "anyOf"]
        .iter()
        .find_map(|key| whole[key].as_array());
    let alternatives = alternatives.map_or(slice::from_ref(whole), Vec::as_slice);
    let is_name = |value: &Value| value["const"] == name || value["enum"] == json!([name]);
    let mut all_have_names = true;
    for alternative in alternatives {
        if alternative["type"] == "string" {
            let mut names = alternative["enum"].as_array().into_iter().flatten();
            if is_name(alternative) || names.any(|other| other == name) {
                return Some(json!({"type": "null"}));
            }
            continue;
        }
        let fields = alternative["properties"].as_object();
        let required = alternative["required"].as_array().map(Vec::as_slice);
        if let (Some([only]), Some(fields)) = (required, fields)
            && alternative["additionalProperties"] == false
            && fields.len() == 1
        {
            if only == name {
                let mut content = fields[name].clone();
                describe(&mut content, alternative);
                return Some(content);
            }
            continue;
        }
        if fields.is_some_and(|fields| fields.values().any(is_name)) {
            return Some(alternative.clone());
        }
        let is_tagged = |field: &Value| field.get("const").is_some_and(Value::is_string);
        all_have_names &= fields.is_some_and(|fields| fields.values().any(is_tagged));
    }
    // If the variants have no names, they are in the order of the enum.
    if all_have_names {
        return None;
    }
    let untagged = usize::try_from(index?).ok();
    let untagged = untagged.and_then(|index| alternatives.get(index));
    Some(untagged.cloned().unwrap_or(Value::Bool(true)))
}

/// Moves the description of a variant to the event.
fn describe(content: &mut Value, variant: &Value) {
    if let (Some(content), Some(text)) = (content.as_object_mut(), variant.get("description")) {
        content.entry("description").or_insert_with(|| text.clone());
    }
}

/// Replaces a reference by the schema of the event, and adds the keywords next to the
/// reference, such as the tag of an enum.
fn inline(data: &mut Value, definitions: &Map<String, Value>) {
    let mut seen = Vec::new();
    while let Some(reference) = data.get("$ref").cloned() {
        let Some(definition) = reference::target(&reference, definitions) else {
            return;
        };
        if seen.contains(&reference) {
            return;
        }
        let mut whole = definition.clone();
        if let Some(beside) = data.as_object_mut() {
            beside.remove("$ref");
        }
        merge(&mut whole, data);
        *data = whole;
        seen.push(reference);
    }
}

fn mark(data: &mut Value, field: &str) {
    let Some(schema) = data["properties"].get_mut(field) else {
        return;
    };
    // Before draft 2019-09, keywords next to a reference are ignored.
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
