//! Tests of the handler, which this process calls, against real endpoints.

use std::time::Duration;

use domain_events::EventStore;
use domain_events_consumer::{DeadLetterQueue, Handler};
use domain_events_local::Stack;
use serde_json::{Value, json};

use crate::support::proxy::{Fault, Proxy, Request};
use crate::support::{
    body, dead_letters, endpoints, fifo_endpoints, handle_within, handler_with, history, record,
    sqs_behind, store_behind,
};

#[tokio::test]
async fn events_with_one_timestamp_are_both_stored() {
    let stack = endpoints().await;
    let batch = [
        record("m1", body("tied", "1596719980")),
        record("m2", body("tied", "1596719980").replace("bar", "baz")),
        record("m3", body("tied", "1596719980.000000001")),
    ];
    let report = stack.handler().handle(&batch, None).await;
    assert_eq!(report.failed, [""; 0]);
    assert_eq!(
        history(&stack, "tied").await,
        ["1596719980", "1596719980", "1596719980.000000001"]
    );
    assert_eq!(report.metrics.verdicts(), [3, 0, 0, 0]);
    let report = stack.handler().handle(&batch, None).await;
    assert_eq!(report.metrics.verdicts(), [0, 3, 0, 0]);
    assert_eq!(history(&stack, "tied").await.len(), 3);
}

#[tokio::test]
async fn message_twice_in_a_batch_is_stored_once() {
    let stack = endpoints().await;
    let message = record("m1", body("twice", "1"));
    let report = stack
        .handler()
        .handle(&[message.clone(), message], None)
        .await;
    assert_eq!(report.metrics.verdicts(), [1, 1, 0, 0]);
    assert_eq!(history(&stack, "twice").await, ["1"]);
}

#[tokio::test]
async fn rejected_message_without_dlq_is_failed() {
    let stack = endpoints().await;
    let nowhere = format!("{}-missing", stack.dead_letter_queue_url());
    let handler = Handler::new(
        stack.store(),
        DeadLetterQueue::new(stack.sqs_client(), nowhere),
    );
    let report = handler
        .handle(
            &[record("bad", "hello"), record("good", body("g", "1"))],
            None,
        )
        .await;
    assert_eq!(report.failed, ["bad"]);
    assert_eq!(history(&stack, "g").await, ["1"]);
}

#[tokio::test]
async fn missing_table_fails_and_rejects_nothing() {
    let stack = endpoints().await;
    let store = EventStore::new(stack.dynamodb_client(), "no-such-table");
    let handler = handler_with(store, &stack);
    let report = handler.handle(&[record("m", body("g", "1"))], None).await;
    assert_eq!(report.failed, ["m"]);
    assert_eq!(dead_letters(&stack).await, []);
}

#[tokio::test]
async fn thousand_events_take_forty_requests() {
    let stack = endpoints().await;
    let proxy = Proxy::start(&stack.dynamodb_endpoint(), |_| Fault::None).await;
    let handler = handler_with(store_behind(&proxy, &stack), &stack);
    let batch: Vec<_> = (0..1000)
        .map(|i| record(&format!("m{i}"), body(&format!("e{i}"), "1")))
        .collect();
    let report = handler.handle(&batch, None).await;
    assert_eq!(report.metrics.verdicts(), [1000, 0, 0, 0]);
    assert_eq!(proxy.requests(), 40);
}

#[tokio::test]
async fn largest_message_is_moved_without_attributes() {
    let stack = endpoints().await;
    for (size, attributes_left) in [(1_048_576, 0), (1_048_576 - 80, 2), (1_048_576 - 1024, 3)] {
        let huge = "x".repeat(size);
        let record = record("m", huge.clone());
        let report = stack.handler().handle(&[record], None).await;
        assert_eq!(report.failed, [""; 0]);
        let letters = dead_letters(&stack).await;
        let [(body, attributes)] = &letters[..] else {
            panic!("{} letters", letters.len());
        };
        assert_eq!((body.len(), attributes.len()), (size, attributes_left));
    }
}

#[tokio::test]
async fn packed_message_with_failed_event_is_failed() {
    let stack = endpoints().await;
    const FIRST_FAILS: &str = r#"{"Responses":[{"Error":{"Code":"AccessDenied","Message":"no"}},{"TableName":"events"}]}"#;
    let proxy = Proxy::start(&stack.dynamodb_endpoint(), |_| {
        Fault::Respond(200, FIRST_FAILS)
    })
    .await;
    let handler = handler_with(store_behind(&proxy, &stack), &stack);
    let packed = format!("[{},{},7]", body("packed", "1"), body("packed", "2"));
    let message = record("m", packed);
    let report = handler.handle(std::slice::from_ref(&message), None).await;
    assert_eq!(report.failed, ["m"]);
    assert_eq!(report.metrics.verdicts(), [1, 0, 0, 1]);
    assert_eq!(
        dead_letters(&stack).await,
        [],
        "a message with a failed event must not be moved"
    );
    // The next delivery stores and moves the remaining events.
    let report = stack.handler().handle(&[message], None).await;
    assert_eq!(report.failed, [""; 0]);
    assert_eq!(history(&stack, "packed").await, ["1", "2"]);
    assert_eq!(dead_letters(&stack).await[0].0, "7");
}

/// Lets the dead-letter queue fail the entries of the first request that `fails` selects.
async fn with_failing_letters(stack: &Stack, fails: fn(usize) -> bool) -> (Handler, Proxy) {
    let script = move |request: &mut Request| {
        if request.number > 0 {
            return Fault::None;
        }
        let mut batch: Value = serde_json::from_slice(&request.body).unwrap();
        let entries = batch["Entries"].as_array_mut().unwrap();
        let mut failed = Vec::new();
        for index in (0..entries.len()).rev().filter(|index| fails(*index)) {
            let id = entries.remove(index)["Id"].take();
            failed.push(json!({"Id": id, "SenderFault": false, "Code": "InternalError"}));
        }
        request.body = batch.to_string().into_bytes();
        Fault::Change(Box::new(move |body| {
            let mut batch: Value = serde_json::from_slice(&body).unwrap();
            batch["Failed"] = failed.into();
            batch.to_string().into_bytes()
        }))
    };
    let proxy = Proxy::start(&stack.sqs_endpoint(), script).await;
    let letters = DeadLetterQueue::new(sqs_behind(&proxy, stack), stack.dead_letter_queue_url());
    (Handler::new(stack.store(), letters), proxy)
}

#[tokio::test]
async fn refused_dead_letter_fails_alone() {
    let stack = endpoints().await;
    let (handler, _proxy) = with_failing_letters(&stack, |index| index == 1).await;
    let batch = ["a", "b", "c"].map(|id| record(id, format!("no json {id}")));
    let report = handler.handle(&batch, None).await;
    assert_eq!(report.failed, ["b"]);
    assert_eq!(report.metrics.verdicts(), [0, 0, 2, 1]);
    let letters = dead_letters(&stack).await;
    let bodies: Vec<&str> = letters.iter().map(|(body, _)| &**body).collect();
    assert_eq!(bodies, ["no json a", "no json c"]);
}

#[tokio::test]
async fn failed_fifo_dead_letter_holds_its_group() {
    let stack = fifo_endpoints().await;
    let (handler, _proxy) = with_failing_letters(&stack, |index| index == 0).await;
    let batch = [
        record("a1", "hello").in_group("a"),
        record("b1", "hello").in_group("b"),
        record("a2", "hello").in_group("a"),
        record("a3", body("fifo", "1")).in_group("a"),
    ];
    let report = handler.handle(&batch, None).await;
    assert_eq!(report.failed, ["a1", "a2"]);
    assert_eq!(history(&stack, "fifo").await, ["1"]);
}

#[tokio::test]
async fn hanging_dlq_fails_records_at_the_deadline() {
    let stack = endpoints().await;
    // The first request succeeds, and the second one never gets a response.
    let script = |request: &mut Request| match request.number {
        0 => Fault::None,
        _ => Fault::Delay(Duration::from_secs(3600)),
    };
    let proxy = Proxy::start(&stack.sqs_endpoint(), script).await;
    let letters = DeadLetterQueue::new(sqs_behind(&proxy, &stack), stack.dead_letter_queue_url());
    let handler = Handler::new(stack.store(), letters);
    let mut batch: Vec<_> = (0..11).map(|n| record(&format!("m{n}"), "hello")).collect();
    batch.push(record("good", body("hang", "1")));
    let report = handle_within(&handler, &batch, Duration::from_secs(1)).await;
    assert_eq!(report.failed, ["m10"]);
    assert_eq!(report.metrics.verdicts(), [1, 0, 10, 1]);
    assert_eq!(history(&stack, "hang").await, ["1"]);
    assert_eq!(dead_letters(&stack).await.len(), 10);
}
