//! The wire format against recorded messages, and against itself.

use std::collections::BTreeMap;

use domain_events::{
    Context, CorrelationId, DomainEvent, Emitter, Envelope, EventDefinition, EventId,
    RejectionCode, Timestamp, wire,
};
use proptest::prelude::*;
use serde::{Deserialize, Serialize};

#[derive(Deserialize)]
struct Fixture {
    name: String,
    body: String,
    code: Option<String>,
    at: Option<String>,
}

fn fixtures(text: &str) -> Vec<Fixture> {
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

fn message_id() -> EventId {
    EventId::from_static("8b1f5c1e-6f0e-4b0a-9d3c-0c6f1a2b3c4d")
}

fn decode_one(body: &str) -> Result<Envelope, domain_events::InvalidEvent> {
    let mut events = wire::decode(body, &message_id())?;
    assert_eq!(events.len(), 1);
    events.remove(0).outcome
}

fn refused(body: &str) -> (RejectionCode, String) {
    let error = decode_one(body).unwrap_err();
    (error.code(), error.pointer().to_owned())
}

#[test]
fn every_event_of_the_contract_is_accepted_and_survives_the_road() {
    for fixture in fixtures(include_str!("../fixtures/accept.jsonl")) {
        let name = &fixture.name;
        let envelope = decode_one(&fixture.body).unwrap_or_else(|e| panic!("{name}: {e}"));
        let body = wire::encode(&envelope).unwrap();
        assert!(decode_one(&body).unwrap() == envelope, "{name}");
    }
}

#[test]
fn every_breach_of_the_contract_is_refused_with_code_and_place() {
    for fixture in fixtures(include_str!("../fixtures/reject.jsonl")) {
        let error = decode_one(&fixture.body).unwrap_err();
        let Fixture { name, code, at, .. } = fixture;
        assert_eq!(error.code().as_str(), code.unwrap(), "{name}");
        assert_eq!(error.pointer(), at.unwrap(), "{name}");
        assert!(
            !error.to_string().contains("bar"),
            "{name}: the payload is told"
        );
    }
}

/// A valid event with `field` set to the JSON text `value`.
fn with(field: &str, value: &str) -> String {
    let mut fields: BTreeMap<&str, &str> = BTreeMap::from([
        ("Timestamp", "1596719980"),
        ("EventType", "\"EVENT_TEST\""),
        ("ID", "\"53877b2e\""),
        ("EmitterId", "\"6b04fd08\""),
        ("EmitterType", "\"USER\""),
    ]);
    fields.insert(field, value);
    let members: Vec<String> = fields.iter().map(|(k, v)| format!("{k:?}:{v}")).collect();
    format!("{{{}}}", members.join(","))
}

#[test]
fn syntax_is_judged_before_everything_else() {
    let broken_behind_a_breach = with("EventType", "7").replace('}', ",}");
    assert_eq!(refused(&broken_behind_a_breach).0, RejectionCode::NotJson);
    let deep_and_cut_off = with("Data", &"[".repeat(100_000));
    assert_eq!(refused(&deep_and_cut_off).0, RejectionCode::NotJson);
}

#[test]
fn limits_are_inclusive() {
    for (field, max) in [
        ("ID", 2048),
        ("EmitterId", 2048),
        ("EmitterType", 256),
        ("EventId", 128),
        ("CorrelationId", 128),
        ("CausationId", 128),
    ] {
        let text = |n: usize| format!("{:?}", "x".repeat(n));
        assert!(decode_one(&with(field, &text(max))).is_ok(), "{field}");
        assert_eq!(
            refused(&with(field, &text(max + 1))),
            (RejectionCode::InvalidValue, format!("/{field}"))
        );
    }
    for (version, good) in [
        ("1", true),
        ("65535", true),
        ("1.0", true),
        ("65536", false),
        ("0", false),
        ("-1", false),
        ("1e400", false),
    ] {
        assert_eq!(
            decode_one(&with("Version", version)).is_ok(),
            good,
            "{version}"
        );
    }
}

#[test]
fn an_event_without_identity_gets_the_messages() {
    assert_eq!(
        *decode_one(&with("Data", "{}")).unwrap().event_id(),
        message_id()
    );
    let packed = format!("[{}, {}]", with("EventId", "\"own\""), with("Data", "null"));
    let ids: Vec<String> = wire::decode(&packed, &message_id())
        .unwrap()
        .into_iter()
        .map(|d| d.outcome.unwrap().event_id().to_string())
        .collect();
    assert_eq!(ids, ["own".to_owned(), format!("{}-1", message_id())]);
}

#[test]
fn packed_events_are_judged_one_by_one() {
    let good = with("Data", "{}");
    let bad = with("EventType", "7");
    let packed = format!(" [ {good} , {bad},7,[{good}],{good}] ");
    let events = wire::decode(&packed, &message_id()).unwrap();
    let codes: Vec<Option<RejectionCode>> = events
        .iter()
        .map(|d| d.outcome.as_ref().err().map(|e| e.code()))
        .collect();
    let not_an_event = Some(RejectionCode::NotAnEvent);
    assert_eq!(
        codes,
        [
            None,
            Some(RejectionCode::WrongType),
            not_an_event,
            not_an_event,
            None
        ]
    );
    let texts: Vec<&str> = events.iter().map(|d| d.text).collect();
    assert_eq!(texts, [&*good, &*bad, "7", &*format!("[{good}]"), &*good]);
}

#[test]
fn an_empty_array_is_no_event() {
    let error = wire::decode("[]", &message_id()).unwrap_err();
    assert_eq!(error.code(), RejectionCode::NotAnEvent);
}

/// An event whose data is whatever a test wants.
#[derive(Serialize)]
#[serde(transparent)]
struct Anything<T>(T);

impl<T: Serialize> DomainEvent for Anything<T> {
    const DEFINITIONS: &'static [EventDefinition] = &[EventDefinition::new("ANYTHING")];
    fn entity_id(&self) -> &dyn std::fmt::Display {
        &"entity"
    }
}

fn envelope<T: Serialize>(data: T) -> Result<Envelope, domain_events::InvalidEvent> {
    Envelope::new(
        &Anything(data),
        &Context::new(Emitter::system("test").unwrap()),
    )
}

#[derive(Serialize)]
struct Field<T> {
    value: T,
}

#[test]
fn what_json_or_dynamodb_cannot_hold_is_refused_when_the_envelope_is_made() {
    fn check<T: Serialize>(data: T, code: RejectionCode, pointer: &str) {
        let error = envelope(data).unwrap_err();
        assert_eq!((error.code(), error.pointer()), (code, pointer));
    }
    check(
        Field { value: f64::NAN },
        RejectionCode::InvalidValue,
        "/Data/value",
    );
    check(
        Field {
            value: [1.0, f32::INFINITY],
        },
        RejectionCode::InvalidValue,
        "/Data/value/1",
    );
    check(
        Field { value: 1e200 },
        RejectionCode::NumberNotStorable,
        "/Data/value",
    );
    check(
        Field { value: u128::MAX },
        RejectionCode::NumberNotStorable,
        "/Data/value",
    );
    check([1], RejectionCode::WrongType, "/Data");
    check("text", RejectionCode::WrongType, "/Data");
    check(
        Field {
            value: "x".repeat(410_000),
        },
        RejectionCode::TooLarge,
        "",
    );
    check(
        BTreeMap::from([((1, 2), 3)]),
        RejectionCode::InvalidValue,
        "/Data",
    );
    let mut deep = serde_json::json!(1);
    for _ in 0..32 {
        deep = serde_json::json!({ "a": deep });
    }
    check(deep, RejectionCode::TooDeep, "");
    check(Twice { a: 1, b: 2 }, RejectionCode::DuplicateKey, "/Data/a");
}

#[derive(Serialize)]
struct Twice {
    a: u8,
    #[serde(rename = "a")]
    b: u8,
}

#[test]
fn a_text_that_swells_over_a_message_when_escaped_is_refused() {
    let envelope = envelope(Field {
        value: "\u{1}".repeat(300_000),
    })
    .unwrap();
    assert_eq!(
        wire::encode(&envelope).unwrap_err().code(),
        RejectionCode::TooLarge
    );
}

#[test]
fn characters_that_sqs_refuses_are_escaped_and_come_back() {
    let value = "a\u{FFFE}b\u{FFFF}\u{FFFD}\u{1F600}\u{7}\u{F000}";
    let sent = envelope(Field { value }).unwrap();
    let body = wire::encode(&sent).unwrap();
    assert!(
        !body
            .chars()
            .any(|c| matches!(c, '\u{FFFE}' | '\u{FFFF}' | '\0'..='\x1f'))
    );
    let data: serde_json::Value =
        serde_json::from_str(decode_one(&body).unwrap().data().unwrap()).unwrap();
    assert_eq!(data["value"], value);
}

#[test]
fn the_surroundings_travel_with_the_event() {
    let context = Context::new(Emitter::user("u-1").unwrap())
        .with_correlation_id(CorrelationId::from_static("c-1"))
        .with_causation_id(EventId::from_static("cause").into())
        .with_trace_parent("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01");
    let sent = Envelope::new(&Anything(Field { value: 1 }), &context).unwrap();
    let got = decode_one(&wire::encode(&sent).unwrap()).unwrap();
    assert_eq!(got, sent);
    assert_eq!(got.correlation_id().unwrap(), &"c-1");
    assert_eq!(got.causation_id().unwrap(), &"cause");
    assert!(got.trace_parent().unwrap().ends_with("-01"));
}

#[test]
fn debug_output_has_ids_and_no_data() {
    let debug = format!("{:?}", envelope(Field { value: "secret" }).unwrap());
    assert!(
        debug.contains("ANYTHING") && !debug.contains("secret"),
        "{debug}"
    );
}

#[test]
fn an_envelope_can_be_made_by_hand() {
    let envelope = Envelope::builder(
        "IMPORTED".parse().unwrap(),
        "e-1".parse().unwrap(),
        Emitter::system("import").unwrap(),
    )
    .timestamp("1596719980.5".parse::<Timestamp>().unwrap())
    .build()
    .unwrap();
    assert_eq!(
        wire::encode(&envelope).unwrap(),
        format!(
            r#"{{"Timestamp":1596719980.5,"EventType":"IMPORTED","ID":"e-1","EmitterId":"import","EmitterType":"SYSTEM","EventId":"{}"}}"#,
            envelope.event_id()
        )
    );
}

/// Any value of any of serde_json's kinds, with odd keys, numbers and texts.
fn any_json() -> impl Strategy<Value = serde_json::Value> {
    let text = prop_oneof![
        any::<String>(),
        Just("\u{FFFE}\"\\\n\u{1}".to_owned()),
        Just(String::new())
    ];
    let leaf = prop_oneof![
        Just(serde_json::Value::Null),
        any::<bool>().prop_map(Into::into),
        any::<i64>().prop_map(Into::into),
        any::<u64>().prop_map(Into::into),
        any::<f64>().prop_map(Into::into),
        (-1e10..1e10).prop_map(|f: f64| f.into()),
        text.clone().prop_map(Into::into),
    ];
    leaf.prop_recursive(6, 60, 6, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Into::into),
            prop::collection::vec((text.clone(), inner), 0..6)
                .prop_map(|members| serde_json::Value::Object(members.into_iter().collect())),
        ]
    })
}

proptest! {
    /// The sender measures and judges while it writes, the receiver what it
    /// reads: they have to agree on every value.
    #[test]
    fn both_ends_judge_alike(value in any_json()) {
        let value = BTreeMap::from([("value", value)]);
        let text = serde_json::to_string(&value).unwrap();
        let theirs = decode_one(&with("Data", &text));
        match envelope(&value) {
            Ok(sent) => {
                let received = decode_one(&wire::encode(&sent).unwrap()).unwrap();
                prop_assert_eq!(&received, &sent);
                let data: serde_json::Value = serde_json::from_str(received.data().unwrap()).unwrap();
                prop_assert_eq!(&data["value"], &value["value"]);
                prop_assert!(theirs.is_ok());
            }
            Err(error) => {
                let theirs = theirs.unwrap_err();
                prop_assert_eq!((error.code(), error.pointer()), (theirs.code(), theirs.pointer()));
            }
        }
    }

    #[test]
    fn any_text_is_judged_without_a_panic(text in any::<String>()) {
        let _ = wire::decode(&text, &message_id());
    }
}
