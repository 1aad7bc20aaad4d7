//! Kills `rejected pull` and `rejected push` before each system call that changes the folder or
//! uses the network, and checks that no event is lost or stored twice.
//!
//! `strace` kills the process when it enters the call with a given number. The state after one
//! call is the state before the next one, so the kills cover every state in which the process
//! can die.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::process::ExitStatusExt as _;
use std::path::PathBuf;
use std::process::ExitStatus;
use std::time::{Duration, Instant};

use domain_events_local::{Options, Stack};
use futures::StreamExt as _;

use crate::kills::{
    self, TIMEOUT, assert_pulled, assert_stored, complete, correct, letters, reject,
};
use crate::proxy::Proxy;

/// The calls that change the names in a folder or sync it. A question mark stands before calls
/// that some processors do not have.
const FOLDER: &str = "?mkdir,?mkdirat,?rename,?renameat,?renameat2,fsync";
/// The calls that write to a file. Most of them only wake another thread, so their number
/// varies.
const WRITE: &str = "write";
/// The calls that send a request or receive a response. `strace` counts the calls of each thread
/// separately, so a set must not contain a call of another thread: the main thread opens the
/// connections and changes the folder.
const NETWORK: &str = "sendto,writev,recvfrom";

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
    /// Kills the command before each call of a set, and returns how often it was killed before
    /// each call.
    async fn killed_before_each(self, calls: &'static str) -> BTreeMap<String, usize> {
        let mut kills = BTreeMap::new();
        let mut numbers = futures::stream::iter(1..)
            .map(|number| self.killed_before(calls, number))
            .buffered(PARALLEL);
        // The first process that completes has made all of its calls.
        while let Some(Some(call)) = numbers.next().await {
            *kills.entry(call).or_default() += 1;
        }
        kills
    }

    /// Kills the command before the call with this number, completes the work, and checks that
    /// each event is stored once. Returns the call, or `None` if the command has completed.
    async fn killed_before(self, calls: &str, number: usize) -> Option<String> {
        let Self { command, fifo } = self;
        let name = format!("{command}-{fifo}-{}-{number}", &calls[..5]);
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
        let killed = kill_before(&start, calls, number, arguments).await;
        if command == "pull" {
            assert!(
                letters(folder).len() + stack.dead_letters() >= MESSAGES,
                "{name}: lost"
            );
            // A message that the killed process received is hidden for a second.
            let deadline = Instant::now() + TIMEOUT;
            while stack.dead_letters() > 0 && Instant::now() < deadline {
                complete(stack, proxy, &pull).await;
                tokio::time::sleep(Duration::from_millis(200)).await;
            }
            assert_pulled(stack, folder, &bodies);
            correct(folder);
        }
        complete(stack, proxy, &push).await;
        assert!(letters(folder).is_empty(), "{name}");
        assert_stored(stack, MESSAGES).await;
        start.stack.stop().await;
        killed
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

/// Runs the command until the call with this number, and returns the name of the call; `None`
/// if the command completes.
async fn kill_before(
    start: &Start,
    calls: &str,
    number: usize,
    arguments: &[&str],
) -> Option<String> {
    let inject = format!("--inject={calls}:signal=KILL:when={number}");
    let (status, log) = strace(start, &[&format!("--trace={calls}"), &inject], arguments).await;
    if status.success() {
        return None;
    }
    assert_eq!(status.signal(), Some(9), "{arguments:?}: {status}");
    // A call that did not return: `PID name(…) = ?`, or `PID <... name resumed>) = ?`.
    let line = log.lines().rfind(|line| line.ends_with("= ?"));
    let line = line.unwrap_or_else(|| panic!("no call was interrupted: {log}"));
    let call = line
        .split(' ')
        .find(|word| word.starts_with(char::is_alphabetic));
    let call = call.unwrap().split('(').next().unwrap();
    Some(call.to_owned())
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

/// How often the process was killed before a call whose name begins with `prefix`: some
/// processors have only `mkdirat` and `renameat`.
fn count(kills: &BTreeMap<String, usize>, prefix: &str) -> usize {
    let kills = kills.iter().filter(|(call, _)| call.starts_with(prefix));
    kills.map(|(_, kills)| kills).sum()
}

/// Tests one command on one kind of queue. `expected` contains the numbers of calls `mkdir`,
/// `rename` and `fsync` in an undisturbed run; the process must be killed before each of them.
async fn check(victim: Victim, expected: [usize; 3]) {
    let folder = victim.killed_before_each(FOLDER).await;
    let found = ["mkdir", "rename", "fsync"].map(|call| count(&folder, call));
    assert_eq!(found, expected, "{victim:?}: {folder:?}");
    let network = victim.killed_before_each(NETWORK).await;
    // A request for each message, and its response.
    let sent = count(&network, "writev") + count(&network, "sendto");
    let received = count(&network, "recvfrom");
    assert!(
        sent >= MESSAGES && received >= MESSAGES,
        "{victim:?}: {network:?}"
    );
    // Whether the queue is a FIFO queue makes no difference to the files.
    if !victim.fifo {
        let files = victim.killed_before_each(WRITE).await;
        assert!(count(&files, "write") > MESSAGES, "{victim:?}: {files:?}");
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
