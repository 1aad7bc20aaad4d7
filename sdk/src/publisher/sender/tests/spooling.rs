//! The sender with a spool. A separate thread reads and writes the files of the spool on a
//! real disk, so most of these tests take real time.

use std::path::PathBuf;
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::{sleep, timeout};

use super::*;
use crate::publisher::buffer::pending::{Outcome, Pending};
use crate::publisher::spool::event_sender::EventSender as _;
use crate::{Durability, EmitError};

/// A timeout that only an operation that hangs exceeds.
pub(super) const AT_MOST: Duration = Duration::from_secs(10);

/// A folder that is deleted when the value is dropped.
pub(super) struct Folder(pub(super) PathBuf);

impl Folder {
    pub(super) fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("sender-{name}-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&path);
        Self(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// The files in the folder that the spool has set aside.
pub(super) fn set_aside(folder: &Folder) -> Vec<PathBuf> {
    let files = std::fs::read_dir(&folder.0).unwrap();
    let files = files.map(|entry| entry.unwrap().path());
    files
        .filter(|path| path.to_string_lossy().contains(".events.set-aside-"))
        .collect()
}

/// Sends an event in the same way as a round of the spool does.
fn send_as_spooled(sdk: &Sdk, id: &str) -> oneshot::Receiver<Outcome> {
    let mut event = Pending::new(event(id), None).unwrap();
    event.from_spool = true;
    sdk.sender().clone().send_spooled(event)
}

/// A queue that accepts the first request after a delay, and fails all other requests.
fn down_after_the_first_request() -> Arc<Fake> {
    Fake::new(|number, messages| match number {
        0 => (Duration::from_millis(50), Ok(accept_all(messages))),
        _ => (Duration::ZERO, Err(unavailable())),
    })
}

#[tokio::test]
async fn pack_never_mixes_spooled_and_new_events() {
    let folder = Folder::new("mixed");
    let fake = down_after_the_first_request();
    let sdk = builder(false)
        .packing(true)
        .max_in_flight(1)
        .spool(&folder.0)
        .build_on(fake.clone())
        .unwrap();
    let first = spawn(&sdk, ["first".to_owned()]);
    sleep(Duration::from_millis(10)).await;
    // These events wait for the first request, and are then sent together.
    let others = spawn(&sdk, numbered(0..20));
    tokio::task::yield_now().await;
    let spooled: Vec<_> = numbered(20..40)
        .map(|id| send_as_spooled(&sdk, &id))
        .collect();

    let outcomes = async {
        for task in first {
            assert_eq!(task.await.unwrap().unwrap().durability, Durability::Queue);
        }
        for task in others {
            assert_eq!(task.await.unwrap().unwrap().durability, Durability::Spool);
        }
        for outcome in spooled {
            // The event is still on disk, and a later round sends it again.
            let error = outcome.await.unwrap().unwrap_err();
            assert!(matches!(error, EmitError::Request { .. }), "{error:?}");
        }
        sdk.flush().await;
    };
    timeout(AT_MOST, outcomes)
        .await
        .expect("an event has no outcome");
    let packs: Vec<Vec<String>> = {
        let requests = fake.requests.lock().unwrap();
        requests[1].1.iter().map(|m| entity_ids(&m.body)).collect()
    };
    let expected = [
        numbered(0..20).collect::<Vec<_>>(),
        numbered(20..40).collect(),
    ];
    assert_eq!(packs, expected);
    let report = sdk.shutdown(Duration::ZERO).await;
    assert!(report.is_complete());
    assert_eq!(report.in_spool, 20);
}

#[tokio::test]
async fn thread_panic_releases_the_capacity() {
    for ends in [false, true] {
        let folder = Folder::new("panic");
        let fake = Fake::new(|_, _| (Duration::ZERO, Err(unavailable())));
        let sdk = builder(false)
            .max_buffered_events(2)
            .spool(&folder.0)
            .build_on(fake.clone())
            .unwrap();
        let emitted = sdk.emit_envelope(event("a")).await.unwrap();
        assert_eq!(emitted.durability, Durability::Spool);
        let spool = sdk.sender().spool().unwrap();
        if ends {
            spool.end_thread().await;
        }
        // These are more events than the publisher holds, so each must release its capacity.
        let emits = async {
            for n in 0..6 {
                if !ends {
                    spool.run(|_| panic!("scripted"));
                }
                match sdk.emit_envelope(event(&n.to_string())).await {
                    Ok(receipt) => assert_eq!(receipt.durability, Durability::Spool),
                    Err(error) => {
                        assert!(matches!(error, EmitError::Spool { .. }), "{error:?}");
                        assert!(ends, "the thread continues");
                    }
                }
            }
            sdk.flush().await;
        };
        timeout(AT_MOST, emits)
            .await
            .expect("an event has no outcome");
        assert_eq!(sdk.sender().in_flight().pending(), 0);
        let report = timeout(AT_MOST, sdk.shutdown(Duration::ZERO))
            .await
            .unwrap();
        assert_eq!(report.in_spool, if ends { 1 } else { 7 });
    }
}

#[tokio::test(start_paused = true)]
async fn shutdown_shortens_the_pause_of_the_spool() {
    let folder = Folder::new("end_pause");
    let sdk = builder(false)
        .spool(&folder.0)
        .build_on(Fake::new(|_, messages| {
            (Duration::from_secs(10), Ok(accept_all(messages)))
        }))
        .unwrap();
    let pause = |sdk: &Sdk| {
        let sender = sdk.sender().clone();
        tokio::spawn(async move {
            let start = Instant::now();
            let spool = sender.spool().unwrap();
            spool.pause(&*sender, Duration::from_secs(30)).await;
            start.elapsed()
        })
    };
    assert_eq!(pause(&sdk).await.unwrap(), Duration::from_secs(30));
    // A shutdown ends a pause that has already begun, …
    let begun = pause(&sdk);
    sleep(Duration::from_secs(1)).await;
    let emission = sdk.emit_envelope(event("a"));
    let hanging = tokio::spawn(emission);
    tokio::task::yield_now().await;
    let ending = sdk.clone();
    let end = tokio::spawn(async move { ending.shutdown(Duration::from_secs(60)).await });
    assert_eq!(begun.await.unwrap(), Duration::from_secs(1));
    // … and a pause that begins later has the minimum duration.
    assert_eq!(pause(&sdk).await.unwrap(), Duration::from_millis(500));
    let _ = hanging.await.unwrap().unwrap();
    assert!(end.await.unwrap().is_complete());
}

#[tokio::test(start_paused = true)]
async fn unconfirmed_write_at_deadline_is_undetermined() {
    let folder = Folder::new("hangs");
    let fake = Fake::new(|_, _| (ROUND_TRIP, Err(unavailable())));
    let sdk = builder(false).spool(&folder.0).build_on(fake).unwrap();
    let (release, blocked) = std::sync::mpsc::channel::<()>();
    let spool = sdk.sender().spool().unwrap();
    spool.run(move |_| blocked.recv().unwrap_or_default());
    // The first event is spooled because SQS fails, and the second event because the spool
    // already has one. Without the hanging disk, the spool would now drain.
    let mut tasks = spawn(&sdk, numbered(0..1));
    sleep(ROUND_TRIP * 2).await;
    tasks.extend(spawn(&sdk, numbered(1..2)));
    tokio::task::yield_now().await;

    let start = Instant::now();
    let report = sdk.shutdown(Duration::from_secs(3)).await;
    assert!(start.elapsed() < Duration::from_secs(5), "the disk hangs");
    assert!(!report.is_complete());
    let ids = |events: &[Envelope]| -> Vec<String> {
        events.iter().map(|e| e.entity_id().to_string()).collect()
    };
    assert_eq!(ids(&report.undetermined), ["0", "1"]);
    assert_eq!((report.in_spool, report.failed), (0, 2));
    assert!(report.unsent.is_empty());
    for task in tasks {
        let error = task.await.unwrap().unwrap_err();
        assert!(matches!(error, EmitError::Interrupted { .. }), "{error:?}");
    }
    assert_eq!(sdk.sender().in_flight().pending(), 0);
    release.send(()).unwrap();
}

#[tokio::test]
async fn shutdown_waits_for_the_write_in_progress() {
    let folder = Folder::new("writes");
    // The round of the spool hangs until after the deadline.
    let fake = Fake::new(|number, _| match number {
        0 => (Duration::ZERO, Err(unavailable())),
        _ => (AT_MOST, Err(unavailable())),
    });
    let sdk = builder(false).spool(&folder.0).build_on(fake).unwrap();
    let first = sdk.emit_envelope(event("a")).await.unwrap();
    assert_eq!(first.durability, Durability::Spool);
    sleep(Duration::from_millis(50)).await;
    let spool = sdk.sender().spool().unwrap();
    spool.run(|_| std::thread::sleep(Duration::from_millis(200)));
    let task = tokio::spawn(sdk.emit_envelope(event("b")));
    tokio::task::yield_now().await;
    let report = sdk.shutdown(Duration::ZERO).await;
    assert!(report.is_complete());
    assert_eq!((report.in_spool, report.failed), (2, 0));
    let second = task.await.unwrap().unwrap();
    assert_eq!(second.durability, Durability::Spool);
}

#[tokio::test]
async fn undecodable_record_is_reported_and_set_aside() {
    let folder = Folder::new("unreadable");
    let fake = Fake::healthy();
    let log = super::shutdown::Log::default();
    let _guard = tracing::subscriber::set_default(log.clone());
    let sdk = builder(false)
        .spool(&folder.0)
        .build_on(fake.clone())
        .unwrap();
    let spool = sdk.sender().spool().unwrap();
    spool.run(|log| assert_eq!(log.append([(None, "nonsense")]).0, 1));
    while !spool.is_active() {
        sleep(Duration::from_millis(1)).await;
    }
    let report = sdk.shutdown(AT_MOST).await;
    assert_eq!(report.in_spool, 0);
    let lines = log.0.lock().unwrap().join("\n");
    assert!(
        lines.contains("ERROR:") && lines.contains("position=file 1, byte 16"),
        "{lines}"
    );
    assert!(!lines.contains("nonsense"), "{lines}");
    assert_eq!(set_aside(&folder).len(), 1);
}
