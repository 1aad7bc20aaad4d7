//! The outbox beside a plain `emit` after the commit, and a relay beside raw batches.
//!
//! `cargo bench -p domain-events-benches --bench outbox` runs on SQLite; with the argument
//! `postgres`, it starts and uses a Postgres server. The queue is a process-wide sink that
//! accepts each message, so the figures contain the database and the client, and no queue.

#![forbid(unsafe_code)]
// A bench prints its results, and panics on failure.
#![allow(clippy::print_stdout, clippy::unwrap_used, clippy::expect_used)]

use std::time::{Duration, Instant};

use aws_sdk_sqs::config::{BehaviorVersion, Credentials, Region, StalledStreamProtectionConfig};
use aws_sdk_sqs::types::SendMessageBatchRequestEntry;
use domain_events::{Emitter, Sdk};
use domain_events_outbox::{OutboxRows as _, PageRequest, Relay, Row};
use futures::stream::{self, StreamExt as _};

#[allow(dead_code, reason = "the tests of the outbox use the rest")]
#[path = "../outbox/tests/support/database.rs"]
mod database;
#[allow(
    dead_code,
    reason = "the bench of the publisher uses the other endpoints"
)]
mod endpoint;
#[path = "../outbox/tests/support/postgres.rs"]
mod postgres;

use database::{Database, OrderChanged, WhenToPut, order_id};
use endpoint::{Endpoint, Sink, delayed};

const ROUNDS: usize = 5;
/// Transactions of a round, and how many run at the same time.
const TRANSACTIONS: usize = 4_000;
const TASKS: usize = 16;
const ORDERS: usize = 400;
/// Rows of a backlog, and the requests in flight of the raw batches.
const BACKLOG: usize = 50_000;
const IN_FLIGHT: usize = 16;

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() {
    let on_postgres = std::env::args().any(|argument| argument == "postgres");
    let server = on_postgres.then(postgres::PostgresServer::start);
    let folder = std::env::temp_dir().join(format!("outbox-bench-{}", fastrand::u64(..)));
    std::fs::create_dir(&folder).unwrap();
    let place = match &server {
        Some(server) => server.url(),
        None => format!("sqlite:{}", folder.join("orders.db").display()),
    };
    let database = Database::open(&place).await;
    database.create(ORDERS).await;
    println!("{}", if on_postgres { "Postgres" } else { "SQLite" });

    let sink = Sink::start().await;
    transactions(&database, &sink).await;
    drain(&database, &sink, "no latency").await;
    let delay = Duration::from_millis(4);
    let slow = delayed(Sink::start().await, delay).await;
    drain(&database, &slow, "4 ms added to each request").await;
    std::fs::remove_dir_all(&folder).unwrap();
}

/// State and event in one transaction and the fast path, and a plain emit after the commit.
async fn transactions(database: &Database, sink: &Endpoint) {
    let mut times: [Vec<f64>; 2] = Default::default();
    let mut cpu: [Vec<f64>; 2] = Default::default();
    let mut requests = [0; 2];
    for _ in 0..ROUNDS {
        for (which, outbox) in [false, true].into_iter().enumerate() {
            let sent = sink.requests();
            let (start, used) = (Instant::now(), cpu_time());
            run_transactions(database, sink, outbox).await;
            times[which].push(start.elapsed().as_secs_f64());
            cpu[which].push(cpu_time() - used);
            requests[which] += sink.requests() - sent;
        }
    }
    let each = |seconds: f64| seconds * 1e6 / TRANSACTIONS as f64;
    for (which, name) in ["emit after the commit", "outbox and fast path"]
        .iter()
        .enumerate()
    {
        println!(
            "  {name:24} {:7.1} us a transaction, {:6.1} us CPU, {:.3} requests to SQS",
            each(median(&times[which])),
            each(median(&cpu[which])),
            requests[which] as f64 / (ROUNDS * TRANSACTIONS) as f64
        );
    }
    println!(
        "  ratio: time {:.2}, CPU {:.2}",
        median_ratio(&times[1], &times[0]),
        median_ratio(&cpu[1], &cpu[0])
    );
}

async fn run_transactions(database: &Database, sink: &Endpoint, outbox: bool) {
    let sdk = sdk(sink).await;
    let relay = Relay::builder(sdk.clone(), database.outbox()).build();
    let fast_path = relay.fast_path();
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let relay = tokio::spawn(relay.run(async {
        let _ = stopped.await;
    }));
    let put = match outbox {
        true => WhenToPut::InTheTransaction,
        false => WhenToPut::Never,
    };
    stream::iter(0..TRANSACTIONS)
        .for_each_concurrent(TASKS, |number| {
            let (sdk, database, fast_path) = (sdk.clone(), database.clone(), fast_path.clone());
            async move {
                let order = order_id(number % ORDERS);
                let change = database.change(&sdk, &order, put, &|_| ());
                let event = change.await.expect("the database is available");
                match outbox {
                    true => fast_path.committed(event),
                    false => drop(sdk.emit_prepared(event).await.unwrap()),
                }
            }
        })
        .await;
    stop.send(()).unwrap();
    let _ = relay.await.unwrap();
    assert_eq!(database.outbox().backlog().await.unwrap().rows, 0);
    let _ = sdk.shutdown(Duration::from_secs(10)).await;
}

/// A sweep that sends and deletes a backlog, and raw batches of the same messages.
async fn drain(database: &Database, endpoint: &Endpoint, latency: &str) {
    let mut times: [Vec<f64>; 2] = Default::default();
    let mut cpu: [Vec<f64>; 2] = Default::default();
    let mut requests = [0; 2];
    for _ in 0..ROUNDS {
        fill(database, endpoint).await;
        let rows = all_rows(database).await;

        let sent = endpoint.requests();
        let (start, used) = (Instant::now(), cpu_time());
        raw_batches(endpoint, rows).await;
        times[0].push(start.elapsed().as_secs_f64());
        cpu[0].push(cpu_time() - used);
        requests[0] += endpoint.requests() - sent;

        let sdk = sdk(endpoint).await;
        let relay = Relay::builder(sdk.clone(), database.outbox()).build();
        let sent = endpoint.requests();
        let (start, used) = (Instant::now(), cpu_time());
        let report = relay.sweep().await;
        times[1].push(start.elapsed().as_secs_f64());
        cpu[1].push(cpu_time() - used);
        requests[1] += endpoint.requests() - sent;
        assert!(report.failure.is_none(), "{report:?}");
        assert_eq!(database.outbox().backlog().await.unwrap().rows, 0);
        let _ = sdk.shutdown(Duration::from_secs(10)).await;
    }
    println!("  a backlog of {BACKLOG} rows, {latency}");
    for (which, name) in ["raw batches of ten", "sweep of the relay"]
        .iter()
        .enumerate()
    {
        let seconds = median(&times[which]);
        println!(
            "    {name:22} {:7.0} rows a second, {:5.1} us CPU a row, {:.3} requests to SQS",
            BACKLOG as f64 / seconds,
            median(&cpu[which]) * 1e6 / BACKLOG as f64,
            requests[which] as f64 / (ROUNDS * BACKLOG) as f64
        );
    }
    println!(
        "    ratio: throughput {:.2}, CPU {:.2}",
        median_ratio(&times[0], &times[1]),
        median_ratio(&cpu[1], &cpu[0])
    );
}

async fn fill(database: &Database, endpoint: &Endpoint) {
    let sdk = sdk(endpoint).await;
    let event = |version: i64| {
        let order = order_id(version as usize % ORDERS);
        sdk.prepare(&OrderChanged { order, version }).unwrap()
    };
    match database {
        Database::Sqlite(pool, outbox) => {
            let mut transaction = pool.begin().await.unwrap();
            for version in 0..BACKLOG as i64 {
                outbox.put(&mut transaction, &event(version)).await.unwrap();
            }
            transaction.commit().await.unwrap();
        }
        Database::Postgres(pool, outbox) => {
            let mut transaction = pool.begin().await.unwrap();
            for version in 0..BACKLOG as i64 {
                outbox.put(&mut transaction, &event(version)).await.unwrap();
            }
            transaction.commit().await.unwrap();
        }
        Database::DynamoDb(_) => unreachable!("the bench uses a SQL database"),
    }
}

async fn all_rows(database: &Database) -> Vec<Row> {
    let outbox = database.outbox();
    let mut rows = Vec::new();
    let mut request = Some(PageRequest::first(1_000, 4 << 20));
    while let Some(page) = request.take() {
        let page = outbox.page(page).await.unwrap();
        rows.extend(page.rows);
        request = page
            .next
            .map(|cursor| PageRequest::first(1_000, 4 << 20).after(cursor));
    }
    assert_eq!(rows.len(), BACKLOG);
    rows
}

/// A loop written by hand: ten messages in a request, sixteen requests in flight.
async fn raw_batches(endpoint: &Endpoint, rows: Vec<Row>) {
    let client = client(endpoint);
    let queue = endpoint.queue();
    let batches: Vec<Vec<SendMessageBatchRequestEntry>> = rows
        .chunks(10)
        .map(|rows| {
            let entry = |(number, row): (usize, &Row)| {
                let entry = SendMessageBatchRequestEntry::builder().id(number.to_string());
                entry.message_body(&row.message).build().unwrap()
            };
            rows.iter().enumerate().map(entry).collect()
        })
        .collect();
    stream::iter(batches)
        .for_each_concurrent(IN_FLIGHT, |batch| {
            let request = client.send_message_batch().queue_url(&queue);
            async move {
                let sent = request.set_entries(Some(batch)).send().await.unwrap();
                assert!(sent.failed().is_empty());
            }
        })
        .await;
}

fn client(endpoint: &Endpoint) -> aws_sdk_sqs::Client {
    aws_sdk_sqs::Client::from_conf(
        aws_sdk_sqs::Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new("eu-west-1"))
            .credentials_provider(Credentials::for_tests())
            .stalled_stream_protection(StalledStreamProtectionConfig::disabled())
            .endpoint_url(endpoint.url())
            .build(),
    )
}

async fn sdk(endpoint: &Endpoint) -> Sdk {
    Sdk::builder(endpoint.queue(), Emitter::system("shop").unwrap())
        .sqs_client(client(endpoint))
        .build()
        .await
        .unwrap()
}

/// Seconds of CPU of this process.
fn cpu_time() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    let fields: Vec<&str> = stat
        .rsplit(')')
        .next()
        .unwrap()
        .split_whitespace()
        .collect();
    let ticks: f64 = fields[11..13]
        .iter()
        .map(|t| t.parse::<f64>().unwrap())
        .sum();
    ticks / 100.0
}

fn median(values: &[f64]) -> f64 {
    let mut values = values.to_vec();
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// The median of the ratios of the rounds.
fn median_ratio(of: &[f64], to: &[f64]) -> f64 {
    let ratios: Vec<f64> = of.iter().zip(to).map(|(of, to)| of / to).collect();
    median(&ratios)
}
