//! The loop of a relay.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use domain_events::__internals::{Backoff, with_causes};
use futures::stream::{FuturesUnordered, StreamExt as _};
use tokio::time::{Instant, sleep_until, timeout};

use super::Shared;
use super::delivery::{Delivery, deliver};
use super::fast_path::Committed;
use super::held::Held;
use super::status::{self, RelayReport};
use crate::rows::{Page, PageRequest, Row, RowsError};

/// The limits of one page, which is in memory as a whole.
const MAX_PAGE_ROWS: usize = 1_000;
const MAX_PAGE_BYTES: usize = 4 * 1024 * 1024;
/// Fast paths that are in progress at the same time.
const MAX_FAST_DELIVERIES: usize = 1_000;
/// How long the database may take for one statement.
const DATABASE_TIMEOUT: Duration = Duration::from_secs(30);
const SWEEP_BACKOFF: Backoff = Backoff::new(Duration::from_secs(1), Duration::from_secs(30));

impl Shared {
    pub(super) async fn delete(&self, event_ids: Vec<String>) -> Result<(), RowsError> {
        in_time("delete rows of the outbox", self.rows.delete(event_ids)).await
    }
}

/// A statement that hangs, for example because the network was cut, must not stop the relay.
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
    held: Held,
    report: RelayReport,
}

impl Engine {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        Self {
            shared,
            held: Held::default(),
            report: RelayReport::default(),
        }
    }

    pub(super) async fn run(
        mut self,
        mut committed: Committed,
        stop: impl Future<Output = ()> + Send,
    ) -> RelayReport {
        let shared = self.shared.clone();
        let mut stop = pin!(stop);
        let mut fast = FuturesUnordered::new();
        let mut open = true;
        let mut failed_sweeps = 0;
        let mut next_sweep = Instant::now();
        let mut next_count = Instant::now();
        let mut counted = Instant::now();
        loop {
            tokio::select! {
                () = &mut stop => break,
                event = committed.next(), if open && fast.len() < MAX_FAST_DELIVERIES => match event {
                    Some(event) => fast.push(deliver_one(shared.clone(), event)),
                    None => open = false,
                },
                Some(deliveries) = fast.next() => self.delivered(&deliveries),
                () = sleep_until(next_sweep) => {
                    if self.sweep_until(&mut stop).await {
                        break;
                    }
                    failed_sweeps = if self.report.failure.is_some() { failed_sweeps + 1 } else { 0 };
                    let delay = match failed_sweeps {
                        0 => shared.settings.interval.mul_f64(0.75),
                        retry => SWEEP_BACKOFF.delay(retry),
                    };
                    next_sweep = Instant::now() + delay;
                }
                () = sleep_until(next_count) => {
                    self.count(&mut counted).await;
                    next_count = Instant::now() + shared.settings.measure_interval;
                }
            }
        }
        committed.close();
        let rest = async {
            while let Some(event) = committed.next().await {
                fast.push(deliver_one(shared.clone(), event));
            }
            while let Some(deliveries) = fast.next().await {
                self.delivered(&deliveries);
            }
        };
        if timeout(shared.settings.stop_timeout, rest).await.is_err() {
            self.report.undetermined = fast.len() as u64;
        }
        self.finish()
    }

    pub(super) async fn sweep(mut self) -> RelayReport {
        self.sweep_once(Duration::ZERO).await;
        self.finish()
    }

    fn finish(mut self) -> RelayReport {
        self.report.refused = self.held.refused();
        self.report
    }

    async fn count(&mut self, last: &mut Instant) {
        let counted = in_time("count the outbox", self.shared.rows.backlog()).await;
        match counted {
            Ok(backlog) => {
                *last = Instant::now();
                status::counted(backlog);
                self.shared
                    .status
                    .send_modify(|status| status.backlog = Some(backlog));
            }
            Err(error) => {
                status::not_counted(self.shared.status.borrow().backlog, *last);
                tracing::warn!(error = %with_causes(&error), "the outbox cannot be counted");
            }
        }
    }

    /// Sweeps, and returns whether the relay was stopped meanwhile.
    async fn sweep_until(&mut self, stop: &mut (impl Future<Output = ()> + Unpin)) -> bool {
        let shared = self.shared.clone();
        let mut sweep = pin!(self.sweep_once(shared.settings.grace));
        tokio::select! {
            () = &mut sweep => false,
            () = stop => {
                // Rows that are not done in this time stay in the table.
                let _ = timeout(shared.settings.stop_timeout, sweep).await;
                true
            }
        }
    }

    async fn sweep_once(&mut self, min_age: Duration) {
        self.held.begin_sweep();
        let began = Instant::now();
        let mut request = Some(PageRequest::first(MAX_PAGE_ROWS, MAX_PAGE_BYTES));
        self.report.failure = None;
        while let Some(next) = request.take() {
            let next = next.min_age(min_age + began.elapsed());
            let page = in_time("read the outbox", self.shared.rows.page(next.clone())).await;
            let Page { rows, next: cursor } = match page {
                Ok(page) => page,
                Err(error) => {
                    self.failed(with_causes(&error).to_string());
                    return;
                }
            };
            let rows: Vec<Row> = rows
                .into_iter()
                .filter(|row| !self.held.leaves_out(&row.event_id))
                .collect();
            let deliveries = deliver(&self.shared, rows).await;
            self.delivered(&deliveries);
            let failure = deliveries.iter().find_map(|delivery| {
                let error = delivery.outcome.as_ref().err()?;
                error.is_outage().then(|| with_causes(error).to_string())
            });
            if let Some(failure) = failure {
                self.failed(failure);
                return;
            }
            request = cursor.map(|cursor| next.after(cursor));
        }
        self.held.end_sweep();
        self.shared
            .status
            .send_modify(|status| status.failure = None);
    }

    fn failed(&mut self, failure: String) {
        tracing::warn!(
            outbox = self.shared.rows.name(),
            reason = failure,
            "the sweep did not reach all rows"
        );
        self.shared
            .status
            .send_modify(|status| status.failure = Some(failure.clone()));
        self.report.failure = Some(failure);
    }

    fn delivered(&mut self, deliveries: &[Delivery]) {
        let mut sent = 0;
        for Delivery { event_id, outcome } in deliveries {
            match outcome {
                Ok(()) => {
                    self.held.release(event_id);
                    sent += 1;
                }
                Err(error) if error.is_refused() => {
                    if self.held.hold(event_id, true) {
                        tracing::error!(event_id, reason = %with_causes(error), "a row cannot be sent");
                    }
                }
                Err(_) => {}
            }
        }
        self.report.sent += sent;
        self.report.deleted += sent;
        status::sent(sent);
        status::refused(self.held.refused());
        self.shared.status.send_modify(|status| {
            status.sent += sent;
            status.refused = self.held.refused();
        });
    }
}

async fn deliver_one(shared: Arc<Shared>, event: domain_events::Prepared) -> Vec<Delivery> {
    let row = Row {
        event_id: event.event_id().to_string(),
        message: event.body().to_owned(),
    };
    deliver(&shared, vec![row]).await
}
