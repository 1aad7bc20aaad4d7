//! The time from `emit` until DynamoDB has stored the event, through the publisher, the queue
//! and the worker.
//!
//! ```sh
//! cargo bench -p domain-events-benches --bench latency
//! ```
//!
//! For comparison, a handwritten loop measures the time of the requests alone: it sends one
//! event, receives it and inserts it, without checks and without other events. Both run on the
//! embedded stack, without and with 4 ms added to each request. A proxy in front of each
//! endpoint delays the requests. A second proxy, next to DynamoDB, records when an event is
//! stored.

#![forbid(unsafe_code)]
// A benchmark prints its results, and panics on failure.
#![allow(clippy::print_stdout, clippy::unwrap_used)]

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_sdk_dynamodb::types::{AttributeValue, BatchStatementRequest};
use aws_sdk_sqs::config::{Credentials, SharedCredentialsProvider};
use domain_events::{Emitter, EventStore, Sdk};
use domain_events_consumer::hosts::worker::Worker;
use domain_events_consumer::{DeadLetterQueue, Handler};
use domain_events_local::{Options, Stack};
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

#[path = "peers/src/order.rs"]
#[allow(dead_code, reason = "the comparison with other crates uses the rest")]
mod order;
#[path = "../../consumer/tests/it/support/proxy.rs"]
mod proxy;

use order::order;
use proxy::{Fault, Proxy};

/// Events per second, the number of events that are measured, and the pollers of the worker. The
/// default is two pollers. With 4 ms added to each request, a poller needs over 12 ms to receive,
/// store and delete ten messages, so two pollers would be busy all the time at the highest rate.
const RATES: [(u32, usize, usize); 3] = [(1, 100, 2), (100, 2_000, 2), (1_000, 10_000, 8)];
const BY_HAND: usize = 300;

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() {
    for added in [Duration::ZERO, Duration::from_millis(4)] {
        println!(
            "## From `emit` to stored, {} ms added to each request\n",
            added.as_millis()
        );
        println!("| | events | p50 | p95 | p99 | p50 ÷ requests alone | p95 | p99 |");
        println!("|---|---|---|---|---|---|---|---|");
        let minimum = by_hand(&Endpoints::start(added).await).await;
        print("the requests alone", &minimum, &minimum);
        for (rate, events, pollers) in RATES {
            let endpoints = Endpoints::start(added).await;
            let latencies = pipeline(&endpoints, rate, events, pollers).await;
            let name = format!("`emit`, {rate} per second, {pollers} pollers");
            print(&name, &latencies, &minimum);
        }
        println!();
    }
}

/// Prints percentiles of sorted latencies, and their ratio to the same percentiles of `minimum`.
fn print(name: &str, latencies: &[Duration], minimum: &[Duration]) {
    let at = |latencies: &[Duration], percent: usize| {
        latencies[(latencies.len() - 1) * percent / 100].as_secs_f64()
    };
    print!("| {name} | {}", latencies.len());
    for percent in [50, 95, 99] {
        print!(" | {:.2} ms", at(latencies, percent) * 1e3);
    }
    for percent in [50, 95, 99] {
        print!(" | {:.2}", at(latencies, percent) / at(minimum, percent));
    }
    println!(" |");
}

/// The times at which DynamoDB had first executed a request with an entity.
#[derive(Clone, Default)]
struct Stored(Arc<Mutex<HashMap<String, Instant>>>);

impl Stored {
    fn at(&self, entity: &str) -> Instant {
        self.0.lock().unwrap()[entity]
    }

    /// Records every [`entity`] in the body of a request.
    fn record(&self, request: &[u8]) {
        let now = Instant::now();
        let mut stored = self.0.lock().unwrap();
        for found in String::from_utf8_lossy(request).split("order-").skip(1) {
            let digits = found.get(..8).unwrap_or_default();
            if digits.bytes().all(|byte| byte.is_ascii_digit()) {
                stored.entry(format!("order-{digits}")).or_insert(now);
            }
        }
    }
}

fn entity(n: usize) -> String {
    format!("order-{n:08}")
}

/// An embedded stack without a worker, and clients that reach it through proxies.
struct Endpoints {
    stack: Stack,
    sqs: aws_sdk_sqs::Client,
    dynamodb: aws_sdk_dynamodb::Client,
    stored: Stored,
    _proxies: [Proxy; 3],
}

impl Endpoints {
    async fn start(added: Duration) -> Self {
        let stack = Stack::start(Options {
            pollers: 0,
            ..Options::default()
        });
        let stack = stack.await.unwrap();
        let stored = Stored::default();
        let recorder = stored.clone();
        let record = move |request: &mut proxy::Request| {
            let (recorder, request) = (recorder.clone(), request.body.clone());
            Fault::Change(Box::new(move |response| {
                recorder.record(&request);
                response
            }))
        };
        let recording = Proxy::start(&stack.dynamodb_endpoint(), record).await;
        let delay = move |_: &mut proxy::Request| match added {
            Duration::ZERO => Fault::None,
            added => Fault::Delay(added),
        };
        let sqs = Proxy::start(&stack.sqs_endpoint(), delay).await;
        let dynamodb = Proxy::start(&recording.url(), delay).await;
        let credentials = Credentials::new("key", "secret", None, None, "bench");
        let config = |url: String| {
            SdkConfig::builder()
                .behavior_version(BehaviorVersion::latest())
                .region(Region::from_static("us-east-1"))
                .credentials_provider(SharedCredentialsProvider::new(credentials.clone()))
                .endpoint_url(url)
                .build()
        };
        Self {
            stack,
            sqs: aws_sdk_sqs::Client::new(&config(sqs.url())),
            dynamodb: aws_sdk_dynamodb::Client::new(&config(dynamodb.url())),
            stored,
            _proxies: [sqs, recording, dynamodb],
        }
    }
}

/// Emits `rate` events per second. Returns their sorted latencies.
async fn pipeline(
    endpoints: &Endpoints,
    rate: u32,
    events: usize,
    pollers: usize,
) -> Vec<Duration> {
    let store = EventStore::new(endpoints.dynamodb.clone(), endpoints.stack.table());
    let letters = endpoints.stack.dead_letter_queue_url();
    let letters = DeadLetterQueue::new(endpoints.sqs.clone(), letters);
    let url = endpoints.stack.queue_url();
    let worker = Worker::new(endpoints.sqs.clone(), &url, Handler::new(store, letters));
    // A worker that stops waits for the receive in progress.
    let worker = worker.with_long_poll(Duration::from_secs(2));
    let stop = CancellationToken::new();
    let worker = tokio::spawn(worker.run(pollers, stop.clone()));
    let sdk = Sdk::builder(&url, Emitter::system("shop").unwrap())
        .sqs_client(endpoints.sqs.clone())
        .build()
        .await
        .unwrap();
    // These events open the connections.
    for n in 0..10 {
        let _ = sdk.emit(order(format!("warm-{n}"))).await.unwrap();
    }
    tokio::time::sleep(Duration::from_millis(200)).await;
    let mut ticks = tokio::time::interval(Duration::from_secs(1) / rate);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
    let mut emitted = Vec::new();
    let mut receipts = Vec::new();
    for n in 0..events {
        // If this task is late, the latency includes the delay: it starts at the tick.
        let tick = ticks.tick().await;
        let event = order(entity(n));
        emitted.push(tick.into_std());
        receipts.push(tokio::spawn(sdk.emit(event)));
    }
    for receipt in receipts {
        let _ = receipt.await.unwrap().unwrap();
    }
    endpoints.stack.wait_until_drained().await;
    stop.cancel();
    worker.await.unwrap();
    assert_eq!(endpoints.stack.dead_letters(), 0);
    let latency = |n: usize| endpoints.stored.at(&entity(n)) - emitted[n];
    let mut latencies: Vec<_> = (0..events).map(latency).collect();
    latencies.sort();
    latencies
}

/// Sends, receives and inserts one event at a time. The receive is already waiting when the
/// event is sent, as it is for an idle worker. Returns the sorted latencies.
async fn by_hand(endpoints: &Endpoints) -> Vec<Duration> {
    let url = endpoints.stack.queue_url();
    let mut latencies = Vec::new();
    for n in 0..BY_HAND {
        let receive = endpoints.sqs.receive_message().queue_url(&url);
        let receive = tokio::spawn(receive.wait_time_seconds(10).send());
        tokio::time::sleep(Duration::from_millis(20)).await;
        let body = serde_json::to_string(&order(entity(n))).unwrap();
        let emitted = Instant::now();
        let send = endpoints.sqs.send_message().queue_url(&url);
        let sent = tokio::spawn(send.message_body(body).send());
        let message = receive.await.unwrap().unwrap().messages.unwrap().remove(0);
        let statement = BatchStatementRequest::builder()
            .statement(r#"INSERT INTO "events" VALUE {'ID':?,'Timestamp':?,'Data':?}"#)
            .parameters(AttributeValue::S(entity(n)))
            .parameters(AttributeValue::N("1".to_owned()))
            .parameters(AttributeValue::S(message.body.unwrap()));
        let insert = endpoints.dynamodb.batch_execute_statement();
        let insert = insert.statements(statement.build().unwrap());
        let inserted = insert.send().await.unwrap();
        assert!(inserted.responses()[0].error().is_none());
        let _ = sent.await.unwrap().unwrap();
        latencies.push(endpoints.stored.at(&entity(n)) - emitted);
        let delete = endpoints.sqs.delete_message().queue_url(&url);
        let delete = delete.set_receipt_handle(message.receipt_handle);
        delete.send().await.unwrap();
    }
    // The first events opened the connections.
    let mut latencies = latencies.split_off(5);
    latencies.sort();
    latencies
}
