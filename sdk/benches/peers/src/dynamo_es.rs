//! `dynamo-es`: an event is a blob with an aggregate's sequence number. Up to 25 events of a
//! call are one transaction.

use std::fmt;

use aws_sdk_dynamodb::types::ScalarAttributeType::{N, S};
use cqrs_es::event_sink::EventSink;
use cqrs_es::persist::{PersistedEventRepository, SerializedEvent};
use cqrs_es::{Aggregate, DomainEvent};
use dynamo_es::DynamoEventRepository;
use futures::{StreamExt, stream};
use serde::{Deserialize, Serialize};

use crate::order::{ENTITY, OrderPlaced, history, orders};
use crate::store::IN_FLIGHT;
use crate::{Meter, create_table};

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
enum OrderEvent {
    Placed(OrderPlaced),
}

impl DomainEvent for OrderEvent {
    fn event_type(&self) -> String {
        "OrderPlaced".to_owned()
    }
    fn event_version(&self) -> String {
        "1.0".to_owned()
    }
}

#[derive(Debug)]
struct OrderError;

impl fmt::Display for OrderError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an order refused a command")
    }
}

impl std::error::Error for OrderError {}

#[derive(Default, Serialize, Deserialize)]
struct Order;

impl Aggregate for Order {
    const TYPE: &'static str = "order";
    type Command = ();
    type Event = OrderEvent;
    type Error = OrderError;
    type Services = ();

    async fn handle(&mut self, (): (), (): &(), _: &EventSink<Self>) -> Result<(), OrderError> {
        Ok(())
    }

    fn apply(&mut self, _: OrderEvent) {}
}

async fn repository(dynamodb: &aws_sdk_dynamodb::Client) -> DynamoEventRepository {
    let keys = [("AggregateTypeAndId", S), ("AggregateIdSequence", N)];
    create_table(dynamodb, "CqrsJournal", &keys).await;
    DynamoEventRepository::new(dynamodb.clone()).with_tables("CqrsJournal", "CqrsSnapshots")
}

fn serialized(event: &OrderPlaced, sequence: usize) -> SerializedEvent {
    SerializedEvent::new(
        event.order_id.clone(),
        sequence,
        "order".to_owned(),
        "OrderPlaced".to_owned(),
        "1.0".to_owned(),
        serde_json::to_value(OrderEvent::Placed(event.clone())).unwrap(),
        serde_json::json!({ "emitter": "shop" }),
    )
}

pub async fn append(
    dynamodb: &aws_sdk_dynamodb::Client,
    count: usize,
    batch: usize,
    meter: &mut Meter,
) {
    let (repository, events) = (repository(dynamodb).await, orders(count));
    meter.start();
    let repository = &repository;
    stream::iter(events.chunks(batch))
        .map(|events| async move {
            let events: Vec<_> = events.iter().map(|event| serialized(event, 1)).collect();
            repository.persist::<Order>(&events, None).await.unwrap();
        })
        .buffer_unordered(IN_FLIGHT)
        .for_each(|()| async {})
        .await;
    meter.stop();
}

pub async fn read(dynamodb: &aws_sdk_dynamodb::Client, count: usize, meter: &mut Meter) {
    let repository = repository(dynamodb).await;
    let events = history(count);
    let numbered: Vec<_> = events.iter().zip(1..).collect();
    for events in numbered.chunks(25) {
        let events: Vec<_> = events.iter().map(|(e, n)| serialized(e, *n)).collect();
        repository.persist::<Order>(&events, None).await.unwrap();
    }
    meter.start();
    let mut stream = repository.stream_events::<Order>(ENTITY).await.unwrap();
    let mut read = 0;
    while let Some(event) = stream.next::<Order>(&[]).await {
        std::hint::black_box(event.unwrap().payload);
        read += 1;
    }
    meter.stop();
    assert_eq!(read, count);
}
