//! The spool on a full disk, and on a disk that has become read-only.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::Ordering;
use std::time::Duration;

use domain_events::{Durability, EmitError, Sdk};

use super::{Folder, endpoint_with_outage, sdk};
use crate::publisher::OrderPlaced;
use crate::scripted_endpoint::{Endpoint, client};

/// Runs in a separate mount namespace, in which SPOOL_DIR is a file system of 3 MB.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs SPOOL_DIR; another test of this file runs it in a child process"]
async fn full_disk_child() {
    let mount = PathBuf::from(std::env::var_os("SPOOL_DIR").unwrap());
    for queue in ["events", "events.fifo"] {
        let dir = mount.join(queue);
        let (endpoint, down) = endpoint_with_outage().await;
        let publisher = sdk(queue, endpoint.client(), &dir).await.unwrap();
        let mut spooled = emit_until_full(&publisher).await;
        // SQS is available again. Events are sent directly, without disk space.
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
        .args(["--exact", "publisher_spool::full_disk::full_disk_child"])
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
