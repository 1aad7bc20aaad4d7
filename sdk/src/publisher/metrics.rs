//! The metrics and log lines of the publisher: sizes, counts and times, no payloads.

use tokio::time::Instant;

use crate::publisher::transport::{EntryResult, RequestError};

/// Records the number of waiting events, and how long the oldest of them has waited.
pub(crate) fn waiting(events: usize, oldest: Option<Instant>) {
    #[cfg(feature = "metrics")]
    {
        metrics::gauge!("domain_events_waiting").set(events as f64);
        let age = oldest.map_or(0.0, |since| since.elapsed().as_secs_f64());
        metrics::gauge!("domain_events_oldest_waiting_seconds").set(age);
    }
    #[cfg(not(feature = "metrics"))]
    let _ = (events, oldest);
}

/// Records the start of a request.
pub(crate) fn sending(messages: usize, events: usize, bytes: usize) {
    #[cfg(feature = "metrics")]
    {
        metrics::histogram!("domain_events_batch_messages").record(messages as f64);
        metrics::histogram!("domain_events_batch_events").record(events as f64);
        metrics::counter!("domain_events_sent_bytes_total").increment(bytes as u64);
    }
    tracing::trace!(messages, events, bytes, "sending a request to SQS");
}

/// Records the end of a request.
pub(crate) fn request(
    messages: usize,
    started: Instant,
    result: &Result<Vec<EntryResult>, RequestError>,
) {
    match result {
        Ok(_) => tracing::debug!(messages, took = ?started.elapsed(), "SQS responded"),
        Err(error) => tracing::warn!(
            messages,
            took = ?started.elapsed(),
            error = error as &dyn std::error::Error,
            "a request to SQS failed"
        ),
    }
}

/// Records events that have an outcome.
pub(crate) fn completed(accepted: u64, failed: u64) {
    #[cfg(feature = "metrics")]
    {
        metrics::counter!("domain_events_emitted_total").increment(accepted);
        metrics::counter!("domain_events_failed_total").increment(failed);
    }
    #[cfg(not(feature = "metrics"))]
    let _ = (accepted, failed);
}

/// Records an event whose future was dropped before the publisher took the event.
pub(crate) fn dropped() {
    #[cfg(feature = "metrics")]
    metrics::counter!("domain_events_dropped_total").increment(1);
}

/// Records events that are sent again.
pub(crate) fn retried(events: u64) {
    #[cfg(feature = "metrics")]
    metrics::counter!("domain_events_retried_total").increment(events);
    #[cfg(not(feature = "metrics"))]
    let _ = events;
}

/// Records damaged records that were found in the spool.
#[cfg(feature = "spool")]
pub(crate) fn spool_damaged(records: u64) {
    #[cfg(feature = "metrics")]
    metrics::counter!("domain_events_spool_damaged_total").increment(records);
    #[cfg(not(feature = "metrics"))]
    let _ = records;
}
