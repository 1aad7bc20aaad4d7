//! Tests of the fast path.

use std::time::Duration;

use domain_events_outbox::{Backlog, OutboxRows, Page, PageRequest, Relay, RowsError};
use tokio_util::sync::CancellationToken;

use crate::service::Service;

/// An interval that is longer than any test.
const NEVER: Duration = Duration::from_secs(3_600);

#[tokio::test]
async fn fast_path_does_not_wait_for_a_sweep() {
    let service = Service::start().await;
    let relay = Relay::builder(service.sdk.clone(), service.outbox())
        .grace(NEVER)
        .build();
    let fast_path = relay.fast_path();
    let stop = CancellationToken::new();
    let relay = tokio::spawn(relay.run(stop.clone().cancelled_owned()));
    let event = service.commit("order-1").await;
    fast_path.committed(event);
    service.no_rows_left().await;
    stop.cancel();
    let report = relay.await.unwrap();
    assert_eq!((report.sent, report.deleted), (1, 1), "{report:?}");
    assert_eq!(service.stored().await, ["order-1"]);
}

#[tokio::test]
async fn events_of_the_fast_path_are_sent_at_stop() {
    let service = Service::start().await;
    let relay = Relay::builder(service.sdk.clone(), service.outbox())
        .grace(NEVER)
        .build();
    let fast_path = relay.fast_path();
    for n in 0..20 {
        fast_path.committed(service.commit(&format!("order-{n}")).await);
    }
    // The relay has not run yet, and `stop` is already complete.
    let report = relay.run(std::future::ready(())).await;
    assert_eq!((report.sent, report.deleted), (20, 20), "{report:?}");
    assert_eq!(service.rows().await, 0);
}

#[tokio::test]
async fn relay_that_never_ran_loses_no_event() {
    let service = Service::start().await;
    let relay = service.relay();
    let fast_path = relay.fast_path();
    drop(relay);
    for n in 0..1_100 {
        // These are more events than the fast path can hold. The calls must neither wait nor
        // fail.
        fast_path.committed(service.sdk.prepare(&crate::service::placed("x")).unwrap());
        if n < 3 {
            fast_path.committed(service.commit(&format!("order-{n}")).await);
        }
    }
    assert_eq!(service.relay().sweep().await.sent, 3);
    assert_eq!(service.stored().await.len(), 3);
}

#[tokio::test]
async fn outage_leaves_the_row_to_a_sweep() {
    let service = Service::start().await;
    let relay = service.relay();
    let mut status = relay.status();
    let fast_path = relay.fast_path();
    let stop = CancellationToken::new();
    let relay = tokio::spawn(relay.run(stop.clone().cancelled_owned()));
    let outage = service.stack.outage();
    fast_path.committed(service.commit("order-1").await);
    let failed = status.wait_for(|status| status.failure.is_some());
    let failure = failed.await.unwrap().failure.clone().unwrap();
    assert!(failure.contains("ServiceUnavailable"), "{failure}");
    assert_eq!(service.rows().await, 1);
    outage.end();
    service.no_rows_left().await;
    stop.cancel();
    assert_eq!(relay.await.unwrap().sent, 1);
    assert_eq!(service.stored().await, ["order-1"]);
}

/// Rows whose database never responds to a deletion.
struct HangingDelete<R>(R);

impl<R: OutboxRows> OutboxRows for HangingDelete<R> {
    fn name(&self) -> &str {
        self.0.name()
    }

    async fn page(&self, request: PageRequest) -> Result<Page, RowsError> {
        self.0.page(request).await
    }

    async fn delete(&self, _: Vec<String>) -> Result<(), RowsError> {
        std::future::pending().await
    }

    async fn backlog(&self) -> Result<Backlog, RowsError> {
        self.0.backlog().await
    }
}

#[tokio::test]
async fn stop_timeout_bounds_a_hanging_database() {
    let service = Service::start().await;
    let relay = Relay::builder(service.sdk.clone(), HangingDelete(service.outbox()))
        .stop_timeout(Duration::from_millis(50))
        .build();
    relay.fast_path().committed(service.commit("order-1").await);
    let report = relay.run(std::future::ready(())).await;
    assert_eq!((report.deleted, report.undetermined), (0, 1), "{report:?}");
    assert_eq!(service.rows().await, 1, "the next relay sends it again");
    assert_eq!(service.relay().sweep().await.deleted, 1);
    assert_eq!(service.stored().await, ["order-1"]);
}
