//! The time from `emit` until DynamoDB has stored the event: through the publisher, the
//! queue and the worker.
//!
//! ```sh
//! cargo bench -p domain-events-benches --bench latency
//! ```
//!
//! Beside it is the time that the requests alone take: a loop by hand that sends one event
//! at a time, receives it and inserts it, without checks. Both run on the embedded stack, as
//! it is and with 4 ms added to each request. Proxies in front of the endpoints add half of
//! this time before a request and half after it. The proxy in front of DynamoDB notes when
//! an event is stored.

#![forbid(unsafe_code)]
// A bench prints its results, and panics on failure.
#![allow(clippy::print_stdout, clippy::unwrap_used)]

use std::time::{Duration, Instant};

use aws_sdk_dynamodb::types::{AttributeValue, BatchStatementRequest};
use aws_sdk_sqs::config::{BehaviorVersion, Credentials, Region, StalledStreamProtectionConfig};
use domain_events::{Emitter, EventStore, Sdk};
use domain_events_consumer::hosts::worker::Worker;
use domain_events_consumer::{DeadLetterQueue, Handler};
use domain_events_local::{Options, Stack};
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

#[path = "peers/src/order.rs"]
#[allow(dead_code, reason = "the peers need more of it")]
mod order;
mod proxy;

use order::order;
use proxy::Observed;

/// Events per second, and how many of them are measured.
const RATES: [(u32, usize); 3] = [(1, 60), (100, 2_000), (1_000, 10_000)];
const BY_HAND: usize = 300;
/// As many pollers as the worker has unless configured.
const POLLERS: usize = 2;

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() {
    for added in [Duration::ZERO, Duration::from_millis(4)] {
        println!(
            "## from `emit` to stored, {} ms added to each request\n",
            added.as_millis()
        );
        println!("| | events | p50 | p95 | p99 |\n|---|---|---|---|---|");
        by_hand(&Endpoints::start(added).await).await;
        for (rate, events) in RATES {
            pipeline(&Endpoints::start(added).await, rate, events).await;
        }
        println!();
    }
}

fn print(name: &str, mut latencies: Vec<Duration>) {
    latencies.sort();
    let at = |percent: usize| latencies[(latencies.len() - 1) * percent / 100];
    let millis = |time: Duration| format!("{:.2} ms", time.as_secs_f64() * 1e3);
    println!(
        "| {name} | {} | {} | {} | {} |",
        latencies.len(),
        millis(at(50)),
        millis(at(95)),
        millis(at(99)),
    );
}

/// An embedded stack without a worker, and clients that reach it through the proxies.
struct Endpoints {
    stack: Stack,
    sqs: aws_sdk_sqs::Client,
    dynamodb: aws_sdk_dynamodb::Client,
    observed: Observed,
}

impl Endpoints {
    async fn start(added: Duration) -> Self {
        let stack = Stack::start(Options {
            pollers: 0,
            ..Options::default()
        });
        let stack = stack.await.unwrap();
        let observed = Observed::default();
        let sqs = proxy::start(&stack.sqs_endpoint(), added, None).await;
        let dynamodb =
            proxy::start(&stack.dynamodb_endpoint(), added, Some(observed.clone())).await;
        let credentials = || Credentials::new("key", "secret", None, None, "bench");
        let sqs = aws_sdk_sqs::Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new("us-east-1"))
            .credentials_provider(credentials())
            .stalled_stream_protection(StalledStreamProtectionConfig::disabled())
            .endpoint_url(sqs);
        let dynamodb = aws_sdk_dynamodb::Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new("us-east-1"))
            .credentials_provider(credentials())
            .stalled_stream_protection(StalledStreamProtectionConfig::disabled())
            .endpoint_url(dynamodb);
        Self {
            stack,
            sqs: aws_sdk_sqs::Client::from_conf(sqs.build()),
            dynamodb: aws_sdk_dynamodb::Client::from_conf(dynamodb.build()),
            observed,
        }
    }
}

fn entity(n: usize) -> String {
    format!("order-{n:08}")
}

/// `rate` events a second through the publisher and the worker.
async fn pipeline(endpoints: &Endpoints, rate: u32, events: usize) {
    let store = EventStore::new(endpoints.dynamodb.clone(), endpoints.stack.table());
    let letters = endpoints.stack.dead_letter_queue_url();
    let letters = DeadLetterQueue::new(endpoints.sqs.clone(), letters);
    let url = endpoints.stack.queue_url();
    let worker = Worker::new(endpoints.sqs.clone(), &url, Handler::new(store, letters));
    // A stopping worker waits for its receive.
    let worker = worker.with_long_poll(Duration::from_secs(2));
    let stop = CancellationToken::new();
    let worker = tokio::spawn(worker.run(POLLERS, stop.clone()));
    let sdk = Sdk::builder(&url, Emitter::system("shop").unwrap())
        .sqs_client(endpoints.sqs.clone())
        .build()
        .await
        .unwrap();
    // Opens the connections.
    for n in 0..10 {
        let _ = sdk.emit(order(format!("warm-{n}"))).await.unwrap();
    }
    tokio::time::sleep(Duration::from_millis(200)).await;
    let mut ticks = tokio::time::interval(Duration::from_secs(1) / rate);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
    let mut emitted = Vec::new();
    let mut receipts = Vec::new();
    for n in 0..events {
        ticks.tick().await;
        let event = order(entity(n));
        emitted.push(Instant::now());
        receipts.push(tokio::spawn(sdk.emit(event)));
    }
    for receipt in receipts {
        let _ = receipt.await.unwrap().unwrap();
    }
    endpoints.stack.wait_until_drained().await;
    stop.cancel();
    worker.await.unwrap();
    let latency = |n: usize| endpoints.observed.stored(&entity(n)) - emitted[n];
    let name = format!("`emit`, {rate} per second");
    print(&name, (0..events).map(latency).collect());
}

/// The requests alone, one event at a time. The receive waits when the event is sent, as it
/// does for a worker without load.
async fn by_hand(endpoints: &Endpoints) {
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
        latencies.push(endpoints.observed.stored(&entity(n)) - emitted);
        let delete = endpoints.sqs.delete_message().queue_url(&url);
        let delete = delete.set_receipt_handle(message.receipt_handle);
        delete.send().await.unwrap();
    }
    // The first events opened the connections.
    print("the requests alone", latencies.split_off(5));
}
