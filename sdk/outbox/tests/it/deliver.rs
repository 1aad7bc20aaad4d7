//! Tests of `Relay::deliver`, which sends rows that the caller already has.

use domain_events_outbox::{DeliveryError, OutboxRows as _, PageRequest, Row};

use crate::service::Service;

#[tokio::test]
async fn each_row_has_its_own_outcome() {
    let service = Service::start().await;
    let _ = service.commit("order-1").await;
    let outbox = service.outbox();
    let page = outbox.page(PageRequest::first(10, 1_000_000)).await;
    let mut rows = page.unwrap().rows;
    rows.push(Row {
        event_id: "invalid".to_owned(),
        message: "{}".to_owned(),
    });
    let deliveries = service.relay().deliver(rows).await;
    assert!(deliveries[0].outcome.is_ok(), "{deliveries:?}");
    let Err(error) = &deliveries[1].outcome else {
        panic!("an invalid message was sent");
    };
    assert!(matches!(error, DeliveryError::InvalidMessage { .. }));
    assert!(error.is_refused() && !error.is_retryable());
    assert_eq!(service.rows().await, 0);
    assert_eq!(service.stored().await, ["order-1"]);
}

#[tokio::test]
async fn row_is_kept_during_an_outage() {
    let service = Service::start().await;
    let _ = service.commit("order-1").await;
    let outbox = service.outbox();
    let page = outbox.page(PageRequest::first(10, 1_000_000)).await;
    let rows = page.unwrap().rows;
    let outage = service.stack.outage();
    let deliveries = service.relay().deliver(rows).await;
    outage.end();
    let error = deliveries[0].outcome.as_ref().unwrap_err();
    assert!(error.is_retryable() && !error.is_refused(), "{error}");
    assert_eq!(service.rows().await, 1);
}
