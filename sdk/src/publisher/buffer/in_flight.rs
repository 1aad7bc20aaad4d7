//! The accounting of the events that have no outcome yet.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::oneshot;

use crate::publisher::buffer::capacity::{Capacity, CapacityError};
use crate::publisher::buffer::flush::FlushTracker;
use crate::publisher::buffer::outcome::MessageOutcome;
use crate::publisher::buffer::pending::Pending;
use crate::publisher::buffer::queue::MessageEvents;
use crate::publisher::metrics;

/// Admits events, and completes each of them exactly once.
///
/// Only this type changes the capacity, the flush generations and the counters. The sender, the
/// shutdown and the spool all complete an event with [`complete`](Self::complete). The lock of
/// this type is the innermost lock of the publisher: it may be acquired while another lock is
/// held, and no other lock is acquired while it is held.
#[derive(Debug)]
pub(crate) struct InFlight {
    /// The name of the queue in errors.
    queue: Arc<str>,
    capacity: Capacity,
    ledger: Mutex<Ledger>,
}

#[derive(Debug)]
struct Ledger {
    flush: FlushTracker,
    totals: Totals,
}

/// The counts since the publisher was built.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct Totals {
    pub(crate) accepted: u64,
    pub(crate) failed: u64,
    /// The number of events whose future was dropped before they were submitted.
    pub(crate) dropped: u64,
}

impl InFlight {
    pub(crate) fn new(queue: Arc<str>, max_events: usize, max_bytes: usize) -> Self {
        Self {
            queue,
            capacity: Capacity::new(max_events, max_bytes),
            ledger: Mutex::new(Ledger {
                flush: FlushTracker::new(),
                totals: Totals::default(),
            }),
        }
    }

    pub(crate) fn try_acquire(&self, bytes: usize) -> Result<(), CapacityError> {
        self.capacity.try_acquire(bytes)
    }

    /// Waits for capacity.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future releases what it had acquired.
    pub(crate) async fn acquire(&self, bytes: usize) -> Result<(), CapacityError> {
        self.capacity.acquire(bytes).await
    }

    /// Releases the capacity of an event that the sender did not take.
    pub(crate) fn release(&self, bytes: usize) {
        self.capacity.release([bytes]);
    }

    /// Adds an event, and returns its flush generation.
    pub(crate) fn begin(&self) -> u64 {
        self.ledger().flush.begin()
    }

    /// Removes an event that the sender did not take.
    pub(crate) fn cancel(&self, generation: u64) {
        self.ledger().flush.finish(generation);
    }

    /// Resolves each event with the outcome of its message, and removes it.
    ///
    /// The totals and the capacity are updated before the outcomes: a caller that has its
    /// outcome can emit the next event at once. A flush ends after the outcomes: every outcome
    /// is available when it returns.
    ///
    /// An event that was read from the spool holds no capacity and belongs to no
    /// flush. If it was not accepted, it is still in the spool and has not failed.
    pub(crate) fn complete(
        &self,
        messages: impl IntoIterator<Item = (MessageEvents, MessageOutcome)>,
    ) {
        let messages: Vec<_> = messages.into_iter().collect();
        let mut totals = Totals::default();
        let mut done: Vec<(usize, u64)> = Vec::new();
        for (events, outcome) in &messages {
            done.reserve(events.len());
            for event in events {
                match outcome {
                    MessageOutcome::Accepted { .. } => totals.accepted += 1,
                    #[cfg(feature = "spool")]
                    MessageOutcome::Spooled => {}
                    _ => totals.failed += u64::from(!event.from_spool),
                }
                if !event.from_spool {
                    done.push((event.bytes(), event.generation));
                }
            }
        }
        metrics::completed(totals.accepted, totals.failed);
        {
            let mut ledger = self.ledger();
            ledger.totals.accepted += totals.accepted;
            ledger.totals.failed += totals.failed;
        }
        self.capacity.release(done.iter().map(|(bytes, _)| *bytes));
        for (events, outcome) in messages {
            for event in events {
                outcome.resolve(event, &self.queue);
            }
        }
        let mut ledger = self.ledger();
        for (_, generation) in done {
            ledger.flush.finish(generation);
        }
    }

    /// Counts an event that failed before it was taken: it is invalid, or the
    /// publisher was shut down.
    pub(crate) fn reject(&self) {
        metrics::completed(0, 1);
        self.ledger().totals.failed += 1;
    }

    /// Counts an event whose future was dropped before the event was taken. The first such
    /// event is logged, because no caller gets an error for it.
    pub(crate) fn dropped(&self, event: &Pending) {
        metrics::dropped();
        let first = {
            let mut ledger = self.ledger();
            ledger.totals.dropped += 1;
            ledger.totals.dropped == 1
        };
        if first {
            tracing::warn!(
                queue = &*self.queue,
                event_type = event.envelope().event_type().as_str(),
                event_id = event.envelope().event_id().as_str(),
                "an event was not sent, because the future of `emit` was dropped before the \
                 publisher took the event; await or spawn it. Further cases are only counted, \
                 in domain_events_dropped_total"
            );
        }
    }

    /// Returns the name of the queue in errors.
    pub(crate) fn queue(&self) -> &Arc<str> {
        &self.queue
    }

    /// Returns a receiver that resolves when every event that was added before this call has
    /// its outcome. Returns `None` if there are no events.
    pub(crate) fn flush(&self) -> Option<oneshot::Receiver<()>> {
        self.ledger().flush.flush()
    }

    pub(crate) fn is_flushing(&self) -> bool {
        self.ledger().flush.is_flushing()
    }

    /// Returns the number of events without an outcome, including the events that wait for
    /// capacity.
    pub(crate) fn pending(&self) -> usize {
        self.ledger().flush.count()
    }

    pub(crate) fn totals(&self) -> Totals {
        self.ledger().totals
    }

    /// Refuses further events.
    pub(crate) fn close(&self) {
        self.capacity.close();
    }

    fn ledger(&self) -> MutexGuard<'_, Ledger> {
        // Only additions run under this lock, so it cannot be poisoned with an inconsistent
        // state.
        self.ledger.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
