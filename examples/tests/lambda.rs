//! Runs the function of `lambda.rs` with a local implementation of the Runtime API.

#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used)]

use std::process::Stdio;
use std::sync::Mutex;
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::IntoResponse;
use axum::routing::{get, post};
use domain_events_local::{Options, Stack};
use futures::TryStreamExt;
use tokio::net::TcpListener;
use tokio::process::Command;
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};
use tokio::time::timeout;

/// Starts the Runtime API with one invocation, and returns its address. Sends the response
/// of the function to `responses`.
async fn runtime_api(event: &'static str, responses: UnboundedSender<String>) -> String {
    let invocation = std::sync::Arc::new(Mutex::new(Some(event)));
    let next = move || async move {
        let event = invocation.lock().unwrap().take();
        match event {
            Some(event) => {
                let headers = [
                    ("Lambda-Runtime-Aws-Request-Id", "one"),
                    ("Lambda-Runtime-Deadline-Ms", "9999999999999"),
                    (
                        "Lambda-Runtime-Invoked-Function-Arn",
                        "arn:aws:lambda:us-east-1:0:function:orders",
                    ),
                ];
                (headers, event).into_response()
            }
            None => std::future::pending().await,
        }
    };
    let respond = |State(responses): State<UnboundedSender<String>>, body: String| async move {
        responses.send(body).unwrap();
        StatusCode::ACCEPTED
    };
    let invocation = "/2018-06-01/runtime/invocation";
    let routes = Router::new()
        .route(&format!("{invocation}/next"), get(next))
        .route(&format!("{invocation}/one/response"), post(respond))
        .route(&format!("{invocation}/one/error"), post(respond))
        .with_state(responses);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    tokio::spawn(async move { axum::serve(listener, routes).await.unwrap() });
    address
}

#[tokio::test(flavor = "multi_thread")]
async fn event_is_in_sqs_when_the_function_responds() {
    let stack = Stack::start(Options::default()).await.unwrap();
    let (sender, mut responses) = unbounded_channel();
    let event = r#"{"number":"order-1","parcels":2}"#;
    let mut function = Command::new(env!("CARGO_BIN_EXE_lambda"))
        .env("AWS_LAMBDA_RUNTIME_API", runtime_api(event, sender).await)
        .env("AWS_LAMBDA_FUNCTION_NAME", "orders")
        .env("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST")
        .env("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "128")
        .env("AWS_LAMBDA_LOG_GROUP_NAME", "group")
        .env("AWS_LAMBDA_LOG_STREAM_NAME", "stream")
        .envs(stack.environment())
        .env("EVENT_EMITTER_ID", "shop")
        .stdout(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let response = timeout(Duration::from_secs(30), responses.recv()).await;
    // Lambda freezes the process after the response. Killing it has the same effect.
    function.kill().await.unwrap();
    let event_id: String = serde_json::from_str(&response.unwrap().unwrap()).unwrap();

    let (store, order) = (stack.store(), "order-1");
    let stored = timeout(Duration::from_secs(30), async {
        loop {
            if let Some(event) = store.history(order).try_next().await.unwrap() {
                break event;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    });
    let stored = stored.await.unwrap();
    assert_eq!(stored.event_id().as_str(), event_id);
    assert_eq!(stored.data(), Some(r#"{"order":"order-1","parcels":2}"#));
    stack.stop().await;
}
