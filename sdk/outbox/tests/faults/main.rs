//! Checks that state and event are committed together or not at all, under faults.
//!
//! Services (each with a relay and its fast path) and relays run as separate processes. They
//! are killed at random times, and services are also killed after each step of a transaction.
//! SQS has repeated short outages. At the end, every committed change must have exactly one
//! event, and every event must have a committed change.
//!
//! `cargo test -p domain-events-outbox --all-features --test outbox_faults -- run --backend sqlite
//! --transactions 100000 --seed 7` prints what happened. A seed determines the steps at
//! which services are killed and the times of kills and outages; the order of concurrent
//! transactions depends on the machine.

#![forbid(unsafe_code)]
#![allow(
    clippy::expect_used,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a test program prints its results and fails by a panic"
)]

use std::process::ExitCode;

use clap::{Parser, ValueEnum};

mod check;
#[path = "../support/database.rs"]
mod database;
#[path = "../support/postgres.rs"]
mod postgres;
mod processes;
mod relay;
mod run;
mod service;

use check::Violation;

#[derive(Debug, Parser)]
enum Arguments {
    /// Runs the harness, once for each backend.
    Run(Options),
    /// A service with a relay. The harness starts these processes.
    #[command(hide = true)]
    Service(service::Options),
    /// A relay. The harness starts these processes.
    #[command(hide = true)]
    Relay(relay::Options),
}

#[derive(Debug, Clone, clap::Args)]
struct Options {
    /// A backend; may be given several times. The default is SQLite and DynamoDB, which need
    /// no installation.
    #[arg(long)]
    backend: Vec<Backend>,
    /// The number of committed transactions after which the faults end.
    #[arg(long, default_value_t = 1_000)]
    transactions: u64,
    /// The seed of the faults.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// A deliberate mistake, which the harness must find.
    #[arg(long)]
    mistake: Option<Mistake>,
    /// Succeeds only if this violation is found.
    #[arg(long)]
    expect: Option<Violation>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Backend {
    Sqlite,
    Postgres,
    Dynamodb,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Mistake {
    /// Relays delete a row before they send its message.
    DeleteBeforeSend,
    /// Services write the message after the commit of the state.
    PutAfterCommit,
}

fn main() -> ExitCode {
    let given: Vec<String> = std::env::args().skip(1).collect();
    // `cargo test` also passes arguments for its own test harness; they are ignored.
    let ours = matches!(
        given.first().map(String::as_str),
        Some("run" | "service" | "relay" | "--help")
    );
    let arguments = match ours {
        true => Arguments::parse(),
        false if given.iter().any(|argument| argument == "--list") => return ExitCode::SUCCESS,
        false => Arguments::parse_from(["faults", "run"]),
    };
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        match arguments {
            Arguments::Service(options) => {
                processes::exit_with_the_harness();
                service::run(options).await;
                ExitCode::SUCCESS
            }
            Arguments::Relay(options) => {
                processes::exit_with_the_harness();
                relay::run(options).await;
                ExitCode::SUCCESS
            }
            Arguments::Run(options) => run_all(options).await,
        }
    })
}

async fn run_all(options: Options) -> ExitCode {
    let backends = match options.backend.is_empty() {
        true => vec![Backend::Sqlite, Backend::Dynamodb],
        false => options.backend.clone(),
    };
    let mut found = Vec::new();
    for backend in backends {
        found.extend(run::run(backend, &options).await);
    }
    let as_expected = match options.expect {
        None => found.is_empty(),
        Some(expected) => found.contains(&expected),
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
