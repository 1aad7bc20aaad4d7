//! Operations on queues.

use aws_sdk_sqs::types::QueueAttributeName as Queue;
use domain_events_local::sqs::{Queues, queue_arn, queue_url};
use std::collections::HashMap;

use super::Endpoint;

#[tokio::test]
async fn missing_queue_is_a_modelled_error_everywhere() {
    let local = Endpoint::memory().await;
    let url = queue_url(local.address, "none");
    let client = &local.client;
    let send = client
        .send_message()
        .queue_url(&url)
        .message_body("x")
        .send()
        .await;
    assert!(
        send.unwrap_err()
            .into_service_error()
            .is_queue_does_not_exist()
    );
    let receive = client.receive_message().queue_url(&url).send().await;
    assert!(
        receive
            .unwrap_err()
            .into_service_error()
            .is_queue_does_not_exist()
    );
    let find = client.get_queue_url().queue_name("none").send().await;
    assert!(
        find.unwrap_err()
            .into_service_error()
            .is_queue_does_not_exist()
    );
    let delete = client.delete_queue().queue_url(&url).send().await;
    assert!(
        delete
            .unwrap_err()
            .into_service_error()
            .is_queue_does_not_exist()
    );
    let purge = client.purge_queue().queue_url(&url).send().await;
    assert!(
        purge
            .unwrap_err()
            .into_service_error()
            .is_queue_does_not_exist()
    );
}

#[tokio::test]
async fn queue_life_cycle_works() {
    let local = Endpoint::memory().await;
    let url = local.queue("orders", &[(Queue::DelaySeconds, "0")]).await;
    assert_eq!(url, queue_url(local.address, "orders"));
    assert_eq!(local.queue("orders", &[]).await, url);
    let client = &local.client;
    let conflict = client.create_queue().queue_name("orders");
    let conflict = conflict.attributes(Queue::DelaySeconds, "9").send().await;
    assert!(
        conflict
            .unwrap_err()
            .into_service_error()
            .is_queue_name_exists()
    );

    for name in ["a-1", "a-2", "a-3"] {
        local.queue(name, &[]).await;
    }
    let pages = client
        .list_queues()
        .queue_name_prefix("a-")
        .into_paginator()
        .page_size(2);
    let listed: Result<Vec<_>, _> = pages.items().send().collect().await;
    assert_eq!(listed.unwrap().len(), 3);

    let request = client.set_queue_attributes().queue_url(&url);
    request
        .attributes(Queue::VisibilityTimeout, "77")
        .send()
        .await
        .unwrap();
    assert_eq!(local.attribute(&url, Queue::VisibilityTimeout).await, "77");
    assert_eq!(
        local.attribute(&url, Queue::QueueArn).await,
        queue_arn("orders")
    );

    client
        .tag_queue()
        .queue_url(&url)
        .tags("team", "a")
        .tags("x", "y")
        .send()
        .await
        .unwrap();
    client
        .untag_queue()
        .queue_url(&url)
        .tag_keys("x")
        .send()
        .await
        .unwrap();
    let tags = client
        .list_queue_tags()
        .queue_url(&url)
        .send()
        .await
        .unwrap()
        .tags
        .unwrap();
    assert_eq!(tags, HashMap::from([("team".to_owned(), "a".to_owned())]));

    local.send(&url, "x").await;
    client.purge_queue().queue_url(&url).send().await.unwrap();
    assert!(local.receive(&url, 30, 0).await.is_empty());
    let again = client.purge_queue().queue_url(&url).send().await;
    assert!(
        again
            .unwrap_err()
            .into_service_error()
            .is_purge_queue_in_progress()
    );

    client.delete_queue().queue_url(&url).send().await.unwrap();
    let again = client.create_queue().queue_name("orders").send().await;
    assert!(
        again
            .unwrap_err()
            .into_service_error()
            .is_queue_deleted_recently()
    );
}

#[tokio::test]
async fn queue_url_host_is_ignored() {
    let local = Endpoint::memory().await;
    local.queue("q", &[]).await;
    for url in [
        "http://localhost:1/000000000000/q",
        "https://sqs.eu-west-1.amazonaws.com/1/q",
    ] {
        local.send(url, "x").await;
    }
}

#[tokio::test]
async fn queue_created_in_rust_is_visible_to_clients() {
    let queues = Queues::memory();
    queues
        .create("orders.fifo", [("VisibilityTimeout", "5")])
        .await
        .unwrap();
    let local = Endpoint::start(queues).await;
    let request = local.client.get_queue_url().queue_name("orders.fifo");
    let url = request.send().await.unwrap().queue_url.unwrap();
    assert_eq!(local.attribute(&url, Queue::FifoQueue).await, "true");
    assert_eq!(local.attribute(&url, Queue::VisibilityTimeout).await, "5");
}
