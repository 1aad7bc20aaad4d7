//! Scans, conversations, and events as JSON.

use std::collections::BTreeSet;

use domain_events::store::{ScanCursor, causation_tree};
use domain_events::{CausationId, CorrelationId, Emitter};

use super::*;

fn keys(events: &[domain_events::StoredEvent]) -> BTreeSet<String> {
    events
        .iter()
        .map(|event| event.cursor().to_string())
        .collect()
}

/// The table contains the items of all earlier tests, including items that are not events.
pub(super) async fn scan_returns_every_item_once(store: &EventStore, client: &Client) {
    let mut items = client
        .scan()
        .table_name(store.table())
        .into_paginator()
        .items()
        .send();
    let mut count = 0;
    while items.try_next().await.unwrap().is_some() {
        count += 1;
    }
    let mut complete = None;
    for segments in [1, 3, 16] {
        let segments = NonZeroU16::new(segments).unwrap();
        let mut scan = store.scan().segments(segments);
        let (mut events, mut corrupt) = (Vec::new(), 0);
        while let Some(read) = scan.next().await {
            match read {
                Ok(event) => events.push(event),
                Err(ReadError::Corrupt(_)) => corrupt += 1,
                Err(other) => panic!("{other}"),
            }
        }
        assert!(corrupt > 0 && scan.cursor().is_end());
        assert_eq!(events.len() + corrupt, count);
        assert_eq!(keys(&events).len(), events.len());
        assert_eq!(*complete.get_or_insert(keys(&events)), keys(&events));
    }
    // Stop after every few events, and continue from the text of the cursor.
    let (mut events, mut cursor) = (Vec::new(), None::<String>);
    loop {
        let mut scan = store.scan().segments(NonZeroU16::new(3).unwrap());
        if let Some(cursor) = &cursor {
            scan = scan.after(cursor.parse::<ScanCursor>().unwrap());
        }
        for read in scan.by_ref().take(37).collect::<Vec<_>>().await {
            events.extend(read.ok());
        }
        if scan.cursor().is_end() {
            break;
        }
        cursor = Some(scan.cursor().to_string());
    }
    assert_eq!(
        events.len(),
        keys(&events).len(),
        "an event was returned twice"
    );
    assert_eq!(Some(keys(&events)), complete);
}

pub(super) async fn scan_can_be_narrowed(store: &EventStore) {
    for timestamp in ["7000", "7000", "7001.5", "7002"] {
        let _ = store.append(&envelope("narrow", timestamp)).await.unwrap();
    }
    let at = |text: &str| text.parse::<Timestamp>().unwrap();
    let narrowed = store.scan().since(at("7000")).until(at("7002"));
    let mut found = texts(narrowed).await;
    found.sort();
    assert_eq!(found, ["7000", "7000", "7001.5"]);
    assert_eq!(
        texts(store.scan().since(at("9")).until(at("9"))).await,
        [""; 0]
    );
    let last = store
        .history("narrow")
        .latest_first()
        .try_next()
        .await
        .unwrap()
        .unwrap();
    let recent = store.scan().stored_since(last.stored_at().unwrap());
    let recent = recent.filter(|read| std::future::ready(read.is_ok()));
    // The item "2" has no `StoredAt`, so it is always selected.
    let mut found = texts(recent).await;
    found.sort();
    assert_eq!(found, ["2", "7002"]);
}

pub(super) async fn conversation_is_a_tree_of_causes(store: &EventStore) {
    let event = |entity: &str, timestamp: &str, event_id: &str, cause: Option<&str>| {
        let mut event = Envelope::builder(
            "SPOKE".parse().unwrap(),
            id(entity),
            Emitter::system("t").unwrap(),
        )
        .timestamp(timestamp.parse().unwrap())
        .event_id(EventId::new(event_id.to_owned()).unwrap())
        .correlation_id(CorrelationId::from_static("talk"));
        if let Some(cause) = cause {
            event = event.causation_id(CausationId::new(cause.to_owned()).unwrap());
        }
        event.build().unwrap()
    };
    let events = [
        event("talk-1", "1", "root", None),
        event("talk-2", "2", "first", Some("root")),
        event("talk-3", "2", "nested", Some("first")),
        event("talk-1", "3", "second", Some("root")),
    ];
    let outcomes = store.append_all(&events, None).await;
    assert!(outcomes.iter().all(Result::is_ok));
    let conversation: Vec<_> = store.conversation("talk").try_collect().await.unwrap();
    let ids: Vec<&str> = conversation.iter().map(|e| e.event_id().as_str()).collect();
    assert_eq!(ids, ["root", "first", "nested", "second"]);
    let after = store.conversation("talk").after(conversation[1].cursor());
    assert_eq!(texts(after).await, ["2", "3"]);
    let tree: Vec<_> = causation_tree(conversation)
        .iter()
        .map(|node| (node.depth, node.event.event_id().to_string()))
        .collect();
    let node = |depth, id: &str| (depth, id.to_owned());
    let expected = [
        node(0, "root"),
        node(1, "first"),
        node(2, "nested"),
        node(1, "second"),
    ];
    assert_eq!(tree, expected);
}

pub(super) async fn stored_event_is_serialized_as_its_wire_format(store: &EventStore) {
    let store = store.clone().with_retention("*=100y".parse().unwrap());
    let body = r#"{"Timestamp":1596719980.123456789,"EventType":"EVENT_TEST","ID":"as-json","EmitterId":"u","EmitterType":"USER","Data":{"n":12345678901234567890.5},"EventId":"own","Version":2,"CorrelationId":"c","CausationId":"d","TraceParent":"t","x":[1e30]}"#;
    let event = wire::decode(body, &EventId::random())
        .unwrap()
        .remove(0)
        .outcome
        .unwrap();
    let _ = store.append(&event).await.unwrap();
    let stored = store.history("as-json").try_next().await.unwrap().unwrap();
    let text = serde_json::to_string(&stored).unwrap();
    let (stored_at, expires_at) = (stored.stored_at().unwrap(), stored.expires_at().unwrap());
    let own = format!(r#","StoredAt":{stored_at},"ExpiresAt":{expires_at}}}"#);
    let wire = text.strip_suffix(&own).unwrap_or_else(|| panic!("{text}"));
    let wire = format!("{wire}}}");
    let decoded = wire::decode(&wire, &EventId::random()).unwrap().remove(0);
    assert_eq!(decoded.outcome.as_ref(), Ok(stored.envelope()));
}
