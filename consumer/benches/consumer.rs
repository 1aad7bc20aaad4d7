//! Compares the consumer with the usual alternatives in one run.
//!
//! ```sh
//! cargo bench -p domain-events-consumer
//! ```
//!
//! The endpoints run in a separate process, so that the measured CPU time is the CPU time of
//! the client. Times differ between machines; compare ratios and counts.

#![forbid(unsafe_code)]
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a bench prints, and may fail"
)]

use std::collections::HashMap;
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use aws_config::{BehaviorVersion, Region};
use aws_sdk_dynamodb::config::Credentials;
use aws_sdk_dynamodb::types::AttributeValue;
use domain_events::{EntityId, EventId, EventStore, wire};
use domain_events_consumer::{__internals, DeadLetterQueue, Handler, Record};
use domain_events_local::{Options, Stack};
use futures::StreamExt;

#[path = "../tests/it/support/proxy.rs"]
mod proxy;

use proxy::{Fault, Proxy};

const BATCH: usize = 1000;
const HISTORY: usize = 100_000;

fn main() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    if std::env::var_os("BENCH_SERVE").is_some() {
        runtime.block_on(serve());
    } else {
        convert();
        runtime.block_on(async {
            append("no added delay", 0, 3).await;
            append("4 ms per request", 4, 1).await;
            history().await;
        });
    }
}

/// Runs the endpoints in this process. The DynamoDB endpoint has an added delay.
async fn serve() {
    let stack = Stack::start(Options {
        pollers: 0,
        ..Options::default()
    })
    .await
    .unwrap();
    let delay = Duration::from_millis(std::env::var("BENCH_DELAY_MS").unwrap().parse().unwrap());
    let proxy = Proxy::start(&stack.dynamodb_endpoint(), move |_| match delay.is_zero() {
        true => Fault::None,
        false => Fault::Delay(delay),
    })
    .await;
    let dynamodb = if delay.is_zero() {
        stack.dynamodb_endpoint()
    } else {
        proxy.url()
    };
    println!(
        "{dynamodb} {} {}",
        stack.sqs_endpoint(),
        stack.dead_letter_queue_url()
    );
    std::future::pending::<()>().await;
}

struct Endpoints {
    process: Child,
    dynamodb: aws_sdk_dynamodb::Client,
    requests: __internals::RequestCounter,
    handler: Handler,
}

impl Drop for Endpoints {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn endpoints(delay: u64) -> Endpoints {
    let mut process = Command::new(std::env::current_exe().unwrap())
        .env("BENCH_SERVE", "1")
        .env("BENCH_DELAY_MS", delay.to_string())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(process.stdout.take().unwrap())
        .read_line(&mut line)
        .unwrap();
    let [dynamodb, sqs, dead_letters]: [&str; 3] = line
        .split_whitespace()
        .collect::<Vec<_>>()
        .try_into()
        .unwrap();
    let config = aws_config::SdkConfig::builder()
        .behavior_version(BehaviorVersion::v2026_01_12())
        .region(Region::from_static("us-east-1"))
        .credentials_provider(aws_sdk_dynamodb::config::SharedCredentialsProvider::new(
            Credentials::new("bench", "bench", None, None, "bench"),
        ))
        .endpoint_url(dynamodb)
        .build();
    let (dynamodb, requests) = __internals::dynamodb(&config);
    let sqs = aws_sdk_sqs::Client::from_conf(
        aws_sdk_sqs::config::Builder::from(&config)
            .endpoint_url(sqs)
            .build(),
    );
    let store = EventStore::new(dynamodb.clone(), "events");
    let handler = Handler::new(store, DeadLetterQueue::new(sqs, dead_letters));
    Endpoints {
        process,
        dynamodb,
        requests,
        handler,
    }
}

fn body(id: &str, timestamp: usize) -> String {
    format!(
        r#"{{"Timestamp":{timestamp},"EventType":"ORDER_PLACED","ID":"{id}","EmitterId":"6b04fd08-e496-11ea-8176-9f85e075569c","EmitterType":"USER","EventId":"{}","Data":{{"order_id":"{id}","customer":"u-42","total_cents":4990,"currency":"EUR","lines":[{{"sku":"A-1","quantity":2,"price":19.95}},{{"sku":"B-7","quantity":1,"price":10}}],"note":null,"gift":false}}}}"#,
        EventId::random()
    )
}

fn records(run: &str) -> Vec<Record> {
    let record = |n: usize| {
        let body = body(&format!("{run}-{n}"), 1_596_719_980);
        Record::new(EventId::random().into_string(), body)
    };
    (0..BATCH).map(record).collect()
}

/// Returns the CPU time of this thread, on which the whole client runs.
fn cpu() -> Duration {
    let schedstat = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap();
    Duration::from_nanos(schedstat.split(' ').next().unwrap().parse().unwrap())
}

#[derive(Default)]
struct Cost {
    wall: Duration,
    cpu: Duration,
    requests: u64,
    events: usize,
}

impl Cost {
    fn add(&mut self, start: (Instant, Duration), requests: u64, events: usize) {
        self.wall += start.0.elapsed();
        self.cpu += cpu() - start.1;
        self.requests += requests;
        self.events += events;
    }

    fn print(&self, name: &str) {
        let events = self.events as f64;
        println!(
            "  {name:<28} {:>9.0} events/s {:>8.1} µs CPU/event {:>7.0} requests per 1,000 events",
            events / self.wall.as_secs_f64(),
            self.cpu.as_micros() as f64 / events,
            self.requests as f64 * 1000.0 / events,
        );
    }
}

/// Stores batches of 1,000 messages, with our handler and with one `PutItem` per message.
async fn append(name: &str, delay: u64, rounds: usize) {
    println!("store batches of {BATCH} events, {name}");
    let endpoints = endpoints(delay);
    let (mut ours, mut theirs) = (Cost::default(), Cost::default());
    let _ = endpoints.handler.handle(&records("warm")[..25], None).await;
    one_by_one(&endpoints.dynamodb, &records("warm-2")[..5]).await;
    let _ = endpoints.requests.take();
    for round in 0..rounds {
        let batch = records(&format!("ours-{round}"));
        let start = (Instant::now(), cpu());
        let report = endpoints.handler.handle(&batch, None).await;
        ours.add(start, endpoints.requests.take().0, BATCH);
        assert_eq!(report.metrics.verdicts(), [BATCH as u64, 0, 0, 0]);

        let batch = records(&format!("theirs-{round}"));
        let start = (Instant::now(), cpu());
        one_by_one(&endpoints.dynamodb, &batch).await;
        theirs.add(start, endpoints.requests.take().0, BATCH);
    }
    ours.print("ours");
    theirs.print("one PutItem per record");
    println!(
        "  ratio: {:.1} times the events per second, {:.2} of the CPU time\n",
        theirs.wall.as_secs_f64() / ours.wall.as_secs_f64(),
        ours.cpu.as_secs_f64() / theirs.cpu.as_secs_f64(),
    );
}

/// The usual implementation: parses a generic value, converts it to a generic item, and
/// writes the item with `PutItem`.
async fn one_by_one(client: &aws_sdk_dynamodb::Client, records: &[Record]) {
    for record in records {
        let item = generic_item(record.body());
        client
            .put_item()
            .table_name("events")
            .set_item(Some(item))
            .send()
            .await
            .unwrap();
    }
}

fn generic_item(body: &str) -> HashMap<String, AttributeValue> {
    let value: serde_json::Value = serde_json::from_str(body).unwrap();
    serde_dynamo::to_item(value).unwrap()
}

/// Converts JSON text to an item, without a network.
fn convert() {
    println!("JSON to item");
    let bodies: Vec<String> = (0..2000).map(|n| body(&format!("e-{n}"), n)).collect();
    let id = EventId::random();
    let (mut ours, mut theirs) = (Duration::ZERO, Duration::ZERO);
    for _ in 0..10 {
        let start = cpu();
        for body in &bodies {
            let event = wire::decode(body, &id).unwrap().remove(0).outcome.unwrap();
            std::hint::black_box(domain_events::__internals::attributes_of(&event));
        }
        ours += cpu() - start;
        let start = cpu();
        for body in &bodies {
            std::hint::black_box(generic_item(body));
        }
        theirs += cpu() - start;
    }
    let each = |total: Duration| total.as_nanos() as f64 / 20_000.0 / 1000.0;
    println!(
        "  ours, checks every rule      {:>6.2} µs CPU/event",
        each(ours)
    );
    println!(
        "  serde_json, serde_dynamo     {:>6.2} µs CPU/event",
        each(theirs)
    );
    let lossless = body("x", 1).replace("4990", "12345678901234567890123456789012345678");
    let kept = matches!(&generic_item(&lossless)["Data"], AttributeValue::M(data)
        if data["total_cents"] == AttributeValue::N("12345678901234567890123456789012345678".to_owned()));
    println!(
        "  ratio: {:.2} of the time; 38 digits of a number are kept by ours, and by theirs: {kept}\n",
        ours.as_secs_f64() / theirs.as_secs_f64()
    );
}

/// Reads a long history as a stream, and with a raw query that discards its items.
async fn history() {
    println!("read a history of {HISTORY} events");
    let endpoints = endpoints(0);
    let store = EventStore::new(endpoints.dynamodb.clone(), "events");
    for chunk in 0..HISTORY / BATCH {
        let events: Vec<_> = (0..BATCH)
            .map(|n| {
                let body = body("long", chunk * BATCH + n);
                wire::decode(&body, &EventId::random())
                    .unwrap()
                    .remove(0)
                    .outcome
                    .unwrap()
            })
            .collect();
        assert!(
            store
                .append_all(&events, None)
                .await
                .iter()
                .all(Result::is_ok)
        );
    }
    let id: EntityId = "long".parse().unwrap();
    let (mut ours, mut theirs) = (Duration::ZERO, Duration::ZERO);
    let mut peaks = Vec::new();
    for _ in 0..3 {
        let start = Instant::now();
        assert_eq!(raw_query(&endpoints.dynamodb).await, HISTORY);
        theirs += start.elapsed();
        let start = Instant::now();
        let mut events = store.history(&id);
        let mut count = 0;
        while let Some(event) = events.next().await {
            count += usize::from(event.is_ok());
            if count % 10_000 == 0 {
                peaks.push(resident_kib());
            }
        }
        assert_eq!(count, HISTORY);
        ours += start.elapsed();
    }
    println!(
        "  ours {:.2} s, raw query {:.2} s: ratio {:.2}; resident memory from {} to {} KiB over three readings\n",
        ours.as_secs_f64() / 3.0,
        theirs.as_secs_f64() / 3.0,
        ours.as_secs_f64() / theirs.as_secs_f64(),
        peaks.iter().min().unwrap(),
        peaks.iter().max().unwrap(),
    );
}

async fn raw_query(client: &aws_sdk_dynamodb::Client) -> usize {
    let pages = client
        .query()
        .table_name("events")
        .key_condition_expression("ID = :id")
        .expression_attribute_values(":id", AttributeValue::S("long".to_owned()))
        .consistent_read(true)
        .into_paginator();
    let mut pages = pages.send();
    let mut count = 0;
    while let Some(page) = pages.next().await {
        count += page.unwrap().count() as usize;
    }
    count
}

fn resident_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status
        .lines()
        .find(|line| line.starts_with("VmRSS:"))
        .unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}
