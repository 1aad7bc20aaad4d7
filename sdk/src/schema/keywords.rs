//! The keywords of JSON Schema: the keywords that contain schemas, and the annotations.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

/// Keywords that do not affect which values a schema allows.
pub(super) const ANNOTATIONS: &[&str] = &[
    "$schema",
    "$id",
    "$comment",
    "title",
    "description",
    "examples",
    "default",
    "deprecated",
    "readOnly",
    "writeOnly",
    "contentEncoding",
    "contentMediaType",
];

/// Keywords that contain schemas by name.
const NAMED: &[&str] = &[
    "properties",
    "patternProperties",
    "dependentSchemas",
    "$defs",
];

/// Keywords that contain a schema or a list of schemas.
const SCHEMAS: &[&str] = &[
    "items",
    "prefixItems",
    "additionalProperties",
    "unevaluatedItems",
    "unevaluatedProperties",
    "anyOf",
    "oneOf",
    "allOf",
    "not",
    "if",
    "then",
    "else",
    "contains",
    "propertyNames",
];

pub(super) fn is_annotation(keyword: &str) -> bool {
    ANNOTATIONS.contains(&keyword) || keyword.starts_with("x-")
}

/// Returns the schemas directly inside a schema.
pub(super) fn children(schema: &Value) -> Vec<&Value> {
    let mut found = Vec::new();
    for (keyword, value) in schema.as_object().into_iter().flatten() {
        match value {
            Value::Object(named) if NAMED.contains(&keyword.as_str()) => {
                found.extend(named.values());
            }
            Value::Array(schemas) if SCHEMAS.contains(&keyword.as_str()) => found.extend(schemas),
            one if SCHEMAS.contains(&keyword.as_str()) => found.push(one),
            _ => {}
        }
    }
    found
}

/// Returns the same schema, with `change` applied to each schema inside it.
fn with_children(schema: &Value, change: &dyn Fn(&Value) -> Value) -> Map<String, Value> {
    let member = |(keyword, value): (&String, &Value)| {
        let value = match value {
            Value::Object(named) if NAMED.contains(&keyword.as_str()) => {
                let changed = named
                    .iter()
                    .map(|(name, schema)| (name.clone(), change(schema)));
                changed.collect::<Map<_, _>>().into()
            }
            Value::Array(schemas) if SCHEMAS.contains(&keyword.as_str()) => {
                schemas.iter().map(change).collect()
            }
            one if SCHEMAS.contains(&keyword.as_str()) => change(one),
            other => other.clone(),
        };
        (keyword.clone(), value)
    };
    schema
        .as_object()
        .into_iter()
        .flatten()
        .map(member)
        .collect()
}

/// Returns the schema without annotations.
pub(super) fn bare(schema: &Value) -> Value {
    if !schema.is_object() {
        return schema.clone();
    }
    let mut bare_schema = with_children(schema, &bare);
    bare_schema.retain(|keyword, _| !is_annotation(keyword));
    bare_schema.into()
}

/// Returns the schema with each reference replaced by what `rename` returns for it.
pub(super) fn with_references(schema: &Value, rename: &dyn Fn(&Value) -> Value) -> Value {
    if !schema.is_object() {
        return schema.clone();
    }
    let mut renamed = with_children(schema, &|child| with_references(child, rename));
    if let Some(reference) = renamed.get_mut("$ref") {
        *reference = rename(reference);
    }
    renamed.into()
}

/// Returns the value with its keys sorted, regardless of the features of `serde_json`.
pub(super) fn sorted(value: Value) -> Value {
    match value {
        Value::Array(items) => items.into_iter().map(sorted).collect(),
        Value::Object(object) => {
            let members: BTreeMap<_, _> = object.into_iter().collect();
            let members = members.into_iter().map(|(key, value)| (key, sorted(value)));
            members.collect::<Map<_, _>>().into()
        }
        other => other,
    }
}
