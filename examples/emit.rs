//! A producer for AWS. Environment variables configure it:
//! `EVENT_QUEUE_URL=… EVENT_EMITTER_ID=shop EVENT_ENTITY_ID=order-1 cargo run --bin emit`
//!
//! The AWS SDK finds the region and the credentials as usual. The role of the producer needs
//! only the policy `producer_policy_arn`, which `infrastructure/` creates.

#![forbid(unsafe_code)]

use std::{env, error::Error, time::Duration};

use domain_events::{DomainEvent, Sdk};
use serde::Serialize;

#[derive(Serialize, DomainEvent)]
struct OrderPlaced {
    #[event(id)]
    order: String,
    parcels: u8,
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let order = env::var("EVENT_ENTITY_ID")?;
    let sdk = Sdk::from_env().await?;

    // `emit` returns once SQS has accepted the event.
    let receipt = sdk.emit(OrderPlaced { order, parcels: 2 }).await?;
    println!("SQS accepted the event {}", receipt.event_id);

    let report = sdk.shutdown(Duration::from_secs(10)).await;
    assert!(report.is_complete(), "{report:?}");
    Ok(())
}
