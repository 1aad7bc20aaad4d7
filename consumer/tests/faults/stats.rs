//! The statistics that are printed after the runs.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Duration;

use crate::model::Violation;
use crate::plan::Kind;
use crate::run::{Outcome, Setting};

/// The sums over all runs.
#[derive(Debug, Default)]
pub(crate) struct Stats {
    runs: u64,
    time: Duration,
    rows: Vec<(&'static str, u64)>,
    faults: BTreeMap<Kind, u64>,
    producer_memory: u64,
    consumer_memory: u64,
    violations: BTreeMap<Violation, u64>,
}

impl Stats {
    /// Adds a run and returns a description of its violations. Removes the folder of a run
    /// without violations.
    pub(crate) fn add(&mut self, setting: Setting, outcome: &Outcome) -> Vec<String> {
        let Outcome {
            findings,
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
            ("events accepted", findings.accepted),
            ("  of these accepted by the spool", findings.spooled),
            ("events whose emit failed", findings.failed),
            (
                "  of these stored, because SQS had accepted them",
                findings.failed_but_stored,
            ),
            (
                "events whose producer was killed before the outcome",
                findings.unknown,
            ),
            ("invalid events", findings.invalid),
            ("items in the table", watch.items() as u64),
            ("  of these with a tie-break", watch.ties() as u64),
            ("dead letters", findings.rejected),
            ("requests", tally.requests),
            ("requests with several dead letters", tally.letter_batches),
            ("duplicates delivered", tally.duplicates()),
            ("producers killed", count.producers_killed),
            ("consumers killed", count.consumers_killed),
            ("processes paused", count.paused),
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
        for (violation, (times, _)) in &findings.violations {
            *self.violations.entry(*violation).or_default() += times;
        }
        let violations = findings
            .violations
            .iter()
            .map(|(violation, (times, example))| {
                format!("{}: {times}, for example: {example}", violation.name())
            });
        let mut lines: Vec<String> = violations.collect();
        if lines.is_empty() {
            let _ = std::fs::remove_dir_all(folder);
        } else {
            lines.push(format!("journals and logs: {}", folder.display()));
            lines.push(format!("run again with: {}", setting.command()));
        }
        lines
    }

    pub(crate) fn violations(&self) -> impl Iterator<Item = Violation> {
        self.violations.keys().copied()
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
            "peak memory of a producer",
            &format_args!("{} MiB", self.producer_memory / 1024),
        );
        row(
            "peak memory of a consumer",
            &format_args!("{} MiB", self.consumer_memory / 1024),
        );
        for violation in Violation::ALL {
            let times = self.violations.get(&violation).copied().unwrap_or_default();
            row(&format!("**{}**", violation.name()), &grouped(times));
        }
        table
    }
}

impl Setting {
    /// The command that repeats the run.
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

/// Formats a number with thousands separators: 1234567 as `1,234,567`.
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
