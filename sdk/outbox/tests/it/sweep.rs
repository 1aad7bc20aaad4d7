//! Tests of sweeps, which send the rows that the fast path did not send.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use domain_events_local::Options;
use domain_events_outbox::{Backlog, OutboxRows, Page, PageRequest, Relay, RowsError};
use tokio_util::sync::CancellationToken;

use crate::service::{Service, publisher};

#[tokio::test]
async fn sweep_sends_the_stored_bytes() {
    let service = Service::start_with(Options {
        pollers: 0,
        ..Options::default()
    })
    .await;
    let event = service.commit("order-1").await;
    let report = service.relay().sweep().await;
    assert_eq!((report.sent, report.deleted), (1, 1), "{report:?}");
    let received = service.stack.sqs_client().receive_message();
    let received = received.queue_url(service.stack.queue_url());
    let messages = received.send().await.unwrap().messages.unwrap();
    assert_eq!(messages[0].body(), Some(event.body()));
}

#[tokio::test]
async fn rows_survive_a_change_to_a_fifo_queue() {
    let standard = Service::start().await;
    let event = standard.commit("order-1").await;
    let fifo = Service::start_with(Options {
        fifo: true,
        ..Options::default()
    })
    .await;
    let relay = Relay::builder(fifo.sdk.clone(), standard.outbox()).build();
    assert_eq!(relay.sweep().await.sent, 1);
    assert_eq!(fifo.stored().await, ["order-1"]);
    let stored = fifo.stack.events().await.unwrap();
    assert_eq!(stored[0].envelope(), event.envelope());
}

#[tokio::test]
async fn backlog_of_many_pages_is_sent_once() {
    let service = Service::start().await;
    service.commit_many(2_500).await;
    let before = service.stack.messages();
    let report = service.relay().sweep().await;
    assert_eq!((report.sent, report.deleted), (2_500, 2_500), "{report:?}");
    assert_eq!((before, service.rows().await), (0, 0));
    assert_eq!(service.stored().await.len(), 2_500);
}

#[tokio::test]
async fn deletions_are_batched_under_load() {
    let service = Service::start().await;
    service.commit_many(2_500).await;
    let rows = Counting::new(service.outbox());
    let counts = rows.counts.clone();
    let relay = Relay::builder(service.sdk.clone(), rows).build();
    let started = Instant::now();
    assert_eq!(relay.sweep().await.deleted, 2_500);
    let elapsed = started.elapsed().as_millis() as usize;
    let pages = counts.pages.load(Ordering::Relaxed);
    let deletions = counts.deletions.load(Ordering::Relaxed);
    // A deletion begins after 10 ms, when it has 1,000 rows, or when no row is being sent, which
    // happens at most once per page.
    let most = elapsed / 10 + 2 + pages;
    assert!(deletions <= most, "{deletions} deletions in {elapsed} ms");
}

#[tokio::test]
async fn invalid_rows_do_not_stop_the_others() {
    let service = Service::start().await;
    let array = format!("[{}]", service.commit("in-order").await.body());
    for (id, message) in [
        ("0-empty", ""),
        ("1-not-an-event", r#"{"some":"json"}"#),
        ("2-array", &*format!("{array},")),
        (
            "zz-array",
            &array.replace(']', &format!(",{}", &array[1..])),
        ),
        (&"x".repeat(300), "{}"),
    ] {
        service.insert(id, message).await;
    }
    let report = service.relay().sweep().await;
    assert_eq!((report.sent, report.refused), (1, 5), "{report:?}");
    assert_eq!(report.failure, None);
    assert_eq!(service.rows().await, 5);
    assert_eq!(service.stored().await, ["in-order"]);
}

#[tokio::test]
async fn refused_row_is_tried_once_and_counted() {
    let service = Service::start().await;
    service.insert("0-invalid", "{}").await;
    let rows = Counting::new(service.outbox());
    let counts = rows.counts.clone();
    let relay = Relay::builder(service.sdk.clone(), rows)
        .grace(Duration::ZERO)
        .sweep_interval(Duration::from_millis(5))
        .measure_interval(Duration::from_millis(5))
        .build();
    let mut status = relay.status();
    let stop = CancellationToken::new();
    let relay = tokio::spawn(relay.run(stop.clone().cancelled_owned()));
    let refused = status.wait_for(|status| status.refused == 1);
    assert_eq!(refused.await.unwrap().failure, None);
    let counted = status.wait_for(|status| status.backlog.is_some_and(|b| b.rows == 1));
    assert!(counted.await.unwrap().backlog.unwrap().oldest.is_some());
    while counts.pages.load(Ordering::Relaxed) < 10 {
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    // An operator deletes the row.
    service
        .outbox()
        .delete(vec!["0-invalid".into()])
        .await
        .unwrap();
    let refused = status.wait_for(|status| status.refused == 0);
    refused.await.unwrap();
    stop.cancel();
    let report = relay.await.unwrap();
    assert_eq!((report.sent, report.refused), (0, 0), "{report:?}");
}

/// The number of pages that were read, and the number of deletions.
#[derive(Default)]
struct Counts {
    pages: AtomicUsize,
    deletions: AtomicUsize,
}

/// Counts the operations on the rows.
struct Counting<R> {
    rows: R,
    counts: Arc<Counts>,
}

impl<R> Counting<R> {
    fn new(rows: R) -> Self {
        Self {
            rows,
            counts: Arc::default(),
        }
    }
}

impl<R: OutboxRows> OutboxRows for Counting<R> {
    fn name(&self) -> &str {
        self.rows.name()
    }

    async fn page(&self, request: PageRequest) -> Result<Page, RowsError> {
        self.counts.pages.fetch_add(1, Ordering::Relaxed);
        self.rows.page(request).await
    }

    async fn delete(&self, event_ids: Vec<String>) -> Result<(), RowsError> {
        self.counts.deletions.fetch_add(1, Ordering::Relaxed);
        self.rows.delete(event_ids).await
    }

    async fn backlog(&self) -> Result<Backlog, RowsError> {
        self.rows.backlog().await
    }
}

#[tokio::test]
async fn outage_ends_a_sweep_and_keeps_the_rows() {
    let service = Service::start().await;
    for n in 0..30 {
        let _ = service.commit(&format!("order-{n}")).await;
    }
    let outage = service.stack.outage();
    let report = service.relay().sweep().await;
    assert_eq!((report.sent, report.refused), (0, 0), "{report:?}");
    assert!(report.failure.unwrap().contains("ServiceUnavailable"));
    assert_eq!(service.rows().await, 30);
    outage.end();
    assert_eq!(service.relay().sweep().await.sent, 30);
}

#[tokio::test]
async fn spooled_event_keeps_its_row() {
    let service = Service::start().await;
    let folder = std::env::temp_dir().join(format!("outbox-spool-{}", fastrand::u64(..)));
    let sdk = publisher(&service.stack)
        .spool(&folder)
        .build()
        .await
        .unwrap();
    let _ = service.commit("order-1").await;
    let outage = service.stack.outage();
    let report = Relay::builder(sdk.clone(), service.outbox())
        .build()
        .sweep()
        .await;
    assert_eq!((report.sent, report.deleted), (0, 0), "{report:?}");
    assert_eq!(service.rows().await, 1);
    outage.end();
    assert!(sdk.shutdown(Duration::from_secs(10)).await.is_complete());
    assert_eq!(service.relay().sweep().await.deleted, 1);
    assert_eq!(
        service.stored().await,
        ["order-1"],
        "sent twice, stored once"
    );
    std::fs::remove_dir_all(folder).unwrap();
}

#[tokio::test]
async fn two_relays_store_each_event_once() {
    let service = Service::start().await;
    for n in 0..300 {
        let _ = service.commit(&format!("order-{n}")).await;
    }
    let (one, other) = (service.relay(), service.relay());
    let (one, other) = tokio::join!(one.sweep(), other.sweep());
    assert!(one.sent + other.sent >= 300, "{one:?} {other:?}");
    assert_eq!(service.rows().await, 0);
    assert_eq!(service.stored().await.len(), 300);
}

#[tokio::test]
async fn sweep_leaves_young_rows_to_the_fast_path() {
    let service = Service::start().await;
    let _ = service.commit("order-1").await;
    let rows = Counting::new(service.outbox());
    let counts = rows.counts.clone();
    let relay = Relay::builder(service.sdk.clone(), rows)
        .grace(Duration::from_secs(3_600))
        .sweep_interval(Duration::from_millis(5))
        .build();
    let stop = CancellationToken::new();
    let relay = tokio::spawn(relay.run(stop.clone().cancelled_owned()));
    while counts.pages.load(Ordering::Relaxed) < 5 {
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    stop.cancel();
    assert_eq!(relay.await.unwrap().sent, 0);
    assert_eq!(service.rows().await, 1);
}
