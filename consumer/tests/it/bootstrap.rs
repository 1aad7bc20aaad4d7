//! Tests of the Lambda binary through the Runtime API.

use std::time::Duration;

use domain_events_local::Stack;
use serde_json::{Value, json};

use crate::support::proxy::{Fault, Proxy, Request, THROTTLED};
use crate::support::runtime_api::{Function, InvocationResult};
use crate::support::{attribute, body, dead_letters, endpoints, history};

const TIMEOUT: Duration = Duration::from_secs(10);

pub(crate) fn environment(stack: &Stack, dynamodb: Option<&str>) -> Vec<(&'static str, String)> {
    let mut environment = stack.environment();
    if let Some(url) = dynamodb {
        environment.push(("AWS_ENDPOINT_URL_DYNAMODB", url.to_owned()));
    }
    environment
}

/// An SQS event as Lambda builds it.
pub(crate) fn event(bodies: &[(&str, &str)]) -> Value {
    event_of("events", bodies, |_| json!({}))
}

fn event_of(queue: &str, bodies: &[(&str, &str)], attributes: impl Fn(usize) -> Value) -> Value {
    let record = |(i, (id, body)): (usize, &(&str, &str))| {
        json!({
            "messageId": id,
            "receiptHandle": "handle",
            "body": body,
            "attributes": attributes(i),
            "messageAttributes": {},
            "md5OfBody": "0",
            "eventSource": "aws:sqs",
            "eventSourceARN": format!("arn:aws:sqs:us-east-1:000000000000:{queue}"),
            "awsRegion": "us-east-1"
        })
    };
    json!({ "Records": bodies.iter().enumerate().map(record).collect::<Vec<_>>() })
}

/// The ids that the function reports. Also checks the form of the response.
pub(crate) fn failures(result: InvocationResult) -> Vec<String> {
    let InvocationResult::Response(response) = result else {
        panic!("{result:?}");
    };
    let object = response.as_object().unwrap();
    assert_eq!(object.keys().collect::<Vec<_>>(), ["batchItemFailures"]);
    object["batchItemFailures"]
        .as_array()
        .unwrap()
        .iter()
        .map(|failure| {
            assert_eq!(failure.as_object().unwrap().len(), 1, "{failure}");
            failure["itemIdentifier"].as_str().unwrap().to_owned()
        })
        .collect()
}

#[tokio::test]
async fn batch_of_good_and_bad_messages_is_split() {
    let stack = endpoints().await;
    let function = Function::start(environment(&stack, None)).await;
    let good: Vec<String> = (0..8).map(|i| body("order", &format!("{i}"))).collect();
    let mut batch: Vec<(&str, &str)> = ["m0", "m1", "m2", "m3", "m4", "m5", "m6", "m7"]
        .into_iter()
        .zip(good.iter().map(String::as_str))
        .collect();
    let odd = body("order", "8").replace("bar", r"\uffff😀");
    let breach = body("order", "9").replace("EVENT_TEST", "event test");
    batch.extend([("odd", &*odd), ("no-json", "hello"), ("breach", &*breach)]);

    assert_eq!(
        failures(function.invoke(&event(&batch), TIMEOUT).await),
        [""; 0]
    );
    assert_eq!(
        history(&stack, "order").await,
        ["0", "1", "2", "3", "4", "5", "6", "7", "8"]
    );
    let letters = dead_letters(&stack).await;
    assert_eq!(letters.len(), 2);
    assert_eq!(letters[0].0, "hello");
    assert_eq!(attribute(&letters[0], "RejectionCode"), Some("NOT_JSON"));
    assert_eq!(attribute(&letters[0], "OriginalMessageId"), Some("no-json"));
    assert_eq!(attribute(&letters[0], "RejectionPointer"), None);
    assert_eq!(
        attribute(&letters[1], "RejectionPointer"),
        Some("/EventType")
    );

    // Handling the same batch again stores no event and fails no message.
    assert_eq!(
        failures(function.invoke(&event(&batch[..9]), TIMEOUT).await),
        [""; 0]
    );
    assert_eq!(history(&stack, "order").await.len(), 9);
}

#[tokio::test]
async fn packed_events_get_one_verdict_each() {
    let stack = endpoints().await;
    let function = Function::start(environment(&stack, None)).await;
    let packed = format!("[{},7,{},{{}}]", body("packed", "1"), body("packed", "2"));
    assert_eq!(
        failures(function.invoke(&event(&[("m", &packed)]), TIMEOUT).await),
        [""; 0]
    );
    assert_eq!(history(&stack, "packed").await, ["1", "2"]);
    let letters = dead_letters(&stack).await;
    assert_eq!(letters.len(), 1);
    assert_eq!(
        letters[0].0, "[7,{}]",
        "only the rejected events are moved, unchanged"
    );
    assert_eq!(attribute(&letters[0], "RejectionPointer"), Some("/0"));
    let reason = attribute(&letters[0], "RejectionReason").unwrap();
    assert!(
        reason.starts_with("the first of 2 rejected events"),
        "{reason}"
    );
}

#[tokio::test]
async fn dynamodb_outage_still_moves_rejected_messages() {
    let stack = endpoints().await;
    let mut proxy = Proxy::start(&stack.dynamodb_endpoint(), |_| Fault::None).await;
    proxy.stop().await;
    let function = Function::start(environment(&stack, Some(&proxy.url()))).await;
    let good = body("down", "1");
    let batch = event(&[("good", &good), ("bad", "hello")]);
    assert_eq!(
        failures(function.invoke(&batch, Duration::from_secs(5)).await),
        ["good"]
    );
    assert_eq!(dead_letters(&stack).await.len(), 1);
}

#[tokio::test]
async fn throttled_request_is_retried() {
    let stack = endpoints().await;
    let proxy = Proxy::start(&stack.dynamodb_endpoint(), |request| {
        if request.number < 2 {
            THROTTLED
        } else {
            Fault::None
        }
    })
    .await;
    let function = Function::start(environment(&stack, Some(&proxy.url()))).await;
    let good = body("throttled", "1");
    assert_eq!(
        failures(function.invoke(&event(&[("m", &good)]), TIMEOUT).await),
        [""; 0]
    );
    assert_eq!(history(&stack, "throttled").await, ["1"]);
    assert_eq!(proxy.requests(), 3);
}

#[tokio::test]
async fn throttled_statement_is_retried() {
    const ONE_OF_ONE: &str =
        r#"{"Responses":[{"Error":{"Code":"ThrottlingError","Message":"slow down"}}]}"#;
    let stack = endpoints().await;
    let proxy = Proxy::start(&stack.dynamodb_endpoint(), |request| {
        if request.number == 0 {
            Fault::Respond(200, ONE_OF_ONE)
        } else {
            Fault::None
        }
    })
    .await;
    let function = Function::start(environment(&stack, Some(&proxy.url()))).await;
    let good = body("statement", "1");
    assert_eq!(
        failures(function.invoke(&event(&[("m", &good)]), TIMEOUT).await),
        [""; 0]
    );
    assert_eq!(history(&stack, "statement").await, ["1"]);
}

#[tokio::test]
async fn write_with_cut_connection_is_stored_once() {
    let stack = endpoints().await;
    let proxy = Proxy::start(&stack.dynamodb_endpoint(), |request| match request.number {
        0 => Fault::CutBefore,
        1 => Fault::CutAfter,
        _ => Fault::None,
    })
    .await;
    let function = Function::start(environment(&stack, Some(&proxy.url()))).await;
    let good = body("ambiguous", "1");
    assert_eq!(
        failures(function.invoke(&event(&[("m", &good)]), TIMEOUT).await),
        [""; 0]
    );
    assert_eq!(history(&stack, "ambiguous").await, ["1"]);
}

#[tokio::test]
async fn slow_table_is_reported_before_the_deadline() {
    let stack = endpoints().await;
    let slow = |_: &mut Request| Fault::Delay(Duration::from_secs(30));
    let proxy = Proxy::start(&stack.dynamodb_endpoint(), slow).await;
    let function = Function::start(environment(&stack, Some(&proxy.url()))).await;
    let good = body("slow", "1");
    let started = std::time::Instant::now();
    let reported = failures(
        function
            .invoke(
                &event(&[("a", &good), ("b", "hello")]),
                Duration::from_secs(2),
            )
            .await,
    );
    assert_eq!(reported, ["a"]);
    assert!(
        started.elapsed() < Duration::from_secs(3),
        "the report came after the deadline"
    );
}

#[tokio::test]
async fn fifo_failure_holds_back_its_group_only() {
    let stack = endpoints().await;
    // The first event fails, and the others are stored.
    const FIRST: &str = r#"{"Responses":[{"Error":{"Code":"AccessDenied","Message":"no"}},{"TableName":"events"},{"TableName":"events"}]}"#;
    let proxy = Proxy::start(&stack.dynamodb_endpoint(), |_| Fault::Respond(200, FIRST)).await;
    let function = Function::start(environment(&stack, Some(&proxy.url()))).await;
    let bodies = [body("a", "1"), body("a", "2"), body("b", "1")];
    let batch = [
        ("a1", &*bodies[0]),
        ("a2", &*bodies[1]),
        ("b1", &*bodies[2]),
        ("a3", "hello"),
    ];
    let groups = ["a", "a", "b", "a"];
    let event = event_of(
        "events.fifo",
        &batch,
        |i| json!({ "MessageGroupId": groups[i] }),
    );
    assert_eq!(
        failures(function.invoke(&event, TIMEOUT).await),
        ["a1", "a3"],
        "a2 is stored, so it is not delivered again"
    );
    assert_eq!(
        dead_letters(&stack).await,
        [],
        "a rejected message stays behind a failed message of its group"
    );
    // On a standard queue, a message group has no order.
    let event = event_of("events", &batch, |i| json!({ "MessageGroupId": groups[i] }));
    assert_eq!(failures(function.invoke(&event, TIMEOUT).await), ["a1"]);
}

#[tokio::test]
async fn message_of_maximum_size_is_moved() {
    let stack = endpoints().await;
    let function = Function::start(environment(&stack, None)).await;
    let huge = "x".repeat(1_048_576);
    assert_eq!(
        failures(
            function
                .invoke(&event(&[("huge", &huge), ("bad", "hello")]), TIMEOUT)
                .await
        ),
        [""; 0]
    );
    assert_eq!(dead_letters(&stack).await.len(), 2);
}

#[tokio::test]
async fn records_without_id_or_body_fail() {
    let stack = endpoints().await;
    let function = Function::start(environment(&stack, None)).await;
    // SQS accepts no empty message, so the dead-letter queue does not either.
    let result = function
        .invoke(&json!({ "Records": [{ "messageId": "empty" }] }), TIMEOUT)
        .await;
    assert_eq!(failures(result), ["empty"]);
    let good = body("no-id", "1");
    let result = function
        .invoke(&json!({ "Records": [{ "body": good }] }), TIMEOUT)
        .await;
    let InvocationResult::Error(error) = result else {
        panic!("the whole batch must fail")
    };
    assert!(
        error["errorMessage"]
            .as_str()
            .unwrap()
            .contains("without an id"),
        "{error}"
    );
}

#[tokio::test]
async fn missing_variables_are_reported_at_start() {
    let function = Function::start(Vec::new()).await;
    tokio::time::sleep(Duration::from_millis(500)).await;
    let output = function.output().await;
    assert!(
        output.contains("EVENT_TABLE is not set")
            && output.contains("DEAD_LETTER_QUEUE_URL is not set"),
        "{output}"
    );
}

#[tokio::test]
async fn payload_is_never_logged() {
    let stack = endpoints().await;
    let mut environment = environment(&stack, None);
    environment.push(("EVENT_LOG", "trace".to_owned()));
    let function = Function::start(environment).await;
    let valid = body("e", "1");
    let secret = "5ECRET";
    let bodies = [
        valid.replace("bar", secret),
        valid.replace("foo", secret),
        valid.replace("\"bar\"", &format!("[{{\"{secret}\":1,\"{secret}\":2}}]")),
        valid.replace("{\"foo\"", &format!("{{\"{secret}")),
        valid.replace("EVENT_TEST", &format!("{secret}-x")),
        valid.replace("\"USER\"", &format!("[\"{secret}\"]")),
        valid.replace("\"Data\"", &format!("\"{secret} field\"")),
        valid.replace(
            "\"Data\":{\"foo\":\"bar\"}",
            &format!("\"Note\":\"{secret}\""),
        ),
        valid.replace("\"bar\"", &format!("\"{}\"", secret.repeat(70_000))),
        format!("{valid}{secret}"),
        secret.to_owned(),
        format!("[{valid},\"{secret}\"]"),
    ];
    let ids: Vec<String> = (0..bodies.len()).map(|i| format!("m{i}")).collect();
    let batch: Vec<(&str, &str)> = ids
        .iter()
        .map(String::as_str)
        .zip(bodies.iter().map(String::as_str))
        .collect();
    assert_eq!(
        failures(function.invoke(&event(&batch), TIMEOUT).await),
        [""; 0]
    );
    for letter in dead_letters(&stack).await {
        let reason = attribute(&letter, "RejectionReason").unwrap();
        assert!(!reason.contains(secret), "{reason}");
    }
    let output = function.output().await;
    assert!(
        output.contains("\"verdict\":\"stored\"") && output.contains("\"verdict\":\"rejected\""),
        "{output}"
    );
    assert!(output.contains("\"Stored\":"), "{output}");
    // A pointer may contain a key.
    let lines = output
        .lines()
        .filter(|line| !line.contains("DUPLICATE_KEY"));
    for line in lines {
        assert!(!line.contains(secret), "{line}");
    }
}
