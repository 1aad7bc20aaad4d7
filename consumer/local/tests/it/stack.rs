//! Tests of the embedded stack as a tool for the tests of services.

use std::num::NonZeroU16;
use std::time::{Duration, Instant};

use domain_events::{DomainEvent, Emitter, EventType, Sdk};
use domain_events_local::{Options, Stack};
use futures::TryStreamExt as _;
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::support::Folder;

#[derive(Debug, PartialEq, Serialize, Deserialize, DomainEvent)]
struct OrderPlaced {
    #[event(id)]
    order_id: u64,
}

async fn sdk(stack: &Stack) -> Sdk {
    let emitter = Emitter::system("shop").unwrap();
    let sdk = Sdk::builder(stack.queue_url(), emitter).sqs_client(stack.sqs_client());
    sdk.build().await.unwrap()
}

async fn drained(stack: &Stack) {
    tokio::time::timeout(Duration::from_secs(20), stack.wait_until_drained())
        .await
        .unwrap();
}

#[tokio::test]
async fn events_are_returned_in_time_order() {
    let stack = Stack::start(Options::default()).await.unwrap();
    let sdk = sdk(&stack).await;
    for order_id in [3, 1, 2] {
        sdk.emit(OrderPlaced { order_id }).await.unwrap();
    }
    drained(&stack).await;
    let events = stack.events().await.unwrap();
    let ids: Vec<&str> = events.iter().map(|e| e.entity_id().as_str()).collect();
    assert_eq!(ids, ["3", "1", "2"]);
    assert!(events.iter().all(|event| event.stored_at().is_some()));
}

#[tokio::test]
async fn index_by_type_is_on_by_default() {
    let stack = Stack::start(Options::default()).await.unwrap();
    sdk(&stack)
        .await
        .emit(OrderPlaced { order_id: 7 })
        .await
        .unwrap();
    drained(&stack).await;
    let event_type = EventType::from_static("ORDER_PLACED");
    let events = stack.store().by_type(&event_type).unwrap();
    let events: Vec<_> = events.try_collect().await.unwrap();
    assert_eq!(events.len(), 1);
    let shards = ("EVENT_INDEX_SHARDS", "1".to_owned());
    assert!(stack.environment().contains(&shards));
}

#[tokio::test]
async fn index_shards_are_an_option() {
    let start = |index_shards| {
        Stack::start(Options {
            index_shards,
            ..Options::default()
        })
    };
    let stack = start(NonZeroU16::new(3)).await.unwrap();
    let shards = ("EVENT_INDEX_SHARDS", "3".to_owned());
    assert!(stack.environment().contains(&shards));
    let stack = start(None).await.unwrap();
    let names = stack.environment();
    assert!(names.iter().all(|(name, _)| *name != "EVENT_INDEX_SHARDS"));
    let event_type = EventType::from_static("ORDER_PLACED");
    assert!(stack.store().by_type(&event_type).is_err());
}

#[tokio::test]
async fn retention_sets_the_expiry_of_events() {
    let stack = Stack::start(Options {
        retention: "ORDER_PLACED=30d".parse().unwrap(),
        ..Options::default()
    })
    .await
    .unwrap();
    sdk(&stack)
        .await
        .emit(OrderPlaced { order_id: 7 })
        .await
        .unwrap();
    drained(&stack).await;
    assert!(stack.events().await.unwrap()[0].expires_at().is_some());
}

#[tokio::test]
async fn sqs_outage_ends_with_its_guard() {
    let stack = Stack::start(Options::default()).await.unwrap();
    let client = stack.sqs_client();
    let config = client
        .config()
        .to_builder()
        .retry_config(aws_sdk_sqs::config::retry::RetryConfig::disabled())
        .build();
    let client = aws_sdk_sqs::Client::from_conf(config);
    let sdk = sdk(&stack).await;
    let outage = stack.outage();
    let second = stack.outage();
    let error = client.list_queues().send().await.unwrap_err();
    assert_eq!(error.raw_response().unwrap().status().as_u16(), 503);
    outage.end();
    assert!(client.list_queues().send().await.is_err());
    drop(second);
    client.list_queues().send().await.unwrap();
    // After the outage, the worker continues at once.
    sdk.emit(OrderPlaced { order_id: 7 }).await.unwrap();
    drained(&stack).await;
    assert_eq!(stack.events().await.unwrap().len(), 1);
}

#[tokio::test]
async fn dynamodb_outage_ends_with_its_guard() {
    let stack = Stack::start(Options {
        pollers: 0,
        ..Options::default()
    })
    .await
    .unwrap();
    let outage = stack.dynamodb_outage();
    assert!(stack.events().await.is_err());
    let tables = stack.dynamodb_client().list_tables().send().await;
    assert_eq!(
        tables
            .unwrap_err()
            .raw_response()
            .unwrap()
            .status()
            .as_u16(),
        503
    );
    outage.end();
    stack.dynamodb_client().list_tables().send().await.unwrap();
    assert_eq!(stack.events().await.unwrap(), []);
}

#[tokio::test]
async fn forty_stacks_run_at_the_same_time() {
    let one = async |order_id: u64| {
        let stack = Stack::start(Options::default()).await.unwrap();
        let sdk = sdk(&stack).await;
        sdk.emit(OrderPlaced { order_id }).await.unwrap();
        drained(&stack).await;
        let events = stack.events().await.unwrap();
        assert_eq!(events.len(), 1);
        let event = events[0].decode::<OrderPlaced>().unwrap();
        assert_eq!(event, Some(OrderPlaced { order_id }));
        stack.stop().await;
    };
    futures::future::join_all((0..40).map(one)).await;
}

/// Prints how long a start takes: `cargo test -- start_is_fast --nocapture --ignored`.
#[tokio::test]
#[ignore = "a measurement, not a test"]
#[allow(clippy::print_stderr, reason = "it prints its result")]
async fn start_time_is_measured() {
    let mut times = Vec::new();
    for _ in 0..20 {
        let start = Instant::now();
        let stack = Stack::start(Options::default()).await.unwrap();
        times.push(start.elapsed());
        drop(stack);
    }
    times.sort();
    eprintln!("first to last of 20 starts: {times:?}");
}

async fn request(endpoint: &str, head: &str) -> String {
    let address = endpoint.strip_prefix("http://").unwrap();
    let mut connection = TcpStream::connect(address).await.unwrap();
    let request = format!("{head}connection: close\r\ncontent-length: 0\r\n\r\n");
    connection.write_all(request.as_bytes()).await.unwrap();
    let mut response = String::new();
    connection.read_to_string(&mut response).await.unwrap();
    response
}

#[tokio::test]
async fn requests_from_other_sites_are_refused() {
    let stack = Stack::start(Options {
        page_port: Some(0),
        ..Options::default()
    })
    .await
    .unwrap();
    let page = stack.page().unwrap().to_owned();
    for endpoint in [stack.sqs_endpoint(), stack.dynamodb_endpoint(), page] {
        for (headers, refused) in [
            ("host: evil.example\r\n", true),
            ("host: evil.example:9324\r\n", true),
            ("host: localhost\r\norigin: http://evil.example\r\n", true),
            ("host: localhost\r\norigin: null\r\n", true),
            (
                "host: localhost\r\norigin: http://localhost:3000\r\n",
                false,
            ),
            ("host: 127.0.0.1:9324\r\n", false),
            ("host: [::1]:9324\r\n", false),
        ] {
            let response = request(&endpoint, &format!("POST / HTTP/1.1\r\n{headers}")).await;
            let is_refused = response.starts_with("HTTP/1.1 403 ");
            assert_eq!(is_refused, refused, "{endpoint} {headers} {response}");
        }
    }
}

#[tokio::test]
async fn other_hosts_are_accepted_on_request() {
    let stack = Stack::start(Options {
        any_host_header: true,
        advertise: Some("queue.internal".to_owned()),
        ..Options::default()
    })
    .await
    .unwrap();
    let port = stack.sqs_endpoint().rsplit_once(':').unwrap().1.to_owned();
    let start = format!("http://queue.internal:{port}/");
    assert!(stack.queue_url().starts_with(&start));
    // The clients of the stack do not use the advertised name.
    let url = stack
        .sqs_client()
        .get_queue_url()
        .queue_name("events")
        .send();
    assert!(url.await.unwrap().queue_url.unwrap().starts_with(&start));
    for endpoint in [
        format!("http://127.0.0.1:{port}"),
        stack
            .dynamodb_endpoint()
            .replace("queue.internal", "127.0.0.1"),
    ] {
        let response = request(&endpoint, "POST / HTTP/1.1\r\nhost: queue.internal\r\n").await;
        assert!(!response.starts_with("HTTP/1.1 403 "), "{response}");
    }
}

#[cfg(unix)]
#[tokio::test]
async fn data_is_readable_by_its_owner_only() {
    use std::os::unix::fs::PermissionsExt as _;
    let parent = Folder::new();
    let folder = parent.path().join("data");
    let stack = Stack::start(Options {
        data: Some(folder.clone()),
        ..Options::default()
    })
    .await
    .unwrap();
    sdk(&stack)
        .await
        .emit(OrderPlaced { order_id: 7 })
        .await
        .unwrap();
    drained(&stack).await;
    let mode = |path: &std::path::Path| path.metadata().unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&folder), 0o700);
    let mut files = 0;
    for file in std::fs::read_dir(&folder).unwrap() {
        let path = file.unwrap().path();
        assert_eq!(mode(&path), 0o600, "{}", path.display());
        files += 1;
    }
    assert!(files >= 2);
}

#[tokio::test]
async fn restart_with_data_logs_no_warning() {
    let folder = Folder::new();
    let warnings = crate::support::Warnings::collect();
    for start in 0..2 {
        let stack = Stack::start(Options {
            data: Some(folder.path().to_owned()),
            ..Options::default()
        })
        .await
        .unwrap();
        sdk(&stack)
            .await
            .emit(OrderPlaced { order_id: start })
            .await
            .unwrap();
        drained(&stack).await;
        let count = stack.events().await.unwrap().len();
        assert_eq!(count as u64, start + 1);
        stack.stop().await;
    }
    assert_eq!(warnings.lines(), Vec::<String>::new());
}
