//! `event-store-adapter-rs`: an event is a blob with an aggregate's sequence number, written
//! in a transaction with the aggregate's head. One event a call.

use aws_sdk_dynamodb::types::ScalarAttributeType::{N, S};
use chrono::Utc;
use event_store_adapter_rs::{
    AggregateId, DynamoDbOptions, DynamoDbTables, EventEnvelope, EventStoreForDynamoDB,
};
use futures::{StreamExt, stream};
use serde_json::Value;

use crate::order::{ENTITY, OrderPlaced, history, orders};
use crate::store::IN_FLIGHT;
use crate::{Meter, create_table};

#[derive(Debug, Clone)]
struct OrderId(String);

impl AggregateId for OrderId {
    fn type_name(&self) -> String {
        "order".to_owned()
    }
    fn value(&self) -> String {
        self.0.clone()
    }
}

type Store = EventStoreForDynamoDB<OrderId, Value, OrderPlaced>;

async fn store(dynamodb: &aws_sdk_dynamodb::Client) -> Store {
    create_table(dynamodb, "journal", &[("aid", S), ("seq_nr", N)]).await;
    create_table(dynamodb, "snapshot", &[("aid", S), ("skey", N)]).await;
    create_table(dynamodb, "head", &[("aid", S)]).await;
    let tables = DynamoDbTables {
        journal_table_name: "journal".to_owned(),
        snapshot_table_name: "snapshot".to_owned(),
        head_table_name: "head".to_owned(),
        snapshot_history_index_name: "history".to_owned(),
    };
    Store::open(dynamodb.clone(), tables, DynamoDbOptions::default())
        .await
        .unwrap()
}

async fn persist(store: &Store, event: OrderPlaced, sequence: u64) {
    let id = OrderId(event.order_id.clone());
    let envelope = EventEnvelope::new(id, sequence, Utc::now(), event);
    store
        .persist_event(envelope.with_manifest("order-placed/v1"))
        .await
        .unwrap();
}

pub async fn append(dynamodb: &aws_sdk_dynamodb::Client, count: usize, meter: &mut Meter) {
    let (store, events) = (store(dynamodb).await, orders(count));
    meter.start();
    let store = &store;
    stream::iter(events)
        .map(|event| persist(store, event, 1))
        .buffer_unordered(IN_FLIGHT)
        .for_each(|()| async {})
        .await;
    meter.stop();
}

pub async fn read(dynamodb: &aws_sdk_dynamodb::Client, count: usize, meter: &mut Meter) {
    let store = store(dynamodb).await;
    for (event, sequence) in history(count).into_iter().zip(1..) {
        persist(&store, event, sequence).await;
    }
    meter.start();
    let id = OrderId(ENTITY.to_owned());
    let events = store.get_events_by_id_since_seq_nr(&id, 0).await.unwrap();
    meter.stop();
    assert_eq!(events.len(), count);
}
