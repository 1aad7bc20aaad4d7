//! Receiving, long polls, deleting and visibility.

use aws_sdk_sqs::types::{
    ChangeMessageVisibilityBatchRequestEntry, DeleteMessageBatchRequestEntry,
    MessageSystemAttributeName as System, QueueAttributeName as Queue,
};
use std::collections::HashMap;
use std::time::{Duration, Instant};

use super::{Endpoint, code, entry, pause, system, text};

#[tokio::test]
async fn attributes_are_returned_only_on_request() {
    let local = Endpoint::memory().await;
    let url = local.queue("q", &[]).await;
    let mut request = local
        .client
        .send_message()
        .queue_url(&url)
        .message_body("x");
    for name in ["a.one", "a.two", "b"] {
        request = request.message_attributes(name, text("String", "1"));
    }
    request.send().await.unwrap();
    for (asked, count) in [
        (None, 0),
        (Some("a.*"), 2),
        (Some("b"), 1),
        (Some("All"), 3),
    ] {
        let request = local
            .client
            .receive_message()
            .queue_url(&url)
            .visibility_timeout(0);
        let names = asked.map(|name: &str| vec![name.to_owned()]);
        let received = request
            .set_message_attribute_names(names)
            .send()
            .await
            .unwrap();
        let attributes = received.messages()[0]
            .message_attributes()
            .map_or(0, HashMap::len);
        assert_eq!(attributes, count, "{asked:?}");
        assert!(received.messages()[0].attributes().is_none());
    }
}

#[tokio::test]
async fn long_poll_returns_a_new_message() {
    let local = Endpoint::memory().await;
    let url = local.queue("q", &[]).await;
    let send = async {
        pause(100).await;
        local.send(&url, "x").await;
        Instant::now()
    };
    let receive = async {
        let received = local.receive(&url, 30, 20).await;
        (received.len(), Instant::now())
    };
    let (sent, (count, received)) = tokio::join!(send, receive);
    assert_eq!(count, 1);
    assert!(received.saturating_duration_since(sent) < Duration::from_millis(100));
}

#[tokio::test]
async fn long_poll_returns_after_visibility_timeout() {
    let local = Endpoint::memory().await;
    let url = local.queue("q", &[]).await;
    local.send(&url, "x").await;
    local.receive(&url, 1, 0).await;
    let started = Instant::now();
    let again = local.receive(&url, 30, 20).await;
    assert_eq!(system(&again[0], &System::ApproximateReceiveCount), "2");
    assert!(started.elapsed() < Duration::from_millis(1_500));
}

#[tokio::test]
async fn long_poll_returns_a_released_message() {
    let local = Endpoint::memory().await;
    let url = local.queue("q", &[]).await;
    local.send(&url, "x").await;
    let taken = local.receive(&url, 30, 0).await;
    let give_back = async {
        pause(50).await;
        let request = local.client.change_message_visibility().queue_url(&url);
        let request = request.receipt_handle(taken[0].receipt_handle().unwrap());
        request.visibility_timeout(0).send().await.unwrap();
    };
    let ((), again) = tokio::join!(give_back, local.receive(&url, 30, 20));
    assert_eq!(again.len(), 1);
    assert_ne!(again[0].receipt_handle(), taken[0].receipt_handle());
}

#[tokio::test]
async fn long_poll_without_messages_ends_in_time() {
    let local = Endpoint::memory().await;
    let url = local
        .queue("q", &[(Queue::ReceiveMessageWaitTimeSeconds, "1")])
        .await;
    let started = Instant::now();
    let received = local
        .client
        .receive_message()
        .queue_url(&url)
        .send()
        .await
        .unwrap();
    assert!(received.messages().is_empty());
    assert!((900..1_500).contains(&started.elapsed().as_millis()));
}

#[tokio::test]
async fn out_of_range_receive_is_refused() {
    let local = Endpoint::memory().await;
    let url = local.queue("q", &[]).await;
    let receive = || local.client.receive_message().queue_url(&url);
    for request in [
        receive().max_number_of_messages(0),
        receive().max_number_of_messages(11),
        receive().wait_time_seconds(21),
        receive().visibility_timeout(43_201),
    ] {
        assert_eq!(code(request.send().await), "InvalidParameterValue");
    }
}

#[tokio::test]
async fn batch_delete_reports_each_bad_handle() {
    let local = Endpoint::memory().await;
    let url = local.queue("q", &[]).await;
    local.send(&url, "x").await;
    let good = local.receive(&url, 30, 0).await[0]
        .receipt_handle
        .clone()
        .unwrap();
    let hide = |id: &str, handle: &str| {
        let entry = ChangeMessageVisibilityBatchRequestEntry::builder().id(id);
        entry
            .receipt_handle(handle)
            .visibility_timeout(60)
            .build()
            .unwrap()
    };
    let request = local
        .client
        .change_message_visibility_batch()
        .queue_url(&url);
    let request = request
        .entries(hide("good", &good))
        .entries(hide("bad", "garbage"));
    let outcome = request.send().await.unwrap();
    assert_eq!(
        (outcome.successful()[0].id(), outcome.failed()[0].id()),
        ("good", "bad")
    );

    let delete = |id: &str, handle: &str| {
        let entry = DeleteMessageBatchRequestEntry::builder().id(id);
        entry.receipt_handle(handle).build().unwrap()
    };
    let request = local.client.delete_message_batch().queue_url(&url);
    let request = request
        .entries(delete("good", &good))
        .entries(delete("bad", "garbage"));
    let outcome = request.send().await.unwrap();
    assert_eq!(
        (outcome.successful()[0].id(), outcome.failed()[0].id()),
        ("good", "bad")
    );
    assert_eq!(outcome.failed()[0].code(), "ReceiptHandleIsInvalid");
    assert_eq!(
        local
            .attribute(&url, Queue::ApproximateNumberOfMessagesNotVisible)
            .await,
        "0"
    );
}

#[tokio::test]
async fn unusable_handles_have_modelled_errors() {
    let local = Endpoint::memory().await;
    let url = local.queue("q", &[]).await;
    let other = local.queue("other", &[]).await;
    local.send(&url, "x").await;
    let handle = local.receive(&url, 0, 0).await[0]
        .receipt_handle
        .clone()
        .unwrap();
    for (url, handle) in [(&url, "garbage"), (&other, handle.as_str())] {
        let request = local
            .client
            .delete_message()
            .queue_url(url)
            .receipt_handle(handle);
        let error = request.send().await.unwrap_err().into_service_error();
        assert!(error.is_receipt_handle_is_invalid());
    }
    let request = local.client.change_message_visibility().queue_url(&url);
    let request = request.receipt_handle(handle).visibility_timeout(5);
    let error = request.send().await.unwrap_err().into_service_error();
    assert!(error.is_message_not_inflight());
}

#[tokio::test]
async fn counts_are_kept_by_message_state() {
    let local = Endpoint::memory().await;
    let url = local.queue("q", &[]).await;
    local.send(&url, "taken").await;
    local.receive(&url, 30, 0).await;
    local.send(&url, "waiting").await;
    local.send(&url, "waiting").await;
    let request = local
        .client
        .send_message()
        .queue_url(&url)
        .message_body("later");
    request.delay_seconds(60).send().await.unwrap();
    for (name, count) in [
        (Queue::ApproximateNumberOfMessages, "2"),
        (Queue::ApproximateNumberOfMessagesNotVisible, "1"),
        (Queue::ApproximateNumberOfMessagesDelayed, "1"),
    ] {
        assert_eq!(local.attribute(&url, name).await, count);
    }
}

#[tokio::test]
async fn eight_consumers_receive_no_duplicates() {
    let local = Endpoint::memory().await;
    let url = local.queue("q", &[]).await;
    for batch in 0..30 {
        let entries = (0..10).map(|n| entry(&n.to_string(), (batch * 10 + n).to_string()));
        let request = local.client.send_message_batch().queue_url(&url);
        request
            .set_entries(Some(entries.collect()))
            .send()
            .await
            .unwrap();
    }
    let consumers = (0..8).map(|_| async {
        let mut seen = Vec::new();
        loop {
            let messages = local.receive(&url, 60, 0).await;
            if messages.is_empty() {
                return seen;
            }
            seen.extend(messages.into_iter().filter_map(|message| message.body));
        }
    });
    let mut seen = futures::future::join_all(consumers).await.concat();
    assert_eq!(seen.len(), 300);
    seen.sort();
    seen.dedup();
    assert_eq!(seen.len(), 300);
}
