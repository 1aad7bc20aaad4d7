//! Rows that stay in the table for now: refused ones, and those in a spool.

use std::collections::HashMap;
use std::time::Duration;

use tokio::time::Instant;

/// When a held row is tried again.
const RETRY_INTERVAL: Duration = Duration::from_secs(600);

/// How many rows are remembered. Further ones are tried in every sweep.
const MAX_ROWS: usize = 100_000;

/// The held rows, by `event_id`.
#[derive(Debug, Default)]
pub(super) struct Held {
    rows: HashMap<String, HeldRow>,
    sweep: u64,
}

#[derive(Debug)]
struct HeldRow {
    until: Instant,
    /// Refused; otherwise in a spool.
    refused: bool,
    /// The last sweep that found the row.
    seen: u64,
}

impl Held {
    /// A sweep begins.
    pub(super) fn begin_sweep(&mut self) {
        self.sweep += 1;
    }

    /// A sweep has reached all rows. A row that it did not find does not exist any more, or
    /// is younger than the grace period.
    pub(super) fn end_sweep(&mut self) {
        let now = Instant::now();
        self.rows
            .retain(|_, row| row.seen == self.sweep || row.until > now);
    }

    /// Whether a row that a sweep has found is left out.
    pub(super) fn leaves_out(&mut self, event_id: &str) -> bool {
        self.rows.get_mut(event_id).is_some_and(|row| {
            row.seen = self.sweep;
            row.until > Instant::now()
        })
    }

    /// Holds a row. Returns whether it was not held before, so that it is reported once.
    pub(super) fn hold(&mut self, event_id: &str, refused: bool) -> bool {
        if !self.rows.contains_key(event_id) && self.rows.len() >= MAX_ROWS {
            return false;
        }
        let row = HeldRow {
            until: Instant::now() + RETRY_INTERVAL,
            refused,
            seen: self.sweep,
        };
        let before = self.rows.insert(event_id.to_owned(), row);
        before.is_none_or(|before| before.refused != refused)
    }

    /// A row that was sent after all.
    pub(super) fn release(&mut self, event_id: &str) {
        self.rows.remove(event_id);
    }

    /// The number of refused rows that this sweep or the one before has found.
    pub(super) fn refused(&self) -> u64 {
        let exists = |row: &&HeldRow| row.refused && row.seen + 1 >= self.sweep;
        self.rows.values().filter(exists).count() as u64
    }
}
