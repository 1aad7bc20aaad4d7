//! Pulls, corrects and stores rejected messages with the command, as a user would run it.

#![forbid(unsafe_code)]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "clippy allows unwrap in tests, but not in their shared functions"
)]

mod each_call;
mod kills;
mod proxy;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use domain_events_local::{Options, Stack};
use serde_json::Value;

const VALID: &str = r#"{"Timestamp":1596719980,"EventType":"EVENT_TEST","ID":"whole","EmitterId":"x","EmitterType":"USER"}"#;

fn folder(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    let _ = fs::remove_dir_all(&folder);
    folder
}

async fn run(stack: &Stack, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_domain-events"));
    command
        .args(arguments)
        .env_clear()
        .envs(stack.environment());
    tokio::task::spawn_blocking(move || command.output().unwrap())
        .await
        .unwrap()
}

async fn succeeds(stack: &Stack, arguments: &[&str]) -> String {
    let output = run(stack, arguments).await;
    let (out, err) = (
        String::from_utf8(output.stdout).unwrap(),
        String::from_utf8(output.stderr).unwrap(),
    );
    assert!(output.status.success(), "{arguments:?}: {out}{err}");
    out
}

async fn send(stack: &Stack, body: &str) {
    let send = stack.sqs_client().send_message();
    let send = send.queue_url(stack.queue_url()).message_body(body);
    send.send().await.unwrap();
}

/// A value that the field at `pointer` accepts.
fn correction(pointer: &str) -> &'static str {
    match pointer {
        "/Timestamp" => "1596719980.5",
        "/EventType" => "EVENT_TEST",
        "/Version" => "2",
        "/Data" => "{}",
        _ => "corrected",
    }
}

/// One message for each code of the contract's vectors.
fn samples() -> BTreeMap<String, (String, String)> {
    let vectors =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../../sdk/tests/fixtures/reject.jsonl");
    let mut samples = BTreeMap::new();
    for line in fs::read_to_string(vectors).unwrap().lines() {
        let vector: Value = serde_json::from_str(line).unwrap();
        let text = |name: &str| vector[name].as_str().unwrap().to_owned();
        // SQS does not accept an empty body.
        if !text("body").is_empty() {
            samples
                .entry(text("code"))
                .or_insert((text("body"), text("at")));
        }
    }
    samples
}

#[tokio::test(flavor = "multi_thread")]
async fn one_message_of_each_code_is_corrected() {
    for fifo in [false, true] {
        let options = Options {
            fifo,
            ..Options::default()
        };
        let stack = Stack::start(options).await.unwrap();
        let folder = folder(if fifo { "rejected-fifo" } else { "rejected" });
        let path = folder.to_str().unwrap();
        let samples = samples();
        assert_eq!(samples.len(), 10, "every code of the contract has a sample");
        for (index, (body, _)) in samples.values().enumerate() {
            let send = stack.sqs_client().send_message();
            let send = send.queue_url(stack.queue_url()).message_body(body);
            let send = match fifo {
                true => send
                    .message_group_id("g")
                    .message_deduplication_id(index.to_string()),
                false => send,
            };
            send.send().await.unwrap();
        }
        stack.wait_until_drained().await;
        assert_eq!(stack.dead_letters(), samples.len());

        let pulled = succeeds(&stack, &["rejected", "pull", "--to", path]).await;
        // The output lists the rejected messages with their codes.
        for code in samples.keys() {
            assert!(pulled.contains(code.as_str()), "{pulled}");
        }
        assert!(
            pulled.ends_with(&format!("10 messages in {path}\n")),
            "{pulled}"
        );
        assert_eq!(stack.dead_letters(), 0);

        let mut corrected = 0;
        let list = succeeds(&stack, &["rejected", "list", path, "--json"]).await;
        for line in list.lines() {
            let letter: Value = serde_json::from_str(line).unwrap();
            let id = letter["message_id"].as_str().unwrap();
            let code = letter["attributes"]["RejectionCode"].as_str().unwrap();
            let pointer = letter["attributes"]["RejectionPointer"]
                .as_str()
                .unwrap_or_default();
            assert_eq!(letter["body"].as_str().unwrap(), samples[code].0, "{code}");
            let shown = succeeds(&stack, &["rejected", "show", path, id]).await;
            assert!(shown.contains(code), "{shown}");
            match code {
                "MISSING_FIELD" | "WRONG_TYPE" | "INVALID_VALUE" => {
                    succeeds(
                        &stack,
                        &["rejected", "set", path, id, pointer, correction(pointer)],
                    )
                    .await;
                }
                _ => {
                    let whole = VALID.replace("whole", code);
                    succeeds(&stack, &["rejected", "set", path, id, "", &whole]).await;
                }
            }
            corrected += 1;
        }
        assert_eq!(corrected, 10);
        let pushed = succeeds(&stack, &["rejected", "push", path]).await;
        assert_eq!(pushed, "10 sent, 0 still invalid\n");
        stack.wait_until_drained().await;
        assert_eq!(stack.dead_letters(), 0);
        let events = stack.events().await.unwrap();
        assert_eq!(events.len(), 10, "every corrected message is stored");
        stack.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn pushing_a_letter_twice_stores_it_once() {
    let stack = Stack::start(Options::default()).await.unwrap();
    let (folder, copy) = (folder("twice"), folder("twice-copy"));
    let path = folder.to_str().unwrap();
    // One message contains two events, both without an `EventId`.
    let invalid = VALID.replace("EVENT_TEST", "event test");
    send(
        &stack,
        &format!("[{invalid},{}]", invalid.replace("whole", "other")),
    )
    .await;
    stack.wait_until_drained().await;
    succeeds(&stack, &["rejected", "pull", "--to", path]).await;
    let id = fs::read_dir(&folder).unwrap().find_map(|entry| {
        let name = entry.unwrap().file_name().into_string().unwrap();
        name.strip_suffix(".json").map(str::to_owned)
    });
    let id = id.unwrap();
    for pointer in ["/0/EventType", "/1/EventType"] {
        succeeds(
            &stack,
            &["rejected", "set", path, &id, pointer, "EVENT_TEST"],
        )
        .await;
    }

    // The process is killed after SQS accepted the message and before the letter is moved.
    fs::create_dir_all(&copy).unwrap();
    for entry in fs::read_dir(&folder).unwrap() {
        let entry = entry.unwrap();
        fs::copy(entry.path(), copy.join(entry.file_name())).unwrap();
    }
    for folder in [&folder, &copy] {
        let pushed = succeeds(&stack, &["rejected", "push", folder.to_str().unwrap()]).await;
        assert_eq!(pushed, "1 sent, 0 still invalid\n");
    }
    stack.wait_until_drained().await;
    for id in ["whole", "other"] {
        use futures::TryStreamExt as _;
        let events: Vec<_> = stack.store().history(id).try_collect().await.unwrap();
        assert_eq!(events.len(), 1, "{id}");
    }
    stack.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn invalid_letter_stays_in_the_folder() {
    let stack = Stack::start(Options::default()).await.unwrap();
    let folder = folder("stays");
    let path = folder.to_str().unwrap();
    send(&stack, r#"{"EventType":"no"}"#).await;
    stack.wait_until_drained().await;
    succeeds(&stack, &["rejected", "pull", "--to", path]).await;
    let pushed = run(&stack, &["rejected", "push", path]).await;
    assert_eq!(pushed.status.code(), Some(1));
    let out = String::from_utf8(pushed.stdout).unwrap();
    assert!(out.contains("INVALID_VALUE at /EventType"), "{out}");
    assert!(out.ends_with("0 sent, 1 still invalid\n"), "{out}");
    let unknown = run(&stack, &["rejected", "show", path, "zz"]).await;
    assert_eq!(unknown.status.code(), Some(2));
    stack.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn push_corrects_the_messages_of_one_mistake() {
    let stack = Stack::start(Options::default()).await.unwrap();
    let folder = folder("mistake");
    let path = folder.to_str().unwrap();
    let invalid = VALID.replace("EVENT_TEST", "event test");
    send(&stack, &invalid).await;
    send(&stack, &VALID.replace("1596719980", "-1")).await;
    // Both events of a message are invalid, so the pointers begin with an index, and two values
    // are corrected.
    let second = invalid.replace("1596719980", "-1");
    send(&stack, &format!("[{invalid},{second}]")).await;
    stack.wait_until_drained().await;
    let pulled = succeeds(&stack, &["rejected", "pull", "--to", path]).await;
    assert!(
        pulled.contains("INVALID_VALUE at /EventType: found 10 bytes"),
        "{pulled}"
    );

    let push = |values: &'static [&'static str]| {
        let (stack, path) = (&stack, path);
        async move {
            let mut arguments = vec!["rejected", "push", path];
            arguments.extend(values.iter().flat_map(|value| ["--set", value]));
            let pushed = run(stack, &arguments).await;
            let out = String::from_utf8(pushed.stdout).unwrap();
            (pushed.status.code(), out)
        }
    };
    let (code, out) = push(&["/EventType=CORRECTED"]).await;
    // The other messages have other faults, and remain unchanged.
    assert_eq!(code, Some(1));
    assert!(out.starts_with("1 message corrected\n"), "{out}");
    for fault in [
        ": INVALID_VALUE at /Timestamp: ",
        ": INVALID_VALUE at /0/EventType: ",
        ": INVALID_VALUE at /1/EventType: ",
        ": INVALID_VALUE at /1/Timestamp: ",
    ] {
        assert!(out.contains(fault), "{out}");
    }
    assert!(out.ends_with("1 sent, 2 still invalid\n"), "{out}");

    let values = &[
        "/0/EventType=FIRST",
        "/1/EventType=SECOND",
        "/1/Timestamp=1596719981",
        "/Timestamp=1596719982",
    ];
    let pushed = push(values).await;
    let out = "2 messages corrected\n2 sent, 0 still invalid\n";
    assert_eq!(pushed, (Some(0), out.to_owned()));
    stack.wait_until_drained().await;
    let events = stack.events().await.unwrap();
    let types: BTreeSet<&str> = events.iter().map(|e| e.event_type().as_str()).collect();
    assert_eq!(types, ["CORRECTED", "EVENT_TEST", "FIRST", "SECOND"].into());
    stack.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn show_marks_each_fault_of_a_message() {
    let stack = Stack::start(Options::default()).await.unwrap();
    let folder = folder("marks");
    let path = folder.to_str().unwrap();
    let invalid = VALID.replace("EVENT_TEST", "event test");
    send(
        &stack,
        &format!("[{},{invalid}]", invalid.replace("1596719980", "-1")),
    )
    .await;
    stack.wait_until_drained().await;
    succeeds(&stack, &["rejected", "pull", "--to", path]).await;
    let shown = succeeds(&stack, &["rejected", "show", path, ""]).await;
    for mark in [
        "^^ /0/Timestamp\n",
        "^^^^^^^^^^^^ /0/EventType\n",
        "^^^^^^^^^^^^ /1/EventType\n",
    ] {
        assert!(shown.contains(mark), "{shown}");
    }
    stack.stop().await;
}
