//! The spool of the publisher, with a real disk and a scripted SQS endpoint.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use domain_events::{BuildError, Durability, EmitError, Emitter, Sdk, SdkBuilder};

use crate::publisher::order;
use crate::scripted_endpoint::{Act, Endpoint, client};

mod damage;
mod full_disk;
mod processes;

/// A folder that is deleted when the value is dropped.
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

/// An endpoint that is unavailable until the flag is set to false.
async fn endpoint_with_outage() -> (Endpoint, Arc<AtomicBool>) {
    let down = Arc::new(AtomicBool::new(true));
    let outage = down.clone();
    let endpoint = Endpoint::start(move |_, _| match outage.load(Ordering::SeqCst) {
        true => Act::Error(503, "ServiceUnavailable"),
        false => Act::Respond(vec![]),
    });
    (endpoint.await, down)
}

#[tokio::test]
async fn shutdown_drains_and_unlocks_the_spool() {
    let folder = Folder::new("spool-shutdown");
    let (endpoint, down) = endpoint_with_outage().await;
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
            false => Act::Respond(vec![]),
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
        let arrived: Vec<String> = endpoint.accepted_ids();
        assert_eq!(arrived.iter().collect::<HashSet<_>>(), ids.iter().collect());
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

#[tokio::test]
async fn truncated_response_goes_to_the_spool() {
    for (bytes, is_whole) in [
        (0, true),
        (0, false),
        (1, true),
        (1, false),
        (60, true),
        (60, false),
    ] {
        let folder = Folder::new("spool-truncated");
        let down = Arc::new(AtomicBool::new(true));
        let outage = down.clone();
        let endpoint = Endpoint::start(move |_, _| match outage.load(Ordering::SeqCst) {
            true => Act::Truncate { bytes, is_whole },
            false => Act::Respond(vec![]),
        })
        .await;
        let sdk = sdk("events", endpoint.client(), &folder.0).await.unwrap();
        let mut ids = HashSet::new();
        for outcome in sdk.emit_all((0..3).map(order)).await {
            let receipt = outcome.unwrap();
            assert_eq!(receipt.durability, Durability::Spool, "{bytes} {is_whole}");
            ids.insert(receipt.event_id.to_string());
        }
        let before = endpoint.accepted().len();
        down.store(false, Ordering::SeqCst);
        assert_eq!(sdk.shutdown(Duration::from_secs(20)).await.in_spool, 0);
        let sent = endpoint.accepted_ids().split_off(before);
        assert_eq!(sent.into_iter().collect::<HashSet<_>>(), ids);
    }
}

/// With an unusable configuration, no request ever succeeds. If its events went to the spool,
/// the caller would not notice the fault until the disk is full.
#[tokio::test]
async fn unusable_client_is_not_an_outage() {
    use aws_sdk_sqs::config::{BehaviorVersion, Builder, Credentials, Region};
    let base = || {
        aws_sdk_sqs::Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new("eu-west-1"))
    };
    let keys = |config: Builder| {
        config.credentials_provider(Credentials::new("key", "secret", None, None, "test"))
    };
    let at = |endpoint: &str| keys(base().endpoint_url(endpoint));
    let mut without_region = at("http://127.0.0.1:1");
    without_region.set_region(None).set_endpoint_url(None);
    for (name, is_credentials, config) in [
        (
            "credentials",
            true,
            base().endpoint_url("http://127.0.0.1:1"),
        ),
        ("region", false, without_region),
        ("scheme", false, at("127.0.0.1:9324")),
        ("port", false, at("localhost")),
        ("http", false, at("ftp://localhost")),
        ("URL", false, at("http://a b")),
        ("FIPS", false, at("http://127.0.0.1:1").use_fips(true)),
    ] {
        let folder = Folder::new("spool-unusable");
        let client = aws_sdk_sqs::Client::from_conf(config.build());
        let sdk = sdk("events", client, &folder.0).await.unwrap();
        let mut event = order("a");
        event.note = "canary-31c8".to_owned();
        let error = match sdk.emit(event).await {
            Err(error) => error,
            Ok(receipt) => panic!("{name}: {receipt:?}"),
        };
        let EmitError::Request { error: cause, .. } = &error else {
            panic!("{name}: {error:?}");
        };
        assert_eq!(cause.is_credentials(), is_credentials, "{name}: {error}");
        assert!(!error.is_retryable(), "{name}: {error}");
        assert!(
            !format!("{error} {error:?}").contains("canary"),
            "{error:?}"
        );
        assert_eq!(sdk.shutdown(Duration::from_secs(5)).await.in_spool, 0);
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
