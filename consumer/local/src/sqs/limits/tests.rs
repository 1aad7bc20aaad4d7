use super::*;
use crate::sqs::settings::Texts;

fn standard() -> Settings {
    Settings::new(&Texts::new()).unwrap()
}

fn fifo() -> Settings {
    Settings::new(&Texts::from([("FifoQueue".into(), "true".into())])).unwrap()
}

fn body(text: impl Into<String>) -> SendEntry {
    SendEntry {
        message_body: Some(text.into()),
        ..SendEntry::default()
    }
}

fn with_attribute(name: &str, data_type: &str, value: &str) -> SendEntry {
    let value = AttributeValue {
        data_type: data_type.into(),
        string_value: Some(value.into()),
        ..AttributeValue::default()
    };
    SendEntry {
        message_attributes: Some(Attributes::from([(name.into(), value)])),
        ..body("x")
    }
}

#[test]
fn bodies_at_and_over_their_limits() {
    let check = |text: String, expected: Option<Kind>| {
        let start: String = text.chars().take(20).collect();
        let outcome = check_message(&body(text), &standard());
        assert_eq!(
            outcome.err().map(|refusal| refusal.kind),
            expected,
            "{start:?}"
        );
    };
    check(String::new(), Some(Kind::MissingParameter));
    check("x".repeat(MAXIMUM_SIZE), None);
    check(
        "x".repeat(MAXIMUM_SIZE + 1),
        Some(Kind::InvalidParameterValue),
    );
    check(
        "é".repeat(MAXIMUM_SIZE / 2 + 1),
        Some(Kind::InvalidParameterValue),
    );
    check("\t\n\r \u{D7FF}\u{E000}\u{FFFD}\u{10FFFF}".into(), None);
    for refused in ['\0', '\u{1}', '\u{B}', '\u{1F}', '\u{FFFE}', '\u{FFFF}'] {
        check(refused.into(), Some(Kind::InvalidMessageContents));
    }
}

#[test]
fn attributes_count_towards_the_size() {
    let mut entry = with_attribute("name", "String", "value");
    assert_eq!(size(&entry), 1 + 4 + 6 + 5);
    entry.message_body = Some("x".repeat(MAXIMUM_SIZE - 15));
    assert!(check_message(&entry, &standard()).is_ok());
    entry.message_body = Some("x".repeat(MAXIMUM_SIZE - 14));
    assert!(check_message(&entry, &standard()).is_err());
}

#[test]
fn attributes_that_are_taken_and_refused() {
    for (name, data_type, value, taken) in [
        ("a.b_c-1", "String", "x", true),
        ("k", "String.json", "{}", true),
        ("k", "Number", "-1.5e3", true),
        ("k", "Number.int", "7", true),
        ("k", "Number", "inf", false),
        ("k", "Number", "seven", false),
        ("k", "String", "", false),
        ("k", "String", "\u{1}", false),
        ("k", "Binary", "text", false),
        ("k", "Boolean", "true", false),
        ("k", "", "x", false),
        ("", "String", "x", false),
        ("a b", "String", "x", false),
        (".a", "String", "x", false),
        ("a.", "String", "x", false),
        ("a..b", "String", "x", false),
        ("AWS.x", "String", "x", false),
        ("amazon.x", "String", "x", false),
        (&"n".repeat(256), "String", "x", true),
        (&"n".repeat(257), "String", "x", false),
    ] {
        let outcome = check_message(&with_attribute(name, data_type, value), &standard());
        assert_eq!(outcome.is_ok(), taken, "{name:?} {data_type:?} {value:?}");
    }
}

#[test]
fn tokens_that_a_queue_takes_and_refuses() {
    let long = "g".repeat(128);
    let too_long = "g".repeat(129);
    let content_based = fifo()
        .with(&Texts::from([(
            "ContentBasedDeduplication".into(),
            "true".into(),
        )]))
        .unwrap();
    let check = |settings: &Settings, group: Option<&str>, id: Option<&str>, expected| {
        let entry = SendEntry {
            message_group_id: group.map(Into::into),
            message_deduplication_id: id.map(Into::into),
            ..body("x")
        };
        let outcome = check_message(&entry, settings)
            .err()
            .map(|refusal| refusal.kind);
        assert_eq!(outcome, expected, "{group:?} {id:?}");
    };
    check(&standard(), None, None, None);
    check(&standard(), Some("tenant"), None, None);
    check(
        &standard(),
        Some(&too_long),
        None,
        Some(Kind::InvalidParameterValue),
    );
    check(
        &standard(),
        None,
        Some("d"),
        Some(Kind::InvalidParameterValue),
    );
    check(&fifo(), None, Some("d"), Some(Kind::MissingParameter));
    check(&fifo(), Some("g"), None, Some(Kind::InvalidParameterValue));
    check(&content_based, Some("g"), None, None);
    check(&fifo(), Some(&long), Some(&long), None);
    check(
        &fifo(),
        Some("g"),
        Some(&too_long),
        Some(Kind::InvalidParameterValue),
    );
    check(
        &fifo(),
        Some("a b"),
        Some("d"),
        Some(Kind::InvalidParameterValue),
    );
}

#[test]
fn a_delay_belongs_to_standard_queues() {
    let delayed = |delay| SendEntry {
        delay_seconds: Some(delay),
        message_group_id: Some("g".into()),
        ..body("x")
    };
    assert!(check_message(&delayed(900), &standard()).is_ok());
    assert!(check_message(&delayed(901), &standard()).is_err());
    assert!(check_message(&delayed(-1), &standard()).is_err());
    assert!(check_message(&delayed(1), &fifo()).is_err());
}

#[test]
fn batches_are_refused_as_a_whole_for_their_ids() {
    let check = |ids: &[&str], expected: Option<Kind>| {
        let outcome = check_batch("SendMessageBatch", ids.iter().map(|id| Some(*id)));
        assert_eq!(
            outcome.err().map(|refusal| refusal.kind),
            expected,
            "{ids:?}"
        );
    };
    let eleven: Vec<String> = (0..11).map(|n| n.to_string()).collect();
    let eleven: Vec<&str> = eleven.iter().map(String::as_str).collect();
    check(&[], Some(Kind::EmptyBatchRequest));
    check(&eleven[..10], None);
    check(&eleven, Some(Kind::TooManyEntriesInBatchRequest));
    check(&["a", "a"], Some(Kind::BatchEntryIdsNotDistinct));
    check(&["a", "A"], None);
    for id in ["", "a b", "a#1", "é", &"i".repeat(81)] {
        check(&[id], Some(Kind::InvalidBatchEntryId));
    }
    check(&[&"i".repeat(80)], None);
}

#[test]
fn a_batch_is_weighed_together() {
    let half = || body("x".repeat(MAXIMUM_SIZE / 2));
    assert!(check_batch_size(&[half(), half()]).is_ok());
    let refusal = check_batch_size(&[half(), half(), body("x")]).unwrap_err();
    assert_eq!(refusal.kind, Kind::BatchRequestTooLong);
}
