//! What is printed of the runs.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Duration;

use crate::model::Breach;
use crate::plan::Kind;
use crate::run::{Outcome, Setting};

/// Sums over the runs.
#[derive(Debug, Default)]
pub(crate) struct Figures {
    runs: u64,
    time: Duration,
    rows: Vec<(&'static str, u64)>,
    faults: BTreeMap<Kind, u64>,
    producer_memory: u64,
    consumer_memory: u64,
    breaches: BTreeMap<Breach, u64>,
}

impl Figures {
    /// Adds a run, and gives what it did wrong, in words.
    pub(crate) fn add(&mut self, setting: Setting, outcome: &Outcome) -> Vec<String> {
        let Outcome {
            judgement,
            shared,
            count,
            watch,
            took,
            folder,
        } = outcome;
        let tally = shared.tally.lock().unwrap();
        self.runs += 1;
        self.time += *took;
        let rows = [
            ("events accepted", judgement.accepted),
            ("  of them by the spool, SQS being away", judgement.spooled),
            ("events whose emit failed", judgement.failed),
            (
                "  of them in the table, once, since SQS had taken them",
                judgement.failed_but_stored,
            ),
            (
                "events without an outcome, their producer killed",
                judgement.unknown,
            ),
            ("events that break the contract", judgement.invalid),
            ("items in the table", watch.items() as u64),
            ("  of them with a tie-break", watch.ties() as u64),
            ("dead letters", judgement.rejected),
            ("requests", tally.requests),
            ("duplicates delivered", tally.duplicates()),
            ("producers killed", count.producers_killed),
            ("consumers killed", count.consumers_killed),
            ("processes frozen", count.frozen),
            ("scans for rewritten items", watch.scans),
        ];
        if self.rows.is_empty() {
            self.rows = rows.map(|(name, _)| (name, 0)).to_vec();
        }
        for ((_, sum), (_, value)) in self.rows.iter_mut().zip(rows) {
            *sum += value;
        }
        for (kind, times) in &tally.faults {
            *self.faults.entry(*kind).or_default() += times;
        }
        self.producer_memory = self.producer_memory.max(count.producer_memory);
        self.consumer_memory = self.consumer_memory.max(count.consumer_memory);
        for (breach, (times, _)) in &judgement.breaches {
            *self.breaches.entry(*breach).or_default() += times;
        }
        let told = judgement.breaches.iter().map(|(breach, (times, example))| {
            format!("{}: {times}, for example: {example}", breach.name())
        });
        let mut told: Vec<String> = told.collect();
        if !told.is_empty() {
            told.push(format!("journals and logs: {}", folder.display()));
            told.push(format!("again: {}", setting.command()));
        }
        told
    }

    pub(crate) fn breaches(&self) -> impl Iterator<Item = Breach> {
        self.breaches.keys().copied()
    }

    /// The table, in Markdown.
    pub(crate) fn table(&self) -> String {
        let mut table = String::new();
        let mut row = |name: &str, value: &dyn std::fmt::Display| {
            let _ = writeln!(table, "| {name} | {value} |");
        };
        row("what", &"count");
        row("---", &"---:");
        row("runs", &self.runs);
        row(
            "minutes",
            &format_args!("{:.1}", self.time.as_secs_f64() / 60.0),
        );
        for (name, value) in &self.rows {
            row(name, &grouped(*value));
        }
        row("**faults**", &grouped(self.faults.values().sum()));
        for (kind, times) in &self.faults {
            row(&format!("  {}", kind.name()), &grouped(*times));
        }
        row(
            "memory of a producer, at the most",
            &format_args!("{} MiB", self.producer_memory / 1024),
        );
        row(
            "memory of a consumer, at the most",
            &format_args!("{} MiB", self.consumer_memory / 1024),
        );
        for breach in Breach::ALL {
            let times = self.breaches.get(&breach).copied().unwrap_or_default();
            row(&format!("**{}**", breach.name()), &grouped(times));
        }
        table
    }
}

impl Setting {
    /// The command that runs the same again.
    fn command(&self) -> String {
        format!(
            "cargo test -p domain-events-consumer --test faults -- run --seed {} --queue {} --seconds {} --rate {}",
            self.seed,
            if self.fifo { "fifo" } else { "standard" },
            self.time.as_secs(),
            self.rate,
        )
    }
}

/// 1234567 as 1,234,567.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut grouped = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}
