//! The sweeps of a relay. A sweep reads all rows, page by page.

use std::time::Duration;

use domain_events::__internals::{Backoff, with_causes};
use tokio::time::Instant;

use super::{Engine, MAX_RETRY_DELAY, in_time};
use crate::relay::delivery::event_of;
use crate::relay::status;
use crate::rows::{Page, PageRequest, Row, RowsError};

/// The maximum number of rows of one page.
const MAX_PAGE_ROWS: usize = 1_000;
const MAX_PAGE_BYTES: usize = 4 * 1024 * 1024;
/// The number of rows of the first page after a failure. They fit into one request, which shows
/// whether SQS is available again.
const PROBE_ROWS: usize = 10;

/// A sweep in progress.
pub(super) struct Sweep {
    began: Instant,
    min_age: Duration,
    /// The page to read next. `None` after the last page, and after a failure.
    pub(super) next: Option<PageRequest>,
    /// The number of rows of this sweep that are being sent.
    pub(super) sending: usize,
    pub(super) failure: Option<String>,
}

impl Engine {
    pub(super) fn begin_sweep(&mut self, min_age: Duration) {
        self.held.begin_sweep();
        self.sweep = Some(Sweep {
            began: Instant::now(),
            min_age,
            next: Some(first_page()),
            sending: 0,
            failure: None,
        });
    }

    pub(super) fn start_page(&mut self) {
        // After a failure, the relay sends one small page at a time until SQS accepts a row.
        let probe = self.failed_sweeps > 0;
        let has_room = self.has_room();
        let Some(sweep) = &mut self.sweep else {
            return;
        };
        if self.page.is_some() || !has_room || (probe && sweep.sending > 0) {
            return;
        }
        let Some(mut request) = sweep.next.take() else {
            return;
        };
        // Rows that are committed during the sweep belong to the next sweep. Otherwise, a sweep
        // could continue forever.
        request.min_age = sweep.min_age + sweep.began.elapsed();
        request.max_rows = if probe { PROBE_ROWS } else { MAX_PAGE_ROWS };
        let shared = self.shared.clone();
        let page = async move { in_time("read the outbox", shared.rows.page(request)).await };
        self.page = Some(Box::pin(page));
    }

    /// Handles the result of reading a page.
    pub(super) fn read(&mut self, page: Result<Page, RowsError>) {
        let Some(sweep) = &mut self.sweep else {
            return;
        };
        match page {
            Err(error) => sweep.failure = Some(with_causes(&error)),
            // SQS has become unavailable since this page was requested, so the page is dropped.
            Ok(_) if sweep.failure.is_some() => {}
            Ok(page) => {
                sweep.next = page.next.map(|cursor| first_page().after(cursor));
                page.rows.into_iter().for_each(|row| self.take_row(row));
            }
        }
        self.end_sweep_if_done();
    }

    fn take_row(&mut self, row: Row) {
        if self.held.leaves_out(&row.event_id) || self.in_hand.contains(&row.event_id) {
            return;
        }
        let Row { event_id, message } = &row;
        let bytes = message.len();
        match event_of(&row) {
            Ok(event) => {
                let emission = self.shared.sdk.emit_envelope(event);
                self.send(event_id.clone(), bytes, true, emission);
            }
            Err(error) => self.failed(event_id, &error),
        }
    }

    pub(super) fn end_sweep_if_done(&mut self) {
        let is_done = |sweep: &Sweep| sweep.sending == 0 && sweep.next.is_none();
        if self.page.is_some() || !self.sweep.as_ref().is_some_and(is_done) {
            return;
        }
        let Some(sweep) = self.sweep.take() else {
            return;
        };
        if let Some(reason) = &sweep.failure {
            self.failed_sweeps += 1;
            tracing::warn!(
                outbox = self.shared.rows.name(),
                reason,
                failures = self.failed_sweeps,
                "a sweep ended before its last row; the remaining rows stay in the outbox"
            );
        } else {
            self.failed_sweeps = 0;
            self.held.end_sweep();
        }
        self.report.failure.clone_from(&sweep.failure);
        let refused = self.held.refused();
        status::refused(refused);
        let sent = self.report.sent;
        self.shared.status.send_modify(|status| {
            status.sent = sent;
            status.refused = refused;
            status.failure = sweep.failure;
        });
        let interval = self.shared.settings.interval;
        let backoff = Backoff::new(interval, MAX_RETRY_DELAY.max(interval));
        self.next_sweep = Instant::now() + backoff.delay(self.failed_sweeps + 1);
    }
}

fn first_page() -> PageRequest {
    PageRequest::first(MAX_PAGE_ROWS, MAX_PAGE_BYTES)
}
