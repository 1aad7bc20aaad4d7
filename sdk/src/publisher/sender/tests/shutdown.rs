//! Shutdown before its deadline, shutdown at its deadline, and the drop of the last handle.

use std::fmt;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::time::{sleep, timeout};

use super::*;
use crate::{EmitError, Envelope};

#[tokio::test(start_paused = true)]
async fn shutdown_in_time_is_complete() {
    let fake = Fake::healthy();
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
async fn shutdown_at_its_deadline_returns_every_event() {
    for fifo in [false, true] {
        let fake = Fake::new(|_, messages| (Duration::from_secs(60), Ok(accept_all(messages))));
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
        // Every caller gets its own event back, including callers that waited for capacity.
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

/// Collects the log events, each as `level: field=value …`.
#[derive(Clone, Default)]
pub(super) struct Log(pub(super) Arc<Mutex<Vec<String>>>);

impl tracing::Subscriber for Log {
    fn enabled(&self, metadata: &tracing::Metadata<'_>) -> bool {
        // Warnings and errors only, as in a service: the traces of other crates print whole
        // requests.
        metadata.level() <= &tracing::Level::WARN
    }
    fn event(&self, event: &tracing::Event<'_>) {
        let mut line = format!("{}:", event.metadata().level());
        event.record(
            &mut |field: &tracing::field::Field, value: &dyn fmt::Debug| {
                line.push_str(&format!(" {field}={value:?}"));
            },
        );
        self.0.lock().unwrap().push(line);
    }
    fn new_span(&self, _: &tracing::span::Attributes<'_>) -> tracing::span::Id {
        tracing::span::Id::from_u64(1)
    }
    fn record(&self, _: &tracing::span::Id, _: &tracing::span::Record<'_>) {}
    fn record_follows_from(&self, _: &tracing::span::Id, _: &tracing::span::Id) {}
    fn enter(&self, _: &tracing::span::Id) {}
    fn exit(&self, _: &tracing::span::Id) {}
}

#[tokio::test(start_paused = true)]
async fn pending_events_of_last_handle_are_sent() {
    let fake = Fake::healthy();
    let log = Log::default();
    let _guard = tracing::subscriber::set_default(log.clone());
    let sdk = builder(false).build_on(fake.clone()).unwrap();
    for id in ["a", "b", "c"] {
        let mut emission = sdk.emit_envelope(event(id));
        assert!(timeout(Duration::ZERO, &mut emission).await.is_err());
    }
    drop(sdk.clone());
    assert_eq!(*log.0.lock().unwrap(), [""; 0], "another handle remains");
    drop(sdk);
    let text = log.0.lock().unwrap().join("\n");
    assert!(
        text.starts_with("WARN:") && text.contains(" pending=3"),
        "{text}"
    );
    sleep(ROUND_TRIP * 3).await;
    assert_eq!(fake.accepted(), ["a", "b", "c"]);
}

#[tokio::test(start_paused = true)]
async fn last_handle_without_events_logs_nothing() {
    let log = Log::default();
    let _guard = tracing::subscriber::set_default(log.clone());
    let sdk = builder(false).build_on(Fake::healthy()).unwrap();
    let _ = sdk.emit_envelope(event("a")).await.unwrap();
    drop(sdk);
    assert_eq!(*log.0.lock().unwrap(), [""; 0]);
}
