//! A schema reduced to what it allows, and taken apart into its alternatives.

use serde_json::{Map, Value, json};

/// The schema without what is only said to people.
pub(super) fn bare(schema: &Value) -> Value {
    const TOLD: &[&str] = &[
        "$schema",
        "$id",
        "$comment",
        "title",
        "description",
        "examples",
        "default",
        "deprecated",
    ];
    const NAMED: &[&str] = &["properties", "patternProperties", "$defs"];
    const SCHEMAS: &[&str] = &[
        "items",
        "prefixItems",
        "additionalProperties",
        "unevaluatedProperties",
        "anyOf",
        "oneOf",
        "allOf",
        "not",
        "contains",
        "propertyNames",
    ];
    match schema {
        Value::Array(schemas) => schemas.iter().map(bare).collect(),
        Value::Object(object) => {
            let says = |key: &str| !TOLD.contains(&key) && !key.starts_with("x-");
            let member = |(key, value): (&String, &Value)| {
                let value = match (key.as_str(), value) {
                    (key, Value::Object(named)) if NAMED.contains(&key) => {
                        let named = named
                            .iter()
                            .map(|(name, schema)| (name.clone(), bare(schema)));
                        named.collect::<Map<_, _>>().into()
                    }
                    (key, value) if SCHEMAS.contains(&key) => bare(value),
                    (_, value) => value.clone(),
                };
                (key.clone(), value)
            };
            let members = object.iter().filter(|(key, _)| says(key)).map(member);
            members.collect::<Map<_, _>>().into()
        }
        other => other.clone(),
    }
}

/// The schemas of which a value has to fit one. None of them has `anyOf`,
/// `oneOf`, `allOf`, `enum`, several types or a reference.
pub(super) fn alternatives(schema: &Value, definitions: &Value) -> Vec<Value> {
    let Some(object) = schema.as_object() else {
        return match schema {
            Value::Bool(false) => Vec::new(),
            _ => vec![json!({})],
        };
    };
    let mut rest = object.clone();
    if rest.contains_key("$ref") {
        let mut whole = resolve(schema, definitions).clone();
        rest.remove("$ref");
        merge(&mut whole, &Value::Object(rest));
        return alternatives(&whole, definitions);
    }
    if let Some(Value::Array(parts)) = rest.remove("allOf") {
        let mut whole = Value::Object(rest);
        for part in &parts {
            merge(&mut whole, resolve(part, definitions));
        }
        return alternatives(&whole, definitions);
    }
    let choice = |key: &&String| key.starts_with("anyOf") || key.starts_with("oneOf");
    let choices: Vec<_> = rest.keys().filter(choice).cloned().collect();
    for key in choices {
        if let Some(Value::Array(any)) = rest.remove(&key) {
            let alone = rest.is_empty();
            let with_rest = |one: Value| {
                if alone {
                    return one;
                }
                let mut whole = Value::Object(rest.clone());
                merge(&mut whole, resolve(&one, definitions));
                whole
            };
            let each = any.iter().flat_map(|one| alternatives(one, definitions));
            let merged = each.map(with_rest);
            return match alone {
                true => merged.collect(),
                false => merged
                    .flat_map(|one| alternatives(&one, definitions))
                    .collect(),
            };
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

/// What a reference means; anything else means itself.
fn resolve<'a>(schema: &'a Value, definitions: &'a Value) -> &'a Value {
    let name = schema.get("$ref").and_then(super::data::name_of);
    name.and_then(|name| definitions.get(name))
        .unwrap_or(schema)
}

/// Adds the demands of `part`.
fn merge(whole: &mut Value, part: &Value) {
    let (Some(whole), Some(part)) = (whole.as_object_mut(), part.as_object()) else {
        return;
    };
    for (key, value) in part {
        match (key.as_str(), whole.get_mut(key), value) {
            ("properties", Some(Value::Object(mine)), Value::Object(more)) => {
                mine.extend(more.clone());
            }
            ("required", Some(Value::Array(mine)), Value::Array(more)) => {
                mine.extend(more.iter().cloned());
            }
            // Two enums that are flattened: a value is one of each.
            ("anyOf" | "oneOf", Some(mine), more) if *mine != *more => {
                let mut free = format!("{key}+");
                while whole.contains_key(&free) {
                    free.push('+');
                }
                whole.insert(free, value.clone());
            }
            _ => drop(whole.insert(key.clone(), value.clone())),
        }
    }
}
