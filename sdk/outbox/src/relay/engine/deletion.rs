//! Deletes the rows that SQS has accepted, in batches.

use std::time::Duration;

use domain_events::__internals::{Backoff, with_causes};
use tokio::time::Instant;

use super::{Engine, MAX_RETRY_DELAY, in_time};
use crate::relay::Shared;
use crate::rows::RowsError;

/// The maximum number of rows that one statement deletes.
const MAX_DELETED_ROWS: usize = 1_000;

/// How long an accepted row waits for further rows while rows are being sent. One statement then
/// deletes them together, which costs the database one commit instead of several.
const DELETION_DELAY: Duration = Duration::from_millis(10);

const DELETE_BACKOFF: Backoff = Backoff::new(Duration::from_millis(100), MAX_RETRY_DELAY);

impl Shared {
    pub(in crate::relay) async fn delete(&self, event_ids: Vec<String>) -> Result<(), RowsError> {
        in_time("delete rows of the outbox", self.rows.delete(event_ids)).await
    }
}

impl Engine {
    /// Adds a row to the next deletion.
    pub(super) fn delete_later(&mut self, event_id: String) {
        if self.accepted.is_empty() {
            self.next_deletion = self.next_deletion.max(Instant::now() + DELETION_DELAY);
        }
        self.accepted.push(event_id);
    }

    pub(super) fn start_deletion(&mut self) {
        if self.deletion.is_some() || self.accepted.is_empty() {
            return;
        }
        // It is useless to wait for further rows if the batch is full or no row is being sent.
        let is_complete = self.accepted.len() >= MAX_DELETED_ROWS || self.sends.is_empty();
        let is_retry = self.failed_deletions > 0;
        if self.next_deletion > Instant::now() && (is_retry || !is_complete) {
            return;
        }
        let count = self.accepted.len().min(MAX_DELETED_ROWS);
        let rows: Vec<String> = self.accepted.drain(..count).collect();
        let shared = self.shared.clone();
        self.deletion = Some(Box::pin(async move {
            let result = shared.delete(rows.clone()).await;
            (rows, result)
        }));
    }

    pub(super) fn deleted(&mut self, rows: Vec<String>, result: Result<(), RowsError>) {
        match result {
            Ok(()) => {
                self.failed_deletions = 0;
                self.report.deleted += rows.len() as u64;
                for event_id in &rows {
                    self.in_hand.remove(event_id);
                }
            }
            Err(error) => {
                self.failed_deletions += 1;
                self.next_deletion = Instant::now() + DELETE_BACKOFF.delay(self.failed_deletions);
                tracing::warn!(
                    outbox = self.shared.rows.name(),
                    rows = rows.len(),
                    reason = with_causes(&error),
                    "rows were sent but could not be deleted yet"
                );
                self.accepted.extend(rows);
            }
        }
    }
}
