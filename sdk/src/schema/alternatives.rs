//! Expands a schema into a list of alternatives without references.

use serde_json::{Map, Value, json};

use super::reference::target;

/// Returns the alternatives of a schema: a value matches the schema if it matches at least one
/// of them. No alternative has `anyOf`, `oneOf`, `allOf`, `enum`, several types or a reference
/// at its top.
pub(super) fn alternatives(schema: &Value, definitions: &Map<String, Value>) -> Vec<Value> {
    expand(schema, definitions, &mut Vec::new())
}

/// Expands one schema. `open` contains the references that are being expanded, because a
/// schema may refer to itself.
fn expand(schema: &Value, definitions: &Map<String, Value>, open: &mut Vec<String>) -> Vec<Value> {
    let Some(object) = schema.as_object() else {
        return match schema {
            Value::Bool(false) => Vec::new(),
            _ => vec![json!({})],
        };
    };
    let mut rest = object.clone();
    if rest.contains_key("$ref") || rest.contains_key("allOf") {
        let mut parts: Vec<_> = match rest.remove("allOf") {
            Some(Value::Array(parts)) => parts,
            _ => Vec::new(),
        };
        if let Some(reference) = rest.remove("$ref") {
            parts.insert(0, json!({"$ref": reference}));
        }
        let already_open = open.len();
        // Keywords next to a reference override the keywords of its target.
        let mut whole = json!({});
        for part in parts.into_iter().chain([Value::Object(rest)]) {
            let Some(part) = resolved(part, definitions, open) else {
                open.truncate(already_open);
                return Vec::new();
            };
            merge(&mut whole, &part);
        }
        let all = expand(&whole, definitions, open);
        open.truncate(already_open);
        return all;
    }
    let choice = |key: &&String| key.starts_with("anyOf") || key.starts_with("oneOf");
    let choices: Vec<_> = rest.keys().filter(choice).cloned().collect();
    for key in choices {
        if let Some(Value::Array(any)) = rest.remove(&key) {
            let mut all = Vec::new();
            for one in &any {
                let each = expand(one, definitions, open);
                if rest.is_empty() {
                    all.extend(each);
                    continue;
                }
                for one in each {
                    let mut whole = Value::Object(rest.clone());
                    merge(&mut whole, &one);
                    all.extend(expand(&whole, definitions, open));
                }
            }
            return all;
        }
    }
    if let Some(Value::Array(values)) = rest.remove("enum") {
        return values.iter().map(|value| json!({"const": value})).collect();
    }
    if let Some(Value::Array(kinds)) = rest.get("type").cloned() {
        let of_kind = |kind: &Value| {
            let mut one = rest.clone();
            one.insert("type".to_owned(), kind.clone());
            Value::Object(one)
        };
        return kinds.iter().map(of_kind).collect();
    }
    vec![Value::Object(rest)]
}

/// Returns the schema that a part stands for, with its reference resolved, or `None` if the
/// part allows no values, if the reference has no target, or if the reference is already being
/// expanded.
fn resolved(
    mut part: Value,
    definitions: &Map<String, Value>,
    open: &mut Vec<String>,
) -> Option<Value> {
    while let Some(reference) = part.as_object_mut().and_then(|part| part.remove("$ref")) {
        let key = reference.as_str()?.to_owned();
        if open.contains(&key) {
            return None;
        }
        open.push(key);
        let mut whole = target(&reference, definitions)?.clone();
        merge(&mut whole, &part);
        part = whole;
    }
    (part != Value::Bool(false)).then_some(part)
}

/// Adds the rules of `part` to `whole`. A value must meet both.
pub(super) fn merge(whole: &mut Value, part: &Value) {
    if *whole == Value::Bool(true) {
        *whole = json!({});
    }
    let (Some(whole), Some(part)) = (whole.as_object_mut(), part.as_object()) else {
        return;
    };
    for (key, value) in part {
        match (key.as_str(), whole.get_mut(key), value) {
            (
                "properties" | "patternProperties",
                Some(Value::Object(mine)),
                Value::Object(more),
            ) => {
                for (name, schema) in more {
                    match mine.get_mut(name) {
                        Some(own) if own != schema => *own = json!({"allOf": [own, schema]}),
                        _ => drop(mine.insert(name.clone(), schema.clone())),
                    }
                }
            }
            ("required" | "allOf", Some(Value::Array(mine)), Value::Array(more)) => {
                mine.extend(more.iter().cloned());
            }
            // Two flattened enums: a value contains one variant of each of them.
            ("anyOf" | "oneOf", Some(mine), more) if *mine != *more => {
                let mut free = format!("{key}+");
                while whole.contains_key(&free) {
                    free.push('+');
                }
                whole.insert(free, value.clone());
            }
            ("minimum" | "exclusiveMinimum" | "minLength" | "minItems", Some(mine), more) => {
                if mine.as_f64() < more.as_f64() {
                    *mine = more.clone();
                }
            }
            ("maximum" | "exclusiveMaximum" | "maxLength" | "maxItems", Some(mine), more) => {
                if mine.as_f64() > more.as_f64() {
                    *mine = more.clone();
                }
            }
            _ => drop(whole.insert(key.clone(), value.clone())),
        }
    }
}
