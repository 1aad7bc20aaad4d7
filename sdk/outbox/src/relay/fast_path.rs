//! Events that go from their commit to the relay, without a detour through the table.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use domain_events::Prepared;
use tokio::sync::mpsc;

/// How many events, and how many bytes of messages, may wait for the relay.
const MAX_WAITING_EVENTS: usize = 1_000;
const MAX_WAITING_BYTES: usize = 8 * 1024 * 1024;

/// Sends events right after their commit. It is a cheap handle of a
/// [`Relay`](crate::Relay).
#[derive(Clone)]
pub struct FastPath {
    events: mpsc::Sender<Prepared>,
    waiting_bytes: Arc<AtomicUsize>,
}

/// The end of the relay.
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
    /// Hands the event to the relay, which sends it at once and deletes its row. Call it
    /// after the commit has succeeded: the event of a transaction that was rolled back must
    /// not be sent.
    ///
    /// The function does not wait and cannot fail, because the event is durable: it is in
    /// the outbox. If the relay does not run or is behind, a sweep sends the row.
    pub fn committed(&self, event: Prepared) {
        let bytes = event.body().len();
        let before = self.waiting_bytes.fetch_add(bytes, Ordering::Relaxed);
        if before + bytes > MAX_WAITING_BYTES || self.events.try_send(event).is_err() {
            self.waiting_bytes.fetch_sub(bytes, Ordering::Relaxed);
        }
    }
}

impl Committed {
    /// The next event. `None` if there is none and there will be none.
    pub(super) async fn next(&mut self) -> Option<Prepared> {
        let event = self.events.recv().await?;
        self.waiting_bytes
            .fetch_sub(event.body().len(), Ordering::Relaxed);
        Some(event)
    }

    /// Takes no further events. Those that wait can still be read.
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
