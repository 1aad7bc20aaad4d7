//! The worker, and the command that runs it.

use std::time::Duration;

use domain_events::EventStore;
use domain_events_consumer::hosts::worker::Worker;
use domain_events_consumer::{DeadLetterQueue, Handler};
use domain_events_local::{Options, Stack};
use tokio_util::sync::CancellationToken;

use crate::support::proxy::{Fault, Proxy, Request};
use crate::support::{body, dead_letters, endpoints, history};

async fn send(stack: &Stack, body: &str) {
    stack
        .sqs_client()
        .send_message()
        .queue_url(stack.queue_url())
        .message_body(body)
        .send()
        .await
        .unwrap();
}

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
async fn a_slow_batch_stays_hidden_from_other_pollers() {
    let stack = endpoints().await;
    let slow = |_: &mut Request| Fault::Delay(Duration::from_secs(3));
    let proxy = Proxy::start(&stack.dynamodb_endpoint(), slow).await;
    let client = stack.dynamodb_client();
    let config = client.config().to_builder().endpoint_url(proxy.url());
    let store = EventStore::new(
        aws_sdk_dynamodb::Client::from_conf(config.build()),
        stack.table(),
    );
    let dead_letters = DeadLetterQueue::new(stack.sqs_client(), stack.dead_letter_queue_url());
    let worker = Worker::new(
        stack.sqs_client(),
        stack.queue_url(),
        Handler::new(store, dead_letters),
    );
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
        "another poller took the message as well"
    );
}

/// A worker on a stack's queue, whose requests to SQS go through a proxy.
fn worker_behind(proxy: &Proxy, stack: &Stack) -> Worker {
    let client = stack.sqs_client();
    let config = client.config().to_builder().endpoint_url(proxy.url());
    let client = aws_sdk_sqs::Client::from_conf(config.build());
    let worker = Worker::new(client, stack.queue_url(), stack.handler());
    worker
        .with_long_poll(Duration::from_secs(1))
        .with_visibility_timeout(Duration::from_secs(2))
}

#[tokio::test]
async fn a_poll_whose_connection_is_gone_does_not_wait_for_ever() {
    let stack = endpoints().await;
    let hang_once = |request: &mut Request| match request.number {
        0 => Fault::Delay(Duration::from_secs(3600)),
        _ => Fault::None,
    };
    let proxy = Proxy::start(&stack.sqs_endpoint(), hang_once).await;
    let stop = CancellationToken::new();
    let running = tokio::spawn(worker_behind(&proxy, &stack).run(1, stop.clone()));
    send(&stack, &body("hang", "1")).await;
    let drained = tokio::time::timeout(Duration::from_secs(60), stack.wait_until_drained());
    drained.await.expect("the poller goes on");
    stop.cancel();
    running.await.unwrap();
}

#[tokio::test]
async fn a_message_that_was_received_without_its_id_is_not_taken_for_done() {
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
    let running = tokio::spawn(worker_behind(&proxy, &stack).run(1, stop.clone()));
    let drained = tokio::time::timeout(Duration::from_secs(60), stack.wait_until_drained());
    drained.await.expect("it comes again");
    assert_eq!(history(&stack, "no-id").await, ["1"]);
    stop.cancel();
    running.await.unwrap();
}

#[tokio::test]
async fn data_in_a_folder_survives_a_restart() {
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
