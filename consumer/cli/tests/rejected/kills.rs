//! Kills `rejected pull` and `rejected push` with SIGKILL, and checks that no event is lost or
//! stored twice.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use domain_events_local::{Options, Stack};
use futures::TryStreamExt as _;
use tokio::process::{Child, Command};

use crate::VALID;
use crate::proxy::{Proxy, Stall};

/// How long a stalled request or a process may take until the test fails.
pub(crate) const TIMEOUT: Duration = Duration::from_secs(60);

/// Starts `domain-events` with `arguments`, under the program `under` if it is not empty.
pub(crate) fn start(stack: &Stack, proxy: &Proxy, under: &[&str], arguments: &[&str]) -> Child {
    let environment = stack.environment().into_iter().map(|(name, value)| {
        let value = value.replace(&stack.sqs_endpoint(), proxy.url());
        (name, value)
    });
    let command = [under, &[env!("CARGO_BIN_EXE_domain-events")], arguments].concat();
    Command::new(command[0])
        .args(&command[1..])
        .env_clear()
        .envs(environment)
        // The connections then belong to one thread, so that their system calls have one order.
        .env("TOKIO_WORKER_THREADS", "1")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .unwrap()
}

/// Runs the command until it exits.
pub(crate) async fn complete(stack: &Stack, proxy: &Proxy, arguments: &[&str]) {
    let mut child = start(stack, proxy, &[], arguments);
    let status = tokio::time::timeout(TIMEOUT, child.wait()).await;
    let status = status.expect("the command does not end").unwrap();
    assert!(status.success(), "{arguments:?}: {status}");
}

/// Runs `rejected pull` until the queue is empty. A message that a killed process received is
/// hidden for a second.
pub(crate) async fn pull_all(stack: &Stack, proxy: &Proxy, pull: &[&str]) {
    let deadline = Instant::now() + TIMEOUT;
    while stack.dead_letters() > 0 && Instant::now() < deadline {
        complete(stack, proxy, pull).await;
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

/// Starts the command, and kills it at the request that `stall` names.
async fn kill_at(stack: &Stack, proxy: &Proxy, stall: Stall, arguments: &[&str]) {
    let reached = proxy.stall(stall);
    let mut child = start(stack, proxy, &[], arguments);
    tokio::time::timeout(TIMEOUT, reached)
        .await
        .expect("the request never comes")
        .unwrap();
    child.kill().await.unwrap();
}

/// Sends messages that the consumer rejects. Every second message has no `EventId`.
pub(crate) async fn reject(stack: &Stack, count: usize, fifo: bool) -> BTreeSet<String> {
    let mut bodies = BTreeSet::new();
    for index in 0..count {
        let mut body = VALID
            .replace("EVENT_TEST", "event test")
            .replace("whole", &format!("entity-{index}"));
        if index % 2 == 0 {
            body = body.replace('{', &format!(r#"{{"EventId":"event-{index}","#));
        }
        let send = stack.sqs_client().send_message();
        let send = send.queue_url(stack.queue_url()).message_body(&body);
        let send = match fifo {
            true => send
                .message_group_id(format!("g-{index}"))
                .message_deduplication_id(index.to_string()),
            false => send,
        };
        send.send().await.unwrap();
        bodies.insert(body);
    }
    stack.wait_until_drained().await;
    assert_eq!(stack.dead_letters(), count);
    bodies
}

/// The bodies of all complete letters in the folder.
pub(crate) fn letters(folder: &Path) -> Vec<String> {
    // The process may have been killed before it created the folder.
    let files = fs::read_dir(folder).into_iter().flatten();
    files
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|e| e == "json"))
        .map(|path| fs::read_to_string(path.with_extension("body")).unwrap())
        .collect()
}

/// Asserts that the folder contains each message once, and that the queue is empty.
pub(crate) fn assert_pulled(stack: &Stack, folder: &Path, bodies: &BTreeSet<String>) {
    let pulled = letters(folder);
    assert_eq!(pulled.len(), bodies.len());
    assert_eq!(&pulled.into_iter().collect::<BTreeSet<_>>(), bodies);
    assert_eq!(stack.dead_letters(), 0);
}

/// Corrects every letter in the same way as `rejected set`: only the value changes.
pub(crate) fn correct(folder: &Path) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|e| e == "body") {
            let body = fs::read_to_string(&path).unwrap();
            fs::write(&path, body.replace("event test", "EVENT_TEST")).unwrap();
        }
    }
}

/// Asserts that the table contains the event of each entity exactly once and no other event,
/// and that the dead-letter queue is empty.
pub(crate) async fn assert_stored(stack: &Stack, count: usize) {
    stack.wait_until_drained().await;
    assert_eq!(stack.dead_letters(), 0);
    for index in 0..count {
        let history = stack.store().history(format!("entity-{index}"));
        let events: Vec<_> = history.try_collect().await.unwrap();
        assert_eq!(events.len(), 1, "entity-{index}");
    }
    assert_eq!(stack.events().await.unwrap().len(), count);
}

async fn killed_once(name: &str, fifo: bool, pull: Stall, push: Stall) {
    let options = Options {
        fifo,
        ..Options::default()
    };
    let stack = Stack::start(options).await.unwrap();
    let proxy = Proxy::start(&stack.sqs_endpoint()).await;
    let folder = crate::folder(&format!("{name}-{fifo}"));
    let path = folder.to_str().unwrap();
    let bodies = reject(&stack, 5, fifo).await;

    kill_at(&stack, &proxy, pull, &["rejected", "pull", "--to", path]).await;
    pull_all(&stack, &proxy, &["rejected", "pull", "--to", path]).await;
    assert_pulled(&stack, &folder, &bodies);

    correct(&folder);
    kill_at(&stack, &proxy, push, &["rejected", "push", path]).await;
    complete(&stack, &proxy, &["rejected", "push", path]).await;
    assert!(letters(&folder).is_empty());
    assert_stored(&stack, bodies.len()).await;
    stack.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_before_the_request_loses_nothing() {
    let (pull, push) = (
        Stall::before("DeleteMessage", 3),
        Stall::before("SendMessage", 3),
    );
    tokio::join!(
        killed_once("before", false, pull, push),
        killed_once("before", true, pull, push)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_before_the_response_stores_it_once() {
    let (pull, push) = (
        Stall::after("DeleteMessage", 2),
        Stall::after("SendMessage", 2),
    );
    tokio::join!(
        killed_once("after", false, pull, push),
        killed_once("after", true, pull, push)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_after_receive_loses_nothing() {
    let (pull, push) = (
        Stall::after("ReceiveMessage", 1),
        Stall::after("SendMessage", 1),
    );
    tokio::join!(
        killed_once("received", false, pull, push),
        killed_once("received", true, pull, push)
    );
}
