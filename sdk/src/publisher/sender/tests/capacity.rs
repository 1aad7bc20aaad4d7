//! The capacity of the publisher, and the callers that wait for capacity.

use std::fmt;
use std::time::Duration;

use tokio::time::{Instant, timeout};

use super::*;

#[tokio::test(start_paused = true)]
async fn full_buffer_makes_emit_wait() {
    let fake = Fake::healthy();
    let sdk = builder(false)
        .max_buffered_events(2)
        .build_on(fake.clone())
        .unwrap();
    let tasks = spawn(&sdk, numbered(0..2));
    tokio::task::yield_now().await;
    #[derive(serde::Serialize, Debug)]
    struct Own(u8);
    impl crate::DomainEvent for Own {
        const DEFINITIONS: &'static [crate::EventDefinition] =
            &[crate::EventDefinition::new("OWN")];
        fn entity_id(&self) -> &dyn fmt::Display {
            &self.0
        }
    }
    // A struct with one unnamed field is not a JSON object. The event is checked before a
    // permit is acquired.
    let error = sdk.try_emit(Own(7)).unwrap_err();
    assert!(matches!(error, crate::TryEmitError::Invalid { .. }));
    assert_eq!(error.into_event().0, 7);
    let mut third = Box::pin(sdk.emit_envelope(event("2")));
    assert!(
        timeout(ROUND_TRIP / 2, &mut third).await.is_err(),
        "the third event waits for capacity"
    );
    let _ = third.await.unwrap();
    for task in tasks {
        task.await.unwrap().unwrap();
    }
    assert_eq!(fake.sizes(), [2, 1]);
}

#[tokio::test(start_paused = true)]
async fn event_above_the_byte_limit_is_sent_alone() {
    let fake = Fake::healthy();
    let sdk = builder(false)
        .max_buffered_bytes(400)
        .build_on(fake.clone())
        .unwrap();
    let start = Instant::now();
    let tasks = spawn(&sdk, ["a".to_owned(), "x".repeat(2_000), "b".to_owned()]);
    for task in tasks {
        task.await.unwrap().unwrap();
    }
    assert_eq!(fake.sizes(), [1, 1, 1]);
    assert_eq!(start.elapsed(), ROUND_TRIP * 3);
}

#[tokio::test(start_paused = true)]
async fn dropped_emit_releases_its_capacity() {
    let fake = Fake::healthy();
    let sdk = builder(false)
        .max_buffered_events(3)
        .build_on(fake.clone())
        .unwrap();
    // This future has been polled before it is dropped, so its event is sent.
    let mut taken = sdk.emit_envelope(event("taken"));
    assert!(timeout(Duration::ZERO, &mut taken).await.is_err());
    drop(taken);
    // Two more events use up the capacity. One waiting future is dropped, and the capacity goes
    // to the next one.
    let tasks = spawn(&sdk, numbered(0..2));
    tokio::task::yield_now().await;
    let mut waiting = sdk.emit_envelope(event("waiting"));
    assert!(timeout(Duration::ZERO, &mut waiting).await.is_err());
    let next = spawn(&sdk, ["next".to_owned()]);
    tokio::task::yield_now().await;
    drop(waiting);
    // This future was never polled, so its event is not sent.
    drop(sdk.emit_envelope(event("unpolled")));
    for task in tasks.into_iter().chain(next) {
        task.await.unwrap().unwrap();
    }
    sdk.flush().await;
    assert_eq!(fake.accepted(), ["taken", "0", "1", "next"]);
    let report = sdk.shutdown(Duration::ZERO).await;
    assert_eq!((report.accepted, report.failed), (4, 0));
}

#[tokio::test(start_paused = true)]
async fn flush_includes_events_waiting_for_capacity() {
    let fake = Fake::healthy();
    let sdk = builder(false)
        .max_buffered_events(1)
        .build_on(fake.clone())
        .unwrap();
    let tasks = spawn(&sdk, numbered(0..3));
    tokio::task::yield_now().await;
    sdk.flush().await;
    assert_eq!(fake.accepted(), ["0", "1", "2"]);
    assert!(tasks.iter().all(|task| task.is_finished()));
    timeout(Duration::ZERO, sdk.flush()).await.unwrap();
}
