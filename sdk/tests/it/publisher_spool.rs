//! The spool: outages, crashes, a full disk.

use std::collections::HashSet;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use domain_events::{BuildError, Durability, EmitError, Emitter, Sdk};

use crate::publisher::{OrderPlaced, order};
use crate::scripted_endpoint::{Act, Endpoint, client};

/// A folder that is removed with the value.
pub(crate) struct Folder(pub(crate) PathBuf);

impl Folder {
    pub(crate) fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("{name}-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&path);
        Self(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

pub(crate) async fn sdk(
    queue: &str,
    client: aws_sdk_sqs::Client,
    dir: &Path,
) -> Result<Sdk, BuildError> {
    Sdk::builder(
        format!("http://localhost/1/{queue}"),
        Emitter::system("shop").unwrap(),
    )
    .sqs_client(client)
    .backoff(Duration::from_millis(1), Duration::from_millis(5))
    .spool(dir)
    .build()
    .await
}

pub(crate) async fn until(what: &str, mut condition: impl FnMut() -> bool) {
    for _ in 0..2_000 {
        if condition() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("not within 20 s: {what}");
}

#[tokio::test]
async fn a_shutdown_sends_what_the_spool_holds_and_gives_the_folder_free() {
    let folder = Folder::new("spool-shutdown");
    let down = Arc::new(AtomicBool::new(true));
    let outage = down.clone();
    let endpoint = Endpoint::start(move |_, _| match outage.load(Ordering::SeqCst) {
        true => Act::Error(503, "ServiceUnavailable"),
        false => Act::Answer(vec![]),
    })
    .await;
    let first = sdk("events", endpoint.client(), &folder.0).await.unwrap();
    for outcome in first.emit_all((0..30).map(order)).await {
        assert_eq!(outcome.unwrap().durability, Durability::Spool);
    }
    // The deadline comes before the end of the outage: the disk keeps them.
    let report = first.shutdown(Duration::from_millis(50)).await;
    assert!(report.is_complete());
    assert_eq!(report.in_spool, 30);
    // Once more has nothing to wait for, however long it may.
    let report = first.shutdown(Duration::MAX).await;
    assert_eq!(report.in_spool, 30);

    down.store(false, Ordering::SeqCst);
    // The first handle is still alive, and no longer in the way.
    let mut second = sdk("events", endpoint.client(), &folder.0).await;
    for _ in 0..100 {
        if second.is_ok() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
        second = sdk("events", endpoint.client(), &folder.0).await;
    }
    let second = second.unwrap();
    let report = second.shutdown(Duration::from_secs(20)).await;
    assert_eq!(report.in_spool, 0);
    assert_eq!(endpoint.accepted_ids().len(), 30);
    // Free at once where nothing was under way.
    let third = sdk("events", endpoint.client(), &folder.0).await.unwrap();
    assert_eq!(third.shutdown(Duration::ZERO).await.in_spool, 0);
    drop((first, second));
}

#[tokio::test]
async fn in_an_outage_events_go_to_disk_and_then_to_the_queue_in_order() {
    for queue in ["events", "events.fifo"] {
        let folder = Folder::new("spool-outage");
        let down = Arc::new(AtomicBool::new(false));
        let outage = down.clone();
        let endpoint = Endpoint::start(move |_, _| match outage.load(Ordering::SeqCst) {
            true => Act::Error(503, "ServiceUnavailable"),
            false => Act::Answer(vec![]),
        })
        .await;
        let sdk = sdk(queue, endpoint.client(), &folder.0).await.unwrap();
        let before = sdk.emit(order("a")).await.unwrap();
        assert_eq!(before.durability, Durability::Queue);

        down.store(true, Ordering::SeqCst);
        let mut ids = vec![before.event_id.to_string()];
        for outcome in sdk.emit_all((0..50).map(|n| order(n % 5))).await {
            let receipt = outcome.unwrap();
            assert_eq!(
                (receipt.durability, receipt.message_id),
                (Durability::Spool, None)
            );
            ids.push(receipt.event_id.to_string());
        }
        down.store(false, Ordering::SeqCst);
        until("the spool is empty", || {
            endpoint.accepted().len() >= ids.len()
        })
        .await;
        let notes: Vec<String> = endpoint.accepted_ids();
        assert_eq!(notes.iter().collect::<HashSet<_>>(), ids.iter().collect());
        let of_entity = |id: &str| -> Vec<String> {
            let accepted = endpoint.accepted();
            let own = accepted.iter().filter(|e| e.body["ID"] == id);
            own.flat_map(|e| e.event_ids()).collect()
        };
        // A standard queue has no order to keep; a history is ordered by the
        // events' timestamps whatever comes first.
        if queue.ends_with(".fifo") {
            let mut sorted = of_entity("3");
            sorted.sort();
            assert_eq!(of_entity("3"), sorted, "identities sort by time");
        }
        // Once it is empty, events go to the queue again.
        let mut last = Durability::Spool;
        for _ in 0..100 {
            last = sdk.emit(order("z")).await.unwrap().durability;
            if last == Durability::Queue {
                break;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        assert_eq!(last, Durability::Queue);
        assert_eq!(sdk.shutdown(Duration::from_secs(5)).await.in_spool, 0);
    }
}

/// Runs `the_child` in a process of its own.
fn child(dir: &Path, shell: Option<&str>) -> Child {
    let program = std::env::current_exe().unwrap();
    let mut command = match shell {
        Some(prefix) => {
            let mut command = Command::new("bash");
            command
                .arg("-c")
                .arg(format!("{prefix} exec \"$@\""))
                .arg("bash")
                .arg(program);
            command
        }
        None => Command::new(program),
    };
    command
        .args([
            "--exact",
            "publisher_spool::the_child",
            "--ignored",
            "--nocapture",
        ])
        .env("SPOOL_DIR", dir)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap()
}

/// Emits into an outage until it is killed or the disk is full, and tells each
/// outcome.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs SPOOL_DIR; the tests below run it in a process of its own"]
async fn the_child() {
    let dir = PathBuf::from(std::env::var_os("SPOOL_DIR").unwrap());
    // Nothing listens at the discard port.
    let sdk = sdk("events.fifo", client("http://127.0.0.1:9"), &dir)
        .await
        .unwrap();
    let tasks: Vec<_> = (0..8)
        .map(|task| {
            let sdk = sdk.clone();
            tokio::spawn(async move {
                for n in 0..3_000 {
                    let event = OrderPlaced {
                        order_id: format!("order-{task}"),
                        note: format!("{n:05}{}", "x".repeat(2_000)),
                    };
                    match sdk.emit(event).await {
                        Ok(receipt) => println!("\nOK {}", receipt.event_id),
                        Err(EmitError::Spool { envelope, .. }) => {
                            println!("\nFULL {}", envelope.event_id());
                            return;
                        }
                        Err(other) => panic!("{other:?}"),
                    }
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    println!("\nEND");
}

/// Opens the spool that a child has left behind and looks at what arrives.
async fn recover(dir: &Path, acknowledged: &[String]) {
    let endpoint = Endpoint::good().await;
    let sdk = sdk("events.fifo", endpoint.client(), dir).await.unwrap();
    let arrived = || endpoint.accepted_ids().into_iter().collect::<HashSet<_>>();
    until("all that was acknowledged has arrived", || {
        let arrived = arrived();
        acknowledged.iter().all(|id| arrived.contains(id))
    })
    .await;
    let mut last = std::collections::HashMap::new();
    for entry in endpoint.accepted() {
        // Identities sort by time, also those of another process.
        let id = entry.body["EventId"].as_str().unwrap().to_owned();
        let before = last.insert(entry.group.unwrap(), id.clone());
        assert!(before.is_none_or(|before| before <= id), "order is lost");
    }
    let report = sdk.shutdown(Duration::from_secs(5)).await;
    assert!(report.is_complete());
}

#[tokio::test]
async fn kill_9_in_the_middle_of_writing_loses_nothing_that_was_acknowledged() {
    let folder = Folder::new("spool-kill");
    let mut acknowledged = Vec::new();
    // Twice: the second process goes on where the first was killed.
    for run in 0..2 {
        let mut child = child(&folder.0, None);
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let wanted = acknowledged.len() + 150;
        let mut killed = false;
        for line in lines {
            let line = line.unwrap();
            acknowledged.extend(line.strip_prefix("OK ").map(str::to_owned));
            if acknowledged.len() >= wanted && !killed {
                // `Child::kill` is SIGKILL; what was printed before is read on.
                child.kill().unwrap();
                killed = true;
            }
        }
        assert!(killed, "run {run} ended by itself");
        assert!(!child.wait().unwrap().success());
    }
    recover(&folder.0, &acknowledged).await;
}

#[tokio::test]
async fn a_full_disk_is_an_error_to_the_caller_and_loses_nothing() {
    let folder = Folder::new("spool-full");
    // A limit on a file's size is to a writer what a full disk is.
    let mut child = child(&folder.0, Some("trap '' XFSZ; ulimit -f 6000;"));
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let (mut acknowledged, mut full, mut ended) = (Vec::new(), 0, false);
    for line in lines {
        let line = line.unwrap();
        acknowledged.extend(line.strip_prefix("OK ").map(str::to_owned));
        full += usize::from(line.starts_with("FULL "));
        ended |= line == "END";
    }
    assert!(child.wait().unwrap().success() && ended);
    assert!(full > 0, "the disk was never full");
    assert!(!acknowledged.is_empty());
    recover(&folder.0, &acknowledged).await;
}
