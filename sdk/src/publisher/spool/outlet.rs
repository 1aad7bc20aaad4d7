//! The interface through which the spool uses the sender.

use std::fmt;
use std::sync::Arc;

use tokio::sync::oneshot;

use crate::publisher::buffer::pending::{Outcome, Pending};

/// Sends the events that the spool holds, and those that it could not write.
///
/// The sender implements it, so that the spool does not import the sender.
/// Outcomes of events that the spool writes do not go through it: for those the
/// spool calls [`InFlight::complete`](crate::publisher::buffer::in_flight::InFlight::complete).
pub(crate) trait Outlet: Send + Sync + fmt::Debug {
    /// Sends an event that lies in the spool. It takes no capacity, because a
    /// round of the spool has bounds of its own.
    ///
    /// The event's `from_spool` must be set. After a shutdown's deadline the
    /// outcome is [`EmitError::Interrupted`](crate::EmitError::Interrupted).
    fn send_spooled(self: Arc<Self>, event: Pending) -> oneshot::Receiver<Outcome>;

    /// Sends the events that `take` returns as if the publisher had no spool.
    ///
    /// `take` is called under the sender's lock, so that no event which is emitted
    /// meanwhile overtakes them. After a shutdown's deadline it is not called, and
    /// the result is `false`.
    fn send_unwritten(self: Arc<Self>, take: &mut dyn FnMut() -> Vec<Pending>) -> bool;

    fn is_fifo(&self) -> bool;

    /// Whether a shutdown has begun.
    fn is_closed(&self) -> bool;
}
