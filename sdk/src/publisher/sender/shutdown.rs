//! Flush and shutdown.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::timeout;

use super::Sender;
use crate::publisher::buffer::outcome::MessageOutcome;
use crate::publisher::buffer::pending::Pending;
use crate::publisher::receipt::ShutdownReport;

/// How long the spool may take to finish the write in progress.
#[cfg(feature = "spool")]
const DISK_FLUSH_TIMEOUT: Duration = Duration::from_secs(1);

impl Sender {
    /// Waits until every event that was submitted before has an outcome.
    pub(crate) async fn flush(&self) {
        let done = self.in_flight.flush();
        self.linger_cancel.notify_waiters();
        if let Some(done) = done {
            // The receiver fails only if the tracker is dropped, and `self` owns the tracker.
            let _ = done.await;
        }
    }

    /// Refuses further events, and waits for the submitted events until the deadline.
    pub(crate) async fn shutdown(self: &Arc<Self>, deadline: Duration) -> ShutdownReport {
        self.lock().closed = true;
        #[cfg(feature = "spool")]
        if let Some(spool) = &self.spool {
            spool.end_pause();
        }
        let mut flushed = false;
        let end = async {
            self.flush().await;
            flushed = true;
            // A container may lose its disk when it ends, so as many events of the spool as
            // possible are sent now.
            #[cfg(feature = "spool")]
            self.spool_drained().await;
        };
        // After a timeout, `flushed` is false.
        let _ = self
            .thread
            .with_timers(async { timeout(deadline, end).await })
            .await;
        let mut report = ShutdownReport::default();
        if !flushed {
            self.abandon(&mut report);
        }
        self.in_flight.close();
        #[cfg(feature = "spool")]
        if let Some(spool) = &self.spool {
            // A disk that hangs must not delay the shutdown. Events that the disk has not
            // confirmed within the timeout are reported as undetermined.
            let close = async { timeout(DISK_FLUSH_TIMEOUT, spool.close()).await };
            let _ = self.thread.with_timers(close).await;
            self.return_events(Vec::new(), spool.take_unconfirmed(), &mut report);
            report.in_spool = spool.stored();
            report.damaged_in_spool = spool.damaged();
        }
        let totals = self.in_flight.totals();
        report.accepted = totals.accepted;
        report.failed = totals.failed;
        report.dropped = totals.dropped;
        report
    }

    /// Ends all requests, and reports all events that have no outcome.
    fn abandon(&self, report: &mut ShutdownReport) {
        let mut state = self.lock();
        state.abandoned = true;
        let mut unsent = state.queue.drain();
        let delayed = std::mem::take(&mut state.delayed);
        unsent.extend(delayed.into_values().flatten());
        #[cfg(feature = "spool")]
        unsent.extend(self.spool.iter().flat_map(|spool| spool.take_held()));
        let requests = std::mem::take(&mut state.requests);
        drop(state);
        self.abandon.notify_waiters();
        self.linger_cancel.notify_waiters();
        let interrupted = requests.into_values().flat_map(|batch| batch.events);
        self.return_events(unsent, interrupted.collect(), report);
    }

    /// Adds events to the report and completes them. Events that were read from the spool are
    /// not added, because they are still in the spool.
    fn return_events(
        &self,
        mut unsent: Vec<Pending>,
        mut interrupted: Vec<Pending>,
        report: &mut ShutdownReport,
    ) {
        for (events, reported) in [
            (&mut unsent, &mut report.unsent),
            (&mut interrupted, &mut report.undetermined),
        ] {
            events.sort_by_key(|event| event.sequence);
            let lost = events.iter().filter(|event| !event.from_spool);
            reported.extend(lost.map(|event| event.envelope().clone()));
        }
        self.in_flight.complete([
            (unsent, MessageOutcome::ShutDown),
            (interrupted, MessageOutcome::Interrupted),
        ]);
    }
}
