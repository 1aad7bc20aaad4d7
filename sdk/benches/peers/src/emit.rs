//! Sending events to a queue.

use aws_sdk_sqs::types::SendMessageBatchRequestEntry;
use domain_events::{Emitter, Sdk};
use futures::{StreamExt, stream};
use omniqueue::QueueProducer;
use omniqueue::backends::SqsBackend;

use crate::Meter;
use crate::order::{order, orders};

/// Requests in flight, of every case.
const IN_FLIGHT: usize = 16;
/// Callers of `emit` at a time.
const TASKS: usize = 256;

pub async fn ours(url: &str, count: usize, packing: bool, meter: &mut Meter) {
    let sdk = Sdk::builder(url, Emitter::system("shop").unwrap())
        .max_in_flight(IN_FLIGHT)
        .packing(packing)
        .build()
        .await
        .unwrap();
    let events = orders(count);
    sdk.emit(order("warm".to_owned())).await.unwrap();
    meter.start();
    stream::iter(events)
        .map(|event| sdk.emit(event))
        .buffer_unordered(TASKS)
        .for_each(|receipt| async move { drop(receipt.unwrap()) })
        .await;
    meter.stop();
}

/// Messages contain the event's JSON and nothing else.
pub async fn omniqueue(url: &str, count: usize, batch: usize, meter: &mut Meter) {
    let queue = SqsBackend::builder(url).build_producer().await.unwrap();
    let events = orders(count);
    queue.send_serde_json(&events[0]).await.unwrap();
    meter.start();
    let (queue, chunks) = (&queue, stream::iter(events.chunks(batch)));
    chunks
        .map(|events| async move {
            match events {
                [event] => queue.send_serde_json(event).await.unwrap(),
                events => queue.send_serde_json_batch(events).await.unwrap(),
            }
        })
        .buffer_unordered(IN_FLIGHT)
        .for_each(|()| async {})
        .await;
    meter.stop();
}

/// A loop by hand: `serde_json` and the AWS SDK, ten entries a request, failed entries read.
pub async fn by_hand(url: &str, count: usize, meter: &mut Meter) {
    let config = crate::aws_config().await;
    let client = aws_sdk_sqs::Client::new(&config);
    let events = orders(count);
    let warm = client.send_message().queue_url(url).message_body("{}");
    warm.send().await.unwrap();
    meter.start();
    let (client, chunks) = (&client, stream::iter(events.chunks(10)));
    chunks
        .map(|events| async move {
            let entry = |(id, event): (usize, _)| {
                SendMessageBatchRequestEntry::builder()
                    .id(id.to_string())
                    .message_body(serde_json::to_string(event).unwrap())
                    .build()
                    .unwrap()
            };
            let entries = events.iter().enumerate().map(entry).collect();
            let request = client.send_message_batch().queue_url(url);
            let output = request.set_entries(Some(entries)).send().await.unwrap();
            assert!(output.failed.is_empty());
        })
        .buffer_unordered(IN_FLIGHT)
        .for_each(|()| async {})
        .await;
    meter.stop();
}
