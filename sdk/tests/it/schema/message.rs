//! Checks `docs/event.schema.json` against the recorded messages.

use std::fs;
use std::path::PathBuf;

use domain_events::schema::message_schema;

use super::*;

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// The recorded messages that are JSON, with their names.
fn recorded(file: &str) -> Vec<(String, Option<Value>)> {
    let text = fs::read_to_string(root().join("tests/fixtures").join(file)).unwrap();
    let line = |line: &str| {
        let line: Value = serde_json::from_str(line).unwrap();
        let body = serde_json::from_str(line["body"].as_str().unwrap());
        (line["name"].as_str().unwrap().to_owned(), body.ok())
    };
    text.lines().map(line).collect()
}

/// The names of messages that violate a rule that JSON Schema cannot express.
const NOT_EXPRESSED: &[&str] = &[
    "ten decimals",
    "id of 1025 two-byte characters",
    "duplicate ID",
    "duplicate by escape",
    "duplicate inside Data",
    "21 unknown fields",
    "39 digits",
    "1e126",
    "1e-131",
    "item over 400 KB",
];

#[test]
fn file_of_the_message_schema_is_up_to_date() {
    let path = root().join("../docs/event.schema.json");
    let expected = format!("{:#}\n", message_schema());
    if std::env::var_os("EVENTS_LOCK").is_some_and(|word| word == "update") {
        fs::write(&path, &expected).unwrap();
    }
    assert_eq!(fs::read_to_string(&path).unwrap(), expected);
}

#[test]
fn message_schema_agrees_with_the_consumer() {
    let schema = jsonschema::draft202012::new(&message_schema()).unwrap();
    for (name, body) in recorded("accept.jsonl") {
        assert!(schema.is_valid(&body.unwrap()), "{name} is accepted");
    }
    let rejected = recorded("reject.jsonl").into_iter();
    let not_json = |(name, body): (String, Option<Value>)| Some((name, body?));
    let missed: Vec<_> = rejected
        .filter_map(not_json)
        .filter(|(_, body)| schema.is_valid(body))
        .map(|(name, _)| name)
        .collect();
    assert_eq!(missed, NOT_EXPRESSED);
}
