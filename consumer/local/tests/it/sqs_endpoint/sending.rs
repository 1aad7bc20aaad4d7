//! Sending messages: limits, batches and checksums.

use aws_sdk_sqs::primitives::Blob;
use aws_sdk_sqs::types::{
    MessageAttributeValue, MessageSystemAttributeName as System,
    MessageSystemAttributeNameForSends, MessageSystemAttributeValue, QueueAttributeName as Queue,
    SendMessageBatchRequestEntry,
};
use std::collections::HashMap;

use super::{Endpoint, bodies, code, entry, system, text};

#[tokio::test]
async fn message_is_received_as_sent() {
    let local = Endpoint::memory().await;
    let url = local.queue("q", &[]).await;
    let body = "h\u{e9}llo <&> \u{1F980} \n\t\r \"end\"";
    let binary = MessageAttributeValue::builder().data_type("Binary");
    let attributes = HashMap::from([
        ("text".to_owned(), text("String.json", "{}")),
        ("number".to_owned(), text("Number", "42")),
        (
            "bytes".to_owned(),
            binary.binary_value(Blob::new([0, 1, 255])).build().unwrap(),
        ),
    ]);
    let trace = MessageSystemAttributeValue::builder()
        .data_type("String")
        .string_value("Root=1");
    let request = local
        .client
        .send_message()
        .queue_url(&url)
        .message_body(body);
    let request = request.set_message_attributes(Some(attributes.clone()));
    let trace_header = MessageSystemAttributeNameForSends::AwsTraceHeader;
    let request = request.message_system_attributes(trace_header, trace.build().unwrap());
    let sent = request.send().await.unwrap();

    let received = local.receive(&url, 30, 0).await;
    let message = &received[0];
    assert_eq!(message.body(), Some(body));
    assert_eq!(message.message_attributes(), Some(&attributes));
    assert_eq!(message.message_id(), sent.message_id());
    assert_eq!(message.md5_of_body(), sent.md5_of_message_body());
    assert_eq!(
        message.md5_of_message_attributes(),
        sent.md5_of_message_attributes()
    );
    assert_eq!(system(message, &System::AwsTraceHeader), "Root=1");
    assert_eq!(system(message, &System::ApproximateReceiveCount), "1");
    assert!(
        system(message, &System::SentTimestamp)
            .parse::<u64>()
            .unwrap()
            > 1_600_000_000_000
    );
}

#[tokio::test]
async fn checksums_are_those_of_sqs() {
    let local = Endpoint::memory().await;
    let url = local.queue("q", &[]).await;
    let request = local
        .client
        .send_message()
        .queue_url(&url)
        .message_body("hello");
    let sent = request
        .message_attributes("k", text("String", "v"))
        .send()
        .await
        .unwrap();
    assert_eq!(
        sent.md5_of_message_body(),
        Some("5d41402abc4b2a76b9719d911017c592")
    );
    // MD5 of 00000001 "k" 00000006 "String" 01 00000001 "v".
    let expected = "0a77b0642718c3d9dd47090567d11e0d";
    assert_eq!(sent.md5_of_message_attributes(), Some(expected));
}

#[tokio::test]
async fn invalid_messages_are_refused() {
    let local = Endpoint::memory().await;
    let url = local.queue("q", &[]).await;
    let fifo = local.queue("q.fifo", &[]).await;
    let send = |url: &str, body: &str| {
        local
            .client
            .send_message()
            .queue_url(url)
            .message_body(body)
    };
    let long = "x".repeat(1_048_577);
    let many = (0..11)
        .map(|n| (format!("k{n}"), text("String", "1")))
        .collect();
    for (case, request, expected) in [
        ("no body", send(&url, ""), "MissingParameter"),
        (
            "illegal characters",
            send(&url, "a\u{1}"),
            "InvalidMessageContents",
        ),
        ("over 1 MiB", send(&url, &long), "InvalidParameterValue"),
        (
            "over 1 MiB with attributes",
            send(&url, &long[..1_048_570]).message_attributes("k", text("String", "v")),
            "InvalidParameterValue",
        ),
        (
            "eleven attributes",
            send(&url, "x").set_message_attributes(Some(many)),
            "InvalidParameterValue",
        ),
        (
            "an empty attribute",
            send(&url, "x").message_attributes("k", text("String", "")),
            "InvalidParameterValue",
        ),
        (
            "a long delay",
            send(&url, "x").delay_seconds(901),
            "InvalidParameterValue",
        ),
        (
            "a deduplication id on standard",
            send(&url, "x").message_deduplication_id("d"),
            "InvalidParameterValue",
        ),
        (
            "no group on fifo",
            send(&fifo, "x").message_deduplication_id("d"),
            "MissingParameter",
        ),
        (
            "no deduplication id on fifo",
            send(&fifo, "x").message_group_id("g"),
            "InvalidParameterValue",
        ),
        (
            "a long group id",
            send(&url, "x").message_group_id("g".repeat(129)),
            "InvalidParameterValue",
        ),
        (
            "a delay on fifo",
            send(&fifo, "x")
                .message_group_id("g")
                .message_deduplication_id("d")
                .delay_seconds(1),
            "InvalidParameterValue",
        ),
    ] {
        assert_eq!(code(request.send().await), expected, "{case}");
    }
    send(&url, &long[1..]).send().await.unwrap();
}

#[tokio::test]
async fn invalid_batches_are_refused_as_a_whole() {
    let local = Endpoint::memory().await;
    let url = local.queue("q", &[]).await;
    let eleven = (0..11).map(|n| entry(&n.to_string(), "x")).collect();
    let heavy = (0..5)
        .map(|n| entry(&n.to_string(), "x".repeat(220_000)))
        .collect();
    for (entries, expected) in [
        (vec![], "AWS.SimpleQueueService.EmptyBatchRequest"),
        (
            eleven,
            "AWS.SimpleQueueService.TooManyEntriesInBatchRequest",
        ),
        (heavy, "AWS.SimpleQueueService.BatchRequestTooLong"),
        (
            vec![entry("a", "x"), entry("a", "y")],
            "AWS.SimpleQueueService.BatchEntryIdsNotDistinct",
        ),
        (
            vec![entry("a#1", "x")],
            "AWS.SimpleQueueService.InvalidBatchEntryId",
        ),
    ] {
        let request = local.client.send_message_batch().queue_url(&url);
        assert_eq!(
            code(request.set_entries(Some(entries)).send().await),
            expected
        );
    }
    assert_eq!(
        local
            .attribute(&url, Queue::ApproximateNumberOfMessages)
            .await,
        "0"
    );
}

#[tokio::test]
async fn valid_entries_are_sent_if_others_fail() {
    let local = Endpoint::memory().await;
    let url = local
        .queue("q", &[(Queue::MaximumMessageSize, "1024")])
        .await;
    let late = SendMessageBatchRequestEntry::builder()
        .id("late")
        .message_body("x");
    let request = local.client.send_message_batch().queue_url(&url);
    let request = request
        .entries(entry("big", "x".repeat(1_025)))
        .entries(entry("good", "good"))
        .entries(entry("binary", "\u{FFFF}"))
        .entries(late.delay_seconds(901).build().unwrap());
    let outcome = request.send().await.unwrap();
    assert_eq!(outcome.successful()[0].id(), "good");
    let failed: Vec<_> = outcome
        .failed()
        .iter()
        .map(|f| (f.id(), f.code()))
        .collect();
    assert_eq!(
        failed,
        [
            ("big", "InvalidParameterValue"),
            ("binary", "InvalidMessageContents"),
            ("late", "InvalidParameterValue"),
        ]
    );
    assert!(outcome.failed().iter().all(|failed| failed.sender_fault()));
    assert_eq!(bodies(&local.receive(&url, 30, 0).await), ["good"]);
}

#[tokio::test]
async fn group_on_standard_queue_does_not_block() {
    let local = Endpoint::memory().await;
    let url = local.queue("q", &[]).await;
    for body in ["1", "2"] {
        let request = local
            .client
            .send_message()
            .queue_url(&url)
            .message_body(body);
        request.message_group_id("tenant").send().await.unwrap();
        let received = local.receive(&url, 30, 0).await;
        assert_eq!(bodies(&received), [body]);
        assert_eq!(system(&received[0], &System::MessageGroupId), "tenant");
    }
}
