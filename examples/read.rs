//! A reader for AWS. It prints the history of one entity, and defines its own type for the
//! event:
//! `EVENT_TABLE=… EVENT_ENTITY_ID=order-1 cargo run --bin read`
//!
//! The AWS SDK finds the region and the credentials as usual. The role of the reader needs
//! only the policy `reader_policy_arn`, which `infrastructure/` creates.

#![forbid(unsafe_code)]

use std::{env, error::Error};

use aws_config::BehaviorVersion;
use domain_events::{DomainEvent, EventStore};
use futures::TryStreamExt;
use serde::{Deserialize, Serialize};

/// The event that the producer `emit` sends.
#[derive(Debug, Serialize, Deserialize, DomainEvent)]
struct OrderPlaced {
    #[event(id)]
    order: String,
    parcels: u8,
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let (table, entity) = (env::var("EVENT_TABLE")?, env::var("EVENT_ENTITY_ID")?);
    let aws = aws_config::load_defaults(BehaviorVersion::v2026_01_12()).await;
    let store = EventStore::new(aws_sdk_dynamodb::Client::new(&aws), table);

    let mut history = store.history(entity).decode::<OrderPlaced>();
    while let Some(event) = history.try_next().await? {
        let (when, id) = (event.stored().timestamp(), event.stored().event_id());
        print!("{} {id} ", when.to_datetime());
        match event.known() {
            Some(OrderPlaced { order, parcels }) => println!("{order}: {parcels} parcels"),
            None => println!("an event of a type that this reader does not know"),
        }
    }
    Ok(())
}
