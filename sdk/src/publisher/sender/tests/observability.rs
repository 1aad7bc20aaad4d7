//! The metrics that an operator sees.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use metrics::{
    Counter, CounterFn, Gauge, GaugeFn, Histogram, HistogramFn, Key, KeyName, Metadata, Recorder,
    SharedString, Unit,
};
use tokio::time::sleep;

use super::*;

/// Every recorded value with the name of its metric, in the order of recording.
#[derive(Default, Clone)]
struct Recording(Arc<Mutex<HashMap<String, Vec<f64>>>>);

impl Recording {
    fn of(&self, name: &str) -> Vec<f64> {
        let recorded = self.0.lock().unwrap();
        recorded.get(name).cloned().unwrap_or_default()
    }

    fn sum(&self, name: &str) -> f64 {
        self.of(name).iter().sum()
    }
}

struct Metric(Recording, String);

impl Metric {
    fn push(&self, value: f64) {
        let mut recorded = self.0.0.lock().unwrap();
        recorded.entry(self.1.clone()).or_default().push(value);
    }
}

impl CounterFn for Metric {
    fn increment(&self, value: u64) {
        self.push(value as f64);
    }
    fn absolute(&self, _: u64) {
        panic!("counters are only incremented");
    }
}

impl GaugeFn for Metric {
    fn increment(&self, _: f64) {
        panic!("gauges are set");
    }
    fn decrement(&self, _: f64) {
        panic!("gauges are set");
    }
    fn set(&self, value: f64) {
        self.push(value);
    }
}

impl HistogramFn for Metric {
    fn record(&self, value: f64) {
        self.push(value);
    }
}

impl Recorder for Recording {
    fn describe_counter(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_gauge(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_histogram(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn register_counter(&self, key: &Key, _: &Metadata<'_>) -> Counter {
        Counter::from_arc(Arc::new(Metric(self.clone(), key.name().to_owned())))
    }
    fn register_gauge(&self, key: &Key, _: &Metadata<'_>) -> Gauge {
        Gauge::from_arc(Arc::new(Metric(self.clone(), key.name().to_owned())))
    }
    fn register_histogram(&self, key: &Key, _: &Metadata<'_>) -> Histogram {
        Histogram::from_arc(Arc::new(Metric(self.clone(), key.name().to_owned())))
    }
}

/// The metrics that `work` records, in paused time.
fn recorded(work: impl Future<Output = ()>) -> Recording {
    let recorded = Recording::default();
    metrics::with_local_recorder(&recorded, || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build()
            .unwrap();
        runtime.block_on(work);
    });
    recorded
}

fn sent_bytes(fake: &Fake) -> f64 {
    let requests = fake.requests.lock().unwrap();
    let messages = requests.iter().flat_map(|(_, messages)| messages);
    messages.map(|m| m.body.len()).sum::<usize>() as f64
}

#[test]
fn every_outcome_is_counted() {
    let fake = Fake::new(|number, messages| {
        let mut results = accept_all(messages);
        if number == 0 {
            results[0] = refused(false);
            results[1] = refused(true);
        }
        (Duration::ZERO, Ok(results))
    });
    let recorded = recorded(async {
        let sdk = builder(false).build_on(fake.clone()).unwrap();
        for task in spawn(&sdk, numbered(0..5)) {
            let _ = task.await.unwrap();
        }
    });
    assert_eq!(recorded.sum("domain_events_emitted_total"), 4.0);
    assert_eq!(recorded.sum("domain_events_failed_total"), 1.0);
    assert_eq!(recorded.sum("domain_events_retried_total"), 1.0);
    assert_eq!(
        recorded.sum("domain_events_sent_bytes_total"),
        sent_bytes(&fake)
    );
}

#[test]
fn events_returned_by_shutdown_count_as_failed() {
    let fake = Fake::new(|_, messages| (Duration::from_secs(60), Ok(accept_all(messages))));
    let recorded = recorded(async {
        let sdk = builder(false).max_in_flight(1).build_on(fake).unwrap();
        let tasks = spawn(&sdk, numbered(0..15));
        tokio::task::yield_now().await;
        let report = sdk.shutdown(Duration::from_secs(1)).await;
        assert_eq!(report.failed, 15);
        for task in tasks {
            assert!(task.await.unwrap().is_err());
        }
    });
    assert_eq!(recorded.sum("domain_events_failed_total"), 15.0);
}

#[cfg(feature = "spool")]
#[test]
fn damaged_records_of_the_spool_are_counted() {
    let folder = super::spooling::Folder::new("observed-damage");
    std::fs::create_dir_all(&folder.0).unwrap();
    std::fs::write(folder.0.join("000000000001.events"), "damaged").unwrap();
    let fake = Fake::healthy();
    let recorded = recorded(async {
        let sdk = builder(false).spool(&folder.0).build_on(fake).unwrap();
        assert_eq!(sdk.shutdown(Duration::ZERO).await.damaged_in_spool, 1);
    });
    assert_eq!(recorded.sum("domain_events_spool_damaged_total"), 1.0);
}

#[cfg(feature = "spool")]
#[test]
fn events_after_the_spool_ends_count_as_failed() {
    let folder = super::spooling::Folder::new("observed");
    let fake = Fake::new(|_, _| (ROUND_TRIP, Err(unavailable())));
    let recorded = recorded(async {
        let sdk = builder(false).spool(&folder.0).build_on(fake).unwrap();
        let _ = sdk.emit_envelope(event("a")).await.unwrap();
        sdk.sender().spool().unwrap().end_thread().await;
        for id in ["b", "c"] {
            assert!(sdk.emit_envelope(event(id)).await.is_err());
        }
    });
    assert_eq!(recorded.sum("domain_events_failed_total"), 2.0);
}

#[test]
fn metrics_show_batches_and_waiting_events() {
    let fake = Fake::healthy();
    let recorded = recorded(async {
        let sdk = builder(false)
            .max_in_flight(1)
            .build_on(fake.clone())
            .unwrap();
        let mut tasks = spawn(&sdk, numbered(0..1));
        // Twelve events arrive two milliseconds later, and wait until the first request is
        // complete. Then ten are sent, and two remain that have waited for three
        // milliseconds.
        sleep(Duration::from_millis(2)).await;
        tasks.extend(spawn(&sdk, numbered(1..13)));
        for task in tasks {
            let _ = task.await.unwrap().unwrap();
        }
    });
    assert_eq!(
        recorded.of("domain_events_batch_messages"),
        [1.0, 10.0, 2.0]
    );
    assert_eq!(recorded.of("domain_events_batch_events"), [1.0, 10.0, 2.0]);
    // While the first request is in flight, each new event changes the value.
    let arriving = (1..=12).map(f64::from);
    let waiting: Vec<f64> = [0.0]
        .into_iter()
        .chain(arriving)
        .chain([2.0, 0.0])
        .collect();
    assert_eq!(recorded.of("domain_events_waiting"), waiting);
    let ages = recorded.of("domain_events_oldest_waiting_seconds");
    assert_eq!(ages[13..], [0.003, 0.0]);
    assert_eq!(
        recorded.sum("domain_events_sent_bytes_total"),
        sent_bytes(&fake)
    );
}

#[test]
fn hanging_requests_do_not_stop_the_metrics() {
    let fake = Fake::new(|_, messages| (Duration::from_secs(9), Ok(accept_all(messages))));
    let recorded = recorded(async {
        let sdk = builder(false).max_in_flight(1).build_on(fake).unwrap();
        let mut tasks = spawn(&sdk, numbered(0..1));
        for n in 1..4 {
            sleep(Duration::from_secs(2)).await;
            tasks.extend(spawn(&sdk, numbered(n..n + 1)));
        }
        for task in tasks {
            let _ = task.await.unwrap().unwrap();
        }
    });
    assert_eq!(
        recorded.of("domain_events_waiting"),
        [0.0, 1.0, 2.0, 3.0, 0.0]
    );
    let age = "domain_events_oldest_waiting_seconds";
    assert_eq!(recorded.of(age), [0.0, 0.0, 2.0, 4.0, 0.0]);
}

#[test]
fn packed_events_and_messages_are_both_counted() {
    let fake = Fake::healthy();
    let recorded = recorded(async {
        let sdk = builder(false).packing(true).build_on(fake.clone()).unwrap();
        for task in spawn(&sdk, numbered(0..100)) {
            let _ = task.await.unwrap().unwrap();
        }
    });
    let messages: Vec<f64> = fake.sizes().into_iter().map(|size| size as f64).collect();
    assert_eq!(recorded.of("domain_events_batch_messages"), messages);
    assert!(messages.iter().sum::<f64>() < 100.0);
    assert_eq!(recorded.sum("domain_events_batch_events"), 100.0);
    assert_eq!(
        recorded.sum("domain_events_sent_bytes_total"),
        sent_bytes(&fake)
    );
}
