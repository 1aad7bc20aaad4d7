//! Runs the service of `service.rs` as a process, and sends requests to it.

#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used)]

use std::process::Stdio;
use std::time::Duration;

use domain_events_local::{Options, Stack};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::process::Command;
use tokio::time::timeout;

/// Sends one request, and returns the status and the body.
async fn request(address: &str, head: &str, body: &str) -> (u16, String) {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let request = format!(
        "{head}\r\nhost: localhost\r\nconnection: close\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut response = String::new();
    stream.read_to_string(&mut response).await.unwrap();
    let (head, body) = response.split_once("\r\n\r\n").unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    (status, body.to_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn order_is_stored_on_behalf_of_the_user() {
    let stack = Stack::start(Options::default()).await.unwrap();
    let mut service = Command::new(env!("CARGO_BIN_EXE_service"))
        .envs(stack.environment())
        .env("EVENT_EMITTER_ID", "shop")
        .env("ADDRESS", "127.0.0.1:0")
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut output = BufReader::new(service.stdout.take().unwrap()).lines();
    let line = output.next_line().await.unwrap().unwrap();
    let address = line.strip_prefix("listening on http://").unwrap();

    let (status, _) = request(address, "POST /orders HTTP/1.1", r#"{"cents":1}"#).await;
    assert_eq!(status, 401, "a request without a signed-in user");
    let head = "POST /orders HTTP/1.1\r\nx-user: u-42\r\nx-request-id: request-1";
    let (status, order) = request(address, head, r#"{"cents":4990}"#).await;
    assert_eq!((status, &*order), (201, "order-1"));

    stack.wait_until_drained().await;
    let events = stack.events().await.unwrap();
    assert_eq!(events.len(), 1);
    assert_eq!(events[0].emitter().id(), "u-42");
    assert_eq!(events[0].correlation_id().unwrap(), "request-1");
    let (status, history) = request(address, "GET /orders/order-1/history HTTP/1.1", "").await;
    assert_eq!(status, 200);
    assert!(history.contains("ORDER_PLACED by USER u-42"), "{history}");

    // A container receives SIGTERM when it is stopped.
    let id = service.id().unwrap().to_string();
    let killed = Command::new("kill").args(["-TERM", &id]).status().await;
    assert!(killed.unwrap().success());
    let status = timeout(Duration::from_secs(20), service.wait()).await;
    assert!(status.unwrap().unwrap().success());
    let last = output.next_line().await.unwrap().unwrap();
    assert_eq!(last, "accepted 1, not sent 0");
    stack.stop().await;
}
