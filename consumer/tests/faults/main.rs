//! Nothing lost, nothing twice, nothing rewritten: the whole road, with
//! producers and consumers in processes of their own (workers, and the Lambda
//! function under a Runtime API), behind proxies that spoil requests and deliveries, while processes are killed and frozen.
//!
//! `cargo test -p domain-events-consumer --test faults -- run --seconds 600`
//! prints the figures, and fails if anything is not as it must be. A seed fixes
//! the events, the faults by number of request, and the kills by time; which
//! request comes first is the machine's.

#![forbid(unsafe_code)]
#![allow(
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a test that tells by printing, and fails by a panic"
)]

use std::process::ExitCode;
use std::time::Duration;

use clap::{Parser, ValueEnum};
use domain_events_consumer::config::WorkerConfig;
use domain_events_consumer::hosts::{stop_signal, worker};
use domain_events_consumer::log;

mod batches;
mod events;
mod figures;
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
mod table;

use figures::Figures;
use model::Breach;
use run::Setting;

#[derive(Debug, Parser)]
enum Arguments {
    /// Runs the road, once for each seed and kind of queue.
    Run(Run),
    /// A producer; the harness starts these itself.
    #[command(hide = true)]
    Producer(producer::Options),
    /// A worker, as the command `domain-events worker` runs it; the harness starts these.
    #[command(hide = true)]
    Worker,
}

#[derive(Debug, clap::Args)]
struct Run {
    /// How long each run emits, and is disturbed.
    #[arg(long, default_value_t = 20)]
    seconds: u64,
    /// Seeds; may be given several times. 1 if there is none at all.
    #[arg(long)]
    seed: Vec<u64>,
    /// So many seeds more, of which nobody knows.
    #[arg(long, default_value_t = 0)]
    fresh: usize,
    /// Only this kind of queue.
    #[arg(long)]
    queue: Option<Queue>,
    /// Events a second that each of the six producers emits.
    #[arg(long, default_value_t = 100)]
    rate: u64,
    /// Succeeds only if one of these goes wrong, whatever else does: for builds
    /// that are broken on purpose.
    #[arg(long, value_delimiter = ',')]
    expect: Vec<Breach>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Queue {
    Standard,
    Fifo,
}

fn main() -> ExitCode {
    let given: Vec<String> = std::env::args().skip(1).collect();
    // As one of all tests it comes with the arguments of their harness.
    let ours = matches!(
        given.first().map(String::as_str),
        Some("run" | "producer" | "worker" | "--help")
    );
    let arguments = match ours {
        true => Arguments::parse(),
        false if given.iter().any(|argument| argument == "--list") => return ExitCode::SUCCESS,
        false => Arguments::parse_from(["faults", "run", "--seconds", "6"]),
    };
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

async fn run_all(options: Run) -> ExitCode {
    let mut seeds = options.seed;
    seeds.extend((0..options.fresh).map(|_| fastrand::u64(..1_000_000_000)));
    if seeds.is_empty() {
        seeds.push(1);
    }
    let queues = [(false, Queue::Standard), (true, Queue::Fifo)];
    let mut figures = Figures::default();
    let mut told = Vec::new();
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
            told.extend(figures.add(setting, &outcome));
        }
    }
    println!("\n{}", figures.table());
    told.iter().for_each(|line| println!("{line}"));
    let as_expected = match &options.expect[..] {
        [] => figures.breaches().next().is_none(),
        expected => figures.breaches().any(|breach| expected.contains(&breach)),
    };
    // The closing line that runners of tests know.
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
