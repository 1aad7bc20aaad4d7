//! Processes that are killed, or whose writes are cut short, while they use the spool.

use std::collections::HashSet;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use domain_events::EmitError;

use super::{Folder, sdk, until};
use crate::publisher::{OrderPlaced, order};
use crate::scripted_endpoint::{Endpoint, client};

/// Runs a test of this file in a child process. The shell runs `prefix` first.
fn child(test: &str, dir: &Path, prefix: &str) -> Child {
    Command::new("bash")
        .arg("-c")
        .arg(format!("{prefix} exec \"$@\""))
        .arg("bash")
        .arg(std::env::current_exe().unwrap())
        .arg("--exact")
        .arg(format!("publisher_spool::processes::{test}"))
        .args(["--ignored", "--nocapture"])
        .env("SPOOL_DIR", dir)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap()
}

/// Emits during an outage until the process is killed or the disk fails. Prints each
/// outcome.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs SPOOL_DIR; other tests of this file run it in a child process"]
async fn emitting_child() {
    let dir = PathBuf::from(std::env::var_os("SPOOL_DIR").unwrap());
    // No server listens on the discard port.
    let sdk = sdk("events.fifo", client("http://127.0.0.1:9"), &dir)
        .await
        .unwrap();
    let tasks: Vec<_> = (0..8)
        .map(|task| {
            let sdk = sdk.clone();
            tokio::spawn(async move {
                let mut failures = 0;
                for n in 0..3_000 {
                    let event = OrderPlaced {
                        order_id: format!("order-{task}"),
                        note: format!("{n:05}{}", "x".repeat(2_000)),
                    };
                    match sdk.emit(event).await {
                        Ok(receipt) => println!("\nOK {}", receipt.event_id),
                        Err(EmitError::Spool { envelope, .. }) => {
                            println!("\nFULL {}", envelope.event_id());
                            failures += 1;
                            if failures == 10 {
                                return;
                            }
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

/// Opens the spool of a killed child, and checks that every acknowledged event arrives in
/// order.
async fn recover(dir: &Path, acknowledged: &[String]) {
    let endpoint = Endpoint::good().await;
    let sdk = sdk("events.fifo", endpoint.client(), dir).await.unwrap();
    let arrived = || endpoint.accepted_ids().into_iter().collect::<HashSet<_>>();
    until("all acknowledged events have arrived", || {
        let arrived = arrived();
        acknowledged.iter().all(|id| arrived.contains(id))
    })
    .await;
    let mut last = std::collections::HashMap::new();
    for entry in endpoint.accepted() {
        // Event ids sort by time, even across processes.
        let id = entry.body["EventId"].as_str().unwrap().to_owned();
        let before = last.insert(entry.group.unwrap(), id.clone());
        assert!(
            before.is_none_or(|before| before <= id),
            "an event overtook an earlier one"
        );
    }
    let report = sdk.shutdown(Duration::from_secs(5)).await;
    assert!(report.is_complete());
}

#[tokio::test]
async fn kill_while_writing_loses_no_confirmed_event() {
    let folder = Folder::new("spool-kill");
    let mut acknowledged = Vec::new();
    // The second process continues where the first process was killed.
    for run in 0..2 {
        let mut child = child("emitting_child", &folder.0, "");
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let wanted = acknowledged.len() + 150;
        let mut killed = false;
        for line in lines {
            let line = line.unwrap();
            acknowledged.extend(line.strip_prefix("OK ").map(str::to_owned));
            if acknowledged.len() >= wanted && !killed {
                // `Child::kill` sends SIGKILL. The loop then reads the lines that were
                // printed before.
                child.kill().unwrap();
                killed = true;
            }
        }
        assert!(killed, "run {run} ended without a kill");
        assert!(!child.wait().unwrap().success());
    }
    recover(&folder.0, &acknowledged).await;
}

/// Opens a spool in an empty folder, and emits events during an outage.
#[tokio::test]
#[ignore = "needs SPOOL_DIR; another test of this file runs it in a child process"]
async fn creating_child() {
    let dir = PathBuf::from(std::env::var_os("SPOOL_DIR").unwrap());
    let client = client("http://127.0.0.1:9");
    println!("\nBEGIN");
    let sdk = sdk("events", client, &dir).await.unwrap();
    let receipt = sdk.emit(order("a")).await.unwrap();
    println!("\nOK {}", receipt.event_id);
    let receipt = sdk.emit(order("b")).await.unwrap();
    println!("\nOK {}", receipt.event_id);
}

#[tokio::test]
async fn kill_while_creating_leaves_a_usable_spool() {
    const ROUNDS: u64 = 70;
    let (mut before, mut unfinished, mut confirmed) = (0, 0, 0);
    for round in 0..ROUNDS {
        let folder = Folder::new("spool-creation");
        let mut child = child("creating_child", &folder.0, "");
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        assert!(lines.by_ref().any(|line| line.unwrap() == "BEGIN"));
        let (new, file) = (
            folder.0.join("000000000001.events.new"),
            folder.0.join("000000000001.events"),
        );
        // Kill some children while they create the folder, and most of them while they
        // create the first file.
        if round % 4 > 0 {
            // On a busy machine, the child may exit between two checks.
            while !new.exists() && !file.exists() && child.try_wait().unwrap().is_none() {}
        }
        std::thread::sleep(Duration::from_micros(round / 4 * 50));
        child.kill().unwrap();
        let ids: Vec<String> = lines
            .map(|line| line.unwrap())
            .filter_map(|line| line.strip_prefix("OK ").map(str::to_owned))
            .collect();
        child.wait().unwrap();
        before += u64::from(!new.exists() && !file.exists());
        unfinished += u64::from(new.exists());
        confirmed += u64::from(!ids.is_empty());
        let endpoint = Endpoint::good().await;
        let sdk = sdk("events", endpoint.client(), &folder.0).await.unwrap();
        let report = sdk.shutdown(Duration::from_secs(20)).await;
        assert_eq!((report.in_spool, report.damaged_in_spool), (0, 0));
        let arrived = endpoint.accepted_ids();
        assert!(ids.iter().all(|id| arrived.contains(id)), "{round}");
        assert!(!new.exists() && !file.exists());
    }
    println!(
        "killed: {before} before the file, {unfinished} with an unfinished file, {confirmed} with a confirmed event"
    );
    assert!(before > 0 && before < ROUNDS);
}

/// A limit on the size of a file causes short writes, as a full disk does.
#[tokio::test]
async fn short_writes_lose_no_confirmed_event() {
    let folder = Folder::new("spool-short");
    let prefix = "trap '' XFSZ; ulimit -f 300;";
    let mut child = child("emitting_child", &folder.0, prefix);
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let (mut acknowledged, mut failed, mut ended) = (Vec::new(), 0, false);
    for line in lines {
        let line = line.unwrap();
        acknowledged.extend(line.strip_prefix("OK ").map(str::to_owned));
        failed += usize::from(line.starts_with("FULL "));
        ended |= line == "END";
    }
    assert!(child.wait().unwrap().success() && ended);
    // After a short write, the publisher opens another file, which accepts events again.
    assert!(
        failed > 0 && acknowledged.len() > 300,
        "{}",
        acknowledged.len()
    );
    recover(&folder.0, &acknowledged).await;
}
