//! The loop of a relay.
//!
//! One task runs the relay. It has at most one read, one deletion and one count in progress at
//! a time, and a limited number of sends. Under load, each deletion is a batch.

use std::collections::HashSet;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::time::Duration;

use domain_events::__internals::with_causes;
use domain_events::{EmitFuture, Prepared};
use futures::FutureExt as _;
use futures::stream::{FuturesUnordered, StreamExt as _};
use tokio::time::{Instant, sleep_until, timeout};

use super::Shared;
use super::delivery::{DeliveryError, outcome_of};
use super::fast_path::Committed;
use super::held::Held;
use super::status::{self, RelayReport};
use crate::rows::{Backlog, Page, RowsError};

mod deletion;
mod sweep;

use sweep::Sweep;

/// The next page is read if fewer rows than this are in memory.
const MAX_ROWS_IN_HAND: usize = 3_000;
/// The next page is read if the messages in memory have fewer bytes than this.
const MAX_BYTES_IN_HAND: usize = 4 * 1024 * 1024;
/// The timeout of one statement of the database.
const DATABASE_TIMEOUT: Duration = Duration::from_secs(30);
const MAX_RETRY_DELAY: Duration = Duration::from_secs(30);

/// The rows of a deletion, and its result.
type Deletion = (Vec<String>, Result<(), RowsError>);
type BoxFuture<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// Runs a statement with a timeout. A statement may hang, for example after a network failure,
/// and must not stop the relay.
async fn in_time<T>(
    action: &'static str,
    statement: impl Future<Output = Result<T, RowsError>>,
) -> Result<T, RowsError> {
    timeout(DATABASE_TIMEOUT, statement)
        .await
        .unwrap_or_else(|late| Err(RowsError::new(action, late)))
}

pub(super) struct Engine {
    shared: Arc<Shared>,
    /// The rows that are being sent, and the accepted rows that are not deleted yet.
    in_hand: HashSet<String>,
    /// The bytes of the messages that are being sent.
    bytes: usize,
    sends: FuturesUnordered<BoxFuture<Sent>>,
    /// The rows that the next deletion will delete.
    accepted: Vec<String>,
    deletion: Option<BoxFuture<Deletion>>,
    failed_deletions: u32,
    next_deletion: Instant,
    sweep: Option<Sweep>,
    page: Option<BoxFuture<Result<Page, RowsError>>>,
    next_sweep: Instant,
    failed_sweeps: u32,
    count: Option<BoxFuture<Result<Backlog, RowsError>>>,
    next_count: Instant,
    counted: Instant,
    held: Held,
    report: RelayReport,
}

/// The result of a send.
struct Sent {
    event_id: String,
    bytes: usize,
    swept: bool,
    outcome: Result<(), DeliveryError>,
}

impl Engine {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        let now = Instant::now();
        Self {
            shared,
            in_hand: HashSet::new(),
            bytes: 0,
            sends: FuturesUnordered::new(),
            accepted: Vec::new(),
            deletion: None,
            failed_deletions: 0,
            next_deletion: now,
            sweep: None,
            page: None,
            next_sweep: now,
            failed_sweeps: 0,
            count: None,
            next_count: now,
            counted: now,
            held: Held::default(),
            report: RelayReport::default(),
        }
    }

    /// Runs until `stop` completes, and then finishes the work in progress.
    pub(super) async fn run(
        mut self,
        mut committed: Committed,
        stop: impl Future<Output = ()> + Send,
    ) -> RelayReport {
        let mut stop = pin!(stop);
        let mut fast_path_open = true;
        let mut deadline = None;
        loop {
            match deadline {
                None => self.start_reads(),
                // The relay ends only after it has also sent the waiting events of the fast
                // path.
                Some(_) if self.is_idle() && !fast_path_open => break,
                Some(_) => {}
            }
            self.start_deletion();
            let has_room = self.has_room();
            let wake = self.wake_time(deadline);
            tokio::select! {
                () = &mut stop, if deadline.is_none() => {
                    deadline = Some(Instant::now() + self.shared.settings.stop_timeout);
                    committed.close();
                    self.stop_reads();
                }
                event = committed.next(), if fast_path_open && has_room => match event {
                    Some(event) => self.take_committed(event),
                    None => fast_path_open = false,
                },
                Some(sent) = self.sends.next() => self.all_sent(sent),
                (rows, result) = finished(&mut self.deletion) => self.deleted(rows, result),
                page = finished(&mut self.page) => self.read(page),
                count = finished(&mut self.count) => self.counted(count),
                () = sleep_until(wake) => {
                    if deadline.is_some_and(|deadline| deadline <= Instant::now()) {
                        break;
                    }
                }
            }
        }
        self.finish()
    }

    /// Tries to send each row once.
    pub(super) async fn sweep(mut self) -> RelayReport {
        self.begin_sweep(Duration::ZERO);
        let mut deadline = None;
        loop {
            self.start_page();
            self.start_deletion();
            if self.sweep.is_none() && deadline.is_none() {
                deadline = Some(Instant::now() + self.shared.settings.stop_timeout);
            }
            if self.sweep.is_none() && self.is_idle() {
                break;
            }
            let wake = self.wake_time(deadline);
            tokio::select! {
                Some(sent) = self.sends.next() => self.all_sent(sent),
                (rows, result) = finished(&mut self.deletion) => self.deleted(rows, result),
                page = finished(&mut self.page) => self.read(page),
                () = sleep_until(wake) => {
                    if deadline.is_some_and(|deadline| deadline <= Instant::now()) {
                        break;
                    }
                }
            }
        }
        self.finish()
    }

    fn finish(mut self) -> RelayReport {
        self.report.undetermined = self.in_hand.len() as u64;
        self.report.refused = self.held.refused();
        tracing::info!(outbox = self.shared.rows.name(), report = ?self.report, "the relay has stopped");
        self.report
    }

    /// Returns true if no row is being sent and every accepted row is deleted.
    fn is_idle(&self) -> bool {
        self.in_hand.is_empty()
    }

    fn has_room(&self) -> bool {
        self.in_hand.len() < MAX_ROWS_IN_HAND && self.bytes < MAX_BYTES_IN_HAND
    }

    /// Returns the time at which the loop must wake up even if no operation ends.
    fn wake_time(&self, deadline: Option<Instant>) -> Instant {
        let far = Instant::now() + MAX_RETRY_DELAY;
        let mut wake = deadline.unwrap_or(far);
        if deadline.is_none() {
            if self.sweep.is_none() {
                wake = wake.min(self.next_sweep);
            }
            if self.count.is_none() {
                wake = wake.min(self.next_count);
            }
        }
        if self.deletion.is_none() && !self.accepted.is_empty() {
            wake = wake.min(self.next_deletion);
        }
        wake
    }

    fn start_reads(&mut self) {
        let now = Instant::now();
        if self.sweep.is_none() && self.next_sweep <= now {
            self.begin_sweep(self.shared.settings.grace);
        }
        self.start_page();
        if self.count.is_none() && self.next_count <= now {
            self.next_count = now + self.shared.settings.measure_interval;
            let shared = self.shared.clone();
            let count = async move { in_time("count the outbox", shared.rows.backlog()).await };
            self.count = Some(Box::pin(count));
        }
    }

    fn stop_reads(&mut self) {
        self.page = None;
        self.count = None;
        self.sweep = None;
    }

    fn take_committed(&mut self, event: Prepared) {
        let event_id = event.event_id().to_string();
        // A sweep may already be sending this row.
        if !self.in_hand.contains(&event_id) {
            let bytes = event.body().len();
            let emission = self.shared.sdk.emit_prepared(event);
            self.send(event_id, bytes, false, emission);
        }
    }

    fn send(&mut self, event_id: String, bytes: usize, swept: bool, emission: EmitFuture) {
        self.in_hand.insert(event_id.clone());
        self.bytes += bytes;
        if swept && let Some(sweep) = &mut self.sweep {
            sweep.sending += 1;
        }
        self.sends.push(Box::pin(async move {
            Sent {
                event_id,
                bytes,
                swept,
                outcome: outcome_of(emission.await),
            }
        }));
    }

    /// Handles the results of all sends that have ended. The rows of a request end together.
    fn all_sent(&mut self, first: Sent) {
        self.sent(first);
        while let Some(Some(sent)) = self.sends.next().now_or_never() {
            self.sent(sent);
        }
    }

    /// Handles the result of a send.
    fn sent(&mut self, sent: Sent) {
        self.bytes -= sent.bytes;
        match &sent.outcome {
            Ok(()) => {
                self.report.sent += 1;
                status::sent(1);
                self.held.release(&sent.event_id);
                if sent.swept {
                    self.failed_sweeps = 0;
                }
            }
            Err(error) => {
                self.in_hand.remove(&sent.event_id);
                self.failed(&sent.event_id, error);
            }
        }
        if sent.swept
            && let Some(sweep) = &mut self.sweep
        {
            sweep.sending -= 1;
            if let Err(error) = &sent.outcome
                && error.is_outage()
            {
                // The remaining rows of the sweep would fail, too.
                sweep.next = None;
                sweep.failure.get_or_insert_with(|| with_causes(error));
            }
        }
        if sent.outcome.is_ok() {
            self.delete_later(sent.event_id);
        }
        self.end_sweep_if_done();
    }

    /// Handles a row that was not sent and stays in the table.
    fn failed(&mut self, event_id: &str, error: &DeliveryError) {
        let outbox = self.shared.rows.name();
        let reason = with_causes(error);
        if error.is_refused() {
            if self.held.hold(event_id, true) {
                tracing::error!(
                    outbox,
                    event_id,
                    reason,
                    "a row cannot be sent and stays in the outbox; correct or delete the row"
                );
            }
        } else if matches!(error, DeliveryError::Spooled) {
            self.held.hold(event_id, false);
        } else {
            tracing::debug!(
                outbox,
                event_id,
                reason,
                "a row was not sent; the relay will send it again"
            );
        }
    }

    /// Handles the result of a count.
    fn counted(&mut self, count: Result<Backlog, RowsError>) {
        let sent = self.report.sent;
        match count {
            Ok(backlog) => {
                self.counted = Instant::now();
                status::counted(backlog);
                self.shared.status.send_modify(|status| {
                    status.backlog = Some(backlog);
                    status.sent = sent;
                });
            }
            Err(error) => {
                let reason = with_causes(&error);
                status::not_counted(self.shared.status.borrow().backlog, self.counted);
                let outbox = self.shared.rows.name();
                tracing::warn!(outbox, reason, "could not count the rows of the outbox");
                self.shared
                    .status
                    .send_modify(|status| status.failure = Some(reason));
            }
        }
    }
}

/// Waits for the future and returns its result. Waits forever if there is no future.
async fn finished<T>(future: &mut Option<BoxFuture<T>>) -> T {
    let Some(running) = future else {
        return std::future::pending().await;
    };
    let result = running.await;
    *future = None;
    result
}
