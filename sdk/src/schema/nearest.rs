//! Selects the alternative of a schema that was most likely intended, and describes schemas
//! in errors.

use serde_json::Value;

use super::fault::{Fault, Incompatibility, incompatibility};

/// Returns the result of the comparison with the alternative that was most likely intended.
/// `attempts` contains the result of the comparison with each alternative in `read`. All these
/// comparisons failed.
pub(super) fn nearest(
    writer: &Value,
    read: &[Value],
    attempts: Vec<Vec<Incompatibility>>,
    pointer: &str,
) -> Vec<Incompatibility> {
    let name = value(writer).or_else(|| tag(writer));
    if let Some(name) = name {
        let names = read.iter().map(|one| value(one).or_else(|| tag(one)));
        let names: Vec<_> = names.collect();
        match names.iter().position(|other| other.as_ref() == Some(&name)) {
            Some(same) => return attempts.into_iter().nth(same).unwrap_or_default(),
            None if names.iter().any(Option::is_some) => {
                return incompatibility(pointer, Fault::Value(name));
            }
            None => {}
        }
    }
    let candidates = read.iter().zip(attempts);
    let alike = candidates.filter(|(one, _)| kind(one) == kind(writer));
    let nearest = alike.min_by_key(|(_, found)| found.len());
    nearest.map_or_else(
        || {
            let mut kinds: Vec<_> = read.iter().map(described).collect();
            kinds.dedup();
            incompatibility(
                pointer,
                Fault::Type {
                    written: described(writer),
                    read: kinds.join(" or "),
                },
            )
        },
        |(_, found)| found,
    )
}

/// Returns the only value that a schema allows.
fn value(schema: &Value) -> Option<String> {
    schema.get("const").map(ToString::to_string)
}

/// Returns the JSON type that a schema allows.
pub(super) fn kind(schema: &Value) -> &str {
    match (schema.get("const"), schema["type"].as_str()) {
        (Some(Value::Null), _) => "null",
        (Some(Value::Bool(_)), _) => "boolean",
        (Some(Value::String(_)), _) => "string",
        (Some(Value::Number(number)), _) if number.is_f64() => "number",
        (Some(Value::Number(_)), _) => "integer",
        (Some(Value::Array(_)), _) => "array",
        (Some(Value::Object(_)), _) => "object",
        (None, Some(kind)) => kind,
        (None, None) if schema.get("properties").is_some() => "object",
        (None, None) => "anything",
    }
}

/// Returns the type with its format, for an error message.
pub(super) fn described(schema: &Value) -> String {
    match (schema.get("const"), schema["format"].as_str()) {
        (Some(value), _) => value.to_string(),
        (None, Some(format)) => format!("{} ({format})", kind(schema)),
        (None, None) => kind(schema).to_owned(),
    }
}

/// Returns the name of an enum variant with content, in any of serde's representations.
fn tag(schema: &Value) -> Option<String> {
    let fields = schema["properties"].as_object()?;
    let mut constants = fields.values().filter_map(|field| field.get("const"));
    if let Some(constant) = constants.next() {
        return Some(constant.to_string());
    }
    let name = fields.keys().next().filter(|_| fields.len() == 1)?;
    let required = schema["required"].as_array()?;
    (required.len() == 1 && required[0] == name.as_str() && schema["additionalProperties"] == false)
        .then(|| format!("\"{name}\""))
}
