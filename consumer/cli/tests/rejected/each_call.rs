//! Kills `rejected pull` and `rejected push` before each system call that changes the folder or
//! uses the network, and checks that no event is lost or stored twice.
//!
//! `strace` kills the process when it enters the call with a given number. The state after one
//! call is the state before the next one, so the kills cover every state in which the process
//! can die.

use std::fs;
use std::os::unix::process::ExitStatusExt as _;
use std::path::PathBuf;
use std::process::ExitStatus;

use domain_events_local::{Options, Stack};
use futures::StreamExt as _;

use crate::kills::{
    self, TIMEOUT, assert_pulled, assert_stored, complete, correct, letters, pull_all, reject,
};
use crate::proxy::Proxy;

// The calls. A question mark stands before names that some processors do not have.
const MKDIR: &str = "?mkdir,?mkdirat";
const RENAME: &str = "?rename,?renameat,?renameat2";
const FSYNC: &str = "fsync";
/// Most of these calls only wake another thread, so their number varies.
const WRITE: &str = "write";
const SEND: &str = "writev";
const RECEIVE: &str = "recvfrom";

/// The number of rejected messages. One has an `EventId`, and the other has none.
const MESSAGES: usize = 2;
/// The number of kills at the same time, each with a stack of its own.
const PARALLEL: usize = 8;

/// A command that is killed, on one kind of queue.
#[derive(Debug, Clone, Copy)]
struct Victim {
    command: &'static str,
    fifo: bool,
}

/// A stack with rejected messages, and a folder for them.
struct Start {
    stack: Stack,
    proxy: Proxy,
    folder: PathBuf,
}

impl Victim {
    /// Kills the command before each call with this name, and returns the number of kills.
    async fn killed_before_each(self, call: &'static str) -> usize {
        futures::stream::iter(1..)
            .map(|number| self.killed_before(call, number))
            .buffered(PARALLEL)
            // The first process that completes has made all of its calls.
            .take_while(|was_killed| std::future::ready(*was_killed))
            .count()
            .await
    }

    /// Kills the command before the call with this number, completes the work, and checks that
    /// each event is stored once. Returns whether the command was killed: it may have completed.
    async fn killed_before(self, call: &str, number: usize) -> bool {
        let Self { command, fifo } = self;
        let name = format!("{command}-{fifo}-{}-{number}", &call[..5]);
        let start = Start::new(&name.replace('?', ""), fifo).await;
        let Start {
            stack,
            proxy,
            folder,
        } = &start;
        let path = folder.to_str().unwrap();
        let (pull, push) = (
            ["rejected", "pull", "--to", path],
            ["rejected", "push", path],
        );
        let bodies = reject(stack, MESSAGES, fifo).await;
        if command == "push" {
            complete(stack, proxy, &pull).await;
            correct(folder);
        }
        let arguments = if command == "push" { &push[..] } else { &pull };
        let was_killed = kill_before(&start, call, number, arguments).await;
        if command == "pull" {
            assert!(
                letters(folder).len() + stack.dead_letters() >= MESSAGES,
                "{name}: lost"
            );
            pull_all(stack, proxy, &pull).await;
            assert_pulled(stack, folder, &bodies);
            correct(folder);
        }
        complete(stack, proxy, &push).await;
        assert!(letters(folder).is_empty(), "{name}");
        assert_stored(stack, MESSAGES).await;
        start.stack.stop().await;
        was_killed
    }
}

impl Start {
    async fn new(name: &str, fifo: bool) -> Self {
        let options = Options {
            fifo,
            ..Options::default()
        };
        let stack = Stack::start(options).await.unwrap();
        let proxy = Proxy::start(&stack.sqs_endpoint()).await;
        let folder = crate::folder(&format!("each-call/{name}/letters"));
        fs::create_dir_all(folder.parent().unwrap()).unwrap();
        Self {
            stack,
            proxy,
            folder,
        }
    }
}

/// Runs the command until the call with this number. Returns false if the command completes.
async fn kill_before(start: &Start, call: &str, number: usize, arguments: &[&str]) -> bool {
    let inject = format!("--inject={call}:signal=KILL:when={number}");
    let (status, _) = strace(start, &[&format!("--trace={call}"), &inject], arguments).await;
    let is_killed = status.signal() == Some(9);
    assert!(is_killed || status.success(), "{arguments:?}: {status}");
    is_killed
}

/// Runs the command under strace, and returns its status and the calls that strace printed.
async fn strace(start: &Start, options: &[&str], arguments: &[&str]) -> (ExitStatus, String) {
    let log = start.folder.with_file_name("calls");
    let under = ["strace", "-f", "-qq", "-o", log.to_str().unwrap()];
    let under = [&under, options].concat();
    let mut child = kills::start(&start.stack, &start.proxy, &under, arguments);
    let status = tokio::time::timeout(TIMEOUT, child.wait()).await;
    let status = status.expect("the command does not end").unwrap();
    (status, fs::read_to_string(&log).unwrap())
}

/// Tests one command on one kind of queue. `expected` contains the numbers of calls of mkdir,
/// rename and fsync in an undisturbed run; the process must be killed before each of them.
async fn check(victim: Victim, expected: [usize; 3]) {
    for (call, expected) in [MKDIR, RENAME, FSYNC].into_iter().zip(expected) {
        let kills = victim.killed_before_each(call).await;
        assert_eq!(kills, expected, "{victim:?}: {call}");
    }
    // A request for each message, and its response.
    let mut calls = vec![SEND, RECEIVE];
    // Whether the queue is a FIFO queue makes no difference to the files.
    if !victim.fifo {
        calls.push(WRITE);
    }
    for call in calls {
        let kills = victim.killed_before_each(call).await;
        assert!(kills >= MESSAGES, "{victim:?}: {kills} times before {call}");
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs strace; .ci/kills runs it"]
async fn pull_killed_before_each_call_loses_nothing() {
    for fifo in [false, true] {
        let command = "pull";
        // Two files for each message; each file and each change of the folder is synced, and so
        // is the parent of the new folder.
        let expected = [1, 2 * MESSAGES, 4 * MESSAGES + 1];
        check(Victim { command, fifo }, expected).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs strace; .ci/kills runs it"]
async fn push_killed_before_each_call_stores_it_once() {
    for fifo in [false, true] {
        let command = "push";
        // For each message, the subfolder is created if it does not exist, and its parent is
        // synced. Both folders are synced after the two files were moved.
        let expected = [MESSAGES, 2 * MESSAGES, 3 * MESSAGES];
        check(Victim { command, fifo }, expected).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs strace; .ci/kills runs it"]
async fn new_folder_is_on_disk_before_a_letter() {
    let start = Start::new("synced", false).await;
    reject(&start.stack, 1, false).await;
    let parent = start.folder.parent().unwrap().display().to_string();
    let (inner, outer) = (start.folder.join("a/b"), start.folder.display());
    let to = inner.to_str().unwrap();
    // `-y` prints the path of each file descriptor.
    let options = ["-y", "--trace=fsync"];
    let (status, log) = strace(&start, &options, &["rejected", "pull", "--to", to]).await;
    assert!(status.success(), "{log}");
    let sync = |path: &str| {
        let place = log.find(&format!("<{path}>)"));
        place.unwrap_or_else(|| panic!("{path} is not synced: {log}"))
    };
    let letter = log.find(".part>)").unwrap();
    for folder in [parent.clone(), outer.to_string(), format!("{outer}/a")] {
        assert!(sync(&folder) < letter, "{folder}: {log}");
    }
    start.stack.stop().await;
}
