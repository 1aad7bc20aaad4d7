//! The fast path: passes an event from its commit to the relay through memory, without a read
//! of the table.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use domain_events::Prepared;
use tokio::sync::mpsc;

/// The maximum number of events, and of message bytes, that can wait for the relay.
const MAX_WAITING_EVENTS: usize = 1_000;
const MAX_WAITING_BYTES: usize = 8 * 1024 * 1024;

/// Sends events immediately after their commit. This is a cheap handle to a
/// [`Relay`](crate::Relay).
#[derive(Clone)]
pub struct FastPath {
    events: mpsc::Sender<Prepared>,
    waiting_bytes: Arc<AtomicUsize>,
}

/// The receiving end of the fast path, which the relay holds.
pub(super) struct Committed {
    events: mpsc::Receiver<Prepared>,
    waiting_bytes: Arc<AtomicUsize>,
}

pub(super) fn channel() -> (FastPath, Committed) {
    let (sender, receiver) = mpsc::channel(MAX_WAITING_EVENTS);
    let waiting_bytes = Arc::new(AtomicUsize::new(0));
    let fast_path = FastPath {
        events: sender,
        waiting_bytes: waiting_bytes.clone(),
    };
    let committed = Committed {
        events: receiver,
        waiting_bytes,
    };
    (fast_path, committed)
}

impl FastPath {
    /// Passes the event to the relay, which sends it at once and deletes its row. Call this
    /// method only after the commit has succeeded, because the event of a transaction that was
    /// rolled back must not be sent.
    ///
    /// The method does not wait and cannot fail, because the event is already durable in the
    /// outbox. If the relay does not run or cannot keep up, a sweep sends the row later.
    pub fn committed(&self, event: Prepared) {
        let bytes = event.body().len();
        let before = self.waiting_bytes.fetch_add(bytes, Ordering::Relaxed);
        if before + bytes > MAX_WAITING_BYTES || self.events.try_send(event).is_err() {
            self.waiting_bytes.fetch_sub(bytes, Ordering::Relaxed);
        }
    }
}

impl Committed {
    /// Waits for the next event. Returns `None` if the fast path is closed and empty.
    pub(super) async fn next(&mut self) -> Option<Prepared> {
        let event = self.events.recv().await?;
        self.waiting_bytes
            .fetch_sub(event.body().len(), Ordering::Relaxed);
        Some(event)
    }

    /// Refuses further events. The waiting events can still be read.
    pub(super) fn close(&mut self) {
        self.events.close();
    }
}

impl fmt::Debug for FastPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FastPath")
            .field(
                "waiting",
                &(self.events.max_capacity() - self.events.capacity()),
            )
            .finish_non_exhaustive()
    }
}
