//! Simulates the whole pipeline in one process, on one thread, in virtual time.
//!
//! A seed determines every request of a run: what the producers emit and when, which faults
//! the network injects, and when processes are killed. The publisher, the worker, the
//! handler, the store and the embedded endpoints are the real code.
//!
//! `cargo test -p domain-events-consumer --test simulation -- --seeds 1000` runs a thousand
//! seeds. A seed that fails is run again with fewer faults and events, and the shortest
//! trace that still fails is printed.

#![forbid(unsafe_code)]
#![allow(
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a test program prints its results and fails by a panic"
)]

use std::process::{Command, ExitCode};
use std::time::{Duration, Instant};

use clap::Parser;

#[path = "../faults/batches.rs"]
mod batches;
#[path = "../faults/emission.rs"]
mod emission;
mod endpoints;
#[path = "../faults/events.rs"]
mod events;
#[path = "../faults/foreign.rs"]
mod foreign;
#[path = "../faults/journal.rs"]
#[allow(dead_code, reason = "the harness with processes uses the rest")]
mod journal;
#[path = "../faults/model.rs"]
#[allow(dead_code, reason = "the harness with processes uses the rest")]
mod model;
mod network;
#[path = "../faults/plan.rs"]
#[allow(dead_code, reason = "the harness with processes uses the rest")]
mod plan;
mod process;
mod producers;
#[path = "../it/support/proxy.rs"]
mod proxy;
mod run;
mod shortest;
#[path = "../faults/table.rs"]
#[allow(dead_code, reason = "the harness with processes uses the rest")]
mod table;
mod trace;
mod virtual_time;
mod world;

use model::Violation;
use run::{Outcome, Setting, run_guarded};

#[derive(Debug, Parser)]
struct Arguments {
    /// The first seed. Even seeds use a standard queue, and odd seeds use a FIFO queue.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// The number of seeds.
    #[arg(long, default_value_t = 1)]
    seeds: u64,
    /// Stops after this time, even if not all seeds were run.
    #[arg(long)]
    seconds: Option<u64>,
    /// The number of events in each run.
    #[arg(long, default_value_t = 600)]
    events: u64,
    /// Prints every step of the trace.
    #[arg(long)]
    trace: bool,
    /// Prints only the hash of the trace.
    #[arg(long, hide = true)]
    hash: bool,
    /// Succeeds only if one of these violations is found, for mutants of the code.
    #[arg(long, value_delimiter = ',')]
    expect: Vec<Violation>,
}

fn main() -> ExitCode {
    let given: Vec<String> = std::env::args().skip(1).collect();
    // `cargo test` also passes arguments for its own test harness; they are ignored.
    let ours = given
        .iter()
        .any(|argument| ["--seed", "--seeds", "--seconds", "--help"].contains(&argument.as_str()));
    let arguments = match ours {
        true => Arguments::parse(),
        false if given.iter().any(|argument| argument == "--list") => return ExitCode::SUCCESS,
        false => Arguments::parse_from(["simulation", "--seeds", "4"]),
    };
    let setting = |seed| Setting {
        seed,
        events: arguments.events,
        kills: true,
        allowed: plan::Allowed::default(),
    };
    if arguments.hash {
        println!("{:016x}", run_guarded(&setting(arguments.seed), false).hash);
        return ExitCode::SUCCESS;
    }
    match run_seeds(&arguments, setting) {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    }
}

/// Runs the seeds until the time limit or the first failure. Returns true if the result is the
/// expected one.
fn run_seeds(arguments: &Arguments, setting: impl Fn(u64) -> Setting) -> bool {
    let started = Instant::now();
    let limit = arguments.seconds.map(Duration::from_secs);
    let mut total = Total::default();
    let mut failed = None;
    for seed in (arguments.seed..).take(usize::try_from(arguments.seeds).unwrap()) {
        if limit.is_some_and(|limit| started.elapsed() >= limit) {
            break;
        }
        let outcome = run_guarded(&setting(seed), arguments.trace);
        outcome.lines.iter().for_each(|line| println!("{line}"));
        total.add(&outcome);
        if total.seeds == 1 && !is_repeatable(&setting(seed), outcome.hash) {
            total.print(started.elapsed());
            println!("0 passed, 1 failed");
            return false;
        }
        if !outcome.findings.violations.is_empty() {
            failed = Some((seed, outcome));
            break;
        }
    }
    total.print(started.elapsed());
    let as_expected = match &failed {
        None => arguments.expect.is_empty(),
        Some((seed, outcome)) => {
            let violations = &outcome.findings.violations;
            println!("seed {seed} fails after {} events:", total.events);
            for (violation, (count, example)) in violations {
                println!("  {}, {count} times: {example}", violation.name());
            }
            if arguments.expect.is_empty() {
                shortest::print(setting(*seed), violations.keys().copied().collect());
            }
            let expected = |v: &Violation| arguments.expect.contains(v);
            violations.keys().any(expected)
        }
    };
    // The summary line that test runners recognise.
    println!(
        "{} passed, {} failed",
        u8::from(as_expected),
        u8::from(!as_expected)
    );
    as_expected
}

/// Returns true if a run has the same trace in this process and in another process, where
/// hash maps have another order.
fn is_repeatable(setting: &Setting, hash: u64) -> bool {
    let here = run_guarded(setting, false).hash;
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--hash", "--seed", &setting.seed.to_string()])
        .args(["--events", &setting.events.to_string()])
        .output()
        .unwrap();
    let there = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    let same = here == hash && there == format!("{hash:016x}");
    let (seed, verdict) = (setting.seed, if same { "equal" } else { "DIFFERENT" });
    println!(
        "seed {seed} run three times, once in another process: the traces are {verdict} \
         ({hash:016x}, {here:016x}, {there})"
    );
    same
}

/// The sums over all runs.
#[derive(Debug, Default)]
struct Total {
    seeds: u64,
    events: u64,
    accepted: u64,
    failed: u64,
    unknown: u64,
    rejected: u64,
    spooled: u64,
    stored: u64,
    ties: u64,
    steps: u64,
    faults: u64,
    kills: u64,
    simulated: Duration,
}

impl Total {
    fn add(&mut self, outcome: &Outcome) {
        let findings = &outcome.findings;
        self.seeds += 1;
        self.events += findings.accepted + findings.failed + findings.unknown + findings.invalid;
        self.accepted += findings.accepted;
        self.failed += findings.failed;
        self.unknown += findings.unknown;
        self.rejected += findings.rejected;
        self.spooled += findings.spooled;
        self.stored += outcome.stored as u64;
        self.ties += outcome.ties as u64;
        self.steps += outcome.steps;
        self.faults += outcome.faults;
        self.kills += outcome.kills;
        self.simulated += outcome.took;
    }

    fn print(&self, took: Duration) {
        let hour = self.events as f64 * 3_600.0 / took.as_secs_f64();
        println!(
            "{} seeds, {} events: {} accepted ({} by a spool), {} failed, {} unknown, {} dead \
             letters; {} items, {} of them with a tie-break\n{} steps, {} faults, {} kills, {} s \
             of virtual time in {:.1} s; {:.0} events an hour",
            self.seeds,
            self.events,
            self.accepted,
            self.spooled,
            self.failed,
            self.unknown,
            self.rejected,
            self.stored,
            self.ties,
            self.steps,
            self.faults,
            self.kills,
            self.simulated.as_secs(),
            took.as_secs_f64(),
            hour,
        );
    }
}
