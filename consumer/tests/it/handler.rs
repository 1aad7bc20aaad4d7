//! The handler, called in this process, on real endpoints.

use domain_events::EventStore;
use domain_events_consumer::{DeadLetterQueue, Handler};

use crate::support::{body, dead_letters, endpoints, history, record};

#[tokio::test]
async fn two_events_of_one_entity_at_one_moment_are_both_kept() {
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
async fn one_message_twice_in_a_batch_is_stored_once() {
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
async fn a_rejected_message_is_failed_while_the_dead_letter_queue_is_missing() {
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
async fn with_the_table_missing_everything_is_failed_and_nothing_rejected() {
    let stack = endpoints().await;
    let store = EventStore::new(stack.dynamodb_client(), "no-such-table");
    let handler = Handler::new(
        store,
        DeadLetterQueue::new(stack.sqs_client(), stack.dead_letter_queue_url()),
    );
    let report = handler.handle(&[record("m", body("g", "1"))], None).await;
    assert_eq!(report.failed, ["m"]);
    assert_eq!(dead_letters(&stack).await, []);
}

#[tokio::test]
async fn a_thousand_events_take_forty_requests() {
    let stack = endpoints().await;
    let proxy = crate::support::proxy::Proxy::start(&stack.dynamodb_endpoint(), |_| {
        crate::support::proxy::Fault::None
    })
    .await;
    let config = stack
        .dynamodb_client()
        .config()
        .to_builder()
        .endpoint_url(proxy.url())
        .build();
    let store = EventStore::new(aws_sdk_dynamodb::Client::from_conf(config), stack.table());
    let handler = Handler::new(
        store,
        DeadLetterQueue::new(stack.sqs_client(), stack.dead_letter_queue_url()),
    );
    let batch: Vec<_> = (0..1000)
        .map(|i| record(&format!("m{i}"), body(&format!("e{i}"), "1")))
        .collect();
    let report = handler.handle(&batch, None).await;
    assert_eq!(report.metrics.verdicts(), [1000, 0, 0, 0]);
    assert_eq!(proxy.requests(), 40);
}

#[tokio::test]
async fn a_rejected_message_that_leaves_no_room_for_the_reason_is_moved_without_it() {
    let stack = endpoints().await;
    for (size, told) in [(1_048_576, 0), (1_048_576 - 80, 2), (1_048_576 - 1024, 3)] {
        let huge = "x".repeat(size);
        let record = record("m", huge.clone());
        let report = stack.handler().handle(&[record], None).await;
        assert_eq!(report.failed, [""; 0]);
        let letters = dead_letters(&stack).await;
        let [(body, attributes)] = &letters[..] else {
            panic!("{} letters", letters.len());
        };
        assert_eq!((body.len(), attributes.len()), (size, told));
    }
}
