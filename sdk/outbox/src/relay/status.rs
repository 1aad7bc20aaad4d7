//! What a relay reports: its status, its metrics and its report at the end.

use std::time::Duration;

use tokio::time::Instant;

use crate::rows::Backlog;

/// The state of a relay: see [`Relay::status`](crate::Relay::status).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct RelayStatus {
    /// The rows in the table at the last count. `None` before the first one.
    pub backlog: Option<Backlog>,
    /// Rows that this relay has sent: SQS has accepted their messages.
    pub sent: u64,
    /// Rows that cannot be sent, as far as the sweeps have found them.
    pub refused: u64,
    /// Why the last sweep or count failed. `None` if it succeeded.
    pub failure: Option<String>,
}

/// The result of [`Relay::run`](crate::Relay::run) and
/// [`Relay::sweep`](crate::Relay::sweep).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[must_use = "it contains the rows that were not sent"]
#[non_exhaustive]
pub struct RelayReport {
    /// Rows that SQS has accepted.
    pub sent: u64,
    /// Rows that were sent and are deleted.
    pub deleted: u64,
    /// Rows that cannot be sent. They are still in the table, and each one is logged.
    pub refused: u64,
    /// Rows that were on their way at the end of the stop timeout. They are still in the
    /// table, and the next relay sends them again.
    pub undetermined: u64,
    /// Why the last sweep ended before its last row. `None` if it did not.
    pub failure: Option<String>,
}

/// Sets the gauges after a count.
pub(super) fn counted(backlog: Backlog) {
    #[cfg(feature = "metrics")]
    {
        metrics::gauge!("domain_events_outbox_rows").set(backlog.rows as f64);
        metrics::gauge!("domain_events_outbox_oldest_seconds")
            .set(backlog.oldest.unwrap_or_default().as_secs_f64());
    }
    #[cfg(not(feature = "metrics"))]
    let _ = backlog;
}

/// The rows could not be counted. A row may have waited since the last count.
pub(super) fn not_counted(last: Option<Backlog>, since: Instant) {
    #[cfg(feature = "metrics")]
    {
        let oldest = last.and_then(|backlog| backlog.oldest).unwrap_or_default();
        let age: Duration = oldest + since.elapsed();
        metrics::gauge!("domain_events_outbox_oldest_seconds").set(age.as_secs_f64());
    }
    #[cfg(not(feature = "metrics"))]
    let _: (Option<Backlog>, Instant, Duration) = (last, since, Duration::ZERO);
}

pub(super) fn refused(rows: u64) {
    #[cfg(feature = "metrics")]
    metrics::gauge!("domain_events_outbox_refused").set(rows as f64);
    #[cfg(not(feature = "metrics"))]
    let _ = rows;
}

pub(super) fn sent(rows: u64) {
    #[cfg(feature = "metrics")]
    metrics::counter!("domain_events_outbox_sent_total").increment(rows);
    #[cfg(not(feature = "metrics"))]
    let _ = rows;
}
