//! Held rows: rows that the relay does not retry in every sweep, because SQS or a check refused
//! them, or because their events are in a spool.

use std::collections::HashMap;
use std::time::Duration;

use tokio::time::Instant;

/// The time after which a held row is tried again.
const RETRY_INTERVAL: Duration = Duration::from_secs(600);

/// The maximum number of held rows. Further rows are tried in every sweep.
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
    /// True if the row was refused, and false if its event is in a spool.
    refused: bool,
    /// The number of the last sweep that found the row.
    seen: u64,
}

impl Held {
    /// Notes the beginning of a sweep.
    pub(super) fn begin_sweep(&mut self) {
        self.sweep += 1;
    }

    /// Notes that a sweep has read all rows. A held row that the sweep did not find no longer
    /// exists, or is younger than the grace period.
    pub(super) fn end_sweep(&mut self) {
        let now = Instant::now();
        self.rows
            .retain(|_, row| row.seen == self.sweep || row.until > now);
    }

    /// Returns true if a row that a sweep has found is held, so that the sweep skips it.
    pub(super) fn leaves_out(&mut self, event_id: &str) -> bool {
        self.rows.get_mut(event_id).is_some_and(|row| {
            row.seen = self.sweep;
            row.until > Instant::now()
        })
    }

    /// Holds a row. Returns true if the row was not held before, so that it is logged only once.
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

    /// Removes a row that was sent after all.
    pub(super) fn release(&mut self, event_id: &str) {
        self.rows.remove(event_id);
    }

    /// Returns the number of refused rows that this sweep or the previous sweep has found.
    pub(super) fn refused(&self) -> u64 {
        let exists = |row: &&HeldRow| row.refused && row.seen + 1 >= self.sweep;
        self.rows.values().filter(exists).count() as u64
    }
}
