//! Tests of the function with an implementation of the Lambda Runtime API and the embedded
//! stack.

#![forbid(unsafe_code)]
#![allow(
    clippy::unwrap_used,
    reason = "clippy exempts test functions, but not the functions that tests share"
)]

use std::process::Stdio;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use aws_sdk_dynamodb::types::TransactWriteItem;
use axum::Router;
use axum::http::StatusCode;
use axum::response::IntoResponse as _;
use axum::routing::{get, post};
use domain_events::{DomainEvent, Emitter, Prepared, Sdk};
use domain_events_local::{Options, Stack, create_outbox_table};
use domain_events_outbox::{DynamoDbOutbox, OutboxPut as _, OutboxRows as _};
use serde::Serialize;
use serde_json::{Value, json};
use tokio::io::AsyncReadExt as _;
use tokio::net::TcpListener;
use tokio::process::Command;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

const TABLE: &str = "orders-outbox";

#[derive(Serialize, DomainEvent)]
struct OrderPlaced {
    #[event(id)]
    order_id: u64,
}

struct Fixture {
    stack: Stack,
    sdk: Sdk,
    outbox: DynamoDbOutbox,
}

impl Fixture {
    async fn start() -> Self {
        let stack = Stack::start(Options::default()).await.unwrap();
        let client = stack.dynamodb_client();
        create_outbox_table(&client, TABLE).await.unwrap();
        let sdk = Sdk::builder(stack.queue_url(), Emitter::system("shop").unwrap())
            .sqs_client(stack.sqs_client());
        Self {
            sdk: sdk.build().await.unwrap(),
            outbox: DynamoDbOutbox::new(client, TABLE),
            stack,
        }
    }

    /// Commits an event without changing any state.
    async fn commit(&self, order_id: u64) -> Prepared {
        let event = self.sdk.prepare(&OrderPlaced { order_id }).unwrap();
        let put: TransactWriteItem = event.outbox_put(TABLE);
        let request = self.stack.dynamodb_client().transact_write_items();
        request.transact_items(put).send().await.unwrap();
        event
    }

    async fn waiting(&self) -> u64 {
        self.outbox.backlog().await.unwrap().rows
    }

    /// Invokes the function once per payload, and returns its responses and its output.
    async fn invoke(&self, payloads: Vec<Value>) -> (Vec<Value>, String) {
        let count = payloads.len();
        let (api, mut responses) = runtime_api(payloads).await;
        let mut function = Command::new(env!("CARGO_BIN_EXE_relay"))
            .env_clear()
            .env("AWS_LAMBDA_RUNTIME_API", api)
            .env("AWS_LAMBDA_FUNCTION_NAME", "relay")
            .env("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST")
            .env("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "256")
            .env("AWS_LAMBDA_LOG_GROUP_NAME", "group")
            .env("AWS_LAMBDA_LOG_STREAM_NAME", "stream")
            .envs(self.stack.environment())
            .env("EVENT_OUTBOX_TABLE", TABLE)
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let mut received = Vec::new();
        for _ in 0..count {
            let response = tokio::time::timeout(Duration::from_secs(60), responses.recv()).await;
            received.push(response.unwrap().unwrap());
        }
        function.start_kill().unwrap();
        let mut output = String::new();
        let mut stdout = function.stdout.take().unwrap();
        stdout.read_to_string(&mut output).await.unwrap();
        (received, output)
    }
}

/// Starts a Runtime API with these invocations. The receiver yields the responses of the
/// function.
async fn runtime_api(payloads: Vec<Value>) -> (String, UnboundedReceiver<Value>) {
    let (sender, responses) = unbounded_channel();
    let waiting = Arc::new(Mutex::new(payloads.into_iter()));
    let next = move || async move {
        let payload = waiting.lock().unwrap().next();
        let Some(payload) = payload else {
            return std::future::pending().await;
        };
        let deadline = std::time::SystemTime::now() + Duration::from_secs(20);
        let deadline = deadline.duration_since(std::time::UNIX_EPOCH).unwrap();
        let headers = [
            ("Lambda-Runtime-Aws-Request-Id", "one".to_owned()),
            (
                "Lambda-Runtime-Deadline-Ms",
                deadline.as_millis().to_string(),
            ),
            (
                "Lambda-Runtime-Invoked-Function-Arn",
                "arn:aws:lambda:us-east-1:0:function:relay".to_owned(),
            ),
        ];
        (headers, payload.to_string()).into_response()
    };
    let respond = move |body: String| async move {
        sender.send(serde_json::from_str(&body).unwrap()).unwrap();
        StatusCode::ACCEPTED
    };
    let invocation = "/2018-06-01/runtime/invocation";
    let routes = Router::new()
        .route(&format!("{invocation}/next"), get(next))
        .route(&format!("{invocation}/one/response"), post(respond.clone()))
        .route(&format!("{invocation}/one/error"), post(respond));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    tokio::spawn(async move { axum::serve(listener, routes).await.unwrap() });
    (address, responses)
}

fn record(number: &str, table: &str, image: Value) -> Value {
    json!({
        "eventID": format!("record-{number}"),
        "eventName": "INSERT",
        "eventSource": "aws:dynamodb",
        "eventSourceARN": format!("arn:aws:dynamodb:us-east-1:0:table/{table}/stream/2026"),
        "dynamodb": { "SequenceNumber": number, "NewImage": image, "StreamViewType": "NEW_IMAGE" },
    })
}

fn row(number: &str, event: &Prepared) -> Value {
    let image = json!({
        "EventId": { "S": event.event_id().as_str() },
        "Message": { "S": event.body() },
        "At": { "N": "1" },
    });
    record(number, TABLE, image)
}

fn failures(response: &Value) -> Vec<&str> {
    let failures = response["batchItemFailures"].as_array().unwrap();
    failures
        .iter()
        .map(|failure| failure["itemIdentifier"].as_str().unwrap())
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn new_rows_are_sent_and_deleted() {
    let fixture = Fixture::start().await;
    let events = [fixture.commit(1).await, fixture.commit(2).await];
    let invalid = json!({ "EventId": { "S": "bad" }, "Message": { "S": "{\"secret\":1}" } });
    let batch = json!({ "Records": [
        row("1", &events[0]),
        record("2", TABLE, invalid),
        row("3", &events[1]),
        { "eventName": "REMOVE", "dynamodb": { "SequenceNumber": "4" } },
        { "eventName": 7, "dynamodb": { "SequenceNumber": "5", "NewImage": 7 } },
    ] });
    let (responses, output) = fixture.invoke(vec![batch]).await;
    assert_eq!(
        failures(&responses[0]),
        ["5"],
        "only the record that cannot be read fails"
    );
    assert_eq!(fixture.waiting().await, 0);
    fixture.stack.wait_until_drained().await;
    assert_eq!(fixture.stack.events().await.unwrap().len(), 2);
    assert!(output.contains("\"event_id\":\"bad\""), "{output}");
    assert!(!output.contains("secret"), "{output}");
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_fail_while_sqs_is_unavailable() {
    let fixture = Fixture::start().await;
    let event = fixture.commit(1).await;
    let outage = fixture.stack.outage();
    let batch = json!({ "Records": [row("1", &event)] });
    let (responses, _) = fixture.invoke(vec![batch]).await;
    assert_eq!(failures(&responses[0]), ["1"]);
    assert_eq!(fixture.waiting().await, 1);
    outage.end();
}

#[tokio::test(flavor = "multi_thread")]
async fn schedule_sends_rows_that_the_stream_lost() {
    let fixture = Fixture::start().await;
    let event = fixture.commit(1).await;
    let schedule =
        json!({ "source": "aws.events", "detail-type": "Scheduled Event", "detail": {} });
    let (responses, output) = fixture.invoke(vec![schedule]).await;
    assert_eq!(failures(&responses[0]), [""; 0]);
    assert_eq!(fixture.waiting().await, 0);
    fixture.stack.wait_until_drained().await;
    let stored = fixture.stack.events().await.unwrap();
    assert_eq!(stored[0].event_id(), event.event_id());
    let metric = output
        .lines()
        .find(|line| line.contains("CloudWatchMetrics"));
    let metric: Value = serde_json::from_str(metric.unwrap()).unwrap();
    assert_eq!(metric["Outbox"], TABLE);
    assert_eq!(metric["domain_events_outbox_oldest_seconds"], 0.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn message_in_a_state_item_is_sent() {
    let fixture = Fixture::start().await;
    let event = fixture.sdk.prepare(&OrderPlaced { order_id: 7 }).unwrap();
    let image = json!({ "OrderId": { "S": "7" }, "OutboxMessage": { "S": event.body() } });
    let batch = json!({ "Records": [record("1", "orders", image)] });
    // A record that is delivered twice is stored once.
    let (responses, _) = fixture.invoke(vec![batch.clone(), batch]).await;
    assert_eq!(failures(&responses[1]), [""; 0]);
    fixture.stack.wait_until_drained().await;
    let stored = fixture.stack.events().await.unwrap();
    assert_eq!(stored.len(), 1);
    assert_eq!(stored[0].event_id(), event.event_id());
}

#[tokio::test(flavor = "multi_thread")]
async fn other_payload_fails_with_a_remedy() {
    let fixture = Fixture::start().await;
    let (responses, _) = fixture.invoke(vec![json!({ "Messages": [] })]).await;
    let text = responses[0].to_string();
    assert!(
        text.contains("neither a batch of a DynamoDB stream"),
        "{text}"
    );
}
