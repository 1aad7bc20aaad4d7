//! A canary value passes through every failure that a test can provoke. It must never
//! appear in a log line or in an error.

use std::time::Duration;

use domain_events_consumer::hosts::worker::Worker;
use domain_events_consumer::{DeadLetterQueue, Handler, Record};
use domain_events_local::Stack;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use crate::bootstrap::{environment, event};
use crate::support::lines::Lines;
use crate::support::proxy::{Fault, Proxy};
use crate::support::runtime_api::{Function, InvocationResult};
use crate::support::{body, endpoints, handle_within, record, sqs_behind, store_behind};

const CANARY: &str = "CANARY-5e1f";

/// A valid event and two invalid events, each with the canary in its data.
fn records() -> Vec<Record> {
    let valid = body("canary", "1").replace("bar", CANARY);
    let invalid = valid.replace("\"USER\"", "7");
    vec![
        record("valid", valid),
        record("invalid", invalid),
        record("no-json", CANARY),
    ]
}

type NamedFault = (&'static str, fn() -> Fault);

/// The faults of an endpoint that can cause a failure.
fn faults() -> Vec<NamedFault> {
    vec![
        ("cut before", || Fault::CutBefore),
        ("cut after", || Fault::CutAfter),
        ("truncated", || Fault::Truncate),
        ("delayed", || Fault::Delay(Duration::from_secs(60))),
        ("throttled", || crate::support::proxy::THROTTLED),
        ("gateway", || {
            Fault::Respond(502, "<html>Bad Gateway</html>")
        }),
        ("not JSON", || Fault::Respond(200, "<html>")),
        ("empty", || Fault::Respond(200, "{}")),
        ("other types", || {
            Fault::Respond(200, r#"{"Responses":[7],"Successful":7,"Failed":"x"}"#)
        }),
        ("unknown error", || {
            Fault::Respond(400, r#"{"__type":"x#Unheard","message":"of"}"#)
        }),
        ("denied", || {
            Fault::Respond(
                400,
                r#"{"__type":"x#AccessDeniedException","message":"no"}"#,
            )
        }),
        ("invalid", || {
            Fault::Respond(400, r#"{"__type":"x#ValidationException","message":"no"}"#)
        }),
        ("request quoted", || {
            let message = r#"{"__type":"x#SerializationException","message":"Value '[{\"foo\":\"CANARY-5e1f\"}]' at 'x' is invalid"}"#;
            Fault::Respond(400, message)
        }),
        ("request quoted without a closing mark", || {
            let message = r#"{"__type":"x#ValidationException","message":"unexpected {\"foo\":\"CANARY-5e1f"}"#;
            Fault::Respond(400, message)
        }),
        ("statement and entry quoted", || {
            let message = r#"{"Responses":[{"Error":{"Code":"AccessDenied","Message":"no 'CANARY-5e1f'"}}],
                "Successful":[],"Failed":[{"Id":"0","SenderFault":true,"Code":"x","Message":"Value CANARY-5e1f for parameter MessageBody"}]}"#;
            Fault::Respond(200, message)
        }),
        ("request echoed", || {
            Fault::Change(Box::new(|response| [response, b"{".to_vec()].concat()))
        }),
    ]
}

async fn assert_no_canary(name: &str, handler: &Handler) {
    let (lines, _logging) = Lines::collect();
    let report = handle_within(handler, &records(), Duration::from_secs(2)).await;
    let lines = format!("{}{report:?}", lines.take());
    assert!(!lines.contains(CANARY), "{name}: {lines}");
    assert!(lines.contains("\"verdict\""), "{name}: {lines}");
}

#[tokio::test]
async fn canary_is_absent_when_dynamodb_fails() {
    let stack = endpoints().await;
    let letters = || DeadLetterQueue::new(stack.sqs_client(), stack.dead_letter_queue_url());
    for (name, fault) in faults() {
        let proxy = Proxy::start(&stack.dynamodb_endpoint(), move |_| fault()).await;
        let handler = Handler::new(store_behind(&proxy, &stack), letters());
        assert_no_canary(name, &handler).await;
    }
}

#[tokio::test]
async fn canary_is_absent_when_the_dlq_fails() {
    let stack = endpoints().await;
    for (name, fault) in faults() {
        let proxy = Proxy::start(&stack.sqs_endpoint(), move |_| fault()).await;
        let client = sqs_behind(&proxy, &stack);
        let letters = DeadLetterQueue::new(client, stack.dead_letter_queue_url());
        assert_no_canary(name, &Handler::new(stack.store(), letters)).await;
    }
}

#[tokio::test]
async fn canary_is_absent_if_endpoint_url_is_invalid() {
    let stack = endpoints().await;
    for endpoint in ["127.0.0.1:8000", "localhost", "://", "ftp://localhost"] {
        let dynamodb = stack.dynamodb_client();
        let config = dynamodb.config().to_builder().endpoint_url(endpoint);
        let dynamodb = aws_sdk_dynamodb::Client::from_conf(config.build());
        let sqs = stack.sqs_client();
        let config = sqs.config().to_builder().endpoint_url(endpoint);
        let sqs = aws_sdk_sqs::Client::from_conf(config.build());
        let store = domain_events::EventStore::new(dynamodb, stack.table());
        let letters = DeadLetterQueue::new(sqs.clone(), stack.dead_letter_queue_url());
        let handler = Handler::new(store, letters);
        assert_no_canary(endpoint, &handler).await;

        let (lines, _logging) = Lines::collect();
        let stop = CancellationToken::new();
        stop.cancel();
        Worker::new(sqs, stack.queue_url(), handler)
            .run(1, stop)
            .await;
        assert!(!lines.take().contains(CANARY));
    }
}

async fn invoke(stack: &Stack, payload: &Value) -> (InvocationResult, String) {
    let mut environment = environment(stack, None);
    environment.push(("EVENT_LOG", "trace".to_owned()));
    let function = Function::start(environment).await;
    let result = function.invoke(payload, Duration::from_secs(10)).await;
    (result, function.output().await)
}

#[tokio::test]
async fn canary_is_absent_if_a_payload_is_invalid() {
    let stack = endpoints().await;
    let valid = body("canary", "1").replace("bar", CANARY);
    let batch = event(&[("m", &valid)]);
    let with = |field: &str, value: Value| {
        let mut batch = batch.clone();
        batch["Records"][0][field] = value;
        batch
    };
    for payload in [
        Value::String(batch.to_string()),
        json!([CANARY]),
        json!({ "Records": CANARY }),
        json!({ "Records": [CANARY] }),
        json!({ "Records": [{ "body": CANARY }] }),
        with("messageId", json!([CANARY])),
        with("messageId", Value::Null),
        with("body", json!({ CANARY: CANARY })),
    ] {
        let (result, output) = invoke(&stack, &payload).await;
        let text = format!("{result:?}{output}");
        assert!(!text.contains(CANARY), "{payload}: {text}");
        let failed =
            matches!(&result, InvocationResult::Error(_)) || text.contains("batchItemFailures");
        assert!(failed, "{payload}: {text}");
    }
    // Fields that the function does not need do not fail the batch.
    let attribute = |value: Value| with("messageAttributes", json!({ "a": value }));
    for (number, payload) in [
        attribute(json!({ "stringListValues": null, "stringValue": CANARY, "dataType": "String" })),
        attribute(json!({ "binaryValue": "QUJ", "dataType": "Binary" })),
        attribute(json!({ "stringValue": 7, "dataType": "Number" })),
        attribute(json!(CANARY)),
        with("attributes", json!({ "ApproximateReceiveCount": 1 })),
        with("attributes", Value::Null),
        with("awsRegion", json!([CANARY])),
    ]
    .into_iter()
    .enumerate()
    {
        let (result, output) = invoke(&stack, &payload).await;
        assert_eq!(crate::bootstrap::failures(result), [""; 0], "case {number}");
        assert!(!output.contains(CANARY), "case {number}: {output}");
    }
}
