//! The sender with a spool whose disk is full or fails, in real time.

use std::io;
use std::sync::atomic::AtomicBool;

use tokio::time::timeout;

use super::spooling::{AT_MOST, Folder, set_aside};
use super::*;
use crate::publisher::buffer::pending::Outcome;
use crate::publisher::transport::EntryResult;
use crate::{Durability, EmitError};

/// The states of a switched queue: it accepts every request, fails every request as
/// unavailable, or denies every request.
const UP: usize = 0;
const DOWN: usize = 1;
const DENIED: usize = 2;

/// A queue whose state the test can switch, and the switch.
fn switched(state: usize) -> (Arc<Fake>, Arc<AtomicUsize>) {
    let switch = Arc::new(AtomicUsize::new(state));
    let fake = Fake::new({
        let switch = switch.clone();
        move |_, messages| match switch.load(Ordering::SeqCst) {
            UP => (ROUND_TRIP, Ok(accept_all(messages))),
            DOWN => (ROUND_TRIP, Err(unavailable())),
            _ => {
                let denied = RequestError::new(RequestErrorKind::Denied, "orders", "AccessDenied");
                (ROUND_TRIP, Err(denied))
            }
        }
    });
    (fake, switch)
}

/// Makes every later write to the disk fail with `fault`, or succeed again for `None`.
/// Returns once the change is in effect.
async fn disk(sdk: &Sdk, fault: Option<fn() -> io::Result<()>>) {
    let (done, wait) = tokio::sync::oneshot::channel();
    sdk.sender().spool().unwrap().run(move |log| {
        log.writer.fault = fault;
        done.send(()).unwrap();
    });
    wait.await.unwrap();
}

const FULL: Option<fn() -> io::Result<()>> = Some(|| Err(io::ErrorKind::StorageFull.into()));

async fn emit(sdk: &Sdk, id: &str) -> Outcome {
    let outcome = sdk.emit_envelope(event(id));
    timeout(AT_MOST, outcome).await.expect("emit hangs")
}

async fn durability(sdk: &Sdk, id: &str) -> Durability {
    emit(sdk, id).await.unwrap().durability
}

async fn until(what: &str, condition: impl Fn() -> bool) {
    let wait = async {
        while !condition() {
            sleep(Duration::from_millis(2)).await;
        }
    };
    timeout(AT_MOST, wait).await.expect(what);
}

#[tokio::test]
async fn standard_queue_works_with_a_full_disk() {
    let folder = Folder::new("full-standard");
    let (fake, switch) = switched(DOWN);
    let sdk = builder(false)
        .max_buffered_events(4)
        .spool(&folder.0)
        .build_on(fake.clone())
        .unwrap();
    for n in 0..20 {
        assert_eq!(durability(&sdk, &n.to_string()).await, Durability::Spool);
    }
    disk(&sdk, FULL).await;
    // Without SQS and without a disk, the caller gets the error of the disk.
    for n in 20..30 {
        let error = emit(&sdk, &n.to_string()).await.unwrap_err();
        assert!(matches!(error, EmitError::Spool { .. }), "{error:?}");
        assert!(error.is_retryable());
    }
    switch.store(UP, Ordering::SeqCst);
    for n in 30..40 {
        assert_eq!(durability(&sdk, &n.to_string()).await, Durability::Queue);
    }
    // The events of the spool are sent without a write to the disk.
    let report = sdk.shutdown(AT_MOST).await;
    assert!(report.is_complete());
    assert_eq!((report.in_spool, report.failed), (0, 10));
    let mut accepted: Vec<usize> = fake.accepted().iter().map(|n| n.parse().unwrap()).collect();
    accepted.sort_unstable();
    assert_eq!(accepted, (0..20).chain(30..40).collect::<Vec<_>>());
}

#[tokio::test]
async fn full_disk_keeps_the_order_of_a_fifo_group() {
    let folder = Folder::new("full-fifo");
    let (fake, switch) = switched(DOWN);
    let sdk = builder(true)
        .spool(&folder.0)
        .build_on(fake.clone())
        .unwrap();
    let mut expected = Vec::new();
    for n in 0..30 {
        let event = event("spooled");
        expected.push(event.event_id().clone());
        let outcome = timeout(AT_MOST, sdk.emit_envelope(event)).await.unwrap();
        assert_eq!(outcome.unwrap().durability, Durability::Spool, "{n}");
    }
    disk(&sdk, FULL).await;
    switch.store(UP, Ordering::SeqCst);
    let later: Vec<_> = (0..10)
        .map(|_| {
            let event = event("spooled");
            expected.push(event.event_id().clone());
            tokio::spawn(sdk.emit_envelope(event))
        })
        .collect();
    assert_eq!(durability(&sdk, "other").await, Durability::Queue);
    for task in later {
        let receipt = timeout(AT_MOST, task).await.unwrap().unwrap().unwrap();
        assert_eq!(receipt.durability, Durability::Queue);
    }
    assert_eq!(sdk.shutdown(AT_MOST).await.in_spool, 0);
    let id = crate::EventId::from_static("m");
    let accepted = fake.accepted.lock().unwrap();
    let events = accepted
        .iter()
        .flat_map(|m| crate::wire::decode(&m.body, &id).unwrap())
        .map(|event| event.outcome.unwrap());
    let order: Vec<_> = events
        .filter(|event| event.entity_id().as_str() == "spooled")
        .map(|event| event.event_id().clone())
        .collect();
    assert_eq!(order, expected);
}

#[tokio::test]
async fn accepted_direct_event_ends_the_pause() {
    let folder = Folder::new("end_pause-direct");
    let fake = Fake::new(|_, messages| {
        let spooled = messages.iter().any(|m| entity_ids(&m.body) == ["spooled"]);
        match spooled {
            true => (ROUND_TRIP, Err(unavailable())),
            false => (ROUND_TRIP, Ok(accept_all(messages))),
        }
    });
    let sdk = builder(false)
        .spool(&folder.0)
        .build_on(fake.clone())
        .unwrap();
    assert_eq!(durability(&sdk, "spooled").await, Durability::Spool);
    disk(&sdk, FULL).await;
    let sender = sdk.sender().clone();
    let pause = tokio::spawn(async move {
        let spool = sender.spool().unwrap();
        spool.pause(&*sender, AT_MOST * 100).await;
    });
    tokio::task::yield_now().await;
    assert_eq!(durability(&sdk, "direct").await, Durability::Queue);
    timeout(AT_MOST, pause)
        .await
        .expect("the pause does not end")
        .unwrap();
    assert_eq!(sdk.shutdown(Duration::ZERO).await.in_spool, 1);
}

#[tokio::test]
async fn held_events_fail_while_sqs_is_unavailable() {
    let folder = Folder::new("held");
    let (fake, switch) = switched(DOWN);
    let sdk = builder(true)
        .max_buffered_events(3)
        .spool(&folder.0)
        .build_on(fake.clone())
        .unwrap();
    assert_eq!(durability(&sdk, "a").await, Durability::Spool);
    disk(&sdk, FULL).await;
    // These are more events than the publisher holds, so each must release its capacity.
    for _ in 0..8 {
        let error = emit(&sdk, "a").await.unwrap_err();
        assert!(matches!(error, EmitError::Spool { .. }), "{error:?}");
    }
    assert_eq!(sdk.sender().in_flight().pending(), 0);
    disk(&sdk, None).await;
    assert_eq!(durability(&sdk, "a").await, Durability::Spool);
    switch.store(UP, Ordering::SeqCst);
    let report = sdk.shutdown(AT_MOST).await;
    assert_eq!((report.in_spool, report.failed), (0, 8));
    assert_eq!(fake.accepted(), ["a", "a"]);
}

#[tokio::test]
async fn shutdown_returns_held_events_as_unsent() {
    let folder = Folder::new("held-shutdown");
    let fake = Fake::new(|number, _| match number {
        0 => (ROUND_TRIP, Err(unavailable())),
        _ => (AT_MOST * 2, Err(unavailable())),
    });
    let sdk = builder(true)
        .spool(&folder.0)
        .build_on(fake.clone())
        .unwrap();
    assert_eq!(durability(&sdk, "a").await, Durability::Spool);
    disk(&sdk, FULL).await;
    // The round of the spool hangs, and the event waits for it.
    until("no round started", || fake.sizes().len() == 2).await;
    let task = tokio::spawn(sdk.emit_envelope(event("a")));
    tokio::task::yield_now().await;
    disk(&sdk, FULL).await;
    let report = sdk.shutdown(Duration::from_millis(20)).await;
    assert_eq!((report.unsent.len(), report.undetermined.len()), (1, 0));
    assert_eq!((report.in_spool, report.failed), (1, 1));
    let error = task.await.unwrap().unwrap_err();
    assert!(matches!(error, EmitError::ShutDown { .. }), "{error:?}");
    assert_eq!(sdk.sender().in_flight().pending(), 0);
}

#[tokio::test]
async fn events_stay_in_order_when_the_disk_fails() {
    let folder = Folder::new("flapping");
    let (fake, switch) = switched(DOWN);
    let sdk = builder(true)
        .spool(&folder.0)
        .build_on(fake.clone())
        .unwrap();
    assert_eq!(durability(&sdk, "a").await, Durability::Spool);
    // Every other write to the disk fails, so that a written event may follow an event that
    // could not be written.
    static WRITES: AtomicUsize = AtomicUsize::new(0);
    let flaps: fn() -> io::Result<()> = || match WRITES.fetch_add(1, Ordering::SeqCst) % 2 {
        0 => Err(io::ErrorKind::StorageFull.into()),
        _ => Ok(()),
    };
    disk(&sdk, Some(flaps)).await;
    switch.store(UP, Ordering::SeqCst);
    let mut tasks = Vec::new();
    for n in 0..300 {
        let event = event(["a", "b", "c"][n % 3]);
        tasks.push(tokio::spawn(sdk.emit_envelope(event)));
        if n % 7 == 0 {
            sleep(Duration::from_millis(1)).await;
        }
    }
    for task in tasks {
        let receipt = timeout(AT_MOST, task).await.unwrap().unwrap();
        assert!(receipt.is_ok(), "{receipt:?}");
    }
    disk(&sdk, None).await;
    let report = sdk.shutdown(AT_MOST).await;
    assert_eq!((report.in_spool, report.failed), (0, 0));
    let id = crate::EventId::from_static("m");
    let accepted = fake.accepted.lock().unwrap();
    let events: Vec<Envelope> = accepted
        .iter()
        .flat_map(|m| crate::wire::decode(&m.body, &id).unwrap())
        .map(|event| event.outcome.unwrap())
        .collect();
    assert_eq!(events.len(), 301);
    for entity in ["a", "b", "c"] {
        let of_entity = events.iter().filter(|e| e.entity_id().as_str() == entity);
        let ids: Vec<_> = of_entity.map(|e| e.event_id().as_str()).collect();
        assert!(ids.is_sorted(), "identities sort by time: {entity}");
    }
}

#[tokio::test]
async fn panic_during_a_write_fails_its_events_only() {
    let folder = Folder::new("panic-write");
    let (fake, switch) = switched(DOWN);
    let sdk = builder(false)
        .max_buffered_events(2)
        .spool(&folder.0)
        .build_on(fake.clone())
        .unwrap();
    assert_eq!(durability(&sdk, "a").await, Durability::Spool);
    disk(&sdk, Some(|| panic!("scripted"))).await;
    for _ in 0..5 {
        let error = emit(&sdk, "b").await.unwrap_err();
        assert!(matches!(error, EmitError::Spool { .. }), "{error:?}");
    }
    disk(&sdk, None).await;
    assert_eq!(durability(&sdk, "c").await, Durability::Spool);
    switch.store(UP, Ordering::SeqCst);
    let report = sdk.shutdown(AT_MOST).await;
    assert_eq!((report.in_spool, report.failed), (0, 5));
    assert_eq!(fake.accepted(), ["a", "c"]);
}

#[tokio::test]
async fn denied_requests_keep_the_spool() {
    let folder = Folder::new("denied");
    let (fake, switch) = switched(DOWN);
    let sdk = builder(false)
        .spool(&folder.0)
        .build_on(fake.clone())
        .unwrap();
    for n in 0..5 {
        assert_eq!(durability(&sdk, &n.to_string()).await, Durability::Spool);
    }
    switch.store(DENIED, Ordering::SeqCst);
    let before = fake.sizes().len();
    until("no round started", || fake.sizes().len() > before + 1).await;
    let report = sdk.shutdown(Duration::from_millis(50)).await;
    assert_eq!((report.in_spool, report.damaged_in_spool), (5, 0));
    assert!(
        set_aside(&folder).is_empty(),
        "a denied event is not refused"
    );
    switch.store(UP, Ordering::SeqCst);
    // The first publisher leaves the folder when its last request has ended.
    let mut next = builder(false).spool(&folder.0).build_on(fake.clone());
    for _ in 0..100 {
        if next.is_err() {
            sleep(ROUND_TRIP).await;
            next = builder(false).spool(&folder.0).build_on(fake.clone());
        }
    }
    let next = next.unwrap();
    assert_eq!(next.shutdown(AT_MOST).await.in_spool, 0);
    assert_eq!(fake.accepted().len(), 5);
}

#[tokio::test]
async fn refused_event_stays_on_disk() {
    let folder = Folder::new("refused");
    let refuses = Arc::new(AtomicBool::new(false));
    let fake = Fake::new({
        let refuses = refuses.clone();
        move |_, messages| {
            let result = |message: &Message| match entity_ids(&message.body)[0].as_str() {
                "bad" => refused(true),
                _ => accepted(),
            };
            match refuses.load(Ordering::SeqCst) {
                true => (ROUND_TRIP, Ok(messages.iter().map(result).collect())),
                false => (ROUND_TRIP, Err(unavailable())),
            }
        }
    });
    let build = || {
        let builder = builder(false).spool(&folder.0);
        builder.build_on(fake.clone()).unwrap()
    };
    let sdk = build();
    for id in ["good", "bad", "last"] {
        assert_eq!(durability(&sdk, id).await, Durability::Spool);
    }
    refuses.store(true, Ordering::SeqCst);
    assert_eq!(sdk.shutdown(AT_MOST).await.in_spool, 0);
    for _ in 0..2 {
        assert_eq!(build().shutdown(AT_MOST).await.in_spool, 0);
    }
    assert_eq!(fake.accepted(), ["good", "last"]);
    let kept: Vec<String> = set_aside(&folder)
        .iter()
        .map(|path| String::from_utf8_lossy(&std::fs::read(path).unwrap()).into_owned())
        .collect();
    assert!(kept.len() == 1 && kept[0].contains("REFU"), "{kept:?}");
    assert!(kept[0].contains("\"bad\""), "{kept:?}");
}

#[tokio::test]
async fn missing_entry_result_goes_to_the_spool() {
    let folder = Folder::new("truncated");
    let fake = Fake::new(|number, messages| match number {
        // A response without results.
        0..5 => (ROUND_TRIP, Ok(Vec::<EntryResult>::new())),
        _ => (ROUND_TRIP, Ok(accept_all(messages))),
    });
    let sdk = builder(false)
        .max_attempts(2)
        .backoff(Duration::from_millis(1), Duration::from_millis(1))
        .spool(&folder.0)
        .build_on(fake.clone())
        .unwrap();
    assert_eq!(durability(&sdk, "a").await, Durability::Spool);
    assert_eq!(sdk.shutdown(AT_MOST).await.in_spool, 0);
    assert_eq!(fake.accepted(), ["a"]);
}

/// SQS and the disk fail at random. Every event whose emission succeeded arrives, and the
/// events of one entity arrive in order.
#[tokio::test]
async fn random_outages_keep_every_event_in_order() {
    let runs: Vec<_> = (0..24)
        .map(|seed| tokio::spawn(random_outages(seed)))
        .collect();
    for run in runs {
        run.await.unwrap();
    }
}

async fn random_outages(seed: u64) {
    let mut random = fastrand::Rng::with_seed(seed);
    let folder = Folder::new(&format!("random-{seed}"));
    let (fake, switch) = switched(UP);
    let sdk = builder(true)
        .spool(&folder.0)
        .build_on(fake.clone())
        .unwrap();
    let mut tasks = Vec::new();
    for _ in 0..300 {
        match random.u32(0..12) {
            0 => switch.store(DOWN, Ordering::SeqCst),
            1 | 2 => switch.store(UP, Ordering::SeqCst),
            3 => disk(&sdk, FULL).await,
            4 => disk(&sdk, None).await,
            5 => sleep(ROUND_TRIP * random.u32(0..4)).await,
            _ => tokio::task::yield_now().await,
        }
        let event = event(["a", "b", "c", "d"][random.usize(0..4)]);
        let id = event.event_id().to_string();
        tasks.push((id, tokio::spawn(sdk.emit_envelope(event))));
    }
    switch.store(UP, Ordering::SeqCst);
    let mut emitted = Vec::new();
    for (id, task) in tasks {
        match timeout(AT_MOST, task).await.expect("emit hangs").unwrap() {
            Ok(_) => emitted.push(id),
            Err(EmitError::Spool { .. }) => {}
            Err(other) => panic!("{other:?}"),
        }
    }
    disk(&sdk, None).await;
    let report = timeout(AT_MOST * 2, sdk.shutdown(AT_MOST)).await.unwrap();
    assert_eq!(report.in_spool, 0, "seed {seed}");
    let unnamed = crate::EventId::from_static("m");
    let accepted = fake.accepted.lock().unwrap();
    let arrived: Vec<Envelope> = accepted
        .iter()
        .flat_map(|m| crate::wire::decode(&m.body, &unnamed).unwrap())
        .map(|event| event.outcome.unwrap())
        .collect();
    for entity in ["a", "b", "c", "d"] {
        let of_entity = arrived.iter().filter(|e| e.entity_id().as_str() == entity);
        let mut seen = std::collections::HashSet::new();
        let first: Vec<_> = of_entity
            .map(|event| event.event_id().as_str())
            // A second arrival of an event is a duplicate. An event whose emission failed
            // may arrive as well, because a write that was reported as failed may have
            // reached the disk.
            .filter(|id| seen.insert(*id) && emitted.iter().any(|e| e == id))
            .collect();
        assert!(first.is_sorted(), "seed {seed}, entity {entity}: {first:?}");
    }
    let arrived: std::collections::HashSet<_> =
        arrived.iter().map(|e| e.event_id().to_string()).collect();
    let missing = emitted.iter().filter(|id| !arrived.contains(*id)).count();
    assert_eq!(missing, 0, "seed {seed}");
}
