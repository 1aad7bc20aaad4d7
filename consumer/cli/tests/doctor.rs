//! `doctor` reports each problem of a set-up with its consequence and a remedy.

#![forbid(unsafe_code)]
#![allow(
    clippy::unwrap_used,
    reason = "clippy allows unwrap in tests, but not in their shared functions"
)]

use std::collections::BTreeMap;

use aws_sdk_sqs::types::QueueAttributeName as Attribute;
use domain_events::{Emitter, EntityId, Envelope, EventStore, EventType};
use domain_events_local::{Options, Stack};
use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::process::Command;

/// Runs `doctor` with the environment of the stack and the changes, and returns its exit code
/// and its findings.
async fn doctor(stack: &Stack, changes: &[(&str, &str)]) -> (Option<i32>, Vec<Value>) {
    let output = Command::new(env!("CARGO_BIN_EXE_domain-events"))
        .args(["doctor", "--json"])
        .env_clear()
        .envs(stack.environment())
        .envs(changes.iter().copied())
        .output()
        .await
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let findings = text.lines().map(|line| serde_json::from_str(line).unwrap());
    (output.status.code(), findings.collect())
}

/// The texts of the findings with this severity.
fn of<'a>(findings: &'a [Value], severity: &str) -> Vec<&'a str> {
    let found = findings.iter().filter(|f| f["severity"] == severity);
    found.map(|f| f["found"].as_str().unwrap()).collect()
}

/// Asserts that there is a finding of this severity with this text, and returns it.
#[track_caller]
fn expect<'a>(findings: &'a [Value], severity: &str, text: &str) -> &'a Value {
    let found = findings
        .iter()
        .find(|f| f["severity"] == severity && f["found"].as_str().unwrap().contains(text));
    found.unwrap_or_else(|| panic!("no {severity} {text:?} in {findings:#?}"))
}

async fn set(stack: &Stack, attributes: &[(Attribute, &str)]) {
    let request = stack.sqs_client().set_queue_attributes();
    let request = attributes.iter().fold(
        request.queue_url(stack.queue_url()),
        |request, (name, value)| request.attributes(name.clone(), *value),
    );
    request.send().await.unwrap();
}

#[tokio::test]
async fn embedded_stack_has_no_error() {
    let stack = Stack::start(Options::default()).await.unwrap();
    let (code, findings) = doctor(&stack, &[]).await;
    // A stack in memory is not protected against deletion.
    assert_eq!(code, Some(1));
    assert_eq!(of(&findings, "error"), [""; 0]);
    assert_eq!(
        of(&findings, "warning"),
        ["it is not protected against deletion"]
    );
    for text in [
        "this machine's clock agrees with AWS",
        "these credentials may send to it",
        "these credentials may insert into it",
        "its keys are ID (string) and Timestamp (number)",
    ] {
        expect(&findings, "ok", text);
    }
    stack.stop().await;
}

#[tokio::test]
async fn finding_has_consequence_and_remedy() {
    let stack = Stack::start(Options::default()).await.unwrap();
    set(
        &stack,
        &[
            (Attribute::MessageRetentionPeriod, "3600"),
            (Attribute::MaximumMessageSize, "262144"),
            (Attribute::DelaySeconds, "5"),
            (Attribute::RedrivePolicy, ""),
        ],
    )
    .await;
    let (code, findings) = doctor(&stack, &[("EVENT_INDEX_SHARDS", "")]).await;
    assert_eq!(code, Some(1));
    for (severity, text, remedy) in [
        (
            "warning",
            "keeps messages for 1 hour",
            "aws sqs set-queue-attributes",
        ),
        (
            "warning",
            "at most 262144 bytes",
            "MaximumMessageSize=1048576",
        ),
        (
            "warning",
            "delays each message by 5 seconds",
            "DelaySeconds=0",
        ),
        ("error", "no redrive policy", "maxReceiveCount"),
        (
            "warning",
            "EVENT_INDEX_SHARDS is not set here",
            "set EVENT_INDEX_SHARDS",
        ),
        (
            "warning",
            "not protected against deletion",
            "aws dynamodb update-table",
        ),
    ] {
        let finding = expect(&findings, severity, text);
        assert!(
            finding["remedy"].as_str().unwrap().contains(remedy),
            "{finding}"
        );
        assert!(
            !finding["consequence"].as_str().unwrap().is_empty(),
            "{finding}"
        );
    }
    stack.stop().await;
}

#[tokio::test]
async fn missing_parts_are_errors() {
    let stack = Stack::start(Options::default()).await.unwrap();
    let url = format!("{}-missing", stack.queue_url());
    let changes = [("EVENT_QUEUE_URL", &*url), ("EVENT_TABLE", "missing")];
    let (code, findings) = doctor(&stack, &changes).await;
    assert_eq!(code, Some(1));
    let missing = of(&findings, "error");
    assert_eq!(missing, ["it does not exist in this account and region"; 2]);
    stack.stop().await;
}

#[tokio::test]
async fn fewer_shards_than_the_writers_are_an_error() {
    let stack = Stack::start(Options::default()).await.unwrap();
    let writer = EventStore::new(stack.dynamodb_client(), stack.table());
    let writer = writer.with_index_shards(4.try_into().unwrap());
    let event = || {
        let id = EntityId::new("7".to_owned()).unwrap();
        let event_type = EventType::new("SHARDED".to_owned()).unwrap();
        let emitter = Emitter::system("tests").unwrap();
        Envelope::builder(event_type, id, emitter).build().unwrap()
    };
    let events: Vec<Envelope> = (0..100).map(|_| event()).collect();
    for outcome in writer.append_all(&events, None).await {
        let _ = outcome.unwrap();
    }
    let (_, findings) = doctor(&stack, &[("EVENT_INDEX_SHARDS", "2")]).await;
    let finding = expect(&findings, "error", "its index contains entries of shard 3");
    assert!(
        finding["remedy"].as_str().unwrap().contains("at least 4"),
        "{finding}"
    );
    let (_, findings) = doctor(&stack, &[("EVENT_INDEX_SHARDS", "4")]).await;
    expect(&findings, "ok", "no entry beyond the 4 configured shards");
    stack.stop().await;
}

#[tokio::test]
async fn wrong_clock_is_an_error() {
    let stack = Stack::start(Options::default()).await.unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let _ = stream.read(&mut [0; 16 * 1024]).await;
            let body = r#"{"Attributes":{}}"#;
            let response = format!(
                "HTTP/1.1 200 OK\r\ndate: Wed, 01 Jan 2025 00:00:00 GMT\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
                body.len()
            );
            let _ = stream.write_all(response.as_bytes()).await;
        }
    });
    let url = format!("{endpoint}/000000000000/events");
    let changes = BTreeMap::from([
        ("AWS_ENDPOINT_URL_SQS", &*endpoint),
        ("EVENT_QUEUE_URL", &*url),
        ("DEAD_LETTER_QUEUE_URL", ""),
    ]);
    let (_, findings) = doctor(&stack, &changes.into_iter().collect::<Vec<_>>()).await;
    let finding = expect(&findings, "error", "seconds ahead of AWS");
    assert!(
        finding["remedy"]
            .as_str()
            .unwrap()
            .contains("synchronise the clock")
    );
    stack.stop().await;
}
