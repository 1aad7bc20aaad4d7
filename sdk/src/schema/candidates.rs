//! Candidates for texts, numbers and keys that match a schema, the most likely first.
//!
//! Several candidates are needed because many types accept fewer values than their schema
//! allows. For example, the schema of an IP address allows any text.

use std::cell::RefCell;
use std::collections::HashMap;

use serde_json::{Value, json};

use super::incompatibility::contradictions;
use super::number::Range;
use super::pattern;

/// Texts that common types accept.
const TEXTS: &[&str] = &[
    "example",
    "1",
    "1.50",
    "1.2.3",
    "EUR",
    "DE",
    "de",
    "e",
    "53877b2e-e496-41ea-b678-9b42a44d5e59",
    "2026-01-01",
    "2026-01-01T00:00:00Z",
    "2026-01-01T00:00:00",
    "2026-01-01T00:00:00+00:00[UTC]",
    "2026-01-01T00:00:00+00:00[+00:00]",
    "2026-01-01 00:00:00.0 +00:00:00",
    "Thu, 01 Jan 2026 00:00:00 +0000",
    "00:00:00",
    "PT1S",
    "1s",
    "UTC",
    "Europe/Berlin",
    "+00:00",
    "192.0.2.1",
    "2001:db8::1",
    "192.0.2.1:443",
    "[2001:db8::1]:443",
    "192.0.2.0/24",
    "2001:db8::/32",
    "00:00:5e:00:53:01",
    "example.com",
    "https://example.com/",
    "user@example.com",
    "+14155550100",
    "/example",
    "*",
    "text/plain",
    "en-US",
    "#102030",
    "00",
    "AAAA",
    "01KDVDNA00000000000000000000000000",
    "01KDVDNA000000000000000000",
    "00000000000000000000000000000000",
    "0000000000000000000000000000000000000000",
    "0000000000000000000000000000000000000000000000000000000000000000",
    "true",
    "{}",
];

/// Returns the examples in the schema itself.
pub(super) fn given(schema: &Value) -> Option<Vec<Value>> {
    let given = schema.get("examples")?.as_array()?;
    (!given.is_empty()).then(|| given.clone())
}

/// Candidates for a text, a number, a boolean or null, and the empty value of this type,
/// if there is one.
pub(super) fn of(schema: &Value, known: &Texts) -> (Vec<Value>, Option<Value>) {
    let (mut candidates, empty): (Vec<Value>, Option<Value>) = match schema["type"].as_str() {
        Some("boolean") => (vec![true.into(), false.into()], Some(false.into())),
        Some("integer") => (whole_numbers(schema), Some(0.into())),
        Some("number") => (numbers(schema), Some(0.0.into())),
        Some("string") => {
            let texts = known.of(schema).into_iter().map(Value::from).collect();
            (texts, Some("".into()))
        }
        _ => (vec!["example".into()], None),
    };
    // The empty value must also match the schema, because a type may accept more values.
    let empty = empty.filter(|empty| {
        schema.get("format").is_none_or(|_| !empty.is_string())
            && contradictions(empty, schema).is_empty()
    });
    let default = schema.get("default").filter(|value| !value.is_null());
    candidates.extend(default.cloned());
    (candidates, empty)
}

fn whole_numbers(schema: &Value) -> Vec<Value> {
    let near = Range::of(schema).whole_example();
    let step = schema["multipleOf"].as_i64().unwrap_or(1).max(1);
    let near = near
        .checked_add(step - 1)
        .map_or(near, |up| up - up.rem_euclid(step));
    let more = [
        1,
        2,
        7,
        10,
        100,
        1_000,
        2026,
        1_767_225_600,
        1_767_225_600_000,
    ]
    .into_iter();
    within(schema, [near].into_iter().chain(more).map(Value::from))
}

fn numbers(schema: &Value) -> Vec<Value> {
    let near = Range::of(schema).fraction_example();
    let near = schema["multipleOf"]
        .as_f64()
        .map_or(near, |step| step * (near / step).ceil());
    within(
        schema,
        [near, 1.0, 0.5, 10.0, 100.0, 1_000.0]
            .map(Value::from)
            .into_iter(),
    )
}

fn within(schema: &Value, candidates: impl Iterator<Item = Value>) -> Vec<Value> {
    let mut found: Vec<Value> = Vec::new();
    for value in candidates {
        let range = Range::of(&json!({"const": value}));
        if range.is_within(&Range::of(schema)) && !found.contains(&value) {
            found.push(value);
        }
    }
    found
}

/// A cache of the texts for each schema, because compiling a pattern takes longer than all
/// other work in this module.
#[derive(Debug, Clone, Default)]
pub(super) struct Texts(RefCell<HashMap<Value, Vec<String>>>);

impl Texts {
    fn of(&self, schema: &Value) -> Vec<String> {
        let mut known = self.0.borrow_mut();
        let texts = known.entry(schema.clone()).or_insert_with(|| texts(schema));
        texts.clone()
    }
}

/// Returns texts that match the schema. Rules that cannot be evaluated are ignored.
fn texts(schema: &Value) -> Vec<String> {
    let of_format = match schema["format"].as_str().unwrap_or_default() {
        "uuid" => "53877b2e-e496-41ea-b678-9b42a44d5e59",
        "date-time" => "2026-01-01T00:00:00Z",
        "partial-date-time" => "2026-01-01T00:00:00",
        "date" => "2026-01-01",
        "time" | "partial-time" => "00:00:00",
        "duration" => "PT1S",
        "ipv4" | "ip" => "192.0.2.1",
        "ipv6" => "2001:db8::1",
        "uri" | "url" => "https://example.com/",
        "email" => "user@example.com",
        "hostname" => "example.com",
        _ => TEXTS[0],
    };
    let rule = schema["pattern"].as_str();
    let expression = rule.and_then(pattern::compile);
    let length = |key: &str| schema[key].as_u64().and_then(|n| usize::try_from(n).ok());
    let (least, most) = (length("minLength").unwrap_or(0), length("maxLength"));
    let fits = |text: &String| {
        let count = text.chars().count();
        let matches = expression.as_ref().is_none_or(|rule| rule.is_match(text));
        matches && count >= least && most.is_none_or(|most| count <= most)
    };
    let of_rule = rule.and_then(pattern::example);
    // If the schema has only a length, any text of this length matches.
    let of_length = "e".repeat(least.clamp(1, 10_000));
    let known = [of_format].into_iter().chain(TEXTS.iter().copied());
    let known = known.map(str::to_owned);
    let mut found: Vec<String> = Vec::new();
    for text in known.chain(of_rule).chain([of_length]) {
        if fits(&text) && !found.contains(&text) {
            found.push(text);
        }
    }
    found
}

/// Returns true for the pattern that `schemars` writes for integer keys.
pub(super) fn is_of_numbers(pattern: &str) -> bool {
    pattern == r"^\d+$" || pattern == r"^-?\d+$"
}

/// Candidates for the key of a map.
pub(super) fn keys(pattern: &str, names: Option<&Value>, known: &Texts) -> Vec<Value> {
    if is_of_numbers(pattern) {
        return vec!["1".into(), "0".into(), "10".into()];
    }
    if let Some(names) = names.and_then(|names| names["enum"].as_array()) {
        return names.clone();
    }
    let mut schema = names.cloned().unwrap_or(json!({}));
    if !pattern.is_empty()
        && let Some(schema) = schema.as_object_mut()
    {
        schema.insert("pattern".to_owned(), pattern.into());
    }
    known.of(&schema).into_iter().map(Value::from).collect()
}

/// Returns the greatest and the least key of each integer type, the widest type first. A schema
/// does not show which integer type the keys have.
pub(super) fn outermost_keys() -> [Vec<String>; 2] {
    let greatest = [
        u128::MAX.to_string(),
        i128::MAX.to_string(),
        u64::MAX.to_string(),
        i64::MAX.to_string(),
        u32::MAX.to_string(),
        i32::MAX.to_string(),
        u16::MAX.to_string(),
        i16::MAX.to_string(),
        u8::MAX.to_string(),
        i8::MAX.to_string(),
    ];
    let least = [
        i128::MIN.to_string(),
        i64::MIN.to_string(),
        i32::MIN.to_string(),
        i16::MIN.to_string(),
        i8::MIN.to_string(),
    ];
    [greatest.to_vec(), least.to_vec()]
}
