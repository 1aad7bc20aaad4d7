//! Compares the publisher with its alternatives in one run.
//!
//! `cargo bench -p domain-events-benches` runs all parts. With an argument, it runs only the
//! parts whose name contains the argument: `encode`, `load`, `idle`, `memory`.

#![forbid(unsafe_code)]
// A benchmark prints its results, and panics on failure.
#![allow(clippy::print_stdout, clippy::unwrap_used)]

use std::alloc::System;
use std::hint::black_box;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use aws_sdk_sqs::config::{BehaviorVersion, Credentials, Region, StalledStreamProtectionConfig};
use aws_sdk_sqs::types::SendMessageBatchRequestEntry;
use domain_events::{Context, DomainEvent, Emitter, Envelope, EventDefinition, Sdk, wire};
use serde::Serialize;
use stats_alloc::{INSTRUMENTED_SYSTEM, StatsAlloc};

mod endpoint;

use endpoint::{Endpoint, Sink, delayed};

/// Counts allocations.
#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

fn allocations() -> usize {
    let stats = ALLOCATOR.stats();
    stats.allocations + stats.reallocations
}

/// An event of about 500 bytes on the wire.
#[derive(Serialize, Clone)]
struct OrderPlaced {
    order_id: String,
    customer: String,
    total_cents: u64,
    currency: &'static str,
    lines: Vec<Line>,
}

#[derive(Serialize, Clone)]
struct Line {
    sku: &'static str,
    quantity: u32,
    cents: u64,
}

impl DomainEvent for OrderPlaced {
    const DEFINITIONS: &'static [EventDefinition] = &[EventDefinition::new("ORDER_PLACED")];
    fn entity_id(&self) -> &dyn std::fmt::Display {
        &self.order_id
    }
}

fn order(n: usize) -> OrderPlaced {
    OrderPlaced {
        order_id: format!("order-{n:08}"),
        customer: "6b04fd08-e496-11ea-8176-9f85e075569c".to_owned(),
        total_cents: 12_995,
        currency: "EUR",
        lines: vec![
            Line {
                sku: "B0CHX1W1XY",
                quantity: 2,
                cents: 49_95,
            },
            Line {
                sku: "B09G9FPHY6",
                quantity: 1,
                cents: 30_05,
            },
            Line {
                sku: "B07FZ8S74R",
                quantity: 3,
                cents: 12_99,
            },
        ],
    }
}

/// A handwritten struct that serializes to the same JSON.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct ByHand<'a> {
    timestamp: f64,
    event_type: &'a str,
    #[serde(rename = "ID")]
    id: &'a str,
    emitter_id: &'a str,
    emitter_type: &'a str,
    data: &'a OrderPlaced,
    event_id: String,
}

fn main() {
    let only = std::env::args().skip(1).find(|a| !a.starts_with('-'));
    let wanted = |name: &str| only.as_deref().is_none_or(|only| name.contains(only));
    if wanted("encode") {
        encode();
    }
    let runtime = || {
        tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .unwrap()
    };
    // This part runs first, because later parts fill endpoints of this process with messages.
    if wanted("memory") {
        runtime().block_on(memory());
    }
    if wanted("idle") {
        runtime().block_on(idle());
    }
    if wanted("load") {
        runtime().block_on(load());
    }
}

/// Measures three calls. Returns for each call the median time in nanoseconds, the number of
/// allocations, and the median ratio of the first call's time to the time of this call.
///
/// The calls alternate, and each ratio compares two adjacent measurements, so that other load
/// on the machine has little effect.
fn costs(mut calls: [&mut dyn FnMut(); 3]) -> [(f64, f64, f64); 3] {
    const ROUNDS: usize = 201;
    const CALLS: usize = 400;
    let mut times: [Vec<f64>; 3] = Default::default();
    let mut counts = [0; 3];
    for _ in 0..ROUNDS {
        for (which, call) in calls.iter_mut().enumerate() {
            let before = allocations();
            let start = Instant::now();
            for _ in 0..CALLS {
                call();
            }
            times[which].push(start.elapsed().as_nanos() as f64 / CALLS as f64);
            counts[which] += allocations() - before;
        }
    }
    let median = |mut values: Vec<f64>| {
        values.sort_by(f64::total_cmp);
        values[ROUNDS / 2]
    };
    [0, 1, 2].map(|which| {
        let ratios = times[0]
            .iter()
            .zip(&times[which])
            .map(|(ours, theirs)| ours / theirs);
        let count = counts[which] as f64 / (ROUNDS * CALLS) as f64;
        (
            median(times[which].clone()),
            count,
            median(ratios.collect()),
        )
    })
}

fn encode() {
    let emitter = Emitter::system("billing").unwrap();
    let context = Context::new(emitter);
    let event = order(7);
    let ours = || {
        let envelope = Envelope::new(&event, &context).unwrap();
        black_box(wire::encode(&envelope).unwrap());
    };
    let by_hand = || ByHand {
        timestamp: std::time::SystemTime::now()
            .duration_since(std::time::UNIX_EPOCH)
            .unwrap()
            .as_micros() as f64
            / 1e6,
        event_type: "ORDER_PLACED",
        id: &event.order_id,
        emitter_id: "billing",
        emitter_type: "SYSTEM",
        data: &event,
        event_id: uuid::Uuid::now_v7().to_string(),
    };
    let derived = || {
        black_box(serde_json::to_vec(&by_hand()).unwrap());
    };
    let value = || {
        let value = serde_json::to_value(by_hand()).unwrap();
        black_box(value.to_string());
    };
    let envelope = Envelope::new(&event, &context).unwrap();
    println!(
        "## encode, one event of {} bytes\n",
        wire::encode(&envelope).unwrap().len()
    );
    println!("| | ns | allocations | ours takes |\n|---|---|---|---|");
    let (mut ours, mut derived, mut value) = (ours, derived, value);
    let names = [
        "`Envelope::new` and `wire::encode`: checked, measured",
        "a struct by hand, `serde_json::to_vec`, unchecked",
        "a `serde_json::Value`, `to_string`, unchecked",
    ];
    let costs = costs([&mut ours, &mut derived, &mut value]);
    for (name, (time, count, ratio)) in names.iter().zip(costs) {
        println!("| {name} | {time:.0} | {count:.1} | {ratio:.2} × its time |");
    }
    println!();
}

fn client(url: &str) -> aws_sdk_sqs::Client {
    let config = aws_sdk_sqs::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("us-east-1"))
        .credentials_provider(Credentials::new("key", "secret", None, None, "bench"))
        .stalled_stream_protection(StalledStreamProtectionConfig::disabled())
        .endpoint_url(url);
    aws_sdk_sqs::Client::from_conf(config.build())
}

async fn publisher(endpoint: &Endpoint, packing: bool) -> Sdk {
    Sdk::builder(endpoint.queue(), Emitter::system("billing").unwrap())
        .sqs_client(client(endpoint.url()))
        .max_in_flight(IN_FLIGHT)
        .packing(packing)
        .build()
        .await
        .unwrap()
}

async fn idle() {
    const CALLS: usize = 4_000;
    let endpoint = Endpoint::start().await;
    let sdk = publisher(&endpoint, false).await;
    let raw = client(endpoint.url());
    let body = body(1);
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    // The calls alternate, so that both run under the same conditions.
    for n in 0..CALLS {
        let start = Instant::now();
        sdk.emit(order(n)).await.unwrap();
        ours.push(start.elapsed());
        let start = Instant::now();
        let request = raw.send_message().queue_url(endpoint.queue());
        request.message_body(&body).send().await.unwrap();
        theirs.push(start.elapsed());
    }
    ours.sort();
    theirs.sort();
    let (a, b) = (ours[CALLS / 2], theirs[CALLS / 2]);
    println!("## idle, one event at a time\n\n| | p50 | p99 |\n|---|---|---|");
    println!("| `emit` | {a:?} | {:?} |", ours[CALLS * 99 / 100]);
    println!(
        "| raw `SendMessage` | {b:?} | {:?} |",
        theirs[CALLS * 99 / 100]
    );
    println!(
        "| ratio of p50 | {:.2} | |\n",
        a.as_secs_f64() / b.as_secs_f64()
    );
}

const IN_FLIGHT: usize = 16;
const TASKS: usize = 256;
const ROUNDS: usize = 5;

fn body(n: usize) -> String {
    let context = Context::new(Emitter::system("billing").unwrap());
    wire::encode(&Envelope::new(&order(n), &context).unwrap()).unwrap()
}

/// Runs `work` in this many tasks until `events` are done. Returns the events per second.
async fn rate<F: Future<Output = usize> + Send + 'static>(
    tasks: usize,
    events: usize,
    work: impl Fn(usize) -> F + Clone + Send + 'static,
) -> f64 {
    let left = Arc::new(AtomicUsize::new(0));
    let start = Instant::now();
    let tasks: Vec<_> = (0..tasks)
        .map(|_| {
            let (left, work) = (left.clone(), work.clone());
            tokio::spawn(async move {
                loop {
                    let n = left.fetch_add(1, Ordering::Relaxed);
                    if n >= events {
                        return 0;
                    }
                    // Each call returns the number of its events.
                    let more = work(n).await - 1;
                    left.fetch_add(more, Ordering::Relaxed);
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    events as f64 / start.elapsed().as_secs_f64()
}

async fn load() {
    for added in [Duration::ZERO, Duration::from_millis(4)] {
        println!(
            "## load: {TASKS} tasks, {IN_FLIGHT} requests in flight, {} bytes, {} ms added\n",
            body(1).len(),
            added.as_millis()
        );
        println!(
            "| | events per second | requests per 1,000 events | ours is |\n|---|---|---|---|"
        );
        let (events, single) = if added.is_zero() {
            (60_000, 10_000)
        } else {
            (100_000, 10_000)
        };
        // The measurements alternate, and the medians are printed.
        let mut rates: [Vec<f64>; 4] = Default::default();
        let mut requests = [0.0; 4];
        for _ in 0..ROUNDS {
            for (kind, rates) in rates.iter_mut().enumerate() {
                let endpoint = Endpoint::start().await;
                let endpoint = delayed(endpoint, added).await;
                let count = if kind == 3 { single } else { events };
                let rate = match kind {
                    0 | 1 => ours(&endpoint, count, kind == 1).await,
                    2 => batches(&endpoint, count).await,
                    _ => singles(&endpoint, count).await,
                };
                rates.push(rate);
                requests[kind] = endpoint.requests() as f64 * 1_000.0 / count as f64;
            }
        }
        let median = |mut values: Vec<f64>| {
            values.sort_by(f64::total_cmp);
            values[values.len() / 2]
        };
        let names = [
            "`emit`",
            "`emit`, packing",
            "prebuilt full batches, raw",
            "one `SendMessage` an event, raw",
        ];
        for (kind, name) in names.iter().enumerate() {
            // The ratios compare adjacent measurements, because the machine may have other load.
            let ratios = rates[0]
                .iter()
                .zip(&rates[kind])
                .map(|(ours, it)| ours / it);
            let ratio = median(ratios.collect());
            let rate = median(rates[kind].clone());
            println!(
                "| {name} | {rate:.0} | {:.1} | {ratio:.2} × as fast |",
                requests[kind]
            );
        }
        println!();
    }
}

async fn ours(endpoint: &Endpoint, events: usize, packing: bool) -> f64 {
    let sdk = publisher(endpoint, packing).await;
    rate(TASKS, events, move |n| {
        let emission = sdk.emit(order(n));
        async move {
            emission.await.unwrap();
            1
        }
    })
    .await
}

async fn batches(endpoint: &Endpoint, events: usize) -> f64 {
    let client = client(endpoint.url());
    let queue = endpoint.queue();
    let entry = |n: usize| {
        let entry = SendMessageBatchRequestEntry::builder().id(n.to_string());
        entry.message_body(body(n)).build().unwrap()
    };
    let batch: Arc<Vec<_>> = Arc::new((0..10).map(entry).collect());
    rate(IN_FLIGHT, events, move |_| {
        let request = client.send_message_batch().queue_url(&queue);
        let request = request.set_entries(Some(batch.to_vec()));
        async move {
            let output = request.send().await.unwrap();
            assert!(output.failed.is_empty());
            10
        }
    })
    .await
}

async fn singles(endpoint: &Endpoint, events: usize) -> f64 {
    let client = client(endpoint.url());
    let (queue, body) = (endpoint.queue(), body(1));
    rate(IN_FLIGHT, events, move |_| {
        let request = client.send_message().queue_url(&queue).message_body(&body);
        async move {
            request.send().await.unwrap();
            1
        }
    })
    .await
}

/// Sends a million events through one publisher. The endpoint discards them, so all memory
/// belongs to the publisher.
async fn memory() {
    const EVENTS: usize = 1_000_000;
    let sink = Sink::start().await;
    let sdk = publisher(&sink, false).await;
    println!(
        "## memory: {EVENTS} events through one publisher\n\n| events | resident now | peak |\n|---|---|---|"
    );
    let print = |events: usize| {
        let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
        let line = |name: &str| {
            let line = status.lines().find(|line| line.starts_with(name));
            line.and_then(|l| l.split_whitespace().nth(1))
                .and_then(|n| n.parse::<u64>().ok())
                .unwrap_or(0)
                / 1024
        };
        println!(
            "| {events} | {} MiB | {} MiB |",
            line("VmRSS"),
            line("VmHWM")
        );
    };
    let start = Instant::now();
    for part in 0..10 {
        let sdk = sdk.clone();
        rate(2_000, EVENTS / 10, move |n| {
            let emission = sdk.emit(order(part * EVENTS / 10 + n));
            async move {
                emission.await.unwrap();
                1
            }
        })
        .await;
        print((part + 1) * EVENTS / 10);
    }
    println!(
        "\n{:.0} events a second\n",
        EVENTS as f64 / start.elapsed().as_secs_f64()
    );
}
