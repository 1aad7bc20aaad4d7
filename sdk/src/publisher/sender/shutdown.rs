//! Flush, shutdown, and what is left when nobody asked for either.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::timeout;

use super::Sender;
use crate::publisher::buffer::pending::Pending;
use crate::publisher::error::EmitError;
use crate::publisher::metrics;
use crate::publisher::receipt::ShutdownReport;

/// How long the spool's disk may take to write what it is writing.
#[cfg(feature = "spool")]
const GRACE: Duration = Duration::from_secs(1);

impl Sender {
    /// Waits until all that was given before has an outcome.
    pub(crate) async fn flush(self: &Arc<Self>) {
        let done = self.lock().epochs.flush();
        self.hurry.notify_waiters();
        if let Some(done) = done {
            // An error would mean that the sender is gone, and we hold it.
            let _ = done.await;
        }
    }

    /// Takes nothing more, and waits for what there is until the deadline.
    pub(crate) async fn shutdown(self: &Arc<Self>, deadline: Duration) -> ShutdownReport {
        self.lock().closed = true;
        #[cfg(feature = "spool")]
        if let Some(spool) = &self.spool {
            spool.hurry();
        }
        let mut flushed = false;
        let end = async {
            self.flush().await;
            flushed = true;
            // A container's disk may go with it: what can be sent is sent.
            #[cfg(feature = "spool")]
            if let Some(spool) = &self.spool {
                spool.emptied(self).await;
            }
        };
        // At the deadline, what has not ended shows.
        let _ = timeout(deadline, end).await;
        let mut report = ShutdownReport::default();
        if !flushed {
            self.abandon(&mut report);
        }
        self.room.close();
        #[cfg(feature = "spool")]
        if let Some(spool) = &self.spool {
            // A disk that hangs holds nobody up, and what it has not confirmed is
            // in no safe place.
            let _ = timeout(GRACE, spool.close(self)).await;
            let coming = self.spooling(crate::publisher::spool::Spooling::give_up);
            self.hand_back(Vec::new(), coming, &mut report);
        }
        let state = self.lock();
        report.accepted = state.accepted;
        report.failed = state.failed;
        #[cfg(feature = "spool")]
        {
            report.in_spool = state.spooling.stored();
        }
        report
    }

    /// Hands back all that has no outcome.
    fn abandon(self: &Arc<Self>, report: &mut ShutdownReport) {
        let mut state = self.lock();
        state.abandoned = true;
        let mut unsent = state.queue.drain();
        let delayed = std::mem::take(&mut state.delayed);
        unsent.extend(delayed.into_values().flatten());
        let flights = std::mem::take(&mut state.flights);
        drop(state);
        self.abandon.notify_waiters();
        self.hurry.notify_waiters();
        let under_way = flights.into_values().flat_map(|batch| batch.events);
        self.hand_back(unsent, under_way.collect(), report);
    }

    /// Answers for events that are given up, and reports them.
    fn hand_back(
        &self,
        mut unsent: Vec<Pending>,
        mut under_way: Vec<Pending>,
        report: &mut ShutdownReport,
    ) {
        for events in [&mut unsent, &mut under_way] {
            // What lies in the spool is not lost with the process.
            events.retain(|event| !event.from_spool);
            events.sort_by_key(|event| event.number);
        }
        let envelope = |event: &Pending| event.envelope().clone();
        report.unsent.extend(unsent.iter().map(envelope));
        report.undetermined.extend(under_way.iter().map(envelope));
        let failed = (unsent.len() + under_way.len()) as u64;
        metrics::told(0, failed);
        let mut state = self.lock();
        state.failed += failed;
        for event in unsent.iter().chain(&under_way) {
            state.epochs.leave(event.epoch);
        }
        drop(state);
        let sizes: Vec<usize> = unsent
            .iter()
            .chain(&under_way)
            .map(Pending::bytes)
            .collect();
        self.room.leave(sizes);
        for event in unsent {
            event.failed(|envelope| EmitError::ShutDown { envelope });
        }
        for event in under_way {
            event.failed(|envelope| EmitError::Interrupted { envelope });
        }
    }

    /// How many events have no outcome yet.
    pub(crate) fn pending(&self) -> usize {
        self.lock().epochs.count()
    }
}
