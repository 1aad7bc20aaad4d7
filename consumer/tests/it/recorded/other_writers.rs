//! Items that another program or a later store wrote.

use super::items::item_of;
use super::*;

/// Returns an item with only the required fields, as a program without this project could
/// store it in a table with the same keys.
fn item_of_another_writer(id: &str, timestamp: &str) -> Item {
    item_of(&json!({
        "ID": {"S": id}, "Timestamp": {"N": timestamp}, "EventType": {"S": "EVENT_TEST"},
        "EmitterId": {"S": "ann"}, "EmitterType": {"S": "USER"}, "Data": {"M": {"foo": {"S": "bar"}}},
    }))
}

#[tokio::test]
async fn item_of_another_writer_is_not_overwritten() {
    let stack = endpoints().await;
    for timestamp in ["1596719980", "1596719981.5"] {
        put(&stack, item_of_another_writer("older", timestamp)).await;
    }
    let read = || async {
        let history = stack.store().history("older");
        history.try_collect::<Vec<StoredEvent>>().await.unwrap()
    };
    let events = read().await;
    assert_eq!(events.len(), 2);
    assert_eq!(events[0].data(), Some(r#"{"foo":"bar"}"#));
    assert_eq!((events[0].version(), events[0].stored_at()), (1, None));
    // Their identities are derived from their keys: distinct and stable.
    assert_ne!(events[0].event_id(), events[1].event_id());
    assert_eq!(read().await, events);
    assert_eq!(
        events[0].event_id().as_str(),
        "d5c00c45-127d-5f87-bbb4-aa38d1040e62"
    );
    // A message with the same timestamp is another event, and both are kept.
    let body = crate::support::body("older", "1596719980");
    let report = stack.handler().handle(&[record("m", body)], None).await;
    assert_eq!(report.metrics.verdicts(), [1, 0, 0, 0]);
    let ids: Vec<EventId> = read()
        .await
        .iter()
        .map(|event| event.event_id().clone())
        .collect();
    assert_eq!(ids.len(), 3);
    assert_eq!(
        (&ids[0], &ids[1]),
        (events[0].event_id(), &EventId::from_static("m"))
    );
}

/// A later store may write attributes that this version does not know.
#[tokio::test]
async fn history_continues_after_unknown_attributes() {
    let stack = endpoints().await;
    let with = |timestamp: &str, name: &str, value: AttributeValue| {
        let mut item = item_of_another_writer("later", timestamp);
        item.insert(name.to_owned(), value);
        item
    };
    let note = AttributeValue::M(HashMap::from([(
        "by".to_owned(),
        AttributeValue::S("v9".to_owned()),
    )]));
    put(&stack, with("1", "Archived", note)).await;
    put(
        &stack,
        with("2", "Signature", AttributeValue::B(b"x".to_vec().into())),
    )
    .await;
    put(
        &stack,
        with("3", "Version", AttributeValue::N("70000".to_owned())),
    )
    .await;
    put(
        &stack,
        with("4", "EventId", AttributeValue::S("fourth".to_owned())),
    )
    .await;
    let history = stack.store().history("later");
    let events: Vec<Result<StoredEvent, ReadError>> = history.collect().await;
    let read: Vec<String> = events
        .iter()
        .map(|event| match event {
            Ok(event) => format!("{:?}", event.extra_fields().collect::<Vec<_>>()),
            Err(ReadError::Corrupt(item)) => item.to_string(),
            Err(other) => panic!("{other}"),
        })
        .collect();
    assert_eq!(
        read,
        [
            r#"[("Archived", "{\"by\":\"v9\"}")]"#,
            r#"the item with ID "later" and Timestamp 2 is not an event: Signature contains binary data, which JSON does not have"#,
            r#"the item with ID "later" and Timestamp 3 is not an event: Version is not a whole number from 1 to 65,535"#,
            "[]",
        ]
    );
}

/// An envelope always complies with the contract, also if another writer stored the item.
#[tokio::test]
async fn item_that_violates_a_rule_is_reported() {
    let text = |text: &str| AttributeValue::S(text.to_owned());
    let number = |number: &str| AttributeValue::N(number.to_owned());
    let map = |value| AttributeValue::M(HashMap::from([("a".to_owned(), value)]));
    let binary = AttributeValue::B(b"x".to_vec().into());
    let not_data = "Data must be an object or null";
    let bad_name = "is not of the form [A-Za-z_]";
    let long = "x".repeat(2049);
    let cases = [
        ("Data", AttributeValue::L(vec![map(number("1"))]), not_data),
        ("Data", text("{}"), not_data),
        ("Data", number("1"), not_data),
        ("Data", AttributeValue::Bool(true), not_data),
        (
            "Data",
            map(AttributeValue::Ns(vec!["1".to_owned()])),
            "Data contains a set",
        ),
        ("Version", number("0"), "from 1 to 65,535"),
        ("Version", number("-1"), "from 1 to 65,535"),
        ("Version", number("1.5"), "from 1 to 65,535"),
        ("Version", text("1"), "Version is not a number"),
        (
            "EventType",
            text("event_test"),
            "INVALID_VALUE at /EventType",
        ),
        (
            "EventType",
            text(&"A".repeat(129)),
            "INVALID_VALUE at /EventType",
        ),
        ("EmitterId", text(""), "INVALID_VALUE at /EmitterId"),
        ("EmitterId", text(&long), "INVALID_VALUE at /EmitterId"),
        ("EmitterType", text(""), "INVALID_VALUE at /EmitterType"),
        (
            "EmitterType",
            AttributeValue::Null(true),
            "EmitterType is missing",
        ),
        ("EventId", text(""), "INVALID_VALUE at /EventId"),
        ("EventId", number("1"), "EventId is not a string"),
        (
            "CorrelationId",
            text(&long),
            "INVALID_VALUE at /CorrelationId",
        ),
        ("CausationId", text(&long), "INVALID_VALUE at /CausationId"),
        ("StoredAt", number("-1"), "StoredAt is not a timestamp"),
        ("secret name", text("x"), bad_name),
        ("1secret", text("x"), bad_name),
        ("secret\u{9b}", binary, "an attribute contains binary data"),
    ];
    let stack = endpoints().await;
    let mut expected = Vec::new();
    for (n, (name, value, reason)) in cases.iter().enumerate() {
        let mut item = item_of_another_writer("rules", &n.to_string());
        item.insert((*name).to_owned(), value.clone());
        put(&stack, item).await;
        expected.push(*reason);
    }
    let mut item = item_of_another_writer("rules", "100");
    item.extend((0..21).map(|n| (format!("f{n}"), AttributeValue::Bool(true))));
    put(&stack, item.clone()).await;
    expected.push("more than 20 top-level fields");
    // 20 fields and `Data: null` are allowed. In an optional field, null means absent.
    for name in ["EventId", "Version", "CausationId", "TraceParent"] {
        item.insert(name.to_owned(), AttributeValue::Null(true));
    }
    item.remove("f20");
    item.insert("Timestamp".to_owned(), AttributeValue::N("101".to_owned()));
    item.insert("Data".to_owned(), AttributeValue::Null(true));
    put(&stack, item).await;
    let mut read: Vec<Result<StoredEvent, ReadError>> =
        stack.store().history("rules").collect().await;
    let last = read.pop().unwrap().unwrap();
    assert_eq!(
        (last.data(), last.extra_fields().count()),
        (Some("null"), 20)
    );
    assert_eq!((last.version(), last.causation_id()), (1, None));
    assert_eq!(read.len(), expected.len());
    for (read, expected) in read.iter().zip(expected) {
        let Err(ReadError::Corrupt(item)) = read else {
            panic!("{expected}: {read:?}");
        };
        assert!(item.reason().contains(expected), "{expected}: {item}");
        assert!(!item.to_string().contains("secret"), "{item}");
    }
}
