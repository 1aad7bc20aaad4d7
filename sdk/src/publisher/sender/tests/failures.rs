//! Retries and outcomes of events that SQS did not accept.

use std::time::Duration;

use tokio::time::Instant;

use super::*;
use crate::EmitError;
use crate::publisher::transport::{RequestError, RequestErrorKind};

#[tokio::test(start_paused = true)]
async fn only_failed_entries_are_sent_again() {
    // The second of five entries fails twice. The fourth entry fails through the sender's
    // fault, so it is not retried.
    let fake = Fake::new(|number, messages| {
        let mut results = accept_all(messages);
        if number == 0 {
            results[1] = refused(false);
            results[3] = refused(true);
        } else if number == 1 {
            results[0] = refused(false);
        }
        (ROUND_TRIP, Ok(results))
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
async fn missing_result_counts_as_an_attempt() {
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
    assert!(
        matches!(error, EmitError::RetriesExhausted { attempts: 3, .. }) && error.is_retryable()
    );
    assert_eq!(fake.sizes(), [1, 1, 1]);
    // The delays have jitter: 25 to 50 ms, then 50 to 100 ms, and three round trips.
    assert!(
        (90..=165).contains(&start.elapsed().as_millis()),
        "{:?}",
        start.elapsed()
    );
    // The identity is the same on every attempt.
    let bodies: std::collections::HashSet<String> = fake
        .requests
        .lock()
        .unwrap()
        .iter()
        .map(|(_, m)| m[0].body.clone())
        .collect();
    assert_eq!(bodies.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn failed_request_is_not_retried() {
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
async fn too_large_request_is_divided() {
    let fake = Fake::new(|_, messages| {
        let bytes: usize = messages.iter().map(|m| m.body.len()).sum();
        let too_long = RequestError::new(RequestErrorKind::TooLong, "orders", "too long");
        let result = if bytes > 500 {
            Err(too_long)
        } else {
            Ok(accept_all(messages))
        };
        (ROUND_TRIP, result)
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
async fn panicking_request_fails_its_events_only() {
    let fake = Fake::new(|number, messages| {
        assert!(number > 0, "scripted");
        (ROUND_TRIP, Ok(accept_all(messages)))
    });
    let sdk = builder(false).build_on(fake.clone()).unwrap();
    let error = sdk.emit_envelope(event("a")).await.unwrap_err();
    assert!(matches!(error, EmitError::Request { .. }));
    let _ = sdk.emit_envelope(event("b")).await.unwrap();
    assert!(sdk.shutdown(Duration::from_secs(1)).await.is_complete());
}

#[tokio::test(start_paused = true)]
async fn event_too_large_for_a_message_is_returned() {
    let emitter = Emitter::system("test").unwrap();
    let id = EntityId::new("a".to_owned()).unwrap();
    // Each of these characters takes one byte in the table, and six bytes in SQS.
    let data = HashMap::from([("text", "\u{1}".repeat(200_000))]);
    let envelope = Envelope::builder(EventType::from_static("TESTED"), id, emitter)
        .build_with(&data)
        .unwrap();
    let sdk = builder(false).build_on(Fake::healthy()).unwrap();
    let error = sdk.emit_envelope(envelope.clone()).await.unwrap_err();
    let EmitError::TooLargeForQueue { message_bytes, .. } = &error else {
        panic!("{error:?}");
    };
    assert!(*message_bytes > 1_200_000 && !error.is_retryable());
    assert_eq!(error.into_envelope(), Some(envelope));
}
