//! The contract of the event store, run against every DynamoDB there is here:
//! the embedded one, and another implementation where there is one.

use std::collections::HashMap;
use std::num::NonZeroU16;

use aws_config::BehaviorVersion;
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::AttributeValue;
use domain_events::store::{Cursor, table};
use domain_events::{
    AppendOutcome, Decoded, DomainEvent, EntityId, Envelope, EventDefinition, EventId, EventStore,
    ReadError, StoreError, Timestamp, wire,
};
use futures::{StreamExt, TryStreamExt};
use serde::{Deserialize, Serialize};

use crate::support::{endpoints, envelope};

mod failures;
mod limits;
mod reading;
mod writing;

use limits::*;
use reading::*;
use writing::*;

#[tokio::test]
async fn the_embedded_dynamodb_keeps_the_contract() {
    let stack = endpoints().await;
    let (client, table) = (stack.dynamodb_client(), stack.table());
    contract(&client, table).await;
    the_largest_item_fits_and_a_byte_more_does_not(
        &EventStore::new(client.clone(), table),
        &client,
    )
    .await;
}

#[tokio::test]
#[ignore = "needs a DynamoDB at AWS_ENDPOINT_URL_DYNAMODB"]
async fn another_dynamodb_keeps_the_contract() {
    let config = aws_config::defaults(BehaviorVersion::v2026_01_12())
        .load()
        .await;
    let table = format!("contract-{}", EventId::random());
    let client = Client::new(&config);
    domain_events_local::create_table(&client, &table)
        .await
        .unwrap();
    contract(&client, &table).await;
}

async fn contract(client: &Client, table: &str) {
    let store =
        EventStore::new(client.clone(), table).with_index_shards(NonZeroU16::new(4).unwrap());
    an_event_is_stored_once(&store).await;
    ties_are_kept_and_found(&store).await;
    every_json_value_comes_back(&store).await;
    the_item_has_the_attributes_every_reader_expects(&store, client).await;
    the_deepest_value_fits(&store).await;
    a_long_history_is_read_to_its_end(&store).await;
    ranges_limits_and_cursors(&store).await;
    one_type_is_read_from_all_shards_in_order(&store).await;
    histories_are_decoded_and_folded(&store).await;
    a_corrupt_item_is_an_error_with_its_key(&store, client).await;
    a_key_that_no_event_can_have_is_an_error_and_not_passed_over(&store, client).await;
    an_expiry_of_any_size_leaves_an_event_an_event(&store, client).await;
    an_event_is_found_whatever_holds_or_held_its_first_key(&store, client).await;
    a_missing_table_may_come_back(client).await;
}

fn id(text: &str) -> EntityId {
    text.parse().unwrap()
}

async fn texts(
    history: impl futures::Stream<Item = Result<domain_events::StoredEvent, ReadError>>,
) -> Vec<String> {
    history
        .map_ok(|event| event.envelope().timestamp().to_string())
        .try_collect()
        .await
        .unwrap()
}

/// An event from the other side of the wire.
fn foreign(id: &str, data: &str) -> Envelope {
    let body = format!(
        r#"{{"Timestamp":1,"EventType":"EVENT_TEST","ID":"{id}","EmitterId":"u","EmitterType":"USER","Data":{data}}}"#
    );
    wire::decode(&body, &EventId::random())
        .unwrap()
        .remove(0)
        .outcome
        .unwrap()
}
