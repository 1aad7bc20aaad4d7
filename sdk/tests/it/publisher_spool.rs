//! The spool: outages, killed processes, full disks, damaged files.

use std::collections::HashSet;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use domain_events::{BuildError, Durability, EmitError, Emitter, Sdk, SdkBuilder, SpoolDamage};

use crate::publisher::{OrderPlaced, order};
use crate::scripted_endpoint::{Act, Endpoint, client};

/// A folder that is removed when the value is dropped.
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

fn builder(queue: &str, client: aws_sdk_sqs::Client, dir: &Path) -> SdkBuilder {
    Sdk::builder(
        format!("http://localhost/1/{queue}"),
        Emitter::system("shop").unwrap(),
    )
    .sqs_client(client)
    .backoff(Duration::from_millis(1), Duration::from_millis(5))
    .spool(dir)
}

pub(crate) async fn sdk(
    queue: &str,
    client: aws_sdk_sqs::Client,
    dir: &Path,
) -> Result<Sdk, BuildError> {
    builder(queue, client, dir).build().await
}

pub(crate) async fn until(what: &str, mut condition: impl FnMut() -> bool) {
    for _ in 0..2_000 {
        if condition() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("timed out after 20 s: {what}");
}

#[tokio::test]
async fn shutdown_sends_the_spool_and_frees_the_folder() {
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
    // The deadline passes before the outage ends, so the events stay on disk.
    let report = first.shutdown(Duration::from_millis(50)).await;
    assert!(report.is_complete());
    assert_eq!(report.in_spool, 30);
    // A second shutdown has nothing to wait for.
    let report = first.shutdown(Duration::MAX).await;
    assert_eq!(report.in_spool, 30);

    down.store(false, Ordering::SeqCst);
    // The first handle still exists, but it no longer locks the folder.
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
    // Without a request in flight, the folder is free at once.
    let third = sdk("events", endpoint.client(), &folder.0).await.unwrap();
    assert_eq!(third.shutdown(Duration::ZERO).await.in_spool, 0);
    drop((first, second));
}

#[tokio::test]
async fn outage_events_reach_the_queue_in_order() {
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
        // A standard queue does not preserve the order. Only check a FIFO queue.
        if queue.ends_with(".fifo") {
            let mut sorted = of_entity("3");
            sorted.sort();
            assert_eq!(of_entity("3"), sorted, "event ids sort by time");
        }
        // Once the spool is empty, events go to the queue again.
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

/// Runs a test of this file in a child process. The shell runs `prefix` first.
fn child(test: &str, dir: &Path, prefix: &str) -> Child {
    Command::new("bash")
        .arg("-c")
        .arg(format!("{prefix} exec \"$@\""))
        .arg("bash")
        .arg(std::env::current_exe().unwrap())
        .arg("--exact")
        .arg(format!("publisher_spool::{test}"))
        .args(["--ignored", "--nocapture"])
        .env("SPOOL_DIR", dir)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap()
}

/// Emits during an outage until the process is killed or the disk fails. Prints each
/// outcome.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs SPOOL_DIR; the tests below run it in a process of its own"]
async fn emitting_child() {
    let dir = PathBuf::from(std::env::var_os("SPOOL_DIR").unwrap());
    // Nothing listens at the discard port.
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

/// Opens the spool that a child left behind, and checks that every acknowledged event
/// arrives in order.
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
        assert!(before.is_none_or(|before| before <= id), "order is lost");
    }
    let report = sdk.shutdown(Duration::from_secs(5)).await;
    assert!(report.is_complete());
}

#[tokio::test]
async fn kill_while_writing_loses_no_confirmed_event() {
    let folder = Folder::new("spool-kill");
    let mut acknowledged = Vec::new();
    // Twice: the second process continues where the first was killed.
    for run in 0..2 {
        let mut child = child("emitting_child", &folder.0, "");
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let wanted = acknowledged.len() + 150;
        let mut killed = false;
        for line in lines {
            let line = line.unwrap();
            acknowledged.extend(line.strip_prefix("OK ").map(str::to_owned));
            if acknowledged.len() >= wanted && !killed {
                // `Child::kill` sends SIGKILL. The loop goes on to read the lines that
                // were printed before.
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
#[ignore = "needs SPOOL_DIR; a test below runs it in a process of its own"]
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

/// Runs in a separate mount namespace, in which SPOOL_DIR is a file system of 3 MB.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs SPOOL_DIR; a test below runs it in a process of its own"]
async fn full_disk_child() {
    let mount = PathBuf::from(std::env::var_os("SPOOL_DIR").unwrap());
    for queue in ["events", "events.fifo"] {
        let dir = mount.join(queue);
        let down = Arc::new(AtomicBool::new(true));
        let outage = down.clone();
        let endpoint = Endpoint::start(move |_, _| match outage.load(Ordering::SeqCst) {
            true => Act::Error(503, "ServiceUnavailable"),
            false => Act::Answer(vec![]),
        })
        .await;
        let publisher = sdk(queue, endpoint.client(), &dir).await.unwrap();
        let mut spooled = emit_until_full(&publisher).await;
        // SQS is available again. Events are sent directly and wait for no disk space.
        down.store(false, Ordering::SeqCst);
        for n in 0..50 {
            let receipt = publisher.emit(event(n)).await.unwrap();
            spooled.push(receipt.event_id.to_string());
        }
        let report = publisher.shutdown(Duration::from_secs(30)).await;
        assert_eq!((report.in_spool, report.damaged_in_spool), (0, 0));
        assert_all_arrived(&endpoint, &spooled);

        // After a restart on the full disk, the publisher opens the spool and empties it.
        down.store(true, Ordering::SeqCst);
        let publisher = loop {
            match sdk(queue, endpoint.client(), &dir).await {
                Ok(publisher) => break publisher,
                Err(_) => tokio::time::sleep(Duration::from_millis(10)).await,
            }
        };
        spooled.extend(emit_until_full(&publisher).await);
        let report = publisher.shutdown(Duration::ZERO).await;
        assert!(report.in_spool > 100, "{report:?}");
        drop(publisher);
        let filler = mount.join("filler");
        let mut file = std::fs::File::create(&filler).unwrap();
        while std::io::Write::write(&mut file, &[1; 512]).is_ok_and(|written| written > 0) {}
        let publisher = loop {
            match sdk(queue, endpoint.client(), &dir).await {
                Ok(publisher) => break publisher,
                Err(error) if error.to_string().contains("another publisher") => {
                    tokio::time::sleep(Duration::from_millis(10)).await;
                }
                Err(error) => panic!("{error}"),
            }
        };
        down.store(false, Ordering::SeqCst);
        let report = publisher.shutdown(Duration::from_secs(30)).await;
        assert_eq!((report.in_spool, report.damaged_in_spool), (0, 0));
        assert_all_arrived(&endpoint, &spooled);
        std::fs::remove_file(filler).unwrap();
    }
    read_only(&mount).await;
    println!("\nEND");
}

/// The publisher sends the events of the spool even if the disk has become read-only.
async fn read_only(mount: &Path) {
    let dir = mount.join("read-only");
    let publisher = sdk("events", client("http://127.0.0.1:9"), &dir)
        .await
        .unwrap();
    let mut ids = Vec::new();
    for n in 0..5 {
        let receipt = publisher.emit(event(n)).await.unwrap();
        assert_eq!(receipt.durability, Durability::Spool);
        ids.push(receipt.event_id.to_string());
    }
    assert_eq!(publisher.shutdown(Duration::ZERO).await.in_spool, 5);
    drop(publisher);
    tokio::time::sleep(Duration::from_millis(500)).await;
    let remount = Command::new("mount")
        .args(["-o", "remount,ro"])
        .arg(mount)
        .status();
    assert!(remount.unwrap().success());
    let endpoint = Endpoint::good().await;
    let publisher = sdk("events", endpoint.client(), &dir).await.unwrap();
    let receipt = publisher.emit(event(5)).await.unwrap();
    assert_eq!(receipt.durability, Durability::Queue);
    ids.push(receipt.event_id.to_string());
    let report = publisher.shutdown(Duration::from_secs(30)).await;
    assert_eq!((report.in_spool, report.damaged_in_spool), (0, 0));
    assert_all_arrived(&endpoint, &ids);
    assert_eq!(endpoint.accepted().len(), 6, "no event is sent twice");
}

fn event(n: usize) -> OrderPlaced {
    OrderPlaced {
        order_id: format!("order-{}", n % 7),
        note: "x".repeat(2_000),
    }
}

/// Emits during an outage until the disk is full. Returns the ids of the confirmed events.
async fn emit_until_full(publisher: &Sdk) -> Vec<String> {
    let (mut spooled, mut full) = (Vec::new(), 0);
    for n in 0.. {
        match publisher.emit(event(n)).await {
            Ok(receipt) => spooled.push(receipt.event_id.to_string()),
            Err(EmitError::Spool { error: source, .. }) => {
                let text = source.to_string();
                assert!(text.contains("events"), "the error names no path: {text}");
                full += 1;
                if full == 5 {
                    break;
                }
            }
            Err(other) => panic!("{other:?}"),
        }
    }
    assert!(spooled.len() > 500, "{}", spooled.len());
    spooled
}

fn assert_all_arrived(endpoint: &Endpoint, ids: &[String]) {
    let arrived: HashSet<String> = endpoint.accepted_ids().into_iter().collect();
    let missing = ids.iter().filter(|id| !arrived.contains(*id)).count();
    assert_eq!(missing, 0, "of {}", ids.len());
}

#[test]
#[ignore = "needs unshare: mounts a file system of 3 MB"]
fn full_disk_sends_directly_and_drains() {
    let folder = Folder::new("spool-full");
    std::fs::create_dir_all(&folder.0).unwrap();
    let mount = r#"mount -t tmpfs -o size=3m none "$SPOOL_DIR" && exec "$@""#;
    let output = Command::new("unshare")
        .args(["--user", "--map-root-user", "--mount", "bash", "-c", mount])
        .arg("bash")
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", "publisher_spool::full_disk_child"])
        .args(["--ignored", "--nocapture"])
        .env("SPOOL_DIR", &folder.0)
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success() && text.contains("\nEND"),
        "{text}{}",
        String::from_utf8_lossy(&output.stderr)
    );
}

/// Makes a spool with five events. Returns their ids and the only file of the spool.
async fn spool_with_five_events(folder: &Folder) -> (Vec<String>, PathBuf) {
    let publisher = sdk("events", client("http://127.0.0.1:9"), &folder.0)
        .await
        .unwrap();
    let mut ids = Vec::new();
    for n in 0..5 {
        let receipt = publisher.emit(order(n)).await.unwrap();
        assert_eq!(receipt.durability, Durability::Spool);
        ids.push(receipt.event_id.to_string());
    }
    assert_eq!(publisher.shutdown(Duration::ZERO).await.in_spool, 5);
    drop(publisher);
    (ids, folder.0.join("000000000001.events"))
}

/// Opens a publisher on the folder, once the previous publisher has released the folder.
async fn open(endpoint: &Endpoint, folder: &Folder) -> Sdk {
    for _ in 0..500 {
        match sdk("events", endpoint.client(), &folder.0).await {
            Ok(publisher) => return publisher,
            Err(_) => tokio::time::sleep(Duration::from_millis(10)).await,
        }
    }
    panic!("the folder is still locked");
}

#[tokio::test]
async fn damaged_file_sends_all_other_events() {
    let folder = Folder::new("spool-damage");
    let (ids, file) = spool_with_five_events(&folder).await;
    // Wait until the first publisher has released the folder.
    drop(
        open(
            &Endpoint::start(|_, _| Act::Error(503, "ServiceUnavailable")).await,
            &folder,
        )
        .await,
    );
    tokio::time::sleep(Duration::from_millis(50)).await;
    let bytes = std::fs::read(&file).unwrap();
    let second = {
        let marks: Vec<usize> = (0..bytes.len())
            .filter(|at| bytes[*at..].starts_with(&[0xFF, b'E', b'V', 0xFE]))
            .collect();
        assert_eq!(marks.len(), 5);
        marks[1]
    };
    type Damage = Box<dyn Fn(&mut Vec<u8>)>;
    let flip = |at: usize| -> Damage { Box::new(move |bytes| bytes[at] ^= 0xFF) };
    let cases: Vec<(&str, Damage, Vec<usize>, u64)> = vec![
        ("header of the file", flip(3), vec![0, 1, 2, 3, 4], 1),
        ("start of a record", flip(second), vec![0, 2, 3, 4], 1),
        (
            "marker of a record",
            flip(second + 5),
            vec![0, 1, 2, 3, 4],
            0,
        ),
        ("length", flip(second + 8), vec![0, 2, 3, 4], 1),
        ("longer length", flip(second + 11), vec![0, 2, 3, 4], 1),
        ("checksum", flip(second + 13), vec![0, 2, 3, 4], 1),
        (
            "checksum of the header",
            flip(second + 17),
            vec![0, 2, 3, 4],
            1,
        ),
        ("payload", flip(second + 60), vec![0, 2, 3, 4], 1),
        ("last byte", flip(bytes.len() - 1), vec![0, 1, 2, 3], 1),
        ("emptied", Box::new(Vec::clear), vec![], 1),
        (
            "cut in the last record",
            Box::new(|bytes| bytes.truncate(bytes.len() - 7)),
            vec![0, 1, 2, 3],
            0,
        ),
        (
            "extended with zeros",
            Box::new(|bytes| bytes.resize(1_056_768, 0)),
            vec![0, 1, 2, 3, 4],
            1,
        ),
        (
            "a page of zeros",
            Box::new(move |bytes| bytes[second..second + 40].fill(0)),
            vec![0, 2, 3, 4],
            1,
        ),
        (
            "not written by a publisher",
            Box::new(|bytes| *bytes = b"SQLite format 3".repeat(100)),
            vec![],
            1,
        ),
    ];
    for (case, damage, arrives, damaged) in cases {
        let folder = Folder::new("spool-damaged");
        std::fs::create_dir_all(&folder.0).unwrap();
        let file = folder.0.join("000000000001.events");
        let mut content = bytes.clone();
        damage(&mut content);
        std::fs::write(&file, &content).unwrap();
        let endpoint = Endpoint::good().await;
        let refusing = builder("events", endpoint.client(), &folder.0)
            .spool_damage(SpoolDamage::Refuse)
            .build()
            .await;
        if damaged > 0 {
            let error = refusing.unwrap_err().to_string();
            let path = file.display().to_string();
            assert!(error.contains(&path), "{case}: {error}");
            assert!(
                !error.contains("SYSTEM"),
                "{case}: the error quotes a payload: {error}"
            );
            assert!(std::fs::read(&file).unwrap() == content, "{case}");
        } else {
            let _ = refusing.unwrap().shutdown(Duration::from_secs(20)).await;
        }
        let publisher = open(&endpoint, &folder).await;
        let receipt = publisher.emit(order("new")).await.unwrap();
        let report = publisher.shutdown(Duration::from_secs(20)).await;
        let found = (report.in_spool, report.damaged_in_spool);
        assert_eq!(found, (0, damaged), "{case}");
        let mut expected: Vec<String> = arrives.iter().map(|n| ids[*n].clone()).collect();
        expected.push(receipt.event_id.to_string());
        let mut arrived = endpoint.accepted_ids();
        expected.sort();
        arrived.sort();
        assert_eq!(arrived, expected, "{case}");
        let kept: Vec<PathBuf> = std::fs::read_dir(&folder.0)
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .filter(|path| path.to_string_lossy().contains("set-aside"))
            .collect();
        assert_eq!(kept.len() as u64, damaged, "{case}");
    }
}

#[tokio::test]
async fn second_publisher_on_a_folder_is_an_error() {
    let folder = Folder::new("spool-shared");
    let endpoint = Endpoint::good().await;
    let first = sdk("events", endpoint.client(), &folder.0).await.unwrap();
    let second = sdk("events", endpoint.client(), &folder.0).await;
    let error = second.unwrap_err().to_string();
    let path = folder.0.display().to_string();
    assert!(error.contains(&path), "{error}");
    assert!(error.contains("another publisher"), "{error}");
    assert!(first.emit(order("a")).await.is_ok());
}

#[cfg(unix)]
#[tokio::test]
async fn new_spool_is_private() {
    use std::os::unix::fs::PermissionsExt as _;
    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    let folder = Folder::new("spool-rights");
    std::fs::create_dir_all(&folder.0).unwrap();
    std::fs::set_permissions(&folder.0, std::fs::Permissions::from_mode(0o755)).unwrap();
    for dir in [folder.0.clone(), folder.0.join("of/a/service")] {
        let publisher = sdk("events", client("http://127.0.0.1:9"), &dir)
            .await
            .unwrap();
        let receipt = publisher.emit(order("a")).await.unwrap();
        assert_eq!(receipt.durability, Durability::Spool);
        let entries = std::fs::read_dir(&dir).unwrap();
        let files = entries.map(|entry| entry.unwrap().path());
        let files: Vec<PathBuf> = files.filter(|path| path.is_file()).collect();
        assert_eq!(files.len(), 2, "{files:?}");
        for file in files {
            assert_eq!(mode(&file), 0o600, "{}", file.display());
        }
    }
    for dir in ["of", "of/a", "of/a/service"] {
        assert_eq!(mode(&folder.0.join(dir)), 0o700, "{dir}");
    }
}
