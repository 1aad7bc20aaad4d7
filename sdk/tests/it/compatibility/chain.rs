//! Chains of changes. The events of the first step must stay readable, no matter how many
//! compatible changes follow.

use std::collections::BTreeMap;

use super::*;

/// Declares one event with one field, at different points in time.
macro_rules! steps {
    ($($name:ident: { $(#[$meta:meta])* $ty:ty } { $($item:item)* })*) => {$(
        point_in_time! { $name: [Stepped]
            #[derive(DomainEvent)]
            #[event(id = "one")]
            pub(crate) struct Stepped {
                $(#[$meta])*
                field: $ty,
            }
            $($item)*
        }
    )*};
}

/// Accepts every step before the last, which must break.
#[track_caller]
fn last_step_breaks(steps: &[Events], pointer: &str, what: &str) {
    let path = lock_path();
    let (last, accepted) = steps.split_last().unwrap();
    for step in accepted {
        check_lock(&path, step, Mode::Update).unwrap();
    }
    for mode in [Mode::Check, Mode::Locked, Mode::Update] {
        match check_lock(&path, last, mode) {
            Err(LockError::Incompatible { report, .. }) => {
                let found = &report.breaking_changes[0];
                assert_eq!((&*found.pointer, &*found.what), (pointer, what));
                assert!(found.audiences.contains(&Audience::StoredHistory));
            }
            other => panic!("the last step must be refused, got {other:?}"),
        }
    }
    // The refused update does not change the lock: it still contains the last accepted step.
    check_lock(&path, accepted.last().unwrap(), Mode::Locked).unwrap();
}

steps! {
    three_values: { Way } { pub(crate) enum Way { Card, Cash, Cheque } }
    value_not_written: { Way } { pub(crate) enum Way {
        Card,
        Cash,
        #[serde(skip_serializing)]
        #[allow(dead_code)]
        Cheque,
    } }
    value_removed: { Way } { pub(crate) enum Way { Card, Cash } }
}

#[test]
fn enum_value_unwritten_then_removed_breaks() {
    last_step_breaks(
        &[
            three_values::events(),
            value_not_written::events(),
            value_removed::events(),
        ],
        "/Data/field",
        "\"Cheque\" is no longer one of the values",
    );
}

steps! {
    map_value: { BTreeMap<String, Amount> } { pub(crate) struct Amount { cents: u8 } }
    map_value_with_default: { BTreeMap<String, Amount> } { pub(crate) struct Amount { cents: u8, #[serde(default)] currency: String } }
    map_value_required: { BTreeMap<String, Amount> } { pub(crate) struct Amount { cents: u8, currency: String } }
}

#[test]
fn default_dropped_inside_a_map_breaks() {
    last_step_breaks(
        &[
            map_value::events(),
            map_value_with_default::events(),
            map_value_required::events(),
        ],
        "/Data/field/*/currency",
        "the field is required now",
    );
}

steps! {
    second_variant: { Way } { pub(crate) enum Way { Card { number: u8 }, Cash { coins: u8 } } }
    second_variant_with_default: { Way } { pub(crate) enum Way { Card { number: u8 }, Cash { coins: u8, #[serde(default)] till: u8 } } }
    second_variant_required: { Way } { pub(crate) enum Way { Card { number: u8 }, Cash { coins: u8, till: u8 } } }
}

#[test]
fn default_dropped_in_the_second_variant_breaks() {
    last_step_breaks(
        &[
            second_variant::events(),
            second_variant_with_default::events(),
            second_variant_required::events(),
        ],
        "/Data/field/Cash/till",
        "the field is required now",
    );
}

steps! {
    two_parts: { Vec<Line> } { pub(crate) struct Line { a: u8, #[serde(default)] b: u8 } }
    default_for_all: { Vec<Line> } { #[derive(Default)] #[serde(default)] pub(crate) struct Line { a: u8, b: u8, c: u8 } }
    no_default: { Vec<Line> } { pub(crate) struct Line { a: u8, b: u8, c: u8 } }
}

#[test]
fn default_of_a_struct_dropped_later_breaks() {
    last_step_breaks(
        &[
            two_parts::events(),
            default_for_all::events(),
            no_default::events(),
        ],
        "/Data/field/*/c",
        "the field is required now",
    );
}

steps! {
    small_numbers: { Option<Vec<u8>> } { }
    large_numbers: { Option<Vec<u64>> } { }
    whole_number: { u32 } { }
    fraction: { f64 } { }
    number_keys: { BTreeMap<u8, bool> } { }
    text_keys: { BTreeMap<String, bool> } { }
    flag: { bool } { }
    flag_or_text: { Either } { #[serde(untagged)] pub(crate) enum Either { Flag(bool), Text(String) } }
    only_text: { String } { }
}

#[test]
fn widened_then_narrowed_type_breaks() {
    for (steps, pointer, what) in [
        (
            [
                small_numbers::events(),
                large_numbers::events(),
                small_numbers::events(),
            ],
            "/Data/field/*",
            "the range is narrower now",
        ),
        (
            [
                whole_number::events(),
                fraction::events(),
                whole_number::events(),
            ],
            "/Data/field",
            "the type was number (double) and is integer (uint32) now",
        ),
        (
            [
                number_keys::events(),
                text_keys::events(),
                number_keys::events(),
            ],
            "/Data/field",
            "the set of names is narrower now",
        ),
        (
            [flag::events(), flag_or_text::events(), only_text::events()],
            "/Data/field",
            "the type was boolean and is string now",
        ),
    ] {
        last_step_breaks(&steps, pointer, what);
    }
}

/// Reads a text, and reads null as the empty text.
fn text_or_null<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    Option::deserialize(deserializer).map(Option::unwrap_or_default)
}

steps! {
    optional: { Option<String> } { }
    lenient: { #[serde(default, deserialize_with = "text_or_null")]
        #[schemars(schema_with = "lenient_schema")] String } { }
    required: { String } { }
}

/// The schema of a field that is written as text, and read from text or null.
fn lenient_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
    match generator.contract() {
        schemars::generate::Contract::Serialize => String::json_schema(generator),
        _ => Option::<String>::json_schema(generator),
    }
}

#[test]
fn option_made_lenient_then_required_breaks() {
    last_step_breaks(
        &[optional::events(), lenient::events(), required::events()],
        "/Data/field",
        "the type was null and is string now",
    );
}

steps! {
    omitted: { #[serde(skip_serializing_if = "Option::is_none")] Option<String> } { }
    defaulted: { #[serde(default)] String } { }
}

#[test]
fn omitted_then_defaulted_then_required_breaks() {
    let path = lock_path();
    check_lock(&path, &omitted::events(), Mode::Update).unwrap();
    let error = check_lock(&path, &defaulted::events(), Mode::Check).unwrap_err();
    // The first step wrote null, which the second step cannot read as a text.
    assert!(error.to_string().contains("the type was null"), "{error}");
}

steps! {
    list: { #[serde(default, skip_serializing_if = "Vec::is_empty")] Vec<u8> } { }
    list_always_written: { #[serde(default)] Vec<u8> } { }
    list_required: { Vec<u8> } { }
}

#[test]
fn omitted_list_then_required_breaks() {
    last_step_breaks(
        &[
            list::events(),
            list_always_written::events(),
            list_required::events(),
        ],
        "/Data/field",
        "the field is required now",
    );
}

steps! {
    text: { serde_json::Value } { }
    one_of_both: { NumberOrText } { #[serde(untagged)]
    pub(crate) enum NumberOrText { Number(u8), Text(String) } }
    number_or_text: { NumberOrText } { #[serde(untagged)]
    pub(crate) enum NumberOrText {
        Number(u8),
        #[serde(skip_serializing)]
        #[allow(dead_code)]
        Text(String),
    } }
    number: { u8 } { }
}

#[test]
fn untagged_variant_removed_later_breaks() {
    last_step_breaks(
        &[
            one_of_both::events(),
            number_or_text::events(),
            number::events(),
        ],
        "/Data/field",
        "the type was string and is integer (uint8) now",
    );
}

#[test]
fn returning_form_keeps_intermediate_forms() {
    let path = lock_path();
    for step in [
        three_values::events(),
        value_not_written::events(),
        three_values::events(),
    ] {
        check_lock(&path, &step, Mode::Update).unwrap();
    }
    let lock: serde_json::Value =
        serde_json::from_str(&fs::read_to_string(&path).unwrap()).unwrap();
    let version = &lock["events"]["STEPPED"]["versions"]["1"];
    assert_eq!(version["earlier"].as_array().unwrap().len(), 1);
    check_lock(&path, &value_not_written::events(), Mode::Update).unwrap();
    check_lock(&path, &value_removed::events(), Mode::Update).unwrap_err();
}

/// Steps that may follow each other in any order.
const STEPS: &[fn() -> Events] = &[
    three_values::events,
    value_not_written::events,
    value_removed::events,
    map_value::events,
    map_value_with_default::events,
    map_value_required::events,
    second_variant::events,
    second_variant_with_default::events,
    second_variant_required::events,
    optional::events,
    lenient::events,
    required::events,
    omitted::events,
    defaulted::events,
    list::events,
    list_always_written::events,
    list_required::events,
    text::events,
    one_of_both::events,
    number_or_text::events,
    number::events,
];

/// Values of the field. At least one step writes each value.
const FIELDS: &[&str] = &[
    r#""Card""#,
    r#""Cash""#,
    r#""Cheque""#,
    r#""other""#,
    r#"{}"#,
    r#"{"a":{"cents":1}}"#,
    r#"{"a":{"cents":1,"currency":"EUR"}}"#,
    r#"{"Card":{"number":1}}"#,
    r#"{"Cash":{"coins":1}}"#,
    r#"{"Cash":{"coins":1,"till":2}}"#,
    "null",
    "[]",
    "[1]",
    "1",
    "300",
    "true",
];

/// Reads `data` with the type of a step, and returns what that type writes for it, or
/// `None` if the type never writes the value.
fn read_by(step: usize, data: &str) -> Result<Option<String>, serde_json::Error> {
    macro_rules! rewrite {
        ($($module:ident)*) => {
            [$({
                fn rewrite(data: &str) -> Result<Option<String>, serde_json::Error> {
                    let event: $module::Stepped = serde_json::from_str(data)?;
                    Ok(serde_json::to_string(&event).ok())
                }
                rewrite as fn(&str) -> Result<Option<String>, serde_json::Error>
            }),*]
        };
    }
    let all = rewrite![
        three_values value_not_written value_removed map_value map_value_with_default
        map_value_required second_variant second_variant_with_default second_variant_required
        optional lenient required omitted defaulted list list_always_written list_required
        text one_of_both number_or_text number
    ];
    assert_eq!(all.len(), STEPS.len());
    all[step](data)
}

/// All values that a step can write.
fn writes(step: usize) -> Vec<String> {
    let absent = ["{}".to_owned()].into_iter();
    let present = FIELDS.iter().map(|field| format!("{{\"field\":{field}}}"));
    absent
        .chain(present)
        .filter_map(|data| read_by(step, &data).ok().flatten())
        .collect()
}

#[test]
fn accepted_chain_reads_its_first_step() {
    use proptest::strategy::{Strategy, ValueTree};
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let chains = proptest::collection::vec(0..STEPS.len(), 30);
    let (mut accepted, mut refused) = (0, 0);
    for _ in 0..25 {
        let chain = chains.new_tree(&mut runner).unwrap().current();
        let path = lock_path();
        let mut written: Vec<String> = Vec::new();
        for step in chain {
            match check_lock(&path, &STEPS[step](), Mode::Update) {
                Ok(_) => accepted += 1,
                Err(LockError::Incompatible { .. }) => {
                    refused += 1;
                    continue;
                }
                Err(error) => panic!("{error}"),
            }
            written.extend(writes(step));
            for data in &written {
                let read = read_by(step, data);
                assert!(
                    read.is_ok(),
                    "step {step} was accepted but does not read {data}"
                );
            }
        }
    }
    assert!(
        accepted > 50 && refused > 50,
        "{accepted} accepted, {refused} refused"
    );
}
