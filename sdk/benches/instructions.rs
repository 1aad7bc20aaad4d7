//! The hot paths, for counting their instructions with valgrind.
//!
//! `sdk/benches/budget.sh` runs this program as `instructions PATH STEPS`. Each step handles
//! [`EVENTS`] events, so the difference between two runs is the cost of the additional steps,
//! without the start of the program. The endpoint is a separate process, which is not counted.

#![forbid(unsafe_code)]
// A benchmark prints its results, and panics on failure.
#![allow(clippy::print_stdout, clippy::unwrap_used)]

use std::hint::black_box;
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

use aws_sdk_dynamodb::config::{BehaviorVersion, Credentials, Region};
use domain_events::{Context, Emitter, Envelope, EventId, EventStore, wire};
use domain_events_local::{Options, Stack};
use futures::TryStreamExt;

#[path = "peers/src/order.rs"]
#[allow(dead_code, reason = "the comparison with other crates uses the rest")]
mod order;

use order::{ENTITY, OrderPlaced, envelopes, history, order, orders};

/// The number of events in a step.
const EVENTS: usize = 2_000;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    match arguments[..] {
        ["encode", steps] => encode(steps.parse().unwrap()),
        ["decode", steps] => decode(steps.parse().unwrap()),
        ["append", steps] => runtime.block_on(append(steps.parse().unwrap())),
        ["read", steps] => runtime.block_on(read(steps.parse().unwrap())),
        ["serve"] => runtime.block_on(serve()),
        // `cargo bench` starts every benchmark, without these arguments.
        _ => println!("sdk/benches/budget.sh runs this benchmark"),
    }
}

fn encode(steps: usize) {
    let context = Context::new(Emitter::system("shop").unwrap());
    let event = order("order-00000001".to_owned());
    for _ in 0..steps * EVENTS {
        let envelope = Envelope::new(&event, &context).unwrap();
        black_box(wire::encode(&envelope).unwrap());
    }
}

fn decode(steps: usize) {
    let envelope = envelopes(&orders(1)).remove(0);
    let body = wire::encode(&envelope).unwrap();
    let message_id = EventId::from_static("message");
    for _ in 0..steps * EVENTS {
        let events = wire::decode(black_box(&body), &message_id).unwrap();
        assert!(events[0].outcome.is_ok());
    }
}

async fn append(steps: usize) {
    let remote = Remote::start();
    // Runs with one and with two steps create the same envelopes.
    let events = envelopes(&orders(2 * EVENTS));
    for events in events.chunks(EVENTS).take(steps) {
        for outcome in remote.store.append_all(events, None).await {
            let _ = outcome.unwrap();
        }
    }
}

async fn read(steps: usize) {
    let remote = Remote::start();
    for _ in 0..steps {
        let events = remote.store.history(ENTITY).decode::<OrderPlaced>();
        let events: Vec<_> = events.try_collect().await.unwrap();
        assert_eq!(events.len(), EVENTS);
    }
}

/// Runs an endpoint until the process is killed. Its table contains one history.
async fn serve() {
    let stack = Stack::start(Options {
        pollers: 0,
        ..Options::default()
    });
    let stack = stack.await.unwrap();
    let store = EventStore::new(stack.dynamodb_client(), stack.table());
    for outcome in store.append_all(&envelopes(&history(EVENTS)), None).await {
        let _ = outcome.unwrap();
    }
    println!("{} {}", stack.dynamodb_endpoint(), stack.table());
    std::future::pending().await
}

/// The process of the endpoint.
struct Remote {
    process: Child,
    store: EventStore,
}

impl Remote {
    fn start() -> Self {
        let mut process = Command::new(std::env::current_exe().unwrap())
            .arg("serve")
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        let output = process.stdout.take().unwrap();
        BufReader::new(output).read_line(&mut line).unwrap();
        let (url, table) = line.trim().split_once(' ').unwrap();
        let config = aws_sdk_dynamodb::Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new("us-east-1"))
            .credentials_provider(Credentials::new("key", "secret", None, None, "bench"))
            .endpoint_url(url);
        let client = aws_sdk_dynamodb::Client::from_conf(config.build());
        Self {
            process,
            store: EventStore::new(client, table),
        }
    }
}

impl Drop for Remote {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
