//! Resuming a stream: cursors, late events, and the number of shards of the index.

use super::*;

pub(super) async fn cursor_of_another_stream_is_refused(store: &EventStore) {
    for entity in ["cursor-a", "cursor-b"] {
        let _ = store.append(&envelope(entity, "5")).await.unwrap();
    }
    let event = store.history("cursor-a").try_next().await.unwrap().unwrap();
    let cursor: Cursor = event.cursor().to_string().parse().unwrap();
    let refused = |read: Vec<Result<_, ReadError>>| match &read[..] {
        [Err(error @ ReadError::ForeignCursor { .. })] => error.to_string(),
        other => panic!("{other:?}"),
    };
    let read = store.history("cursor-b").after(cursor.clone());
    let error = refused(read.collect().await);
    assert!(error.contains(r#"the history of "cursor-b""#), "{error}");
    let read = store.by_type("OTHER_TYPE").unwrap().after(cursor.clone());
    let error = refused(read.collect().await);
    assert!(error.contains("the events of type OTHER_TYPE"), "{error}");
    refused(
        store
            .conversation("c")
            .after(cursor.clone())
            .collect()
            .await,
    );
    // The cursor is a position in every stream that contains the event.
    let read = store.history("cursor-a").after(cursor.clone());
    assert_eq!(texts(read).await, [""; 0]);
    let mut read = store.by_type("EVENT_TEST").unwrap().after(cursor);
    read.try_next().await.unwrap();
}

pub(super) async fn late_event_is_found_by_stored_at(store: &EventStore) {
    let append = async |timestamp: &str| {
        let _ = store.append(&envelope("late", timestamp)).await.unwrap();
    };
    append("200").await;
    // An event in the year 2285, so that no later event follows its cursor.
    append("9940000000").await;
    let first: Vec<_> = store.history("late").try_collect().await.unwrap();
    let last = first.last().unwrap();
    let stored_at = first
        .iter()
        .map(|event| event.stored_at().unwrap())
        .max()
        .unwrap();
    append("100").await;
    append("300").await;
    let after = store.history("late").after(last.cursor());
    assert_eq!(texts(after).await, [""; 0], "a cursor skips late events");
    let later = Timestamp::from_nanos(stored_at.as_nanos() + 1).unwrap();
    let history = || store.history("late").stored_since(later);
    assert_eq!(texts(history()).await, ["100", "300"]);
    assert_eq!(texts(history().latest_first().limit(1)).await, ["300"]);
    assert_eq!(
        texts(store.history("late").stored_since(stored_at))
            .await
            .len(),
        3
    );
}

pub(super) async fn item_without_stored_at_is_always_selected(store: &EventStore, client: &Client) {
    let _ = store.append(&envelope("unknown-age", "1")).await.unwrap();
    let mut item = raw_items(client, store.table(), "unknown-age")
        .await
        .remove(0);
    for (key, stored_at) in [
        ("2", None),
        ("3", Some(AttributeValue::S("soon".to_owned()))),
    ] {
        item.insert(
            table::SORT_KEY.to_owned(),
            AttributeValue::N(key.to_owned()),
        );
        item.remove("StoredAt");
        item.extend(stored_at.map(|value| ("StoredAt".to_owned(), value)));
        put(store, client, item.clone()).await;
    }
    let read: Vec<_> = store
        .history("unknown-age")
        .stored_since(Timestamp::MAX)
        .collect()
        .await;
    assert!(
        matches!(&read[..], [Ok(_), Err(ReadError::Corrupt(item))] if item.timestamp() == "3"),
        "{read:?}"
    );
}

pub(super) async fn reader_with_too_few_shards_is_refused(store: &EventStore) {
    let writer = store.clone().with_index_shards(NonZeroU16::new(8).unwrap());
    let event = |n: u64| {
        let emitter = domain_events::Emitter::system("t").unwrap();
        Envelope::builder(
            "SHARDED".parse().unwrap(),
            id(&format!("sharded-{n}")),
            emitter,
        )
        .build()
        .unwrap()
    };
    let events: Vec<Envelope> = (0..100).map(event).collect();
    let outcomes = writer.append_all(&events, None).await;
    assert!(outcomes.iter().all(Result::is_ok));
    let read = async |shards: u16| {
        let reader = store
            .clone()
            .with_index_shards(NonZeroU16::new(shards).unwrap());
        let events = reader.by_type("SHARDED").unwrap();
        events.collect::<Vec<Result<_, ReadError>>>().await
    };
    for shards in [1, 4, 7] {
        match &read(shards).await[..] {
            [Err(error @ ReadError::TooFewShards { .. })] => {
                let error = error.to_string();
                assert!(
                    error.contains(store.table()) && error.contains("EVENT_INDEX_SHARDS"),
                    "{error}"
                );
            }
            other => panic!("{shards} shards: {} results", other.len()),
        }
    }
    for shards in [8, 9] {
        assert_eq!(read(shards).await.len(), 100, "{shards} shards");
    }
}

pub(super) async fn invalid_id_is_an_error_of_the_stream(store: &EventStore) {
    struct Broken;
    impl std::fmt::Display for Broken {
        fn fmt(&self, _: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            Err(std::fmt::Error)
        }
    }
    for history in [
        store.history(""),
        store.history("x".repeat(2049)),
        store.history(Broken),
    ] {
        let read: Vec<_> = history.collect().await;
        assert!(
            matches!(&read[..], [Err(ReadError::InvalidId(_))]),
            "{read:?}"
        );
    }
    assert_eq!(texts(store.history(7)).await, [""; 0]);
    assert!(matches!(
        store.by_type("lower"),
        Err(ReadError::InvalidId(_))
    ));
    let read: Vec<_> = store.conversation("").collect().await;
    assert!(
        matches!(&read[..], [Err(ReadError::InvalidId(_))]),
        "{read:?}"
    );
}
