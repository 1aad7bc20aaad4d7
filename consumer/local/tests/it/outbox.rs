//! The outbox in DynamoDB, and the relay of the stack.

use std::time::Duration;

use aws_sdk_dynamodb::types::{AttributeValue, Put, TransactWriteItem};
use domain_events::{DomainEvent, Emitter, Sdk};
use domain_events_local::{Options, Outbox, Stack, create_outbox_table};
use domain_events_outbox::{DynamoDbOutbox, OutboxPut as _, OutboxRows as _, PageRequest, Relay};
use serde::{Deserialize, Serialize};

const TABLE: &str = "orders-outbox";

#[derive(Debug, PartialEq, Serialize, Deserialize, DomainEvent)]
struct OrderPlaced {
    #[event(id)]
    order_id: u64,
}

async fn sdk(stack: &Stack) -> Sdk {
    let emitter = Emitter::system("shop").unwrap();
    let sdk = Sdk::builder(stack.queue_url(), emitter).sqs_client(stack.sqs_client());
    sdk.build().await.unwrap()
}

/// Starts a stack with an outbox table and without a relay.
async fn outbox() -> (Stack, DynamoDbOutbox) {
    let stack = Stack::start(Options::default()).await.unwrap();
    let client = stack.dynamodb_client();
    create_outbox_table(&client, TABLE).await.unwrap();
    let outbox = DynamoDbOutbox::new(client, TABLE);
    (stack, outbox)
}

async fn commit(stack: &Stack, parts: impl IntoIterator<Item = TransactWriteItem>) -> bool {
    let mut request = stack.dynamodb_client().transact_write_items();
    for part in parts {
        request = request.transact_items(part);
    }
    request.send().await.is_ok()
}

/// Returns a write that can be part of a transaction. It fails if the order already has a
/// state.
fn state(order_id: u64) -> TransactWriteItem {
    let put = Put::builder()
        .table_name("events")
        .item("ID", AttributeValue::S(format!("state-{order_id}")))
        .item("Timestamp", AttributeValue::N("1".into()))
        .condition_expression("attribute_not_exists(ID)");
    TransactWriteItem::builder()
        .put(put.build().unwrap())
        .build()
}

async fn waiting(outbox: &DynamoDbOutbox) -> u64 {
    outbox.backlog().await.unwrap().rows
}

#[tokio::test]
async fn outbox_table_has_no_stream() {
    let (stack, _) = outbox().await;
    let client = stack.dynamodb_client();
    let table = client.describe_table().table_name(TABLE).send().await;
    let table = table.unwrap().table.unwrap();
    // With a stream, a write to the embedded DynamoDB reads all records of the stream.
    assert_eq!(table.latest_stream_arn(), None);
    stack.stop().await;
}

#[tokio::test]
async fn row_exists_only_if_the_transaction_commits() {
    let (stack, outbox) = outbox().await;
    let sdk = sdk(&stack).await;
    let event = sdk.prepare(&OrderPlaced { order_id: 1 }).unwrap();
    assert!(commit(&stack, [state(1), event.outbox_put(TABLE)]).await);
    assert_eq!(waiting(&outbox).await, 1);

    let second = sdk.prepare(&OrderPlaced { order_id: 1 }).unwrap();
    assert!(!commit(&stack, [state(1), second.outbox_put(TABLE)]).await);
    assert!(
        !commit(&stack, [event.outbox_put(TABLE)]).await,
        "the sent event is not the event of the row"
    );
    assert_eq!(waiting(&outbox).await, 1);

    let page = outbox.page(PageRequest::first(10, 1_000)).await.unwrap();
    assert_eq!(page.rows[0].event_id, event.event_id().as_str());
    assert_eq!(page.rows[0].message, event.body());
}

#[tokio::test]
async fn young_rows_are_left_out_of_a_page() {
    let (stack, outbox) = outbox().await;
    let event = sdk(&stack).await.prepare(&OrderPlaced { order_id: 1 });
    assert!(commit(&stack, [event.unwrap().outbox_put(TABLE)]).await);
    // These rows have another writer: their time is missing, is a text, or is in the future.
    let client = stack.dynamodb_client();
    for (id, at) in [
        ("none", None),
        ("text", Some(AttributeValue::S("yesterday".into()))),
        ("future", Some(AttributeValue::N("9999999999".into()))),
    ] {
        let id = AttributeValue::S(id.into());
        let mut put = client.put_item().table_name(TABLE).item("EventId", id);
        if let Some(at) = at {
            put = put.item("At", at);
        }
        put.send().await.unwrap();
    }
    let request = PageRequest::first(10, 1_000).min_age(Duration::from_secs(60));
    let page = outbox.page(request).await.unwrap();
    let mut ids: Vec<_> = page.rows.iter().map(|row| &*row.event_id).collect();
    ids.sort_unstable();
    assert_eq!(ids, ["future", "none", "text"]);
}

#[tokio::test]
async fn pages_reach_every_row_and_deletes_all() {
    let (stack, outbox) = outbox().await;
    let sdk = sdk(&stack).await;
    for batch in 0..3 {
        let events = (0..40).map(|n| {
            let event = sdk.prepare(&OrderPlaced {
                order_id: batch * 40 + n,
            });
            event.unwrap().outbox_put(TABLE)
        });
        assert!(commit(&stack, events).await);
    }
    for (max_rows, max_bytes) in [(50, usize::MAX), (1_000, 2_000)] {
        let (mut ids, mut request) = (Vec::new(), Some(PageRequest::first(max_rows, max_bytes)));
        while let Some(next) = request.take() {
            let page = outbox.page(next.clone()).await.unwrap();
            ids.extend(page.rows.into_iter().map(|row| row.event_id));
            request = page.next.map(|cursor| next.after(cursor));
        }
        ids.sort_unstable();
        ids.dedup();
        assert_eq!(ids.len(), 120, "{max_rows} rows, {max_bytes} bytes");
        if max_rows == 1_000 {
            ids.push("a row that another relay has deleted".into());
            outbox.delete(ids).await.unwrap();
        }
    }
    assert_eq!(waiting(&outbox).await, 0);
}

#[tokio::test]
async fn missing_table_is_named_in_the_error() {
    let (stack, _) = outbox().await;
    let outbox = DynamoDbOutbox::new(stack.dynamodb_client(), "absent");
    let errors = [
        outbox.backlog().await.unwrap_err(),
        outbox.delete(vec!["id".into()]).await.unwrap_err(),
    ];
    for error in errors {
        let text = domain_events::__internals::with_causes(&error).to_string();
        assert!(text.contains("table absent: "), "{text}");
        assert!(text.contains("ResourceNotFoundException"), "{text}");
    }
}

#[tokio::test]
async fn relay_waits_for_sqs_and_sends_every_row() {
    let (stack, outbox) = outbox().await;
    let sdk = sdk(&stack).await;
    let event = sdk.prepare(&OrderPlaced { order_id: 7 }).unwrap();
    assert!(commit(&stack, [event.outbox_put(TABLE)]).await);
    let relay = Relay::builder(sdk, outbox.clone()).build();
    let outage = stack.outage();
    let report = relay.sweep().await;
    assert_eq!((report.sent, waiting(&outbox).await), (0, 1));
    assert!(report.failure.is_some());
    outage.end();
    let report = relay.sweep().await;
    assert_eq!((report.sent, waiting(&outbox).await), (1, 0));
    stack.wait_until_drained().await;
    assert_eq!(
        stack.events().await.unwrap()[0].event_id(),
        event.event_id()
    );
}

#[tokio::test]
async fn stack_relays_the_outbox_on_request() {
    let options = Options {
        outbox: Some(Outbox::DynamoDb),
        ..Options::default()
    };
    let stack = Stack::start(options).await.unwrap();
    let table = stack.outbox_table().unwrap();
    assert!(
        stack
            .environment()
            .contains(&("EVENT_OUTBOX_TABLE", table.to_owned()))
    );
    let event = sdk(&stack).await.prepare(&OrderPlaced { order_id: 7 });
    assert!(commit(&stack, [event.unwrap().outbox_put(table)]).await);
    let stored = async {
        while stack.events().await.unwrap().is_empty() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), stored)
        .await
        .unwrap();
    let outbox = DynamoDbOutbox::new(stack.dynamodb_client(), table);
    let empty = async {
        while waiting(&outbox).await > 0 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), empty)
        .await
        .unwrap();
    stack.stop().await;
}
