//! Whether one program reads what another writes, judged by their schemas.

use std::fmt;

use serde_json::Value;

use super::shape::alternatives;

/// Something that is written and cannot be read.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Incompatibility {
    /// A JSON pointer into the data; `*` stands for each item or member.
    pub(super) pointer: String,
    pub(super) fault: Fault,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Fault {
    /// The reader requires the field, and the writer may leave it out.
    Required,
    /// The reader does not know the field, and passes over it.
    Dropped,
    /// The reader does not know the field, and refuses the event.
    Refused,
    Type {
        written: String,
        read: String,
    },
    /// The reader does not know this one of the values.
    Value(String),
    /// The reader takes less of the same type.
    Narrower(&'static str),
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Required => f.write_str("the field is required now"),
            Self::Dropped => f.write_str("the field was removed"),
            Self::Refused => f.write_str("the field was removed, and unknown fields are refused"),
            Self::Type { written, read } => write!(f, "the type was {written} and is {read} now"),
            Self::Value(value) => write!(f, "{value} is no longer one of the values"),
            Self::Narrower(what) => write!(f, "the {what} is narrower now"),
        }
    }
}

/// All that `writer` writes and `reader` does not read.
pub(super) fn incompatibilities(writer: &Value, reader: &Value) -> Vec<Incompatibility> {
    let mut comparison = Comparison {
        writer: &writer["$defs"],
        reader: &reader["$defs"],
        under_way: Vec::new(),
    };
    comparison.any(writer, reader, "")
}

struct Comparison<'a> {
    writer: &'a Value,
    reader: &'a Value,
    /// What is being compared: a type may contain itself.
    under_way: Vec<(Value, Value)>,
}

impl Comparison<'_> {
    /// Every alternative that is written has to be one that is read.
    fn any(&mut self, writer: &Value, reader: &Value, pointer: &str) -> Vec<Incompatibility> {
        let pair = (writer.clone(), reader.clone());
        if self.under_way.contains(&pair) {
            return Vec::new();
        }
        self.under_way.push(pair);
        let written = alternatives(writer, self.writer);
        let read = alternatives(reader, self.reader);
        let mut found = Vec::new();
        for one in &written {
            let attempts: Vec<_> = read
                .iter()
                .map(|other| self.one(one, other, pointer))
                .collect();
            if !attempts.iter().any(Vec::is_empty) {
                found.extend(nearest(one, &read, attempts, pointer));
            }
        }
        self.under_way.pop();
        found.dedup();
        found
    }

    fn one(&mut self, writer: &Value, reader: &Value, pointer: &str) -> Vec<Incompatibility> {
        let misread = |fault| {
            vec![Incompatibility {
                pointer: pointer.to_owned(),
                fault,
            }]
        };
        let (written, read) = (kind(writer), kind(reader));
        if read == "anything" {
            return Vec::new();
        }
        if let Some(expected) = reader.get("const") {
            return match writer.get("const") {
                Some(value) if value == expected => Vec::new(),
                Some(value) => misread(Fault::Value(value.to_string())),
                None if written == read => misread(Fault::Narrower("set of values")),
                None => misread(types(writer, reader)),
            };
        }
        if written != read && (written, read) != ("integer", "number") {
            return misread(types(writer, reader));
        }
        if writer.get("const").is_some() {
            return Vec::new();
        }
        match read {
            "object" => self.object(writer, reader, pointer),
            "array" => self.array(writer, reader, pointer),
            "string" => string(writer, reader).map_or_else(Vec::new, misread),
            "integer" | "number" if !within(range(writer), range(reader)) => {
                misread(Fault::Narrower("range"))
            }
            "integer" | "number" if !keeps_digits(writer, reader) => {
                misread(Fault::Narrower("precision"))
            }
            _ => Vec::new(),
        }
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
                found.push(Incompatibility {
                    pointer: at(pointer, name),
                    fault: Fault::Required,
                });
            }
        }
        let others = others(reader);
        for (name, written) in writer["properties"].as_object().into_iter().flatten() {
            let pointer = at(pointer, name);
            match (reader["properties"].get(name), others) {
                (Some(read), _) => found.extend(self.any(written, read, &pointer)),
                (None, Some(Value::Bool(false))) => found.push(Incompatibility {
                    pointer,
                    fault: Fault::Refused,
                }),
                (None, Some(read)) => found.extend(self.any(written, read, &pointer)),
                (None, None) => found.push(Incompatibility {
                    pointer,
                    fault: Fault::Dropped,
                }),
            }
        }
        found.extend(self.unnamed(writer, reader, pointer));
        found
    }

    /// The members of a map: what is written under names that no schema lists.
    fn unnamed(&mut self, writer: &Value, reader: &Value, pointer: &str) -> Vec<Incompatibility> {
        let mut found = Vec::new();
        let misread = |pointer: &str, fault| {
            vec![Incompatibility {
                pointer: pointer.to_owned(),
                fault,
            }]
        };
        let inside = format!("{pointer}/*");
        let patterns = writer["patternProperties"].as_object();
        let patterns = patterns.into_iter().flatten();
        let rest = others(writer).filter(|rest| **rest != Value::Bool(false));
        let all = patterns
            .map(|(pattern, written)| (of_pattern(reader, pattern), written))
            .chain(rest.map(|written| (None, written)));
        for (read, written) in all {
            found.extend(match read.or_else(|| others(reader)) {
                Some(Value::Bool(false)) => misread(pointer, Fault::Narrower("set of names")),
                Some(read) => self.any(written, read, &inside),
                None => misread(&inside, Fault::Dropped),
            });
        }
        // Any of them may have the name of a field. Where anything was kept beside the
        // fields, and still is, that is what one of them becoming a field looks like.
        let is_kept = others(reader).is_some();
        let Some(written) = rest.filter(|rest| !is_kept || **rest != Value::Bool(true)) else {
            return found;
        };
        let fields = reader["properties"].as_object().into_iter().flatten();
        let own = |name: &str| writer["properties"].get(name).is_some();
        for (name, read) in fields.filter(|(name, _)| !own(name)) {
            found.extend(self.any(written, read, &at(pointer, name)));
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
        if !within(length(writer), length(reader)) {
            found.push(Incompatibility {
                pointer: pointer.to_owned(),
                fault: Fault::Narrower("number of items"),
            });
        }
        found
    }
}

/// The place of a member.
fn at(pointer: &str, name: &str) -> String {
    format!("{pointer}/{}", name.replace('~', "~0").replace('/', "~1"))
}

/// The schema of the members that no other keyword is about.
fn others(schema: &Value) -> Option<&Value> {
    let keys = ["additionalProperties", "unevaluatedProperties"];
    keys.iter().find_map(|key| schema.get(key))
}

/// The schema of the members that are named so: `schemars` writes a pattern for
/// integers as keys.
fn of_pattern<'a>(schema: &'a Value, pattern: &str) -> Option<&'a Value> {
    let patterns = schema.get("patternProperties")?;
    let signed = patterns.get(r"^-?\d+$").filter(|_| pattern == r"^\d+$");
    patterns.get(pattern).or(signed)
}

/// Of the attempts that failed the one that was meant.
fn nearest(
    writer: &Value,
    read: &[Value],
    attempts: Vec<Vec<Incompatibility>>,
    pointer: &str,
) -> Vec<Incompatibility> {
    let misread = |fault| {
        vec![Incompatibility {
            pointer: pointer.to_owned(),
            fault,
        }]
    };
    let name = value(writer).or_else(|| tag(writer));
    if let Some(name) = name {
        let names = read.iter().map(|one| value(one).or_else(|| tag(one)));
        let names: Vec<_> = names.collect();
        match names.iter().position(|other| other.as_ref() == Some(&name)) {
            Some(same) => return attempts.into_iter().nth(same).unwrap_or_default(),
            None if names.iter().any(Option::is_some) => return misread(Fault::Value(name)),
            None => {}
        }
    }
    let candidates = read.iter().zip(attempts);
    let alike = candidates.filter(|(one, _)| kind(one) == kind(writer));
    let nearest = alike.min_by_key(|(_, found)| found.len());
    nearest.map_or_else(
        || {
            let mut kinds: Vec<_> = read.iter().map(told).collect();
            kinds.dedup();
            misread(Fault::Type {
                written: told(writer),
                read: kinds.join(" or "),
            })
        },
        |(_, found)| found,
    )
}

/// The only value that a schema allows.
fn value(schema: &Value) -> Option<String> {
    schema.get("const").map(ToString::to_string)
}

fn string(writer: &Value, reader: &Value) -> Option<Fault> {
    let differs = |key: &str| reader.get(key).is_some() && reader.get(key) != writer.get(key);
    if differs("format") {
        return Some(types(writer, reader));
    }
    if differs("pattern") {
        return Some(Fault::Narrower("pattern"));
    }
    let length = |schema: &Value| {
        let bound = |key: &str| schema[key].as_f64();
        (
            bound("minLength").unwrap_or(0.0),
            bound("maxLength").unwrap_or(f64::MAX),
        )
    };
    (!within(length(writer), length(reader))).then_some(Fault::Narrower("length"))
}

fn types(writer: &Value, reader: &Value) -> Fault {
    Fault::Type {
        written: told(writer),
        read: told(reader),
    }
}

/// The JSON type that a schema is about.
fn kind(schema: &Value) -> &str {
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

/// The type for people, with the format that narrows it.
fn told(schema: &Value) -> String {
    match (schema.get("const"), schema["format"].as_str()) {
        (Some(value), _) => value.to_string(),
        (None, Some(format)) => format!("{} ({format})", kind(schema)),
        (None, None) => kind(schema).to_owned(),
    }
}

/// The name of one variant of an enum with contents, however serde tags it.
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

/// The range of a number. `schemars` writes the bounds of small integers, and
/// names the others.
fn range(schema: &Value) -> (f64, f64) {
    let power = |exponent: i32| 2_f64.powi(exponent);
    let (least, most) = match schema["format"].as_str().unwrap_or_default() {
        "int32" => (-power(31), power(31)),
        "int64" | "int" => (-power(63), power(63)),
        "int128" => (-power(127), power(127)),
        "uint32" => (0.0, power(32)),
        "uint64" | "uint" => (0.0, power(64)),
        "uint128" => (0.0, power(128)),
        _ => (f64::MIN, f64::MAX),
    };
    let bound = |key: &str| schema[key].as_f64();
    (
        bound("minimum")
            .or(bound("exclusiveMinimum"))
            .unwrap_or(least),
        bound("maximum")
            .or(bound("exclusiveMaximum"))
            .unwrap_or(most),
    )
}

/// Whether no number that is written is rounded where it is read: silently, for
/// a reader of floats takes any.
fn keeps_digits(writer: &Value, reader: &Value) -> bool {
    let bits = |schema: &Value| match schema["format"].as_str() {
        Some("float") => Some(24),
        Some("double") => Some(53),
        _ => None,
    };
    let Some(most) = bits(reader) else {
        return true;
    };
    let exact = 2_f64.powi(most);
    match bits(writer) {
        Some(written) => written <= most,
        None => within(range(writer), (-exact, exact)),
    }
}

fn within(inner: (f64, f64), outer: (f64, f64)) -> bool {
    inner.0 >= outer.0 && inner.1 <= outer.1
}
