//! The sender against a queue that does what it is told, in paused time.

use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::time::{Instant, sleep, timeout};

use crate::sdk::transport::{Answer, Message, RequestError, RequestErrorKind, Sending, Transport};
use crate::sdk::{Emission, Sdk, SdkBuilder};
use crate::{EmitError, Emitter, EmitterId, EmitterType, EntityId, Envelope, EventType};

const ROUND_TRIP: Duration = Duration::from_millis(5);

type Behave =
    dyn Fn(usize, &[Message]) -> (Duration, Result<Vec<Answer>, RequestError>) + Send + Sync;

/// A queue in memory: what it saw, and what it accepted, in order.
struct Fake {
    behave: Box<Behave>,
    seen: Mutex<Vec<(Instant, Vec<Message>)>>,
    accepted: Mutex<Vec<Message>>,
    in_flight: AtomicUsize,
    most_in_flight: AtomicUsize,
    groups_in_flight: Mutex<HashMap<Arc<str>, usize>>,
}

impl fmt::Debug for Fake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Fake")
    }
}

impl Fake {
    fn new(
        behave: impl Fn(usize, &[Message]) -> (Duration, Result<Vec<Answer>, RequestError>)
        + Send
        + Sync
        + 'static,
    ) -> Arc<Self> {
        Arc::new(Self {
            behave: Box::new(behave),
            seen: Mutex::default(),
            accepted: Mutex::default(),
            in_flight: AtomicUsize::new(0),
            most_in_flight: AtomicUsize::new(0),
            groups_in_flight: Mutex::default(),
        })
    }

    /// Accepts everything after a round trip.
    fn good() -> Arc<Self> {
        Self::new(|_, messages| (ROUND_TRIP, Ok(all(messages))))
    }

    fn sizes(&self) -> Vec<usize> {
        self.seen
            .lock()
            .unwrap()
            .iter()
            .map(|(_, m)| m.len())
            .collect()
    }

    fn accepted(&self) -> Vec<String> {
        let accepted = self.accepted.lock().unwrap();
        accepted.iter().flat_map(|m| entity_ids(&m.body)).collect()
    }
}

impl Transport for Fake {
    fn send(&self, messages: Vec<Message>) -> Sending<'_> {
        Box::pin(async move {
            let number = {
                let mut seen = self.seen.lock().unwrap();
                seen.push((Instant::now(), messages.clone()));
                seen.len() - 1
            };
            for group in messages.iter().filter_map(|m| m.group.clone()) {
                *self
                    .groups_in_flight
                    .lock()
                    .unwrap()
                    .entry(group)
                    .or_default() += 1;
            }
            let now = self.in_flight.fetch_add(1, Ordering::SeqCst) + 1;
            self.most_in_flight.fetch_max(now, Ordering::SeqCst);
            let (wait, answers) = (self.behave)(number, &messages);
            sleep(wait).await;
            self.in_flight.fetch_sub(1, Ordering::SeqCst);
            for group in messages.iter().filter_map(|m| m.group.clone()) {
                let mut groups = self.groups_in_flight.lock().unwrap();
                let count = groups.get_mut(&group).unwrap();
                let fifo = messages.iter().all(|m| m.deduplication.is_some());
                assert!(*count == 1 || !fifo, "two messages of a group in flight");
                *count -= 1;
            }
            if let Ok(answers) = &answers {
                let pairs = messages.into_iter().zip(answers);
                let accepted = pairs.filter(|(_, a)| matches!(a, Answer::Accepted { .. }));
                self.accepted
                    .lock()
                    .unwrap()
                    .extend(accepted.map(|(m, _)| m));
            }
            answers
        })
    }
}

fn entity_ids(body: &str) -> Vec<String> {
    let id = crate::EventId::from_static("m");
    let events = crate::wire::decode(body, &id).unwrap();
    events
        .into_iter()
        .map(|e| e.outcome.unwrap().entity_id().to_string())
        .collect()
}

fn all(messages: &[Message]) -> Vec<Answer> {
    messages.iter().map(|_| accepted()).collect()
}

fn accepted() -> Answer {
    Answer::Accepted {
        message_id: "message".to_owned(),
        sequence_number: None,
    }
}

fn refused(sender_fault: bool) -> Answer {
    Answer::Refused {
        code: "InternalError".to_owned(),
        reason: "told to".to_owned(),
        sender_fault,
    }
}

fn unavailable() -> RequestError {
    RequestError::new(RequestErrorKind::Unavailable, "told to")
}

fn builder(fifo: bool) -> SdkBuilder {
    let url = if fifo { "http://q.fifo" } else { "http://q" };
    Sdk::builder(url, Emitter::system("test").unwrap())
}

fn event(id: &str) -> Envelope {
    let emitter = Emitter::new(
        EmitterType::from_static("SYSTEM"),
        EmitterId::from_static("test"),
    );
    let id = EntityId::new(id.to_owned()).unwrap();
    Envelope::builder(EventType::from_static("TESTED"), id, emitter)
        .build()
        .unwrap()
}

fn spawn(
    sdk: &Sdk,
    ids: impl IntoIterator<Item = String>,
) -> Vec<tokio::task::JoinHandle<crate::sdk::pending::Outcome>> {
    ids.into_iter()
        .map(|id| tokio::spawn(sdk.emit_envelope(event(&id))))
        .collect()
}

fn numbered(range: std::ops::Range<usize>) -> impl Iterator<Item = String> {
    range.map(|n| n.to_string())
}

#[tokio::test(start_paused = true)]
async fn a_lone_event_is_sent_at_once() {
    let fake = Fake::good();
    let sdk = builder(false).build_on(fake.clone()).unwrap();
    let start = Instant::now();
    let receipt = sdk.emit_envelope(event("a")).await.unwrap();
    assert_eq!(start.elapsed(), ROUND_TRIP);
    assert_eq!(receipt.message_id.as_deref(), Some("message"));
    assert_eq!(fake.sizes(), [1]);
}

#[tokio::test(start_paused = true)]
async fn what_gathers_during_a_request_goes_with_the_next() {
    let fake = Fake::good();
    let sdk = builder(false).build_on(fake.clone()).unwrap();
    let first = spawn(&sdk, numbered(0..1));
    sleep(ROUND_TRIP / 2).await;
    let later = spawn(&sdk, numbered(1..8));
    for task in first.into_iter().chain(later) {
        task.await.unwrap().unwrap();
    }
    assert_eq!(fake.sizes(), [1, 7]);
}

#[tokio::test(start_paused = true)]
async fn under_load_requests_are_full_and_no_more_are_in_flight_than_may_be() {
    let fake = Fake::good();
    let sdk = builder(false)
        .max_in_flight(4)
        .build_on(fake.clone())
        .unwrap();
    let tasks: Vec<_> = (0..100)
        .map(|_| {
            let sdk = sdk.clone();
            tokio::spawn(async move {
                for n in 0..10 {
                    let _ = sdk.emit_envelope(event(&n.to_string())).await.unwrap();
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    assert!(fake.sizes().len() <= 104, "{:?}", fake.sizes());
    assert_eq!(fake.most_in_flight.load(Ordering::SeqCst), 4);
}

#[tokio::test(start_paused = true)]
async fn a_request_that_hangs_does_not_hold_up_what_comes_after() {
    let fake = Fake::new(|number, messages| {
        let wait = if number == 0 {
            Duration::from_secs(9)
        } else {
            ROUND_TRIP
        };
        (wait, Ok(all(messages)))
    });
    let sdk = builder(false).build_on(fake.clone()).unwrap();
    let hanging = spawn(&sdk, ["a".to_owned()]);
    sleep(ROUND_TRIP).await;
    let start = Instant::now();
    let _ = sdk.emit_envelope(event("b")).await.unwrap();
    assert!(
        start.elapsed() < Duration::from_millis(120),
        "{:?}",
        start.elapsed()
    );
    let start = Instant::now();
    let _ = sdk.emit_envelope(event("c")).await.unwrap();
    assert_eq!(start.elapsed(), ROUND_TRIP);
    for task in hanging {
        task.await.unwrap().unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn a_linger_waits_once_and_ends_early_when_full_or_flushed() {
    let fake = Fake::good();
    let linger = Duration::from_millis(50);
    let sdk = builder(false)
        .linger(linger)
        .build_on(fake.clone())
        .unwrap();
    let start = Instant::now();
    for task in spawn(&sdk, numbered(0..3)) {
        task.await.unwrap().unwrap();
    }
    assert_eq!(start.elapsed(), linger + ROUND_TRIP);
    let start = Instant::now();
    for task in spawn(&sdk, numbered(0..10)) {
        task.await.unwrap().unwrap();
    }
    assert_eq!(start.elapsed(), ROUND_TRIP);
    let start = Instant::now();
    let tasks = spawn(&sdk, numbered(0..2));
    tokio::task::yield_now().await;
    sdk.flush().await;
    assert_eq!(start.elapsed(), ROUND_TRIP);
    assert!(tasks.iter().all(|task| task.is_finished()));
    assert_eq!(fake.sizes(), [3, 10, 2]);
}

#[tokio::test(start_paused = true)]
async fn only_what_failed_is_sent_again() {
    // The second of five fails twice, the fourth is the sender's fault.
    let fake = Fake::new(|number, messages| {
        let mut answers = all(messages);
        if number == 0 {
            answers[1] = refused(false);
            answers[3] = refused(true);
        } else if number == 1 {
            answers[0] = refused(false);
        }
        (ROUND_TRIP, Ok(answers))
    });
    let sdk = builder(false).build_on(fake.clone()).unwrap();
    let outcomes = {
        let tasks = spawn(&sdk, numbered(0..5));
        let mut outcomes = Vec::new();
        for task in tasks {
            outcomes.push(task.await.unwrap());
        }
        outcomes
    };
    assert_eq!(fake.sizes(), [5, 1, 1]);
    assert_eq!(fake.accepted(), ["0", "2", "4", "1"]);
    for (n, outcome) in outcomes.into_iter().enumerate() {
        if n == 3 {
            let error = outcome.unwrap_err();
            assert!(matches!(error, EmitError::Refused { .. }) && !error.is_retryable());
            assert_eq!(error.into_envelope().unwrap().entity_id().as_str(), "3");
        } else {
            let _ = outcome.unwrap();
        }
    }
}

#[tokio::test(start_paused = true)]
async fn the_budget_ends_the_attempts_and_an_entry_without_answer_counts_as_one() {
    let fake = Fake::new(|number, messages| match number {
        0 => (ROUND_TRIP, Ok(vec![])),
        _ => (
            ROUND_TRIP,
            Ok(messages.iter().map(|_| refused(false)).collect()),
        ),
    });
    let sdk = builder(false)
        .max_attempts(3)
        .build_on(fake.clone())
        .unwrap();
    let start = Instant::now();
    let error = sdk.emit_envelope(event("a")).await.unwrap_err();
    assert!(matches!(error, EmitError::Exhausted { attempts: 3, .. }) && error.is_retryable());
    assert_eq!(fake.sizes(), [1, 1, 1]);
    // Jittered: 25 to 50 ms, then 50 to 100 ms, and three round trips.
    assert!(
        (90..=165).contains(&start.elapsed().as_millis()),
        "{:?}",
        start.elapsed()
    );
    // The identity is the same on every attempt.
    let bodies: std::collections::HashSet<String> = fake
        .seen
        .lock()
        .unwrap()
        .iter()
        .map(|(_, m)| m[0].body.clone())
        .collect();
    assert_eq!(bodies.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_request_that_fails_as_a_whole_is_not_repeated() {
    let fake = Fake::new(|_, _| (ROUND_TRIP, Err(unavailable())));
    let sdk = builder(false).build_on(fake.clone()).unwrap();
    let tasks = spawn(&sdk, numbered(0..4));
    for task in tasks {
        let error = task.await.unwrap().unwrap_err();
        assert!(matches!(error, EmitError::Request { .. }) && error.is_retryable());
    }
    assert_eq!(fake.sizes(), [4]);
}

#[tokio::test(start_paused = true)]
async fn an_endpoint_with_a_smaller_request_gets_smaller_requests() {
    let fake = Fake::new(|_, messages| {
        let bytes: usize = messages.iter().map(|m| m.body.len()).sum();
        let too_long = RequestError::new(RequestErrorKind::TooLong, "too long");
        let answer = if bytes > 500 {
            Err(too_long)
        } else {
            Ok(all(messages))
        };
        (ROUND_TRIP, answer)
    });
    let sdk = builder(false).build_on(fake.clone()).unwrap();
    for task in spawn(&sdk, numbered(0..20)) {
        task.await.unwrap().unwrap();
    }
    let mut ids = fake.accepted();
    ids.sort_by_key(|id| id.parse::<usize>().unwrap());
    assert_eq!(ids, numbered(0..20).collect::<Vec<_>>());
    let error = sdk
        .emit_envelope(event(&"x".repeat(600)))
        .await
        .unwrap_err();
    assert!(
        matches!(error, EmitError::TooLargeForQueue { .. }),
        "{error:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn fifo_keeps_the_order_of_each_entity_while_entries_fail() {
    // Every third entry fails, wherever it stands.
    let count = AtomicUsize::new(0);
    let fake = Fake::new(move |_, messages| {
        let answer = |_: &Message| {
            if count.fetch_add(1, Ordering::SeqCst) % 3 == 2 {
                refused(false)
            } else {
                accepted()
            }
        };
        (ROUND_TRIP, Ok(messages.iter().map(answer).collect()))
    });
    let sdk = builder(true)
        .max_attempts(100)
        .build_on(fake.clone())
        .unwrap();
    // 20 entities, whose events interleave; the version tells their order.
    let events: Vec<Envelope> = (0..400).map(|n| event(&format!("e{}", n % 20))).collect();
    let order: Vec<_> = events.iter().map(|e| e.event_id().to_string()).collect();
    let tasks: Vec<Emission> = events.into_iter().map(|e| sdk.emit_envelope(e)).collect();
    let tasks: Vec<_> = tasks.into_iter().map(tokio::spawn).collect();
    for task in tasks {
        task.await.unwrap().unwrap();
    }
    let accepted = fake.accepted.lock().unwrap();
    assert_eq!(accepted.len(), 400);
    let mut last: HashMap<Arc<str>, usize> = HashMap::new();
    for message in accepted.iter() {
        let id = message.deduplication.as_ref().unwrap();
        let place = order.iter().position(|o| o == id).unwrap();
        let before = last.insert(message.group.clone().unwrap(), place);
        assert!(before < Some(place), "order is lost");
    }
}

#[tokio::test(start_paused = true)]
async fn one_slow_entity_does_not_hold_up_the_others_on_fifo() {
    let fake = Fake::new(|_, messages| {
        let slow = messages.iter().any(|m| m.group.as_deref() == Some("slow"));
        let wait = if slow {
            Duration::from_secs(5)
        } else {
            ROUND_TRIP
        };
        (wait, Ok(all(messages)))
    });
    let sdk = builder(true).build_on(fake.clone()).unwrap();
    let slow = spawn(&sdk, ["slow".to_owned(), "slow".to_owned()]);
    sleep(ROUND_TRIP).await;
    let start = Instant::now();
    for task in spawn(&sdk, numbered(0..50)) {
        task.await.unwrap().unwrap();
    }
    assert!(start.elapsed() < Duration::from_secs(1));
    for task in slow {
        task.await.unwrap().unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn packing_fills_messages_under_load_and_only_then() {
    let fake = Fake::good();
    let sdk = builder(false).packing(true).build_on(fake.clone()).unwrap();
    let start = Instant::now();
    for task in spawn(&sdk, numbered(0..1000)) {
        task.await.unwrap().unwrap();
    }
    assert_eq!(start.elapsed(), ROUND_TRIP);
    let bodies = |request: usize| -> Vec<String> {
        let seen = fake.seen.lock().unwrap();
        seen[request].1.iter().map(|m| m.body.clone()).collect()
    };
    assert_eq!(fake.sizes().len(), 1);
    assert!(
        bodies(0)
            .iter()
            .all(|b| b.len() <= 65_536 && b.starts_with('['))
    );
    assert_eq!(fake.accepted(), numbered(0..1000).collect::<Vec<_>>());
    for task in spawn(&sdk, numbered(0..10)) {
        task.await.unwrap().unwrap();
    }
    assert!(bodies(1).iter().all(|body| body.starts_with('{')));
}

#[tokio::test(start_paused = true)]
async fn a_pack_that_the_queue_refuses_is_divided() {
    let fake = Fake::new(|_, messages| {
        let answer = |m: &Message| {
            if m.body.len() > 1_000 {
                refused(true)
            } else {
                accepted()
            }
        };
        (ROUND_TRIP, Ok(messages.iter().map(answer).collect()))
    });
    let sdk = builder(false).packing(true).build_on(fake.clone()).unwrap();
    let big = "x".repeat(1_500);
    let mut ids: Vec<String> = numbered(0..100).collect();
    ids[50].clone_from(&big);
    for (n, task) in spawn(&sdk, ids).into_iter().enumerate() {
        assert_eq!(task.await.unwrap().is_ok(), n != 50, "{n}");
    }
    assert_eq!(fake.accepted().len(), 99);
}

#[tokio::test(start_paused = true)]
async fn packs_hold_events_of_one_tenant() {
    let fake = Fake::good();
    let sdk = builder(false).packing(true).build_on(fake.clone()).unwrap();
    let tenants = [sdk.for_tenant("a"), sdk.for_tenant("b"), sdk.clone()];
    let mut tasks = Vec::new();
    for block in 0..6 {
        tasks.extend(spawn(
            &tenants[block % 3],
            numbered(block * 10..block * 10 + 10),
        ));
    }
    for task in tasks {
        task.await.unwrap().unwrap();
    }
    for message in fake.accepted.lock().unwrap().iter() {
        let owner = message.group.as_deref();
        for id in entity_ids(&message.body) {
            let block = id.parse::<usize>().unwrap() / 10;
            assert_eq!(owner, [Some("a"), Some("b"), None][block % 3]);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn emit_waits_when_full_and_try_emit_hands_back() {
    let fake = Fake::good();
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
    // A tuple of one is no object: the event is judged before there is room.
    let error = sdk.try_emit(Own(7)).unwrap_err();
    assert!(matches!(error, crate::TryEmitError::Invalid { .. }));
    assert_eq!(error.into_event().0, 7);
    let mut third = Box::pin(sdk.emit_envelope(event("2")));
    assert!(
        timeout(ROUND_TRIP / 2, &mut third).await.is_err(),
        "it waits"
    );
    let _ = third.await.unwrap();
    for task in tasks {
        task.await.unwrap().unwrap();
    }
    assert_eq!(fake.sizes(), [2, 1]);
}

#[tokio::test(start_paused = true)]
async fn bytes_bound_too_and_the_largest_event_still_goes() {
    let fake = Fake::good();
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
async fn a_cancelled_emit_neither_blocks_nor_corrupts() {
    let fake = Fake::good();
    let sdk = builder(false)
        .max_buffered_events(3)
        .build_on(fake.clone())
        .unwrap();
    // Taken, then dropped: it goes all the same.
    let mut taken = sdk.emit_envelope(event("taken"));
    assert!(timeout(Duration::ZERO, &mut taken).await.is_err());
    drop(taken);
    // Two more fill the room; one that waits leaves; the next gets its place.
    let tasks = spawn(&sdk, numbered(0..2));
    tokio::task::yield_now().await;
    let mut waiting = sdk.emit_envelope(event("waiting"));
    assert!(timeout(Duration::ZERO, &mut waiting).await.is_err());
    let next = spawn(&sdk, ["next".to_owned()]);
    tokio::task::yield_now().await;
    drop(waiting);
    // One that was never polled was never taken.
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
async fn a_flush_waits_for_all_that_was_given_also_for_who_waits_for_room() {
    let fake = Fake::good();
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

#[tokio::test(start_paused = true)]
async fn a_shutdown_in_time_reports_and_closes() {
    let fake = Fake::good();
    let sdk = builder(false).build_on(fake.clone()).unwrap();
    let tasks = spawn(&sdk, numbered(0..25));
    tokio::task::yield_now().await;
    let report = sdk.shutdown(Duration::from_secs(1)).await;
    assert!(report.is_complete());
    assert_eq!((report.accepted, report.failed), (25, 0));
    for task in tasks {
        task.await.unwrap().unwrap();
    }
    let error = sdk.emit_envelope(event("late")).await.unwrap_err();
    assert!(matches!(error, EmitError::ShutDown { .. }));
    assert_eq!(error.envelope().unwrap().entity_id().as_str(), "late");
}

#[tokio::test(start_paused = true)]
async fn a_shutdown_at_its_deadline_hands_every_event_back() {
    for fifo in [false, true] {
        let fake = Fake::new(|_, messages| (Duration::from_secs(60), Ok(all(messages))));
        let sdk = builder(fifo)
            .max_in_flight(1)
            .max_buffered_events(25)
            .build_on(fake.clone())
            .unwrap();
        let tasks = spawn(&sdk, numbered(0..30));
        tokio::task::yield_now().await;
        let report = sdk.shutdown(Duration::from_secs(1)).await;
        assert!(!report.is_complete());
        let ids = |events: &[Envelope]| -> Vec<usize> {
            events
                .iter()
                .map(|e| e.entity_id().as_str().parse().unwrap())
                .collect()
        };
        assert_eq!(ids(&report.undetermined), (0..10).collect::<Vec<_>>());
        assert_eq!(ids(&report.unsent), (10..25).collect::<Vec<_>>());
        assert_eq!((report.accepted, report.failed), (0, 25));
        // Every caller has its own event back, also those who waited for room.
        for (n, task) in tasks.into_iter().enumerate() {
            let error = task.await.unwrap().unwrap_err();
            match n {
                0..10 => assert!(matches!(error, EmitError::Interrupted { .. })),
                _ => assert!(matches!(error, EmitError::ShutDown { .. })),
            }
            assert_eq!(
                error.into_envelope().unwrap().entity_id().as_str(),
                n.to_string()
            );
        }
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_pending_when_the_last_handle_goes_is_sent() {
    let fake = Fake::good();
    let sdk = builder(false).build_on(fake.clone()).unwrap();
    let mut emission = sdk.emit_envelope(event("a"));
    assert!(timeout(Duration::ZERO, &mut emission).await.is_err());
    drop(emission);
    drop(sdk);
    sleep(ROUND_TRIP * 2).await;
    assert_eq!(fake.accepted(), ["a"]);
}

#[test]
fn a_runtime_that_ends_loses_no_event_of_an_emitter_that_lives_on() {
    let runtime = || {
        tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .build()
            .unwrap()
    };
    let fake = Fake::new(|number, messages| {
        let wait = if number == 0 {
            Duration::from_secs(60)
        } else {
            Duration::ZERO
        };
        (wait, Ok(all(messages)))
    });
    let first = runtime();
    let sdk = first.block_on(async { builder(false).build_on(fake.clone()).unwrap() });
    first.block_on(async {
        let mut emission = sdk.emit_envelope(event("a"));
        assert!(
            timeout(Duration::from_millis(20), &mut emission)
                .await
                .is_err()
        );
    });
    drop(first);
    runtime().block_on(async {
        let _ = sdk.emit_envelope(event("b")).await.unwrap();
        let report = sdk.shutdown(Duration::from_secs(5)).await;
        assert!(report.is_complete());
    });
    assert_eq!(fake.accepted(), ["a", "b"]);
}

#[tokio::test(start_paused = true)]
async fn a_request_that_panics_is_an_error_of_its_events_and_of_no_others() {
    let fake = Fake::new(|number, messages| {
        assert!(number > 0, "told to");
        (ROUND_TRIP, Ok(all(messages)))
    });
    let sdk = builder(false).build_on(fake.clone()).unwrap();
    let error = sdk.emit_envelope(event("a")).await.unwrap_err();
    assert!(matches!(error, EmitError::Request { .. }));
    let _ = sdk.emit_envelope(event("b")).await.unwrap();
    assert!(sdk.shutdown(Duration::from_secs(1)).await.is_complete());
}

#[tokio::test]
async fn handles_and_futures_can_go_to_any_thread() {
    fn check<T: Send + Sync + 'static>(_: &T) {}
    let sdk = builder(false).build_on(Fake::good()).unwrap();
    check(&sdk);
    let emission = sdk.emit_envelope(event("a"));
    check(&emission);
    let _ = emission.await;
    fn send<T: Send>(_: T) {}
    send(sdk.shutdown(Duration::ZERO));
    send(sdk.flush());
}

#[cfg(feature = "metrics")]
#[test]
fn every_outcome_is_counted() {
    use std::sync::atomic::AtomicU64;

    use metrics::{Counter, Gauge, Histogram, Key, KeyName, Metadata, SharedString, Unit};

    #[derive(Default)]
    struct Counts(Mutex<HashMap<String, Arc<AtomicU64>>>);
    impl metrics::Recorder for Counts {
        fn describe_counter(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
        fn describe_gauge(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
        fn describe_histogram(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
        fn register_counter(&self, key: &Key, _: &Metadata<'_>) -> Counter {
            let mut counts = self.0.lock().unwrap();
            Counter::from_arc(counts.entry(key.name().to_owned()).or_default().clone())
        }
        fn register_gauge(&self, _: &Key, _: &Metadata<'_>) -> Gauge {
            Gauge::noop()
        }
        fn register_histogram(&self, _: &Key, _: &Metadata<'_>) -> Histogram {
            Histogram::noop()
        }
    }

    let counts = Counts::default();
    metrics::with_local_recorder(&counts, || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .build()
            .unwrap();
        runtime.block_on(async {
            let fake = Fake::new(|number, messages| {
                let mut answers = all(messages);
                if number == 0 {
                    answers[0] = refused(false);
                    answers[1] = refused(true);
                }
                (Duration::ZERO, Ok(answers))
            });
            let sdk = builder(false).build_on(fake).unwrap();
            for task in spawn(&sdk, numbered(0..5)) {
                let _ = task.await.unwrap();
            }
        });
    });
    let counts = counts.0.lock().unwrap();
    let count = |name: &str| counts[name].load(Ordering::SeqCst);
    assert_eq!(count("domain_events_emitted_total"), 4);
    assert_eq!(count("domain_events_failed_total"), 1);
    assert_eq!(count("domain_events_retried_total"), 1);
    assert!(count("domain_events_sent_bytes_total") > 6 * 100);
}
