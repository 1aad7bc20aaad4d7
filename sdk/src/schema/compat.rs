//! Whether one program reads what another writes, judged by their schemas.

use std::fmt;

use serde_json::Value;

use super::shape::alternatives;

/// Something that is written and cannot be read.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Misread {
    /// A JSON pointer into the data; `*` stands for each item or member.
    pub(super) place: String,
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
pub(super) fn misreads(writer: &Value, reader: &Value) -> Vec<Misread> {
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
    fn any(&mut self, writer: &Value, reader: &Value, place: &str) -> Vec<Misread> {
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
                .map(|other| self.one(one, other, place))
                .collect();
            if !attempts.iter().any(Vec::is_empty) {
                found.extend(nearest(one, &read, attempts, place));
            }
        }
        self.under_way.pop();
        found.dedup();
        found
    }

    fn one(&mut self, writer: &Value, reader: &Value, place: &str) -> Vec<Misread> {
        let misread = |fault| {
            vec![Misread {
                place: place.to_owned(),
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
            "object" => self.object(writer, reader, place),
            "array" => self.array(writer, reader, place),
            "string" => string(writer, reader).map_or_else(Vec::new, misread),
            "integer" | "number" => match within(range(writer), range(reader)) {
                true => Vec::new(),
                false => misread(Fault::Narrower("range")),
            },
            _ => Vec::new(),
        }
    }

    fn object(&mut self, writer: &Value, reader: &Value, place: &str) -> Vec<Misread> {
        let mut found = Vec::new();
        let at = |name: &str| format!("{place}/{}", name.replace('~', "~0").replace('/', "~1"));
        let is_required = |schema: &Value, name: &str| {
            let required = schema["required"].as_array();
            required.is_some_and(|names| names.iter().any(|other| other == name))
        };
        for name in reader["required"].as_array().into_iter().flatten() {
            let name = name.as_str().unwrap_or_default();
            if !is_required(writer, name) {
                found.push(Misread {
                    place: at(name),
                    fault: Fault::Required,
                });
            }
        }
        let others = ["additionalProperties", "unevaluatedProperties"];
        let others = others.iter().find_map(|key| reader.get(key));
        for (name, written) in writer["properties"].as_object().into_iter().flatten() {
            let place = at(name);
            match (reader["properties"].get(name), others) {
                (Some(read), _) => found.extend(self.any(written, read, &place)),
                (None, Some(Value::Bool(false))) => found.push(Misread {
                    place,
                    fault: Fault::Refused,
                }),
                (None, Some(read)) => found.extend(self.any(written, read, &place)),
                (None, None) => found.push(Misread {
                    place,
                    fault: Fault::Dropped,
                }),
            }
        }
        if let (Some(written @ Value::Object(_)), Some(read)) =
            (writer.get("additionalProperties"), others)
        {
            found.extend(self.any(written, read, &format!("{place}/*")));
        }
        if writer["patternProperties"] != reader["patternProperties"] {
            found.push(Misread {
                place: place.to_owned(),
                fault: types(writer, reader),
            });
        }
        found
    }

    fn array(&mut self, writer: &Value, reader: &Value, place: &str) -> Vec<Misread> {
        let mut found = Vec::new();
        let any = Value::Bool(true);
        let tuple = |schema: &Value| {
            schema["prefixItems"]
                .as_array()
                .cloned()
                .unwrap_or_default()
        };
        let (written, read) = (tuple(writer), tuple(reader));
        for (index, (written, read)) in written.iter().zip(&read).enumerate() {
            found.extend(self.any(written, read, &format!("{place}/{index}")));
        }
        let (written, read) = (writer.get("items"), reader.get("items"));
        if let Some(read) = read {
            found.extend(self.any(written.unwrap_or(&any), read, &format!("{place}/*")));
        }
        let length = |schema: &Value| {
            let bound = |key: &str| schema[key].as_f64();
            (
                bound("minItems").unwrap_or(0.0),
                bound("maxItems").unwrap_or(f64::MAX),
            )
        };
        if !within(length(writer), length(reader)) {
            found.push(Misread {
                place: place.to_owned(),
                fault: Fault::Narrower("number of items"),
            });
        }
        found
    }
}

/// Of the attempts that failed the one that was meant.
fn nearest(
    writer: &Value,
    read: &[Value],
    attempts: Vec<Vec<Misread>>,
    place: &str,
) -> Vec<Misread> {
    let misread = |fault| {
        vec![Misread {
            place: place.to_owned(),
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

fn within(inner: (f64, f64), outer: (f64, f64)) -> bool {
    inner.0 >= outer.0 && inner.1 <= outer.1
}
