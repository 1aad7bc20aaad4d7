//! Tests of the worker against real endpoints.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use domain_events_consumer::hosts::worker::Worker;
use domain_events_consumer::{DeadLetterQueue, Handler};
use domain_events_local::{Options, Stack};
use serde_json::Value;
use tokio_util::sync::CancellationToken;

use crate::support::proxy::{Fault, Proxy, Request};
use crate::support::{
    body, dead_letters, endpoints, fifo_endpoints, handler_with, history, sqs_behind, store_behind,
};

/// Every statement of the request fails with an error that is not retryable.
const DENIED: Fault = Fault::Respond(
    400,
    r#"{"__type":"com.amazon.coral.service#AccessDeniedException","message":"no"}"#,
);

async fn send(stack: &Stack, body: &str) {
    send_to_group(stack, body, None).await;
}

async fn send_to_group(stack: &Stack, body: &str, group: Option<&str>) {
    let deduplication_id = group.map(|_| domain_events::EventId::random().into_string());
    stack
        .sqs_client()
        .send_message()
        .queue_url(stack.queue_url())
        .message_body(body)
        .set_message_group_id(group.map(str::to_owned))
        .set_message_deduplication_id(deduplication_id)
        .send()
        .await
        .unwrap();
}

/// Waits until `look` returns the expected value.
async fn until<T: PartialEq + std::fmt::Debug, F: Future<Output = T>>(
    expected: T,
    mut look: impl FnMut() -> F,
) {
    for _ in 0..200 {
        if look().await == expected {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(look().await, expected);
}

#[tokio::test]
async fn messages_are_stored_or_moved_and_then_deleted() {
    let stack = Stack::start(Options::default()).await.unwrap();
    send(&stack, &body("w", "1")).await;
    send(&stack, "hello").await;
    let drained = tokio::time::timeout(Duration::from_secs(30), stack.wait_until_drained());
    drained.await.unwrap();
    assert_eq!(history(&stack, "w").await, ["1"]);
    assert_eq!(stack.dead_letters(), 1);
    assert_eq!(dead_letters(&stack).await.len(), 1);
    stack.stop().await;
}

#[tokio::test]
async fn slow_batch_stays_hidden_from_other_pollers() {
    let stack = endpoints().await;
    let slow = |_: &mut Request| Fault::Delay(Duration::from_secs(3));
    let proxy = Proxy::start(&stack.dynamodb_endpoint(), slow).await;
    let store = store_behind(&proxy, &stack);
    let handler = handler_with(store, &stack);
    let worker = Worker::new(stack.sqs_client(), stack.queue_url(), handler)
        .with_long_poll(Duration::from_secs(1));
    let worker = worker.with_visibility_timeout(Duration::from_secs(1));
    let stop = CancellationToken::new();
    send(&stack, &body("slow", "1")).await;
    let running = tokio::spawn(worker.run(3, stop.clone()));
    until(vec!["1".to_owned()], || history(&stack, "slow")).await;
    stop.cancel();
    running.await.unwrap();
    assert_eq!(
        proxy.requests(),
        1,
        "another poller received the message as well"
    );
}

/// Creates a worker for the queue of a stack. Its requests to SQS pass through a proxy.
fn worker_behind(proxy: &Proxy, stack: &Stack, handler: Handler) -> Worker {
    Worker::new(sqs_behind(proxy, stack), stack.queue_url(), handler)
        .with_long_poll(Duration::from_secs(1))
        .with_visibility_timeout(Duration::from_secs(2))
}

#[tokio::test]
async fn hanging_receive_is_retried() {
    let stack = endpoints().await;
    let hang_once = |request: &mut Request| match request.number {
        0 => Fault::Delay(Duration::from_secs(3600)),
        _ => Fault::None,
    };
    let proxy = Proxy::start(&stack.sqs_endpoint(), hang_once).await;
    let stop = CancellationToken::new();
    let running = tokio::spawn(worker_behind(&proxy, &stack, stack.handler()).run(1, stop.clone()));
    send(&stack, &body("hang", "1")).await;
    let drained = tokio::time::timeout(Duration::from_secs(60), stack.wait_until_drained());
    drained.await.expect("the poller continues");
    stop.cancel();
    running.await.unwrap();
}

#[tokio::test]
async fn message_without_id_is_not_deleted() {
    let stack = endpoints().await;
    let without_id = |body: Vec<u8>| {
        let body = String::from_utf8(body).unwrap();
        body.replace("\"MessageId\"", "\"Unknown\"").into_bytes()
    };
    let mut received = 0;
    let script = move |request: &mut Request| {
        received += u32::from(request.operation == "ReceiveMessage");
        match received {
            1 => Fault::Change(Box::new(without_id)),
            _ => Fault::None,
        }
    };
    let proxy = Proxy::start(&stack.sqs_endpoint(), script).await;
    send(&stack, &body("no-id", "1")).await;
    let stop = CancellationToken::new();
    let running = tokio::spawn(worker_behind(&proxy, &stack, stack.handler()).run(1, stop.clone()));
    let drained = tokio::time::timeout(Duration::from_secs(60), stack.wait_until_drained());
    drained.await.expect("the message is delivered again");
    assert_eq!(history(&stack, "no-id").await, ["1"]);
    stop.cancel();
    running.await.unwrap();
}

#[tokio::test]
async fn stack_data_survives_a_restart() {
    let folder = std::env::temp_dir().join(format!("domain-events-test-{}", std::process::id()));
    let start = |pollers| {
        let options = Options {
            data: Some(folder.clone()),
            pollers,
            ..Options::default()
        };
        async { Stack::start(options).await.unwrap() }
    };
    let stack = start(0).await;
    send(&stack, &body("kept", "1")).await;
    stack.stop().await;
    let stack = start(2).await;
    until(vec!["1".to_owned()], || history(&stack, "kept")).await;
    stack.stop().await;
    let stack = start(0).await;
    assert_eq!(history(&stack, "kept").await, ["1"]);
    stack.stop().await;
    std::fs::remove_dir_all(folder).unwrap();
}

#[tokio::test]
async fn stopped_worker_finishes_its_receive() {
    let stack = endpoints().await;
    send(&stack, &body("stop", "1")).await;
    // SQS hides the message for this receive after the worker has begun to stop.
    let late = |request: &mut Request| match &*request.operation {
        "ReceiveMessage" => Fault::Delay(Duration::from_millis(1_500)),
        _ => Fault::None,
    };
    let proxy = Proxy::start(&stack.sqs_endpoint(), late).await;
    let stop = CancellationToken::new();
    let worker = worker_behind(&proxy, &stack, stack.handler());
    let running = tokio::spawn(worker.run(1, stop.clone()));
    until(1, || async { proxy.requests() }).await;
    stop.cancel();
    running.await.unwrap();
    assert_eq!(history(&stack, "stop").await, ["1"]);
    assert_eq!(stack.messages(), 0, "the message is deleted");
    assert_eq!(proxy.requests(), 2, "no receive starts after the stop");
}

/// Records the bodies of the requests of an operation.
fn recorder(
    operation: &'static str,
) -> (Arc<Mutex<Vec<Value>>>, impl FnMut(&mut Request) -> Fault) {
    let bodies: Arc<Mutex<Vec<Value>>> = Arc::default();
    let recorded = Arc::clone(&bodies);
    let script = move |request: &mut Request| {
        if request.operation == operation {
            let body = serde_json::from_slice(&request.body).unwrap();
            recorded.lock().unwrap().push(body);
        }
        Fault::None
    };
    (bodies, script)
}

#[tokio::test]
async fn failed_message_returns_with_growing_delay() {
    let stack = endpoints().await;
    let (changes, script) = recorder("ChangeMessageVisibilityBatch");
    let sqs = Proxy::start(&stack.sqs_endpoint(), script).await;
    let dynamodb = Proxy::start(&stack.dynamodb_endpoint(), |_| DENIED).await;
    let handler = handler_with(store_behind(&dynamodb, &stack), &stack);
    let worker =
        worker_behind(&sqs, &stack, handler).with_visibility_timeout(Duration::from_secs(60));
    send(&stack, &body("again", "1")).await;
    let stop = CancellationToken::new();
    let running = tokio::spawn(worker.run(1, stop.clone()));
    until(2, || async { changes.lock().unwrap().len() }).await;
    stop.cancel();
    running.await.unwrap();
    let changes = changes.lock().unwrap();
    let timeouts: Vec<&Value> = changes
        .iter()
        .map(|change| &change["Entries"][0]["VisibilityTimeout"])
        .collect();
    assert_eq!(timeouts[..2], [2, 4]);
}

#[tokio::test]
async fn worker_pauses_while_every_message_fails() {
    let stack = endpoints().await;
    let (receives, script) = recorder("ReceiveMessage");
    let sqs = Proxy::start(&stack.sqs_endpoint(), script).await;
    let dynamodb = Proxy::start(&stack.dynamodb_endpoint(), |_| DENIED).await;
    let handler = handler_with(store_behind(&dynamodb, &stack), &stack);
    for n in 0..100 {
        send(&stack, &body("pause", &n.to_string())).await;
    }
    let stop = CancellationToken::new();
    let running = tokio::spawn(worker_behind(&sqs, &stack, handler).run(1, stop.clone()));
    tokio::time::sleep(Duration::from_secs(2)).await;
    stop.cancel();
    running.await.unwrap();
    // Without pauses, the worker would receive all messages within a short time.
    let receives = receives.lock().unwrap().len();
    assert!((2..=5).contains(&receives), "{receives} receives");
}

#[tokio::test]
async fn worker_does_not_pause_if_a_message_is_stored() {
    let stack = endpoints().await;
    let nowhere = format!("{}-missing", stack.dead_letter_queue_url());
    let dead_letters = DeadLetterQueue::new(stack.sqs_client(), nowhere);
    let handler = Handler::new(stack.store(), dead_letters);
    // Nearly every receive contains an invalid message, which fails.
    for n in 0..100 {
        send(&stack, &body("mixed", &n.to_string())).await;
        if n % 5 == 0 {
            send(&stack, "hello").await;
        }
    }
    let (receives, script) = recorder("ReceiveMessage");
    let sqs = Proxy::start(&stack.sqs_endpoint(), script).await;
    let stop = CancellationToken::new();
    let running = tokio::spawn(worker_behind(&sqs, &stack, handler).run(1, stop.clone()));
    // With pauses, this would take minutes.
    until(100, || async { history(&stack, "mixed").await.len() }).await;
    stop.cancel();
    running.await.unwrap();
    assert!(receives.lock().unwrap().len() >= 12);
}

#[tokio::test]
async fn dead_letter_of_a_worker_keeps_its_group() {
    let stack = fifo_endpoints().await;
    send_to_group(&stack, "hello", Some("customer-7")).await;
    let (sends, script) = recorder("SendMessageBatch");
    let dlq = Proxy::start(&stack.sqs_endpoint(), script).await;
    let client = sqs_behind(&dlq, &stack);
    let handler = Handler::new(
        stack.store(),
        DeadLetterQueue::new(client.clone(), stack.dead_letter_queue_url()),
    );
    let stop = CancellationToken::new();
    let worker = Worker::new(stack.sqs_client(), stack.queue_url(), handler);
    let running = tokio::spawn(worker.run(1, stop.clone()));
    until(1, || async { stack.dead_letters() }).await;
    stop.cancel();
    running.await.unwrap();
    let sends = sends.lock().unwrap();
    assert_eq!(sends[0]["Entries"][0]["MessageGroupId"], "customer-7");
}

#[tokio::test]
async fn fifo_worker_deletes_stored_followers() {
    let stack = fifo_endpoints().await;
    let first = body("fifo", "1");
    let good = body("fifo", "2");
    // The first event of the group fails, and the second one is stored.
    let script = |request: &mut Request| match request.number {
        0 => {
            let mut batch: Value = serde_json::from_slice(&request.body).unwrap();
            batch["Statements"].as_array_mut().unwrap().remove(0);
            request.body = batch.to_string().into_bytes();
            Fault::Change(Box::new(|body| {
                let mut batch: Value = serde_json::from_slice(&body).unwrap();
                let denied =
                    serde_json::json!({"Error": {"Code": "AccessDenied", "Message": "no"}});
                batch["Responses"].as_array_mut().unwrap().insert(0, denied);
                batch.to_string().into_bytes()
            }))
        }
        _ => DENIED,
    };
    let dynamodb = Proxy::start(&stack.dynamodb_endpoint(), script).await;
    let handler = handler_with(store_behind(&dynamodb, &stack), &stack);
    send_to_group(&stack, &first, Some("g")).await;
    send_to_group(&stack, &good, Some("g")).await;
    let (deletes, script) = recorder("DeleteMessageBatch");
    let sqs = Proxy::start(&stack.sqs_endpoint(), script).await;
    let stop = CancellationToken::new();
    let running = tokio::spawn(worker_behind(&sqs, &stack, handler).run(1, stop.clone()));
    until(1, || async { deletes.lock().unwrap().len() }).await;
    stop.cancel();
    running.await.unwrap();
    assert_eq!(history(&stack, "fifo").await, ["2"]);
    assert_eq!(stack.messages(), 1, "the failed message stays in the queue");
}
