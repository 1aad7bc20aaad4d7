//! The server: protocol, shutdown, restart.

use aws_sdk_sqs::types::QueueAttributeName as Queue;
use domain_events_local::sqs::{Queues, queue_url};
use std::net::SocketAddr;
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::{Endpoint, bodies, pause};

#[tokio::test]
async fn shutdown_ends_long_polls_at_once() {
    let mut local = Endpoint::memory().await;
    let url = local.queue("q", &[]).await;
    let stop = local.stop.take().unwrap();
    let started = Instant::now();
    let (received, ()) = tokio::join!(local.receive(&url, 30, 20), async {
        pause(100).await;
        stop.send(()).unwrap();
    });
    assert!(received.is_empty());
    local.server.await.unwrap().unwrap();
    assert!(started.elapsed() < Duration::from_secs(2));
}

#[tokio::test]
async fn stored_queue_survives_a_restart() {
    let path = std::env::temp_dir().join(format!("sqs-endpoint-{}.sqlite", std::process::id()));
    let _ = std::fs::remove_file(&path);
    let handle = {
        let mut local = Endpoint::start(Queues::open(&path).unwrap()).await;
        let url = local.queue("q", &[]).await;
        local.send(&url, "taken").await;
        let taken = local.receive(&url, 60, 0).await.remove(0);
        local.send(&url, "waiting").await;
        local.stop.take().unwrap().send(()).unwrap();
        local.server.await.unwrap().unwrap();
        taken.receipt_handle.unwrap()
    };
    let local = Endpoint::start(Queues::open(&path).unwrap()).await;
    let url = queue_url(local.address, "q");
    assert_eq!(bodies(&local.receive(&url, 60, 0).await), ["waiting"]);
    let request = local
        .client
        .delete_message()
        .queue_url(&url)
        .receipt_handle(handle);
    request.send().await.unwrap();
    assert_eq!(
        local
            .attribute(&url, Queue::ApproximateNumberOfMessagesNotVisible)
            .await,
        "1"
    );
    std::fs::remove_file(&path).unwrap();
}

#[tokio::test]
async fn malformed_requests_get_protocol_errors() {
    let local = Endpoint::memory().await;
    let huge = "x".repeat(9 * 1_024 * 1_024);
    for (target, body, status, error) in [
        (
            "AmazonSQS.SendMessage",
            "{",
            "400",
            "SerializationException",
        ),
        (
            "AmazonSQS.SendMessage",
            "[]",
            "400",
            "SerializationException",
        ),
        ("AmazonSQS.SendMessage", "{}", "400", "MissingParameter"),
        ("AmazonSQS.Fly", "{}", "404", "UnknownOperationException"),
        (
            "DynamoDB_20120810.PutItem",
            "{}",
            "404",
            "UnknownOperationException",
        ),
        (
            "AmazonSQS.AddPermission",
            "{}",
            "400",
            "AWS.SimpleQueueService.UnsupportedOperation",
        ),
        (
            "AmazonSQS.SendMessage",
            &huge,
            "413",
            "RequestEntityTooLarge",
        ),
    ] {
        let response = post(local.address, target, body).await;
        assert!(
            response.starts_with(&format!("HTTP/1.1 {status} ")),
            "{target}: {response}"
        );
        let header = format!("x-amzn-query-error: {error};Sender\r\n");
        assert!(response.contains(&header), "{target}: {response}");
        assert!(response.contains("\"__type\":\""), "{target}: {response}");
    }
}

/// Sends one raw request and returns the response as text.
async fn post(address: SocketAddr, target: &str, body: &str) -> String {
    let mut connection = TcpStream::connect(address).await.unwrap();
    let length = body.len();
    let head = format!(
        "POST / HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\nx-amz-target: {target}\r\ncontent-length: {length}\r\n\r\n"
    );
    connection.write_all(head.as_bytes()).await.unwrap();
    let (mut reader, mut writer) = connection.into_split();
    // The server may respond to a body that is too long before it has read the whole body.
    let writing = async {
        let _ = writer.write_all(body.as_bytes()).await;
    };
    let reading = async {
        let mut response = Vec::new();
        let _ = reader.read_to_end(&mut response).await;
        String::from_utf8_lossy(&response).into_owned()
    };
    tokio::join!(writing, reading).1
}
