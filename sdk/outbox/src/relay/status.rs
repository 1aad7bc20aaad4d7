//! The status, the metrics and the final report of a relay.

use std::time::Duration;

use tokio::time::Instant;

use crate::rows::Backlog;

/// The state of a relay: see [`Relay::status`](crate::Relay::status).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct RelayStatus {
    /// The rows in the table at the last count. `None` before the first count.
    pub backlog: Option<Backlog>,
    /// The number of rows that this relay has sent and SQS has accepted.
    pub sent: u64,
    /// The number of rows found by the sweeps that cannot be sent.
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
    /// The number of rows that SQS has accepted.
    pub sent: u64,
    /// The number of rows that were sent and deleted.
    pub deleted: u64,
    /// The number of rows that cannot be sent. They are still in the table, and each row is
    /// logged.
    pub refused: u64,
    /// The number of rows whose outcome was unknown at the end of the stop timeout. They are
    /// still in the table, and the next relay sends them again.
    pub undetermined: u64,
    /// Why the last sweep ended before its last row. `None` if it reached all rows.
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

/// Sets the gauges after a failed count. A row may have been waiting since the last count, so
/// the age grows.
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
