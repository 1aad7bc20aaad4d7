use super::*;
use crate::sqs::settings::AttributeMap;

fn standard() -> QueueSettings {
    QueueSettings::new(&AttributeMap::new()).unwrap()
}

fn fifo() -> QueueSettings {
    QueueSettings::new(&AttributeMap::from([("FifoQueue".into(), "true".into())])).unwrap()
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
fn body_limits_are_those_of_sqs() {
    let check = |text: String, expected: Option<ErrorCode>| {
        let start: String = text.chars().take(20).collect();
        let outcome = check_message(&body(text), &standard());
        assert_eq!(outcome.err().map(|error| error.code), expected, "{start:?}");
    };
    check(String::new(), Some(ErrorCode::MissingParameter));
    check("x".repeat(MAX_MESSAGE_BYTES), None);
    check(
        "x".repeat(MAX_MESSAGE_BYTES + 1),
        Some(ErrorCode::InvalidParameterValue),
    );
    check(
        "é".repeat(MAX_MESSAGE_BYTES / 2 + 1),
        Some(ErrorCode::InvalidParameterValue),
    );
    check("\t\n\r \u{D7FF}\u{E000}\u{FFFD}\u{10FFFF}".into(), None);
    for refused in ['\0', '\u{1}', '\u{B}', '\u{1F}', '\u{FFFE}', '\u{FFFF}'] {
        check(refused.into(), Some(ErrorCode::InvalidMessageContents));
    }
}

#[test]
fn attributes_count_towards_the_size() {
    let mut entry = with_attribute("name", "String", "value");
    assert_eq!(size(&entry), 1 + 4 + 6 + 5);
    entry.message_body = Some("x".repeat(MAX_MESSAGE_BYTES - 15));
    assert!(check_message(&entry, &standard()).is_ok());
    entry.message_body = Some("x".repeat(MAX_MESSAGE_BYTES - 14));
    assert!(check_message(&entry, &standard()).is_err());
}

#[test]
fn attribute_rules_are_those_of_sqs() {
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
fn group_and_deduplication_id_rules() {
    let long = "g".repeat(128);
    let too_long = "g".repeat(129);
    let content_based = fifo()
        .with(&AttributeMap::from([(
            "ContentBasedDeduplication".into(),
            "true".into(),
        )]))
        .unwrap();
    let check = |settings: &QueueSettings, group: Option<&str>, id: Option<&str>, expected| {
        let entry = SendEntry {
            message_group_id: group.map(Into::into),
            message_deduplication_id: id.map(Into::into),
            ..body("x")
        };
        let outcome = check_message(&entry, settings)
            .err()
            .map(|error| error.code);
        assert_eq!(outcome, expected, "{group:?} {id:?}");
    };
    check(&standard(), None, None, None);
    check(&standard(), Some("tenant"), None, None);
    check(
        &standard(),
        Some(&too_long),
        None,
        Some(ErrorCode::InvalidParameterValue),
    );
    check(
        &standard(),
        None,
        Some("d"),
        Some(ErrorCode::InvalidParameterValue),
    );
    check(&fifo(), None, Some("d"), Some(ErrorCode::MissingParameter));
    check(
        &fifo(),
        Some("g"),
        None,
        Some(ErrorCode::InvalidParameterValue),
    );
    check(&content_based, Some("g"), None, None);
    check(&fifo(), Some(&long), Some(&long), None);
    check(
        &fifo(),
        Some("g"),
        Some(&too_long),
        Some(ErrorCode::InvalidParameterValue),
    );
    check(
        &fifo(),
        Some("a b"),
        Some("d"),
        Some(ErrorCode::InvalidParameterValue),
    );
}

#[test]
fn delay_is_refused_on_fifo_queues() {
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
fn invalid_entry_ids_refuse_the_batch() {
    let check = |ids: &[&str], expected: Option<ErrorCode>| {
        let outcome = check_batch("SendMessageBatch", ids.iter().map(|id| Some(*id)));
        assert_eq!(outcome.err().map(|error| error.code), expected, "{ids:?}");
    };
    let eleven: Vec<String> = (0..11).map(|n| n.to_string()).collect();
    let eleven: Vec<&str> = eleven.iter().map(String::as_str).collect();
    check(&[], Some(ErrorCode::EmptyBatchRequest));
    check(&eleven[..10], None);
    check(&eleven, Some(ErrorCode::TooManyEntriesInBatchRequest));
    check(&["a", "a"], Some(ErrorCode::BatchEntryIdsNotDistinct));
    check(&["a", "A"], None);
    for id in ["", "a b", "a#1", "é", &"i".repeat(81)] {
        check(&[id], Some(ErrorCode::InvalidBatchEntryId));
    }
    check(&[&"i".repeat(80)], None);
}

#[test]
fn batch_limit_applies_to_the_sum() {
    let half = || body("x".repeat(MAX_MESSAGE_BYTES / 2));
    assert!(check_batch_size(&[half(), half()]).is_ok());
    let error = check_batch_size(&[half(), half(), body("x")]).unwrap_err();
    assert_eq!(error.code, ErrorCode::BatchRequestTooLong);
}
