//! Resolves references between schemas. A `$ref` contains a JSON Pointer as a URI fragment
//! (RFC 6901, section 6), so names in it are escaped twice.

use percent_encoding::percent_decode_str;
use serde_json::{Map, Value};

use super::keywords::children;
use crate::json::pointer::push_step;

/// The locations of definitions in a JSON Schema and in an AsyncAPI document.
const LOCATIONS: &[&str] = &["#/$defs/", "#/components/schemas/"];

/// Returns the steps of a reference, unescaped. The first step is the name of the definition.
fn steps(reference: &Value) -> Option<Vec<String>> {
    let text = reference.as_str()?;
    let path = LOCATIONS
        .iter()
        .find_map(|location| text.strip_prefix(location))?;
    let unescaped = |step: &str| {
        let step = percent_decode_str(step).decode_utf8().ok()?;
        Some(step.replace("~1", "/").replace("~0", "~"))
    };
    path.split('/').map(unescaped).collect()
}

/// Returns the name of the definition that a reference points to, or points into.
pub(super) fn name(reference: &Value) -> Option<String> {
    steps(reference)?.into_iter().next()
}

/// Returns the schema that a reference points to.
pub(super) fn target<'a>(
    reference: &Value,
    definitions: &'a Map<String, Value>,
) -> Option<&'a Value> {
    let mut steps = steps(reference)?.into_iter();
    let mut found = definitions.get(&steps.next()?)?;
    for step in steps {
        found = match found {
            Value::Object(members) => members.get(&step)?,
            Value::Array(items) => items.get(step.parse::<usize>().ok()?)?,
            _ => return None,
        };
    }
    Some(found)
}

/// Collects the definitions that `schema` refers to, directly or through other
/// definitions.
///
/// # Errors
///
/// The first reference without a target.
pub(super) fn collect(
    schema: &Value,
    definitions: &Map<String, Value>,
    found: &mut Map<String, Value>,
) -> Result<(), String> {
    let mut pending = vec![schema];
    while let Some(schema) = pending.pop() {
        pending.extend(children(schema));
        let Some(reference) = schema.get("$ref") else {
            continue;
        };
        let unresolved = || reference.as_str().unwrap_or_default().to_owned();
        target(reference, definitions).ok_or_else(unresolved)?;
        let name = name(reference).ok_or_else(unresolved)?;
        if let Some(definition) = definitions.get(&name)
            && !found.contains_key(&name)
        {
            found.insert(name, definition.clone());
            pending.push(definition);
        }
    }
    Ok(())
}

/// Returns the JSON Pointer of the member `name` of the object at `pointer`.
pub(super) fn member(pointer: &str, name: &str) -> String {
    let mut inner = pointer.to_owned();
    push_step(&mut inner, name);
    inner
}
