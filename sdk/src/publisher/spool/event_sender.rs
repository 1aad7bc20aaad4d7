//! The interface through which the spool sends events.

use std::fmt;
use std::sync::Arc;

use tokio::sync::oneshot;

use crate::publisher::buffer::pending::{Outcome, Pending};

/// Sends the events of the spool, and the events that the spool could not write.
///
/// [`Sender`](crate::publisher::sender::Sender) implements this trait, so that the spool does
/// not import the sender. The trait has no method for an event that the spool has written: the
/// spool completes such an event through
/// [`InFlight::complete`](crate::publisher::buffer::in_flight::InFlight::complete).
pub(crate) trait EventSender: Send + Sync + fmt::Debug {
    /// Sends an event that is on disk. The event needs no capacity, because the size of a round
    /// is limited.
    ///
    /// `from_spool` of the event must be `true`. After the deadline of a shutdown, the outcome
    /// is [`EmitError::Interrupted`](crate::EmitError::Interrupted).
    fn send_spooled(self: Arc<Self>, event: Pending) -> oneshot::Receiver<Outcome>;

    /// Sends the events that `take` returns, as a publisher without a spool does.
    ///
    /// `take` is called under the sender's lock, so that no event that is emitted at the same
    /// time overtakes them. After the deadline of a shutdown, `take` is not called, and the
    /// result is `false`.
    fn send_unwritten(self: Arc<Self>, take: &mut dyn FnMut() -> Vec<Pending>) -> bool;

    /// Returns true if the queue is a FIFO queue.
    fn is_fifo(&self) -> bool;

    /// Returns true if a shutdown has begun.
    fn is_closed(&self) -> bool;
}
