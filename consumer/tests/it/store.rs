//! The contract of the event store. The tests run against the embedded DynamoDB, and
//! against another implementation if one is available.

use std::collections::HashMap;
use std::num::NonZeroU16;

use aws_config::BehaviorVersion;
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::AttributeValue;
use domain_events::store::{Cursor, TableErrorKind, table};
use domain_events::{
    AppendOutcome, Decoded, DomainEvent, EntityId, Envelope, EventDefinition, EventId, EventStore,
    ReadError, StoreError, Timestamp, wire,
};
use domain_events_local::Stack;
use futures::{StreamExt, TryStreamExt};
use serde::{Deserialize, Serialize};

use crate::support::proxy::Proxy;
use crate::support::{endpoints, envelope};

mod append_faults;
mod cursors;
mod failures;
mod limits;
mod reading;
mod set_up;
mod whole_table;
mod writing;

use cursors::*;
use limits::*;
use reading::*;
use whole_table::*;
use writing::*;

#[tokio::test]
async fn embedded_dynamodb_passes_the_contract() {
    let stack = endpoints().await;
    let (client, table) = (stack.dynamodb_client(), stack.table());
    contract(&client, table).await;
    item_limit_is_exact(&EventStore::new(client.clone(), table), &client).await;
}

#[tokio::test]
#[ignore = "needs a DynamoDB at AWS_ENDPOINT_URL_DYNAMODB"]
async fn another_dynamodb_passes_the_contract() {
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
    append_is_idempotent(&store).await;
    ties_are_stored_and_found(&store).await;
    every_json_value_is_read_back(&store).await;
    item_has_the_documented_attributes(&store, client).await;
    value_of_32_levels_is_stored(&store).await;
    empty_keys_are_stored_up_to_the_item_limit(&store).await;
    history_of_many_pages_is_read_to_its_end(&store).await;
    history_can_be_narrowed_and_resumed(&store).await;
    type_is_read_from_all_shards_in_order(&store).await;
    history_is_decoded_and_folded(&store).await;
    corrupt_item_is_an_error_with_its_key(&store, client).await;
    impossible_key_is_an_error(&store, client).await;
    event_is_readable_with_any_expiry(&store, client).await;
    event_is_found_after_its_first_item_expires(&store, client).await;
    missing_table_is_retryable(client).await;
    cursor_of_another_stream_is_refused(&store).await;
    late_event_is_found_by_stored_at(&store).await;
    item_without_stored_at_is_always_selected(&store, client).await;
    reader_with_too_few_shards_is_refused(&store).await;
    invalid_id_is_an_error_of_the_stream(&store).await;
    conversation_is_a_tree_of_causes(&store).await;
    stored_event_is_serialized_as_its_wire_format(&store).await;
    scan_can_be_narrowed(&store).await;
    scan_returns_every_item_once(&store, client).await;
    store.check_table().await.unwrap();
}

/// Creates a client that reaches the DynamoDB endpoint of a stack through a proxy.
fn through(proxy: &Proxy, stack: &Stack) -> Client {
    let client = stack.dynamodb_client();
    let config = client.config().to_builder().endpoint_url(proxy.url());
    Client::from_conf(config.build())
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

/// Returns an event that was decoded from a message of another producer.
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
