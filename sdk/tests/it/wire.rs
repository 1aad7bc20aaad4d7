//! The wire format: recorded messages, limits and round trips.

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
fn value_that_is_not_an_event_is_named() {
    for (body, found) in [
        ("[]", "found an empty array;"),
        ("[[1]]", "found an array;"),
        ("7", "found a number;"),
        ("\"text\"", "found a string;"),
        ("true", "found a boolean;"),
        ("null", "found null;"),
    ] {
        let error = decode_one(body).unwrap_err();
        assert_eq!(error.code(), RejectionCode::NotAnEvent);
        assert!(error.reason().starts_with(found), "{}", error.reason());
    }
}

#[test]
fn valid_fixtures_survive_a_round_trip() {
    for fixture in fixtures(include_str!("../fixtures/accept.jsonl")) {
        let name = &fixture.name;
        let envelope = decode_one(&fixture.body).unwrap_or_else(|e| panic!("{name}: {e}"));
        let body = wire::encode(&envelope).unwrap();
        assert!(decode_one(&body).unwrap() == envelope, "{name}");
    }
}

#[test]
fn invalid_fixtures_get_code_and_pointer() {
    for fixture in fixtures(include_str!("../fixtures/reject.jsonl")) {
        let error = decode_one(&fixture.body).unwrap_err();
        let Fixture { name, code, at, .. } = fixture;
        assert_eq!(error.code().as_str(), code.unwrap(), "{name}");
        assert_eq!(error.pointer(), at.unwrap(), "{name}");
        assert!(
            !error.to_string().contains("bar"),
            "{name}: the error quotes the payload"
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
fn syntax_error_takes_precedence() {
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
fn missing_event_id_becomes_the_message_id() {
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
fn packed_events_have_separate_outcomes() {
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
fn empty_array_is_refused() {
    let error = wire::decode("[]", &message_id()).unwrap_err();
    assert_eq!(error.code(), RejectionCode::NotAnEvent);
}

#[test]
fn every_fault_of_an_event_is_reported() {
    let body = with("EventType", "\"lower\"")
        .replace("1596719980", "1596719980123")
        .replace("\"EmitterType\":\"USER\",", "")
        .replace(
            '}',
            ",\"Data\":{\"n\":1e200,\"k\":1,\"k\":2},\"StoredAt\":1}",
        );
    let event = wire::decode(&body, &message_id()).unwrap().remove(0);
    let error = event.outcome.unwrap_err();
    let faults: Vec<_> = std::iter::once(&error)
        .chain(error.others())
        .map(|fault| (fault.code().as_str(), fault.pointer()))
        .collect();
    assert_eq!(
        faults,
        [
            ("INVALID_VALUE", "/EventType"),
            ("INVALID_VALUE", "/Timestamp"),
            ("NUMBER_NOT_STORABLE", "/Data/n"),
            ("DUPLICATE_KEY", "/Data/k"),
            ("RESERVED_FIELD", "/StoredAt"),
            ("MISSING_FIELD", "/EmitterType"),
        ]
    );
    assert!(
        error.to_string().ends_with("(and 5 more faults)"),
        "{error}"
    );
    let ids = event.identification.unwrap();
    assert_eq!(ids.event_type, None);
    assert_eq!(ids.entity_id.unwrap(), "53877b2e");
    assert_eq!(ids.emitter_id.unwrap(), "6b04fd08");
}

#[test]
fn faults_of_one_event_are_bounded() {
    let bad = format!("{{\"Data\":{{{}\"k\":0}}}}", "\"k\":1e200,".repeat(10_000));
    let error = decode_one(&bad).unwrap_err();
    assert_eq!(error.others().len(), 7);
}

#[test]
fn too_large_event_keeps_its_ids() {
    let data = format!("{{\"a\":{:?}}}", "x".repeat(410_000));
    let body = with("Data", &data);
    let event = wire::decode(&body, &message_id()).unwrap().remove(0);
    assert_eq!(event.outcome.unwrap_err().code(), RejectionCode::TooLarge);
    assert_eq!(
        event.identification.unwrap().event_type.unwrap(),
        "EVENT_TEST"
    );
}

#[test]
fn transport_envelope_is_named_with_its_setting() {
    let event = with("Data", "{}");
    let quoted = serde_json::to_string(&event).unwrap();
    let sns = format!(
        r#"{{"Type":"Notification","MessageId":"m","TopicArn":"arn:aws:sns:eu-west-1:1:t","Message":{quoted},"Timestamp":"2026-01-01T00:00:00.000Z"}}"#
    );
    let event_bridge = format!(
        r#"{{"version":"0","id":"i","detail-type":"d","source":"s","account":"1","time":"2026-01-01T00:00:00Z","region":"eu-west-1","resources":[],"detail":{event}}}"#
    );
    for (body, setting) in [
        (sns, "RawMessageDelivery"),
        (event_bridge, "InputPath = \"$.detail\""),
        (quoted, "encode the event only once"),
    ] {
        let error = wire::decode(&body, &message_id())
            .and_then(|mut events| events.remove(0).outcome)
            .unwrap_err();
        assert_eq!(error.code(), RejectionCode::NotAnEvent);
        assert_eq!(error.pointer(), "");
        assert!(error.reason().contains(setting), "{error}");
        assert!(error.others().is_empty());
    }
    // An event may have additional fields with these names.
    let fields = r#""Type":1,"TopicArn":1,"Message":1,"detail-type":1,"source":1,"detail":1"#;
    assert!(decode_one(&with("Data", &format!("{{}},{fields}"))).is_ok());
}

#[test]
fn empty_keys_count_as_one_byte() {
    // The limit is 409,600 bytes. The store replaces an empty key by one NUL.
    let largest = |key: &str| {
        let size = |n: usize| {
            let key = serde_json::to_string(key).unwrap();
            let data = format!("{{{key}:{:?}}}", "x".repeat(n));
            decode_one(&with("Data", &data)).is_ok()
        };
        let (mut fits, mut too_large) = (400_000, 410_000);
        while too_large - fits > 1 {
            let middle = (fits + too_large) / 2;
            *(if size(middle) {
                &mut fits
            } else {
                &mut too_large
            }) = middle;
        }
        fits
    };
    assert_eq!(largest(""), largest("k"));
    assert_eq!(largest("\0"), largest("kk"));
    assert_eq!(largest("k"), largest("kk") + 1);
    let nested = |keys: usize| {
        let inner = "{\"\":".repeat(keys) + "1" + &"}".repeat(keys);
        let data = format!("{{\"a\":{inner}}}");
        let sent = envelope(serde_json::from_str::<serde_json::Value>(&data).unwrap());
        (sent.unwrap(), decode_one(&with("Data", &data)).unwrap())
    };
    let (sent, received) = nested(20);
    assert_eq!(sent.data(), received.data());
}

/// An event with arbitrary data.
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
fn value_that_cannot_be_stored_is_refused() {
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
fn text_too_long_after_escaping_is_refused() {
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
fn characters_refused_by_sqs_are_escaped() {
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
fn context_is_part_of_the_event() {
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
fn debug_of_envelope_has_no_data() {
    let debug = format!("{:?}", envelope(Field { value: "secret" }).unwrap());
    assert!(
        debug.contains("ANYTHING") && !debug.contains("secret"),
        "{debug}"
    );
    let message = EventId::from_static("1");
    let valid = r#"{"Timestamp":1,"EventType":"A","ID":"e","EmitterId":"u","EmitterType":"USER","Data":{"a":"secret"}}"#;
    for body in [
        valid,
        r#"{"secret":"secret"}"#,
        r#"["secret",{"Data":["secret"]}]"#,
    ] {
        let debug = format!("{:?}", wire::decode(body, &message).unwrap());
        assert!(
            debug.contains("DecodedEvent") && !debug.contains("secret"),
            "{debug}"
        );
    }
}

#[test]
fn pointer_in_an_error_is_safe_to_print() {
    let body = r#"{"Timestamp":1,"EventType":"A","ID":"e","EmitterId":"u","EmitterType":"USER","Data":{"\u009b2J\u202e":1e999}}"#;
    let error = decode_one(body).unwrap_err();
    assert_eq!(error.pointer(), "/Data/\u{9b}2J\u{202e}");
    let text = error.to_string();
    assert!(text.contains("at /Data/\\u{9b}2J\\u{202e}: "), "{text}");
}

#[test]
fn envelope_is_built_field_by_field() {
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

/// Any JSON value, with unusual keys, numbers and texts.
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
    /// The producer validates and measures values while it writes them, and the consumer
    /// while it reads them. They must agree on every value.
    #[test]
    fn producer_and_consumer_agree(value in any_json()) {
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
                prop_assert_eq!(error.code(), theirs.code());
                // The producer's pointer ends at the first map.
                prop_assert!(theirs.pointer().starts_with(error.pointer()));
            }
        }
    }

    #[test]
    fn any_text_is_decoded_without_panic(text in any::<String>()) {
        let _ = wire::decode(&text, &message_id());
    }
}
