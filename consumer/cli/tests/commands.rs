//! The commands that run the consumer, as separate processes.

#![forbid(unsafe_code)]
#![allow(
    clippy::unwrap_used,
    reason = "clippy knows the tests, but not what they share"
)]

use std::process::Stdio;
use std::time::Duration;

use domain_events_local::{Options, Stack};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader};
use tokio::process::{Child, Command};

/// Endpoints without a worker.
async fn endpoints() -> Stack {
    let options = Options {
        pollers: 0,
        ..Options::default()
    };
    Stack::start(options).await.unwrap()
}

fn command(arguments: &[&str], environment: Vec<(&'static str, String)>) -> Child {
    Command::new(env!("CARGO_BIN_EXE_domain-events"))
        .args(arguments)
        .env_clear()
        .envs(environment)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap()
}

fn terminate(child: &Child) {
    let id = child.id().unwrap().to_string();
    assert!(
        std::process::Command::new("kill")
            .args(["-TERM", &id])
            .status()
            .unwrap()
            .success()
    );
}

#[tokio::test]
async fn the_worker_command_drains_on_sigterm() {
    let stack = endpoints().await;
    let mut child = command(&["worker"], stack.environment());
    let body = r#"{"Timestamp":1,"EventType":"EVENT_TEST","ID":"command","EmitterId":"u-1","EmitterType":"USER"}"#;
    let send = stack.sqs_client().send_message();
    let send = send.queue_url(stack.queue_url()).message_body(body);
    send.send().await.unwrap();
    // A worker in another process takes the message.
    tokio::time::timeout(Duration::from_secs(20), stack.wait_until_drained())
        .await
        .unwrap();
    terminate(&child);
    let status = tokio::time::timeout(Duration::from_secs(10), child.wait())
        .await
        .unwrap()
        .unwrap();
    assert!(status.success(), "{status}");
    let mut output = String::new();
    child
        .stdout
        .take()
        .unwrap()
        .read_to_string(&mut output)
        .await
        .unwrap();
    assert!(
        output.contains("\"verdict\":\"stored\"") && output.contains("\"Stored\":1"),
        "{output}"
    );
}

#[tokio::test]
async fn the_worker_command_tells_all_that_is_missing() {
    let child = command(&["worker"], vec![("EVENT_QUEUE_URL", "here".to_owned())]);
    let output = child.wait_with_output().await.unwrap();
    let told = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2));
    for problem in [
        "EVENT_TABLE is not set",
        "DEAD_LETTER_QUEUE_URL is not set",
        "EVENT_QUEUE_URL is \"here\"",
    ] {
        assert!(told.contains(problem), "{told}");
    }
}

#[tokio::test]
async fn the_local_command_prints_its_variables_first() {
    let mut child = command(
        &["local", "--sqs-port", "0", "--dynamodb-port", "0"],
        Vec::new(),
    );
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut names = Vec::new();
    while names.len() < 9 {
        let line = lines.next_line().await.unwrap().unwrap();
        let (name, value) = line
            .strip_prefix("export ")
            .unwrap()
            .split_once('=')
            .unwrap();
        assert!(!value.is_empty());
        names.push(name.to_owned());
    }
    for name in [
        "EVENT_QUEUE_URL",
        "DEAD_LETTER_QUEUE_URL",
        "EVENT_TABLE",
        "AWS_ENDPOINT_URL_SQS",
        "AWS_ENDPOINT_URL_DYNAMODB",
        "AWS_REGION",
        "AWS_ACCESS_KEY_ID",
        "AWS_SECRET_ACCESS_KEY",
    ] {
        assert!(names.iter().any(|n| n == name), "{name}");
    }
    terminate(&child);
    let status = tokio::time::timeout(Duration::from_secs(10), child.wait())
        .await
        .unwrap()
        .unwrap();
    assert!(status.success(), "{status}");
}

#[tokio::test]
async fn a_port_that_is_taken_is_told_with_the_way_out() {
    let stack = endpoints().await;
    let port = stack.sqs_endpoint().rsplit_once(':').unwrap().1.to_owned();
    let child = command(
        &["local", "--sqs-port", &port, "--dynamodb-port", "0"],
        Vec::new(),
    );
    let output = child.wait_with_output().await.unwrap();
    let told = String::from_utf8(output.stderr).unwrap();
    assert!(
        told.contains(&format!("cannot listen on 127.0.0.1:{port}")),
        "{told}"
    );
}
