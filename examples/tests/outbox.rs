//! Runs the service of `outbox.rs` as a process.

#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used)]

use std::process::Stdio;
use std::time::Duration;

use domain_events_local::{Options, Stack};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpStream;
use tokio::process::Command;

/// Sends a request, and returns the status and the body of the response.
async fn request(address: &str, request: &str) -> (u16, String) {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut response = String::new();
    stream.read_to_string(&mut response).await.unwrap();
    let (head, body) = response.split_once("\r\n\r\n").unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    (status, body.to_owned())
}

fn post(path: &str, header: &str, body: &str) -> String {
    let length = body.len();
    format!(
        "POST {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{header}\r\n\
         Content-Length: {length}\r\n\r\n{body}"
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn concurrent_payments_emit_one_event() {
    let stack = Stack::start(Options::default()).await.unwrap();
    let folder = std::env::temp_dir().join(format!("outbox-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let mut service = Command::new(env!("CARGO_BIN_EXE_outbox"))
        .envs(stack.environment())
        .env("EVENT_EMITTER_ID", "shop")
        .env("ADDRESS", "127.0.0.1:0")
        .env(
            "DATABASE_URL",
            format!("sqlite:{}/orders.db?mode=rwc", folder.display()),
        )
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(service.stdout.take().unwrap()).lines();
    let first = lines.next_line().await.unwrap().unwrap();
    let address = first.strip_prefix("listening on http://").unwrap();

    let json = "Content-Type: application/json";
    let order = post("/orders/order-1", json, r#"{"cents":4990}"#);
    assert_eq!(request(address, &order).await.0, 200);
    assert_eq!(
        request(address, &order).await.0,
        409,
        "the order exists already"
    );
    let payment = post("/orders/order-1/payment", "If-Match: 1", "");
    let payments = (0..4).map(|_| request(address, &payment));
    let mut statuses: Vec<u16> = futures::future::join_all(payments)
        .await
        .into_iter()
        .map(|(status, _)| status)
        .collect();
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 409, 409, 409]);

    let both = async {
        while stack.events().await.unwrap().len() < 2 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), both)
        .await
        .unwrap();
    let id = service.id().unwrap().to_string();
    let kill = std::process::Command::new("kill")
        .args(["-TERM", &id])
        .status();
    assert!(kill.unwrap().success());
    let last = lines.next_line().await.unwrap().unwrap();
    assert!(last.starts_with("the relay sent 2 events"), "{last}");
    assert!(service.wait().await.unwrap().success());
    let events = stack.events().await.unwrap();
    let types: Vec<_> = events.iter().map(|e| e.event_type().as_str()).collect();
    assert_eq!(types, ["ORDER_PLACED", "ORDER_PAID"]);
    std::fs::remove_dir_all(folder).unwrap();
}
