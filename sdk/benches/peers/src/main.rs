//! This project next to other crates for the same task, in one run.
//!
//! ```sh
//! cargo run --release --manifest-path sdk/benches/peers/Cargo.toml
//! ```
//!
//! An argument restricts the run to the groups whose name contains it: `emit`, `append` or
//! `read`. Each measurement runs in a separate process, and its endpoints in another one, so
//! that the CPU time includes only the client. The cases of a group take turns, and the table
//! shows the median of each column. Requests are counted in a separate run, behind a
//! proxy, which would slow down the others.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a bench prints, and may fail"
)]

use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use aws_sdk_dynamodb::types::{
    AttributeDefinition, BillingMode, KeySchemaElement, KeyType, ScalarAttributeType,
};

mod dynamo_es;
mod emit;
mod event_store_adapter;
mod order;
mod stack;
mod store;

/// The table of the embedded stack.
const TABLE: &str = "events";
const ROUNDS: usize = 3;

/// Cases that do the same work. The first one is compared with each of the others.
struct Group {
    name: &'static str,
    events: usize,
    /// Name, and what the case guarantees.
    cases: &'static [(&'static str, &'static str)],
}

const GROUPS: &[Group] = &[
    Group {
        name: "emit, 256 callers at a time, 16 requests in flight",
        events: 200_000,
        cases: &[
            (
                "emit",
                "each event has an outcome; failed entries are retried",
            ),
            ("emit-packed", "the same; several events in one message"),
            (
                "omniqueue-10",
                "a batch is `Ok` if the request was; failed entries are lost",
            ),
            (
                "sqs-by-hand-10",
                "a loop of ten entries a request that checks for failed entries",
            ),
        ],
    },
    Group {
        name: "emit, one message a request",
        events: 30_000,
        cases: &[
            ("emit", "as above: requests fill while 16 are in flight"),
            ("omniqueue-1", "one `SendMessage` an event"),
        ],
    },
    Group {
        name: "append in batches, 8 requests in flight",
        events: 20_000,
        cases: &[
            (
                "append-1000",
                "each event stored exactly once, with an outcome of its own",
            ),
            (
                "dynamo-es-25",
                "25 events in one transaction, at twice the price; data as a blob",
            ),
            (
                "put-by-hand-25",
                "`BatchWriteItem`: overwrites what has the same key; data as text",
            ),
        ],
    },
    Group {
        name: "append one by one, 8 requests in flight",
        events: 8_000,
        cases: &[
            ("append-1", "stored exactly once"),
            ("dynamo-es-1", "sequence number checked, in a transaction"),
            (
                "event-store-adapter-1",
                "sequence number checked, in a transaction with a head",
            ),
        ],
    },
    Group {
        name: "read a history of 10,000 events",
        events: 10_000,
        cases: &[
            ("read", "to the type, all rules checked"),
            ("read-dynamo-es", "`stream_events`, to `serde_json::Value`"),
            (
                "read-event-store-adapter",
                "to the type, from a blob, all in memory",
            ),
            (
                "read-by-hand",
                "`Query`, to `serde_json::Value`, to the type",
            ),
        ],
    },
];

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let runtime = || {
        tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .unwrap()
    };
    match arguments[..] {
        ["serve", counted] => runtime().block_on(stack::serve(counted == "counted")),
        ["case", name, count] => runtime().block_on(case(name, count.parse().unwrap())),
        _ => table(arguments.first().copied().unwrap_or_default()),
    }
}

/// Prints a table for each group whose name contains `only`.
fn table(only: &str) {
    for group in GROUPS.iter().filter(|group| group.name.contains(only)) {
        println!("\n### {}\n", group.name);
        println!(
            "| | µs of CPU per event | events per second | requests per 1,000 events | CPU ratio | throughput ratio | what it guarantees |"
        );
        println!("|---|---|---|---|---|---|---|");
        let mut results: Vec<Vec<Measured>> = vec![Vec::new(); group.cases.len()];
        for _ in 0..ROUNDS {
            for ((name, _), results) in group.cases.iter().zip(&mut results) {
                results.push(measure(name, group.events, false));
            }
        }
        let first = &results[0];
        for ((name, promise), these) in group.cases.iter().zip(&results) {
            let median = |value: &dyn Fn(&Measured) -> f64| {
                let mut values: Vec<f64> = these.iter().map(value).collect();
                values.sort_by(f64::total_cmp);
                values[ROUNDS / 2]
            };
            // Of adjacent measurements, so that other load has little effect.
            let ratio = |value: &dyn Fn(&Measured) -> f64| {
                let pairs = first.iter().zip(these);
                let mut ratios: Vec<f64> = pairs.map(|(a, b)| value(a) / value(b)).collect();
                ratios.sort_by(f64::total_cmp);
                ratios[ROUNDS / 2]
            };
            let requests = measure(name, group.events, true).requests;
            println!(
                "| {name} | {:.1} | {:.0} | {:.0} | {:.2} | {:.2} | {promise} |",
                median(&|m| m.cpu),
                median(&|m| m.rate),
                requests as f64 * 1000.0 / group.events as f64,
                ratio(&|m| m.cpu),
                ratio(&|m| m.rate),
            );
        }
    }
}

#[derive(Clone, Copy)]
struct Measured {
    /// Microseconds per event.
    cpu: f64,
    /// Events per second.
    rate: f64,
    requests: usize,
}

/// Runs a case in a separate process, with separate endpoints.
fn measure(name: &str, count: usize, counted: bool) -> Measured {
    let mut remote = stack::Remote::start(counted);
    let mut url = remote.environment["EVENT_QUEUE_URL"].clone();
    if counted {
        // The queue's URL names the endpoint behind the proxy.
        let path = url.splitn(4, '/').nth(3).unwrap();
        url = format!("{}/{path}", remote.environment["AWS_ENDPOINT_URL_SQS"]);
    }
    let mut process = Command::new(std::env::current_exe().unwrap())
        .args(["case", name, &count.to_string()])
        .envs(&remote.environment)
        .env("EVENT_QUEUE_URL", url)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut go_on = process.stdin.take().unwrap();
    let mut requests = Vec::new();
    for line in BufReader::new(process.stdout.take().unwrap()).lines() {
        let line = line.unwrap();
        if matches!(&*line, "start" | "stop") {
            requests.push(if counted { remote.requests() } else { 0 });
            writeln!(go_on).unwrap();
        } else if let Some((cpu, rate)) = line.split_once(' ') {
            process.wait().unwrap();
            return Measured {
                cpu: cpu.parse().unwrap(),
                rate: rate.parse().unwrap(),
                requests: requests[1] - requests[0],
            };
        }
    }
    panic!("the case {name} failed");
}

/// What a case takes between its start and its stop.
#[derive(Default)]
struct Meter {
    start: Option<(Instant, Duration)>,
    total: (Duration, Duration),
}

impl Meter {
    /// Waits until the other process has read its counter.
    fn pause(at: &str) {
        println!("{at}");
        std::io::stdin().read_line(&mut String::new()).unwrap();
    }

    fn start(&mut self) {
        Self::pause("start");
        self.start = Some((Instant::now(), stack::cpu()));
    }

    fn stop(&mut self) {
        let (wall, cpu) = self.start.unwrap();
        self.total = (wall.elapsed(), stack::cpu() - cpu);
        Self::pause("stop");
    }
}

async fn case(name: &str, count: usize) {
    let mut meter = Meter::default();
    let url = std::env::var("EVENT_QUEUE_URL").unwrap();
    let dynamodb = aws_sdk_dynamodb::Client::new(&aws_config().await);
    match name {
        "emit" => emit::ours(&url, count, false, &mut meter).await,
        "emit-packed" => emit::ours(&url, count, true, &mut meter).await,
        "omniqueue-1" => emit::omniqueue(&url, count, 1, &mut meter).await,
        "omniqueue-10" => emit::omniqueue(&url, count, 10, &mut meter).await,
        "sqs-by-hand-10" => emit::by_hand(&url, count, &mut meter).await,
        "append-1" => store::append_each(&dynamodb, count, &mut meter).await,
        "append-1000" => store::append_batches(&dynamodb, count, &mut meter).await,
        "put-by-hand-25" => store::put_by_hand(&dynamodb, count, &mut meter).await,
        "dynamo-es-1" => dynamo_es::append(&dynamodb, count, 1, &mut meter).await,
        "dynamo-es-25" => dynamo_es::append(&dynamodb, count, 25, &mut meter).await,
        "event-store-adapter-1" => event_store_adapter::append(&dynamodb, count, &mut meter).await,
        "read" => store::read(&dynamodb, count, &mut meter).await,
        "read-by-hand" => store::read_by_hand(&dynamodb, count, &mut meter).await,
        "read-dynamo-es" => dynamo_es::read(&dynamodb, count, &mut meter).await,
        "read-event-store-adapter" => event_store_adapter::read(&dynamodb, count, &mut meter).await,
        _ => panic!("there is no case {name}"),
    }
    let (wall, cpu) = meter.total;
    println!(
        "{:.3} {:.1}",
        cpu.as_secs_f64() * 1e6 / count as f64,
        count as f64 / wall.as_secs_f64(),
    );
}

async fn aws_config() -> aws_config::SdkConfig {
    aws_config::load_defaults(aws_config::BehaviorVersion::latest()).await
}

/// Creates a table with a hash key and at most one sort key.
async fn create_table(
    dynamodb: &aws_sdk_dynamodb::Client,
    name: &str,
    keys: &[(&str, ScalarAttributeType)],
) {
    let mut request = dynamodb
        .create_table()
        .table_name(name)
        .billing_mode(BillingMode::PayPerRequest);
    for ((key, kind), role) in keys.iter().zip([KeyType::Hash, KeyType::Range]) {
        let definition = AttributeDefinition::builder()
            .attribute_name(*key)
            .attribute_type(kind.clone());
        let element = KeySchemaElement::builder()
            .attribute_name(*key)
            .key_type(role);
        request = request
            .attribute_definitions(definition.build().unwrap())
            .key_schema(element.build().unwrap());
    }
    request.send().await.unwrap();
}
