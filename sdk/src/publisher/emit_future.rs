//! The future of one event.

use std::fmt;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use tokio::sync::oneshot;

use crate::publisher::buffer::capacity::CapacityError;
use crate::publisher::buffer::in_flight::InFlight;
use crate::publisher::buffer::pending::{Outcome, Pending};
use crate::publisher::error::EmitError;
use crate::publisher::sender::Sender;

/// An event that is being emitted: a future of its [`Receipt`](crate::Receipt).
///
/// The event is already encoded. The future borrows neither the event nor the `Sdk`, so it can
/// be awaited, joined or spawned on any executor. The event is not sent before the first poll.
///
/// # Panics
///
/// Polling it again after it has returned the outcome panics, as for an async fn.
///
/// # Cancel safety
///
/// If the future is dropped before its first poll, or while it waits for capacity, the event is
/// not sent. Such events are counted
/// ([`ShutdownReport::dropped`](crate::ShutdownReport::dropped)), and the first event is
/// logged. If the future is dropped later, the event is sent, and an error is logged instead of
/// returned.
///
/// # Examples
///
/// ```
/// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/doc/setup.rs"));
/// # example!(fn main(sdk, recorder) {
/// let first = sdk.emit(OrderPlaced { order_id: 7, cents: 4990 });
/// let second = sdk.emit(OrderPlaced { order_id: 8, cents: 990 });
/// // The two events wait together, and are sent in one request if they meet in the buffer.
/// let (first, second) = tokio::join!(first, second);
/// println!("{} {}", first?.event_id, second?.event_id);
/// # });
/// ```
#[must_use = "an event is emitted only if this is awaited or spawned"]
pub struct EmitFuture {
    in_flight: Arc<InFlight>,
    progress: Progress,
}

enum Progress {
    Encoded(Arc<Sender>, Box<Pending>),
    AwaitsCapacity(Pin<Box<dyn Future<Output = Submitted> + Send + Sync>>),
    Submitted(oneshot::Receiver<Outcome>),
    Failed(EmitError),
    Done,
}

type Submitted = Result<oneshot::Receiver<Outcome>, EmitError>;

impl EmitFuture {
    pub(crate) fn new(sender: &Arc<Sender>, event: Result<Pending, EmitError>) -> Self {
        Self {
            in_flight: sender.in_flight().clone(),
            progress: match event {
                Ok(event) => Progress::Encoded(sender.clone(), Box::new(event)),
                Err(error) => Progress::Failed(error),
            },
        }
    }

    pub(crate) fn submitted(sender: &Arc<Sender>, outcome: oneshot::Receiver<Outcome>) -> Self {
        Self {
            in_flight: sender.in_flight().clone(),
            progress: Progress::Submitted(outcome),
        }
    }

    /// Submits the event, waiting for capacity, without waiting for its outcome.
    pub(crate) async fn submit(mut self) -> Self {
        poll_fn(|cx| self.poll_submit(cx)).await;
        self
    }

    fn poll_submit(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if let Progress::Encoded(..) = self.progress
            && let Progress::Encoded(sender, event) =
                std::mem::replace(&mut self.progress, Progress::Done)
        {
            self.progress = match sender.try_submit(*event) {
                Ok(outcome) => Progress::Submitted(outcome),
                Err((CapacityError::Full, event)) => {
                    Progress::AwaitsCapacity(Box::pin(sender.submit(event)))
                }
                Err((CapacityError::Closed, event)) => {
                    Progress::Failed(event.into_shut_down_error())
                }
            };
        }
        if let Progress::AwaitsCapacity(submitted) = &mut self.progress {
            self.progress = match ready!(submitted.as_mut().poll(cx)) {
                Ok(outcome) => Progress::Submitted(outcome),
                Err(error) => Progress::Failed(error),
            };
        }
        Poll::Ready(())
    }
}

impl Future for EmitFuture {
    type Output = Outcome;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Outcome> {
        ready!(self.poll_submit(cx));
        if let Progress::Submitted(outcome) = &mut self.progress {
            let outcome = ready!(Pin::new(outcome).poll(cx));
            self.progress = Progress::Done;
            #[expect(
                clippy::expect_used,
                reason = "`Pending` sends an outcome when it is dropped"
            )]
            return Poll::Ready(outcome.expect("every pending event sends an outcome"));
        }
        match std::mem::replace(&mut self.progress, Progress::Done) {
            Progress::Failed(error) => {
                self.in_flight.reject();
                Poll::Ready(Err(error))
            }
            _ => panic!("`EmitFuture` polled after completion"),
        }
    }
}

impl Drop for EmitFuture {
    fn drop(&mut self) {
        match &self.progress {
            Progress::Encoded(_, event) => self.in_flight.dropped(event),
            Progress::Failed(_) => self.in_flight.reject(),
            // A `WaitingEvent` counts its own drop.
            Progress::AwaitsCapacity(_) | Progress::Submitted(_) | Progress::Done => {}
        }
    }
}

impl fmt::Debug for EmitFuture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("EmitFuture")
            .field(&match self.progress {
                Progress::Encoded(..) => "encoded",
                Progress::AwaitsCapacity(_) => "awaits capacity",
                Progress::Submitted(_) => "submitted",
                Progress::Failed(_) => "failed",
                Progress::Done => "done",
            })
            .finish()
    }
}
