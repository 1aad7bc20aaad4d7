//! Reads while DynamoDB fails, hangs, or returns items in another valid order.

use std::time::Duration;

use domain_events::{Emitter, Sdk};
use serde_json::Value;

use super::*;
use crate::support::proxy::{Fault, Request, THROTTLED};

/// Creates a store with two shards that reaches the stack through a proxy.
fn behind(proxy: &Proxy, stack: &Stack) -> EventStore {
    EventStore::new(through(proxy, stack), stack.table())
        .with_index_shards(NonZeroU16::new(2).unwrap())
}

async fn appended(store: &EventStore, ids: impl IntoIterator<Item = (String, String)>) {
    let events: Vec<Envelope> = ids
        .into_iter()
        .map(|(id, timestamp)| envelope(&id, &timestamp))
        .collect();
    let outcomes = store.append_all(&events, None).await;
    assert!(outcomes.iter().all(Result::is_ok), "{outcomes:?}");
}

#[tokio::test]
async fn index_read_ends_when_a_shard_fails() {
    let stack = endpoints().await;
    let fail = |request: &mut Request| match request.body.windows(12).any(|b| b == b"EVENT_TEST#1")
    {
        true if request.operation == "Query" => THROTTLED,
        _ => Fault::None,
    };
    let proxy = Proxy::start(&stack.dynamodb_endpoint(), fail).await;
    let store = behind(&proxy, &stack);
    appended(&store, (0..20).map(|n| (format!("e{n}"), n.to_string()))).await;
    let event_type = "EVENT_TEST";
    let read: Vec<_> = store.by_type(event_type).unwrap().collect().await;
    assert!(
        matches!(
            &read[..],
            [Err(ReadError::Table(error))] if error.kind() == TableErrorKind::Throttled
        ),
        "{read:?}"
    );
}

#[tokio::test]
async fn cursor_is_exact_for_any_order_of_an_index() {
    let stack = endpoints().await;
    // Reverses the items that have the same sort key. Their order in an index is undefined.
    let reverse = |body: Vec<u8>| {
        let mut response: Value = serde_json::from_slice(&body).unwrap();
        if let Some(items) = response["Items"].as_array_mut() {
            let key = |item: &Value| item["Timestamp"]["N"].clone();
            for same_timestamp in items.chunk_by_mut(|a, b| key(a) == key(b)) {
                same_timestamp.reverse();
            }
        }
        response.to_string().into_bytes()
    };
    let script = move |request: &mut Request| match &*request.operation {
        "Query" => Fault::Change(Box::new(reverse)),
        _ => Fault::None,
    };
    let proxy = Proxy::start(&stack.dynamodb_endpoint(), script).await;
    let store = behind(&proxy, &stack);
    let ids = (0..30).map(|n| (format!("e{n:02}"), (n / 10).to_string()));
    appended(&store, ids.clone()).await;
    let mut expected: Vec<String> = ids.map(|(id, _)| id).collect();
    let event_type = "EVENT_TEST";
    for latest_first in [false, true] {
        let (mut read, mut cursor) = (Vec::new(), None);
        loop {
            let mut page = store.by_type(event_type).unwrap().limit(1);
            page = if latest_first {
                page.latest_first()
            } else {
                page
            };
            page = match cursor.take() {
                Some(cursor) => page.after(cursor),
                None => page,
            };
            let Some(event) = page.try_next().await.unwrap() else {
                break;
            };
            read.push(event.entity_id().to_string());
            cursor = Some(event.cursor());
        }
        assert_eq!(read, expected);
        expected.reverse();
    }
}

#[tokio::test]
async fn unreadable_response_is_not_quoted() {
    let stack = endpoints().await;
    let spoil = |body: Vec<u8>| {
        let body = String::from_utf8(body).unwrap();
        body.replace("\"Items\":", "\"Items\":5,\"Others\":")
            .into_bytes()
    };
    let script = move |request: &mut Request| match &*request.operation {
        "Query" => Fault::Change(Box::new(spoil)),
        _ => Fault::None,
    };
    let proxy = Proxy::start(&stack.dynamodb_endpoint(), script).await;
    let store = behind(&proxy, &stack);
    let event = foreign("spoiled", r#"{"name":"Ada Lovelace"}"#);
    assert_eq!(store.append(&event).await, Ok(AppendOutcome::Stored));
    let read: Vec<_> = store.history("spoiled").collect().await;
    let [Err(error)] = &read[..] else {
        panic!("{read:?}");
    };
    let text = format!("{error:?} {error} {:?}", std::error::Error::source(error));
    assert!(!text.contains("Ada"), "{text}");
}

#[tokio::test]
async fn wait_for_ends_at_its_timeout() {
    let stack = endpoints().await;
    let sdk = Sdk::builder(stack.queue_url(), Emitter::system("tests").unwrap())
        .sqs_client(stack.sqs_client())
        .build()
        .await
        .unwrap();
    let emitted = envelope("waited", "1");
    let receipt = sdk.emit_envelope(emitted.clone()).await.unwrap();
    let store = stack.store();
    let short = Duration::from_millis(50);
    assert_eq!(store.wait_for(&receipt, short).await.unwrap(), None);

    // The event arrives during the wait, and the timeout is the maximum.
    let waiting = store.wait_for(&receipt, Duration::MAX);
    let (found, _) = tokio::join!(waiting, async { store.append(&emitted).await.unwrap() });
    assert_eq!(*found.unwrap().unwrap().envelope(), emitted);

    // The endpoint never responds.
    let hang = |_: &mut Request| Fault::Delay(Duration::from_secs(3600));
    let proxy = Proxy::start(&stack.dynamodb_endpoint(), hang).await;
    let hanging = behind(&proxy, &stack);
    let waited = tokio::time::timeout(Duration::from_secs(30), hanging.wait_for(&receipt, short));
    let waited = waited.await.expect("it returns");
    assert!(
        matches!(waited, Err(ReadError::DeadlineExceeded)),
        "{waited:?}"
    );
}
