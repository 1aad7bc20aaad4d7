//! FIFO queues.

use aws_sdk_sqs::types::{MessageSystemAttributeName as System, QueueAttributeName as Queue};

use super::{Endpoint, bodies, code, system};

#[tokio::test]
async fn fifo_group_in_flight_is_blocked() {
    let local = Endpoint::memory().await;
    let url = local.queue("q.fifo", &[]).await;
    let mut sequence = String::new();
    for (group, body) in [("a", "a1"), ("a", "a2"), ("b", "b1"), ("a", "a3")] {
        let (_, number) = local.send_to(&url, group, body).await;
        assert!(number > sequence);
        sequence = number;
    }
    let request = local.client.receive_message().queue_url(&url);
    let first = request
        .max_number_of_messages(2)
        .send()
        .await
        .unwrap()
        .messages
        .unwrap();
    assert_eq!(bodies(&first), ["a1", "a2"]);
    assert_eq!(bodies(&local.receive(&url, 30, 0).await), ["b1"]);
    local.delete(&url, &first[0]).await;
    assert!(local.receive(&url, 30, 0).await.is_empty());
    local.delete(&url, &first[1]).await;
    let last = local.receive(&url, 30, 0).await;
    assert_eq!(bodies(&last), ["a3"]);
    assert_eq!(system(&last[0], &System::MessageGroupId), "a");
    assert_eq!(system(&last[0], &System::SequenceNumber), sequence);
}

#[tokio::test]
async fn duplicate_is_accepted_and_dropped() {
    let local = Endpoint::memory().await;
    let url = local.queue("q.fifo", &[]).await;
    let first = local.send_to(&url, "g", "x").await;
    let received = local.receive(&url, 30, 0).await;
    local.delete(&url, &received[0]).await;
    assert_eq!(local.send_to(&url, "g", "x").await, first);
    assert!(local.receive(&url, 30, 0).await.is_empty());
}

#[tokio::test]
async fn content_based_deduplication_uses_the_body() {
    let local = Endpoint::memory().await;
    let url = local
        .queue("q.fifo", &[(Queue::ContentBasedDeduplication, "true")])
        .await;
    for body in ["hello", "hello", "other"] {
        let request = local
            .client
            .send_message()
            .queue_url(&url)
            .message_body(body);
        request.message_group_id("g").send().await.unwrap();
    }
    let received = local.receive(&url, 30, 0).await;
    assert_eq!(bodies(&received), ["hello", "other"]);
    // SHA-256 of "hello".
    assert_eq!(
        system(&received[0], &System::MessageDeduplicationId),
        "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824"
    );
}

#[tokio::test]
async fn expired_handle_does_not_delete_on_fifo() {
    let local = Endpoint::memory().await;
    let url = local.queue("q.fifo", &[]).await;
    local.send_to(&url, "g", "x").await;
    let received = local.receive(&url, 0, 0).await;
    let request = local.client.delete_message().queue_url(&url);
    let request = request.receipt_handle(received[0].receipt_handle().unwrap());
    assert_eq!(code(request.send().await), "InvalidParameterValue");
}
