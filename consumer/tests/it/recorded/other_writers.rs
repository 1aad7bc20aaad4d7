//! Items that this version did not write: another program's, and a later store's.

use super::items::item_of;
use super::*;

/// An item with only what the contract asks of a message, as a writer that
/// knows nothing of this project stores it, in a table with the same keys.
fn item_of_another_writer(id: &str, timestamp: &str) -> Item {
    item_of(&json!({
        "ID": {"S": id}, "Timestamp": {"N": timestamp}, "EventType": {"S": "EVENT_TEST"},
        "EmitterId": {"S": "ann"}, "EmitterType": {"S": "USER"}, "Data": {"M": {"foo": {"S": "bar"}}},
    }))
}

#[tokio::test]
async fn an_item_of_another_writer_is_read_and_never_overwritten() {
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
    // Their identities are made of their keys: each its own, always the same.
    assert_ne!(events[0].event_id(), events[1].event_id());
    assert_eq!(read().await, events);
    assert_eq!(
        events[0].event_id().as_str(),
        "d5c00c45-127d-5f87-bbb4-aa38d1040e62"
    );
    // The same moment again is another event, and both are kept.
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

/// A later store may write attributes that this one does not know.
#[tokio::test]
async fn attributes_of_a_later_store_are_kept_or_told_and_never_end_a_history() {
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
    let told: Vec<String> = events
        .iter()
        .map(|event| match event {
            Ok(event) => format!("{:?}", event.extra_fields().collect::<Vec<_>>()),
            Err(ReadError::Corrupt(item)) => item.to_string(),
            Err(other) => panic!("{other}"),
        })
        .collect();
    assert_eq!(
        told,
        [
            r#"[("Archived", "{\"by\":\"v9\"}")]"#,
            r#"the item with ID "later" and Timestamp 2 is not an event: Signature contains binary data, which JSON does not have"#,
            r#"the item with ID "later" and Timestamp 3 is not an event: Version is not a version"#,
            "[]",
        ]
    );
}
