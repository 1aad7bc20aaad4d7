//! Appending events to a table, and reading the history of an entity.

use aws_sdk_dynamodb::types::{AttributeValue, PutRequest, WriteRequest};
use domain_events::EventStore;
use futures::{StreamExt, TryStreamExt, stream};

use crate::Meter;
use crate::order::{ENTITY, OrderPlaced, envelopes, history, orders};

/// Requests in flight of every case that appends.
pub const IN_FLIGHT: usize = 8;

fn store(dynamodb: &aws_sdk_dynamodb::Client) -> EventStore {
    EventStore::new(dynamodb.clone(), crate::TABLE)
}

/// The handler's way: a batch of 1,000, in requests of 25 with 8 in flight. Creating the
/// envelopes is part of the measurement.
pub async fn append_batches(dynamodb: &aws_sdk_dynamodb::Client, count: usize, meter: &mut Meter) {
    let (store, events) = (store(dynamodb), orders(count));
    meter.start();
    for events in envelopes(&events).chunks(1000) {
        for outcome in store.append_all(events, None).await {
            let _ = outcome.unwrap();
        }
    }
    meter.stop();
}

pub async fn append_each(dynamodb: &aws_sdk_dynamodb::Client, count: usize, meter: &mut Meter) {
    let (store, events) = (store(dynamodb), orders(count));
    meter.start();
    let (store, envelopes) = (&store, envelopes(&events));
    stream::iter(&envelopes)
        .map(|event| async move {
            for outcome in store.append_all(std::slice::from_ref(event), None).await {
                let _ = outcome.unwrap();
            }
        })
        .buffer_unordered(IN_FLIGHT)
        .for_each(|()| async {})
        .await;
    meter.stop();
}

/// A loop by hand: `serde_json`, one text attribute, `BatchWriteItem` of 25. It overwrites
/// what has the same key.
pub async fn put_by_hand(dynamodb: &aws_sdk_dynamodb::Client, count: usize, meter: &mut Meter) {
    let events = orders(count);
    meter.start();
    stream::iter(events.chunks(25))
        .map(|events| async move {
            let put = |event: &OrderPlaced| {
                let put = PutRequest::builder()
                    .item("ID", AttributeValue::S(event.order_id.clone()))
                    .item("Timestamp", AttributeValue::N("1".to_owned()))
                    .item(
                        "Data",
                        AttributeValue::S(serde_json::to_string(event).unwrap()),
                    );
                WriteRequest::builder()
                    .put_request(put.build().unwrap())
                    .build()
            };
            let writes = events.iter().map(put).collect();
            let request = dynamodb.batch_write_item();
            let request = request.request_items(crate::TABLE, writes);
            let output = request.send().await.unwrap();
            assert!(output.unprocessed_items.unwrap_or_default().is_empty());
        })
        .buffer_unordered(IN_FLIGHT)
        .for_each(|()| async {})
        .await;
    meter.stop();
}

pub async fn read(dynamodb: &aws_sdk_dynamodb::Client, count: usize, meter: &mut Meter) {
    let store = store(dynamodb);
    for events in envelopes(&history(count)).chunks(1000) {
        for outcome in store.append_all(events, None).await {
            let _ = outcome.unwrap();
        }
    }
    meter.start();
    let events = store.history(ENTITY);
    let events: Vec<_> = events.decode::<OrderPlaced>().try_collect().await.unwrap();
    meter.stop();
    assert_eq!(events.len(), count);
}

/// A loop by hand over the items that this project stores: all pages, and `Data` converted
/// to the type, attribute by attribute.
pub async fn read_by_hand(dynamodb: &aws_sdk_dynamodb::Client, count: usize, meter: &mut Meter) {
    let store = store(dynamodb);
    for events in envelopes(&history(count)).chunks(1000) {
        for outcome in store.append_all(events, None).await {
            let _ = outcome.unwrap();
        }
    }
    meter.start();
    let query = dynamodb
        .query()
        .table_name(crate::TABLE)
        .key_condition_expression("ID = :id")
        .expression_attribute_values(":id", AttributeValue::S(ENTITY.to_owned()))
        .consistent_read(true);
    let mut pages = query.into_paginator().send();
    let mut events: Vec<OrderPlaced> = Vec::new();
    while let Some(page) = pages.next().await {
        for item in page.unwrap().items.unwrap() {
            let data = json(&item["Data"]);
            events.push(serde_json::from_value(data).unwrap());
        }
    }
    meter.stop();
    assert_eq!(events.len(), count);
}

fn json(value: &AttributeValue) -> serde_json::Value {
    match value {
        AttributeValue::S(text) => text.as_str().into(),
        AttributeValue::N(number) => number.parse::<u64>().unwrap().into(),
        AttributeValue::L(members) => members.iter().map(json).collect(),
        AttributeValue::M(members) => {
            let member = |(name, value): (&String, &AttributeValue)| (name.clone(), json(value));
            members.iter().map(member).collect()
        }
        _ => serde_json::Value::Null,
    }
}
