//! When requests are sent, and which events they contain.

use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::*;

#[tokio::test(start_paused = true)]
async fn lone_event_is_sent_at_once() {
    let fake = Fake::healthy();
    let sdk = builder(false).build_on(fake.clone()).unwrap();
    let start = Instant::now();
    let receipt = sdk.emit_envelope(event("a")).await.unwrap();
    assert_eq!(start.elapsed(), ROUND_TRIP);
    assert_eq!(receipt.message_id.as_deref(), Some("message"));
    assert_eq!(fake.sizes(), [1]);
}

#[tokio::test(start_paused = true)]
async fn events_during_a_request_fill_the_next() {
    let fake = Fake::healthy();
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
async fn load_fills_requests_within_max_in_flight() {
    let fake = Fake::healthy();
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
    assert_eq!(fake.max_in_flight.load(Ordering::SeqCst), 4);
}

#[tokio::test(start_paused = true)]
async fn hanging_request_does_not_delay_later_events() {
    let fake = Fake::new(|number, messages| {
        let wait = if number == 0 {
            Duration::from_secs(9)
        } else {
            ROUND_TRIP
        };
        (wait, Ok(accept_all(messages)))
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
async fn linger_ends_early_when_full_or_flushed() {
    let fake = Fake::healthy();
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
