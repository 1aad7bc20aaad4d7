//! Compares two schemas to decide whether one program can read the output of another.

use serde_json::{Map, Value, json};

use super::alternatives::alternatives;
use super::fault::{Fault, Incompatibility, incompatibility};
use super::keywords::is_annotation;
use super::nearest::{described, kind, nearest};
use super::number::{Range, keeps_digits};
use super::pattern;
use super::reference::member;

/// Returns the incompatibilities between the values that `writer` allows and the values that
/// `reader` reads.
pub(super) fn incompatibilities(writer: &Value, reader: &Value) -> Vec<Incompatibility> {
    Comparison::new(writer, reader, false).any(writer, reader, "")
}

/// Returns the reasons why the value does not match the schema. `format` and keywords that this
/// module does not know are not evaluated.
pub(super) fn contradictions(value: &Value, schema: &Value) -> Vec<Incompatibility> {
    let writer = json!({"const": value});
    let mut found = Comparison::new(&writer, schema, true).any(&writer, schema, "");
    // A schema without `additionalProperties` also allows fields that it does not list.
    found.retain(|one| one.fault != Fault::Dropped);
    found
}

/// Returns the definitions of a schema.
pub(super) fn definitions(schema: &Value) -> Map<String, Value> {
    let definitions = schema.get("$defs").and_then(Value::as_object);
    definitions.cloned().unwrap_or_default()
}

/// The maximum nesting of comparisons, so that a schema cannot overflow the stack.
const MAX_NESTING: usize = 128;

/// The keywords that [`Comparison`] evaluates.
const EVALUATED: &[&str] = &[
    "additionalProperties",
    "const",
    "exclusiveMaximum",
    "exclusiveMinimum",
    "format",
    "items",
    "maxItems",
    "maxLength",
    "maximum",
    "minItems",
    "minLength",
    "minimum",
    "pattern",
    "patternProperties",
    "prefixItems",
    "properties",
    "required",
    "type",
    "unevaluatedProperties",
];

struct Comparison {
    writer: Map<String, Value>,
    reader: Map<String, Value>,
    /// The pairs that are being compared. A type that contains itself leads to the same
    /// pair again.
    open: Vec<(Value, Value)>,
    /// The compatible pairs. Some pairs are compatible only if the open pairs are compatible.
    fitting: Vec<(Value, Value)>,
    /// Whether a value is compared with a schema. Otherwise, two schemas are compared.
    is_value: bool,
}

impl Comparison {
    fn new(writer: &Value, reader: &Value, is_value: bool) -> Self {
        Self {
            writer: definitions(writer),
            reader: definitions(reader),
            open: Vec::new(),
            fitting: Vec::new(),
            is_value,
        }
    }

    /// Checks that the reader reads every alternative that the writer writes.
    fn any(&mut self, writer: &Value, reader: &Value, pointer: &str) -> Vec<Incompatibility> {
        let pair = (writer.clone(), reader.clone());
        if self.open.contains(&pair) || self.fitting.contains(&pair) {
            return Vec::new();
        }
        if self.open.len() == MAX_NESTING {
            return incompatibility(pointer, Fault::TooDeep);
        }
        self.open.push(pair.clone());
        let assumed = self.fitting.len();
        let written = match writer.get("const") {
            Some(value) if self.is_value => vec![of_value(value)],
            _ => alternatives(writer, &self.writer),
        };
        let read = alternatives(reader, &self.reader);
        let mut found = Vec::new();
        for one in &written {
            let mut attempts = Vec::new();
            for other in &read {
                attempts.push(self.one(one, other, pointer));
                if attempts.last().is_some_and(Vec::is_empty) {
                    break;
                }
            }
            if !attempts.last().is_some_and(Vec::is_empty) {
                found.extend(nearest(one, &read, attempts, pointer));
            }
        }
        self.open.pop();
        if found.is_empty() {
            self.fitting.push(pair);
        } else {
            // This pair is not compatible. Remove the pairs whose compatibility depends on it.
            self.fitting.truncate(assumed);
        }
        found.dedup();
        found
    }

    fn one(&mut self, writer: &Value, reader: &Value, pointer: &str) -> Vec<Incompatibility> {
        let (written, read) = (kind(writer), kind(reader));
        if let Some(expected) = reader.get("const") {
            return match writer.get("const") {
                Some(value) if value == expected => Vec::new(),
                Some(value) => incompatibility(pointer, Fault::Value(value.to_string())),
                None if written == read => {
                    incompatibility(pointer, Fault::Narrower("set of values"))
                }
                None => incompatibility(pointer, types(writer, reader)),
            };
        }
        let is_read =
            read == "anything" || written == read || (written, read) == ("integer", "number");
        if !is_read {
            return incompatibility(pointer, types(writer, reader));
        }
        let mut found = self.rules(writer, reader, pointer);
        let whole;
        let writer = match writer.get("const") {
            Some(value @ (Value::Object(_) | Value::Array(_))) => {
                whole = of_value(value);
                &whole
            }
            _ => writer,
        };
        // If the reader has no type, its rules apply to values of the writer's type.
        match if read == "anything" { written } else { read } {
            "object" => found.extend(self.object(writer, reader, pointer)),
            "array" => found.extend(self.array(writer, reader, pointer)),
            "string" => {
                if let Some(fault) = self.string(writer, reader) {
                    found.extend(incompatibility(pointer, fault));
                }
            }
            "integer" | "number" if !Range::of(writer).is_within(&Range::of(reader)) => {
                found.extend(incompatibility(pointer, Fault::Narrower("range")));
            }
            "integer" | "number" if !keeps_digits(writer, reader) => {
                found.extend(incompatibility(pointer, Fault::Narrower("precision")));
            }
            _ => {}
        }
        found
    }

    /// Compares the rules of the reader that no other function evaluates. The writer must
    /// have the same rules.
    fn rules(&self, writer: &Value, reader: &Value, pointer: &str) -> Vec<Incompatibility> {
        let rules = reader.as_object().into_iter().flatten();
        let is_evaluated =
            |rule: &str| rule == "$defs" || kind(writer) != "anything" && EVALUATED.contains(&rule);
        let is_new = |(rule, value): &(&String, &Value)| {
            !is_evaluated(rule) && !is_annotation(rule) && writer.get(*rule) != Some(*value)
        };
        if self.is_value {
            return Vec::new();
        }
        rules
            .filter(is_new)
            .flat_map(|(rule, _)| incompatibility(pointer, Fault::Rule(rule.clone())))
            .collect()
    }

    fn object(&mut self, writer: &Value, reader: &Value, pointer: &str) -> Vec<Incompatibility> {
        let mut found = Vec::new();
        let is_required = |schema: &Value, name: &str| {
            let required = schema["required"].as_array();
            required.is_some_and(|names| names.iter().any(|other| other == name))
        };
        for name in reader["required"].as_array().into_iter().flatten() {
            let name = name.as_str().unwrap_or_default();
            if !is_required(writer, name) {
                found.extend(incompatibility(&member(pointer, name), Fault::Required));
            }
        }
        for (name, written) in writer["properties"].as_object().into_iter().flatten() {
            let pointer = member(pointer, name);
            found.extend(match member_schema(reader, name) {
                Some(Value::Bool(false)) => incompatibility(&pointer, Fault::Refused),
                Some(read) => self.any(written, read, &pointer),
                None => incompatibility(&pointer, Fault::Dropped),
            });
        }
        found.extend(self.unnamed(writer, reader, pointer));
        found
    }

    /// Compares the members of a map, whose names no schema lists.
    fn unnamed(&mut self, writer: &Value, reader: &Value, pointer: &str) -> Vec<Incompatibility> {
        let mut found = Vec::new();
        let inside = format!("{pointer}/*");
        let patterns = writer["patternProperties"].as_object();
        let patterns = patterns.into_iter().flatten();
        let rest = others(writer).filter(|rest| **rest != Value::Bool(false));
        let all = patterns
            .map(|(pattern, written)| (of_pattern(reader, pattern), written))
            .chain(rest.map(|written| (None, written)));
        for (read, written) in all {
            found.extend(match read.or_else(|| others(reader)) {
                Some(Value::Bool(false)) => {
                    incompatibility(pointer, Fault::Narrower("set of names"))
                }
                Some(read) => self.any(written, read, &inside),
                None => incompatibility(&inside, Fault::Dropped),
            });
        }
        // A member may have the same name as a new field of the reader. This does not break
        // a struct that collects unknown fields of any type and continues to do so: such a
        // member can only come from a newer program that already has the field.
        let is_kept = others(reader).is_some();
        let Some(written) = rest.filter(|rest| !is_kept || **rest != Value::Bool(true)) else {
            return found;
        };
        let fields = reader["properties"].as_object().into_iter().flatten();
        let own = |name: &str| writer["properties"].get(name).is_some();
        for (name, read) in fields.filter(|(name, _)| !own(name)) {
            found.extend(self.any(written, read, &member(pointer, name)));
        }
        found
    }

    fn array(&mut self, writer: &Value, reader: &Value, pointer: &str) -> Vec<Incompatibility> {
        let mut found = Vec::new();
        let any = Value::Bool(true);
        let tuple = |schema: &Value| {
            schema["prefixItems"]
                .as_array()
                .cloned()
                .unwrap_or_default()
        };
        let (written, read) = (tuple(writer), tuple(reader));
        let (more_written, more_read) = (writer.get("items"), reader.get("items"));
        for index in 0..written.len().max(read.len()) {
            let written = written.get(index).or(more_written);
            let read = read.get(index).or(more_read);
            if let (Some(written), Some(read)) = (written, read) {
                found.extend(self.any(written, read, &format!("{pointer}/{index}")));
            }
        }
        let most = writer["maxItems"].as_u64();
        let is_all = most.is_some_and(|most| most <= written.len() as u64);
        if let Some(read) = more_read.filter(|_| !is_all) {
            let written = more_written.unwrap_or(&any);
            found.extend(self.any(written, read, &format!("{pointer}/*")));
        }
        let length = |schema: &Value| {
            let bound = |key: &str| schema[key].as_f64();
            (
                bound("minItems").unwrap_or(0.0),
                bound("maxItems").unwrap_or(f64::MAX),
            )
        };
        if !is_within(length(writer), length(reader)) {
            found.extend(incompatibility(pointer, Fault::Narrower("number of items")));
        }
        found
    }

    fn string(&self, writer: &Value, reader: &Value) -> Option<Fault> {
        let text = writer["const"].as_str();
        let differs = |key: &str| reader.get(key).is_some() && reader.get(key) != writer.get(key);
        if differs("format") && !self.is_value {
            return Some(types(writer, reader));
        }
        if differs("pattern") {
            let pattern = reader["pattern"].as_str().unwrap_or_default();
            match text.map(|text| pattern::matches(pattern, text)) {
                Some(Some(true)) => {}
                Some(None) if self.is_value => {}
                _ => return Some(Fault::Narrower("pattern")),
            }
        }
        (!is_within(length(writer), length(reader))).then_some(Fault::Narrower("length"))
    }
}

/// Returns the schema that allows only this object or array.
fn of_value(value: &Value) -> Value {
    let single = |value: &Value| json!({"const": value});
    match value {
        Value::Object(members) => {
            let names: Vec<_> = members.keys().collect();
            let schemas = members
                .iter()
                .map(|(name, value)| (name.clone(), single(value)));
            let schemas: Map<_, _> = schemas.collect();
            json!({"type": "object", "properties": schemas, "required": names, "additionalProperties": false})
        }
        Value::Array(items) => {
            let count = items.len();
            let schemas: Vec<_> = items.iter().map(single).collect();
            json!({"type": "array", "prefixItems": schemas, "minItems": count, "maxItems": count})
        }
        other => single(other),
    }
}

/// Returns the minimum and maximum number of characters.
fn length(schema: &Value) -> (f64, f64) {
    if let Some(text) = schema["const"].as_str() {
        #[allow(clippy::cast_precision_loss, reason = "no text is that long")]
        let length = text.chars().count() as f64;
        return (length, length);
    }
    let bound = |key: &str| schema[key].as_f64();
    (
        bound("minLength").unwrap_or(0.0),
        bound("maxLength").unwrap_or(f64::MAX),
    )
}

/// Returns the schema of the member `name`.
fn member_schema<'a>(schema: &'a Value, name: &str) -> Option<&'a Value> {
    let patterns = schema["patternProperties"]
        .as_object()
        .into_iter()
        .flatten();
    let mut matching =
        patterns.filter(|(pattern, _)| pattern::matches(pattern, name) == Some(true));
    let of_pattern = || matching.next().map(|(_, schema)| schema);
    let named = schema["properties"].get(name);
    named.or_else(of_pattern).or_else(|| others(schema))
}

/// Returns the schema of the members to which no other keyword applies.
fn others(schema: &Value) -> Option<&Value> {
    let keys = ["additionalProperties", "unevaluatedProperties"];
    keys.iter().find_map(|key| schema.get(key))
}

/// Returns the schema of the members whose names match `pattern`. `schemars` writes such a
/// pattern for integer keys.
fn of_pattern<'a>(schema: &'a Value, pattern: &str) -> Option<&'a Value> {
    let patterns = schema.get("patternProperties")?;
    let signed = patterns.get(r"^-?\d+$").filter(|_| pattern == r"^\d+$");
    patterns.get(pattern).or(signed)
}

fn types(writer: &Value, reader: &Value) -> Fault {
    Fault::Type {
        written: described(writer),
        read: described(reader),
    }
}

fn is_within(inner: (f64, f64), outer: (f64, f64)) -> bool {
    inner.0 >= outer.0 && inner.1 <= outer.1
}
