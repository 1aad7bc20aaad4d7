//! Types that cannot read their own output. The check refuses to lock such a type.

use std::collections::BTreeMap;

use domain_events::schema::{SchemaProblem, assert_reads_back};

use super::*;

/// Declares events with one field each.
macro_rules! written {
    ($($name:ident: { $(#[$meta:meta])* $ty:ty })*) => {$(
        point_in_time! { $name: [Written]
            #[derive(DomainEvent)]
            #[event(id = "one")]
            pub(crate) struct Written {
                $(#[$meta])*
                pub(crate) field: $ty,
            }
        }
    )*};
}

/// Returns the problem that prevents the first lock, and checks that it is the only one.
#[track_caller]
fn problem(events: &Events) -> SchemaProblem {
    match check_lock(lock_path(), events, Mode::Update) {
        Err(LockError::Schema(mut error)) if error.problems.len() == 1 => error.problems.remove(0),
        other => panic!("expected one problem, got {other:?}"),
    }
}

#[track_caller]
fn unreadable(events: &Events, expected: &str) {
    match problem(events) {
        SchemaProblem::UnreadableOutput { pointer, .. } => assert_eq!(pointer, expected),
        other => panic!("{other}"),
    }
}

written! {
    omitted_list: { #[serde(skip_serializing_if = "Vec::is_empty")] Vec<String> }
    omitted_map: { #[serde(skip_serializing_if = "BTreeMap::is_empty")] BTreeMap<String, u8> }
    omitted_flag: { #[serde(skip_serializing_if = "is_false")] bool }
    omitted_in_a_list: { Vec<Omitting> }
    omitted_with_default: { #[serde(default, skip_serializing_if = "Vec::is_empty")] Vec<String> }
    omitted_option: { #[serde(skip_serializing_if = "Option::is_none")] Option<String> }
    not_written: { #[serde(skip_serializing)] #[allow(dead_code)] u8 }
    two_names: { #[serde(rename(serialize = "a", deserialize = "b"))] u8 }
    number_as_text: { #[serde(serialize_with = "as_text")] u8 }
    hidden_omission: { HidesOmission }
    unread_variant: { Unread }
    u128_flattened: { #[serde(flatten)] Large }
    u128_tagged: { Vec<Tagged> }
    u128_in_content: { Adjacent }
    u128_untagged: { Untagged }
    u128_keys_flattened: { #[serde(flatten)] BTreeMap<u128, u8> }
    i128_keys_tagged: { TaggedKeys }
    u128_plain: { Option<Vec<Large>> }
}

/// A part with integers that serde's buffer behind `flatten`, `tag`, `content` and
/// `untagged` cannot hold.
#[derive(Serialize, Deserialize, JsonSchema)]
pub(crate) struct Large {
    amount: u128,
}

#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind")]
pub(crate) enum Tagged {
    Large(Large),
    Signed { amount: i128 },
}

#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind")]
pub(crate) enum TaggedKeys {
    Scores { by_id: BTreeMap<i128, u8> },
}

#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(tag = "t", content = "c")]
pub(crate) enum Adjacent {
    Large { amounts: Vec<i128> },
}

#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub(crate) enum Untagged {
    Large { amount: Option<u128> },
}

#[derive(Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub(crate) struct Omitting {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tags: Vec<String>,
}

#[derive(Serialize, Deserialize, JsonSchema)]
pub(crate) enum Unread {
    Read,
    #[serde(skip_deserializing)]
    #[allow(dead_code)]
    Unread,
}

/// A type that omits an empty list, although its schema requires the list.
#[derive(PartialEq, Serialize, Deserialize)]
pub(crate) struct HidesOmission {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tags: Vec<String>,
}

impl JsonSchema for HidesOmission {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "HidesOmission".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "type": "object",
            "properties": {"tags": {"type": "array", "items": {"type": "string"}}},
        })
    }
}

#[allow(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde passes a reference"
)]
fn is_false(flag: &bool) -> bool {
    !flag
}

#[allow(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde passes a reference"
)]
fn as_text<S: serde::Serializer>(number: &u8, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&number.to_string())
}

#[test]
fn omitted_field_without_default_is_refused() {
    for events in [
        omitted_list::events(),
        omitted_map::events(),
        omitted_flag::events(),
    ] {
        unreadable(&events, "/Data/field");
    }
    unreadable(&omitted_in_a_list::events(), "/Data/field/*/tags");
    unreadable(&not_written::events(), "/Data/field");
    check_lock(lock_path(), &omitted_with_default::events(), Mode::Update).unwrap();
    check_lock(lock_path(), &omitted_option::events(), Mode::Update).unwrap();
}

#[test]
fn omission_that_no_schema_shows_is_refused() {
    unreadable(&hidden_omission::events(), "/Data/field/tags");
}

#[test]
fn field_with_two_names_is_refused() {
    unreadable(&two_names::events(), "/Data/b");
}

#[test]
fn never_read_variant_is_refused_in_a_field() {
    unreadable(&unread_variant::events(), "/Data/field");
}

#[test]
fn u128_in_a_buffered_part_is_refused() {
    for events in [
        u128_flattened::events(),
        u128_tagged::events(),
        u128_in_content::events(),
        u128_untagged::events(),
        u128_keys_flattened::events(),
        i128_keys_tagged::events(),
    ] {
        let problem = problem(&events).to_string();
        assert!(problem.contains("use a smaller integer"), "{problem}");
    }
    check_lock(lock_path(), &u128_plain::events(), Mode::Update).unwrap();
}

#[test]
fn output_that_contradicts_its_schema_is_refused() {
    let problem = problem(&number_as_text::events());
    assert_eq!(
        problem.to_string(),
        "what WRITTEN (version 1) writes at /Data/field contradicts its schema: \
         the value is \"1\", and the schema says integer (uint8); \
         correct the schema: name a type of the form that is written with `#[schemars(with = \"…\")]`, \
         or change the rule that the value violates"
    );
}

#[test]
fn all_events_with_problems_are_reported() {
    let events = omitted_list::events().with::<first::OrderPlaced>();
    let events = events.with::<another::Another>();
    assert_eq!(
        another::events().json_schemas().unwrap_err().problems.len(),
        1
    );
    match check_lock(lock_path(), &events, Mode::Update) {
        Err(LockError::Schema(error)) => assert_eq!(error.problems.len(), 2, "{error}"),
        other => panic!("{other:?}"),
    }
}

point_in_time! { another: [Another]
    #[derive(DomainEvent)]
    pub(crate) struct Another {
        #[event(id)]
        id: String,
        #[serde(skip_serializing)]
        #[allow(dead_code)]
        note: String,
    }
}

point_in_time! { doors: [Door]
    #[derive(DomainEvent)]
    #[event(id = "door", prefix = "DOOR")]
    pub(crate) enum Door {
        Opened { by: String },
        #[serde(skip_deserializing)]
        #[allow(dead_code)]
        Forced { by: String },
        #[serde(skip_serializing)]
        #[allow(dead_code)]
        Locked { by: String },
        #[serde(skip)]
        #[allow(dead_code)]
        Painted,
    }
}
point_in_time! { doors_that_read: [Door]
    #[derive(DomainEvent)]
    #[event(id = "door", prefix = "DOOR")]
    pub(crate) enum Door {
        Opened { by: String },
        Forced { by: u8 },
        Locked { by: String },
    }
}
point_in_time! { doors_that_read_all: [Door]
    #[derive(DomainEvent)]
    #[event(id = "door", prefix = "DOOR")]
    pub(crate) enum Door {
        Opened { by: String },
        Forced { by: String },
        Locked { by: String },
    }
}

#[test]
fn write_only_variant_is_part_of_the_schema() {
    let schemas = doors::events().json_schemas().unwrap();
    let names: Vec<_> = schemas
        .iter()
        .map(|schema| schema.event_type.as_str())
        .collect();
    assert_eq!(names, ["DOOR_OPENED", "DOOR_FORCED"]);
    let data = &schemas[1].schema["properties"]["Data"];
    assert_eq!(data["required"], serde_json::json!(["by"]));
    let document = doors::events().asyncapi("Doors", "1").unwrap();
    assert!(document["components"]["messages"]["DOOR_FORCED"].is_object());
}

#[test]
fn write_only_variant_is_compared_when_read() {
    passes(&doors::events(), &doors::events());
    passes(&doors::events(), &doors_that_read_all::events());
    let found = breaks(&doors::events(), &doors_that_read::events());
    assert_eq!(
        (&*found[0].event_type, &*found[0].pointer),
        ("DOOR_FORCED", "/Data/by")
    );
    let found = breaks(&doors_that_read_all::events(), &doors::events());
    let names: Vec<_> = found.iter().map(|one| &*one.event_type).collect();
    assert_eq!(names, ["DOOR_FORCED"]);
}

#[derive(PartialEq, Serialize, Deserialize, DomainEvent)]
struct Kept {
    #[event(id)]
    id: String,
    #[serde(skip)]
    forgotten: u8,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    tags: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none", with = "only_some")]
    note: Option<String>,
}

/// Omits the note if it is `None`. The field has no `default`, so serde requires it.
mod only_some {
    use serde::{Deserialize as _, Deserializer, Serialize as _, Serializer};

    pub(super) fn serialize<S: Serializer>(
        note: &Option<String>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        note.serialize(serializer)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<String>, D::Error> {
        String::deserialize(deserializer).map(Some)
    }
}

fn kept() -> Kept {
    Kept {
        id: "7".to_owned(),
        forgotten: 0,
        tags: Vec::new(),
        note: Some("x".to_owned()),
    }
}

#[track_caller]
fn panics(event: Kept, expected: &str) {
    let panic = std::panic::catch_unwind(|| assert_reads_back(&event)).unwrap_err();
    assert_eq!(panic.downcast_ref::<String>().unwrap(), expected);
}

#[test]
fn event_that_reads_back_equal_passes() {
    assert_reads_back(&kept());
    let tags = vec!["a".to_owned()];
    assert_reads_back(&Kept { tags, ..kept() });
}

#[test]
fn event_that_reads_back_changed_panics() {
    panics(
        Kept {
            forgotten: 1,
            ..kept()
        },
        "KEPT does not read back as it was: the message is the same, and a field that is not in it differs",
    );
    panics(
        Kept {
            note: None,
            ..kept()
        },
        "KEPT cannot read its own output: the data of a stored KEPT (version 1) \
         does not fit its type at /Data/note: it is missing",
    );
    panics(
        Kept {
            id: String::new(),
            ..kept()
        },
        "KEPT: invalid event: INVALID_VALUE at /ID: found an empty string; ID must be 1 to 2,048 bytes of UTF-8",
    );
}
