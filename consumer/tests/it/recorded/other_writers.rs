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
            r#"the item with ID "later" and Timestamp 3 is not an event: Version is not a version"#,
            "[]",
        ]
    );
}
