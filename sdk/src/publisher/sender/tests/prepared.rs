//! Events that are prepared and sent later, and events with a clock and ids from the test.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::*;
use crate::{DomainEvent, EmitError, EventDefinition, EventId, Timestamp};

#[derive(serde::Serialize)]
struct Opened {
    account: String,
}

impl DomainEvent for Opened {
    const DEFINITIONS: &'static [EventDefinition] = &[EventDefinition::new("OPENED")];
    fn entity_id(&self) -> &dyn std::fmt::Display {
        &self.account
    }
}

fn opened() -> Opened {
    Opened {
        account: "a-1".to_owned(),
    }
}

#[tokio::test(start_paused = true)]
async fn prepared_event_is_sent_as_it_was_encoded() {
    for fifo in [false, true] {
        let fake = Fake::healthy();
        let sdk = builder(fifo).build_on(fake.clone()).unwrap();
        let prepared = sdk.prepare(&opened()).unwrap();
        let (id, body) = (prepared.event_id().clone(), prepared.body().to_owned());
        assert_eq!(prepared.group_id(), fifo.then_some("a-1"));
        assert_eq!(prepared.deduplication_id(), fifo.then(|| id.to_string()));
        sdk.flush().await;
        assert_eq!(fake.sizes(), [0; 0], "nothing was sent");
        let receipt = sdk.emit_prepared(prepared).await.unwrap();
        assert_eq!(receipt.event_id, id);
        let requests = fake.requests.lock().unwrap();
        assert_eq!(requests[0].1[0].body, body);
        assert_eq!(requests[0].1[0].deduplication, fifo.then(|| id.to_string()));
    }
}

#[tokio::test(start_paused = true)]
async fn prepared_envelope_is_the_same_message() {
    let sdk = builder(false).build_on(Fake::healthy()).unwrap();
    let prepared = sdk.prepare(&opened()).unwrap();
    let body = prepared.body().to_owned();
    let envelope = prepared.into_envelope();
    assert_eq!(crate::wire::encode(&envelope).unwrap(), body);
}

#[tokio::test(start_paused = true)]
async fn events_use_the_configured_clock_and_ids() {
    let next = AtomicU64::new(0);
    let fake = Fake::healthy();
    let sdk = builder(false)
        .clock(|| Timestamp::from_nanos(1_596_719_980_000_000_000).unwrap())
        .ids(move || {
            let number = next.fetch_add(1, Ordering::Relaxed);
            EventId::new(format!("id-{number}")).unwrap()
        })
        .build_on(fake.clone())
        .unwrap();
    let receipt = sdk.emit(opened()).await.unwrap();
    assert_eq!(receipt.event_id.as_str(), "id-0");
    let envelope = sdk.envelope(&opened()).unwrap();
    assert_eq!(envelope.event_id().as_str(), "id-1");
    let prepared = sdk.prepare(&opened()).unwrap();
    let expected = r#"{"Timestamp":1596719980,"EventType":"OPENED","ID":"a-1","EmitterId":"test","EmitterType":"SYSTEM","Data":{"account":"a-1"},"EventId":"id-2"}"#;
    assert_eq!(prepared.body(), expected);
}

#[tokio::test(start_paused = true)]
async fn dropped_future_is_counted_and_logged_once() {
    let log = super::shutdown::Log::default();
    let _guard = tracing::subscriber::set_default(log.clone());
    let fake = Fake::healthy();
    let sdk = builder(false)
        .max_buffered_events(1)
        .build_on(fake.clone())
        .unwrap();
    for _ in 0..3 {
        drop(sdk.emit(opened()));
    }
    // A future that is dropped while it waits for capacity counts as well.
    let first = spawn(&sdk, ["first".to_owned()]);
    tokio::task::yield_now().await;
    let waiting = tokio::time::timeout(Duration::ZERO, sdk.emit(opened())).await;
    assert!(waiting.is_err());
    for task in first {
        let _ = task.await.unwrap().unwrap();
    }
    let report = sdk.shutdown(Duration::from_secs(1)).await;
    assert_eq!((report.accepted, report.failed, report.dropped), (1, 0, 4));
    let lines = log.0.lock().unwrap().join("\n");
    assert_eq!(lines.matches("event_type=\"OPENED\"").count(), 1, "{lines}");
    assert_eq!(fake.accepted(), ["first"]);
}

#[tokio::test(start_paused = true)]
async fn invalid_event_counts_as_failed() {
    let sdk = builder(false).build_on(Fake::healthy()).unwrap();
    let invalid = || Opened {
        account: String::new(),
    };
    assert!(matches!(
        sdk.emit(invalid()).await,
        Err(EmitError::Invalid(_))
    ));
    assert!(sdk.try_emit(invalid()).is_err());
    drop(sdk.emit(invalid()));
    let _ = sdk.emit(opened()).await.unwrap();
    let report = sdk.shutdown(Duration::from_secs(1)).await;
    assert_eq!((report.accepted, report.failed, report.dropped), (1, 3, 0));
}

#[tokio::test(start_paused = true)]
#[should_panic(expected = "polled after completion")]
async fn future_polled_after_completion_panics() {
    let sdk = builder(false).build_on(Fake::healthy()).unwrap();
    let mut emission = sdk.emit(opened());
    let _ = (&mut emission).await.unwrap();
    let _ = emission.await;
}

#[tokio::test(start_paused = true)]
async fn unsent_contains_events_that_wait_for_a_retry() {
    for fifo in [false, true] {
        let fake = Fake::new(|_, messages| {
            let refused = messages.iter().map(|_| refused(false)).collect();
            (ROUND_TRIP, Ok(refused))
        });
        let minute = Duration::from_secs(60);
        let sdk = builder(fifo)
            .backoff(minute, minute)
            .build_on(fake.clone())
            .unwrap();
        let tasks = spawn(&sdk, numbered(0..3));
        tokio::time::sleep(ROUND_TRIP * 3).await;
        // On a FIFO queue, an event of the same entity waits for the retry. On a standard
        // queue, the event is sent, fails, and waits for its own retry.
        let follower = spawn(&sdk, numbered(0..1));
        tokio::time::sleep(ROUND_TRIP * 3).await;
        let report = sdk.shutdown(Duration::from_secs(1)).await;
        let ids: Vec<&str> = report
            .unsent
            .iter()
            .map(|e| e.entity_id().as_str())
            .collect();
        assert_eq!(ids, ["0", "1", "2", "0"], "{fifo}");
        assert!(report.undetermined.is_empty());
        assert_eq!(report.failed, 4);
        for task in tasks.into_iter().chain(follower) {
            let error = task.await.unwrap().unwrap_err();
            assert!(matches!(error, EmitError::ShutDown { .. }), "{error:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn different_packs_have_different_ids() {
    use crate::publisher::buffer::pending::{Pending, deduplication_id};
    let pending = |id: &str| Pending::new(event(id), None).unwrap();
    let mut events = vec![pending("a"), pending("b")];
    let two = deduplication_id(&events);
    events.push(pending("c"));
    let three = deduplication_id(&events);
    assert_ne!(
        two, three,
        "with the same id, SQS would discard the pack that contains c"
    );
    events.pop();
    for other in [[0, 2], [2, 1]] {
        let pack = other.map(|n| pending(["a", "b", "c"][n]));
        assert_ne!(deduplication_id(&pack), two, "the id depends on each event");
    }
    assert_eq!(
        deduplication_id(&events),
        two,
        "a retry is the same message"
    );
    let one = deduplication_id(&events[..1]);
    assert_eq!(one, events[0].envelope().event_id().as_str());
}
