//! Checks that no event is lost, duplicated or changed under faults.
//!
//! Producers and consumers (workers, and the Lambda function under a Runtime API) run as
//! separate processes behind proxies. The proxies inject faults from a seeded schedule,
//! while processes are killed and paused.
//!
//! `cargo test -p domain-events-consumer --test faults -- run --seconds 600` prints a table
//! of what happened, and fails if an invariant is violated. A seed determines the events,
//! the fault of each request by its number, and the time of each kill. The order of
//! concurrent requests depends on the machine.

#![forbid(unsafe_code)]
#![allow(
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a test program prints its results and fails by a panic"
)]

use std::os::unix::process::parent_id;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Parser, ValueEnum};
use domain_events_consumer::config::WorkerConfig;
use domain_events_consumer::hosts::{stop_signal, worker};
use domain_events_consumer::log;

mod batches;
mod emission;
mod events;
mod foreign;
mod journal;
mod lambda;
mod model;
mod plan;
mod processes;
mod producer;
#[path = "../it/support/proxy.rs"]
mod proxy;
mod run;
#[path = "../it/support/runtime_api.rs"]
mod runtime_api;
mod stats;
mod table;

use model::Violation;
use run::Setting;
use stats::Stats;

#[derive(Debug, Parser)]
enum Arguments {
    /// Runs the harness, once for each seed and type of queue.
    Run(Run),
    /// A producer. The harness starts these processes.
    #[command(hide = true)]
    Producer(producer::Options),
    /// A worker like the command `domain-events worker`. The harness starts these
    /// processes.
    #[command(hide = true)]
    Worker,
}

#[derive(Debug, clap::Args)]
struct Run {
    /// How long each run emits events and injects faults.
    #[arg(long, default_value_t = 20)]
    seconds: u64,
    /// A seed; may be given several times. The default is 1.
    #[arg(long)]
    seed: Vec<u64>,
    /// The number of additional random seeds.
    #[arg(long, default_value_t = 0)]
    fresh: usize,
    /// Only this type of queue.
    #[arg(long)]
    queue: Option<Queue>,
    /// Events per second of each of the six producers.
    #[arg(long, default_value_t = 100)]
    rate: u64,
    /// Succeeds only if one of these violations is found, for mutants of the code.
    #[arg(long, value_delimiter = ',')]
    expect: Vec<Violation>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Queue {
    Standard,
    Fifo,
}

fn main() -> ExitCode {
    let given: Vec<String> = std::env::args().skip(1).collect();
    // `cargo test` also passes arguments for its own test harness; they are ignored.
    let ours = matches!(
        given.first().map(String::as_str),
        Some("run" | "producer" | "worker" | "--help")
    );
    let arguments = match ours {
        true => Arguments::parse(),
        false if given.iter().any(|argument| argument == "--list") => return ExitCode::SUCCESS,
        false => Arguments::parse_from(["faults", "run", "--seconds", "6"]),
    };
    if matches!(arguments, Arguments::Producer(_) | Arguments::Worker) {
        exit_with_the_harness();
    }
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        match arguments {
            Arguments::Producer(options) => {
                producer::run(options).await;
                ExitCode::SUCCESS
            }
            Arguments::Worker => {
                let config = WorkerConfig::from_env().unwrap();
                log::init(config.config.log);
                worker::run(config, stop_signal().unwrap()).await.unwrap();
                ExitCode::SUCCESS
            }
            Arguments::Run(run) => run_all(run).await,
        }
    })
}

/// Ends this process when the harness ends. If the harness was killed, this process notices
/// that it has another parent process.
fn exit_with_the_harness() {
    let harness = parent_id();
    std::thread::spawn(move || {
        while parent_id() == harness {
            std::thread::sleep(Duration::from_millis(200));
        }
        std::process::exit(1);
    });
}

async fn run_all(options: Run) -> ExitCode {
    let mut seeds = options.seed;
    seeds.extend((0..options.fresh).map(|_| fastrand::u64(..1_000_000_000)));
    if seeds.is_empty() {
        seeds.push(1);
    }
    let queues = [(false, Queue::Standard), (true, Queue::Fifo)];
    let mut stats = Stats::default();
    let mut violations = Vec::new();
    for seed in seeds {
        for (fifo, _) in queues
            .iter()
            .filter(|(_, queue)| options.queue.is_none_or(|q| q == *queue))
        {
            let setting = Setting {
                seed,
                fifo: *fifo,
                time: Duration::from_secs(options.seconds),
                rate: options.rate,
            };
            println!("{setting:?}");
            let outcome = run::run(setting).await;
            violations.extend(stats.add(setting, &outcome));
        }
    }
    println!("\n{}", stats.table());
    violations.iter().for_each(|line| println!("{line}"));
    let as_expected = match &options.expect[..] {
        [] => stats.violations().next().is_none(),
        expected => stats
            .violations()
            .any(|violation| expected.contains(&violation)),
    };
    // The summary line that test runners recognise.
    println!(
        "{} passed, {} failed",
        u8::from(as_expected),
        u8::from(!as_expected)
    );
    match as_expected {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    }
}
