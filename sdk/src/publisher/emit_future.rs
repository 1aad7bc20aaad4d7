//! The future of one event.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use tokio::sync::oneshot;

use crate::publisher::buffer::capacity::CapacityError;
use crate::publisher::buffer::pending::{Outcome, Pending};
use crate::publisher::error::EmitError;
use crate::publisher::sender::Sender;

/// An event on its way: a future of its [`Receipt`](crate::Receipt).
///
/// It is written already, and borrows neither the event nor the `Sdk`, so it
/// can be awaited, joined or spawned. Nothing is sent before it is polled.
///
/// # Cancel safety
///
/// Dropping it before it is polled, or while it waits for room, takes the event
/// back. After that the event is sent all the same; only its outcome is lost to
/// the caller, and an error is logged.
#[must_use = "an event is emitted only if this is awaited or spawned"]
pub struct EmitFuture(State);

enum State {
    Written(Arc<Sender>, Pending),
    Waiting(Pin<Box<dyn Future<Output = Given> + Send + Sync>>),
    Given(oneshot::Receiver<Outcome>),
    Failed(EmitError),
    Done,
}

type Given = Result<oneshot::Receiver<Outcome>, EmitError>;

impl EmitFuture {
    pub(crate) fn new(sender: &Arc<Sender>, event: Result<Pending, EmitError>) -> Self {
        Self(match event {
            Ok(event) => State::Written(sender.clone(), event),
            Err(error) => State::Failed(error),
        })
    }

    pub(crate) fn given(outcome: oneshot::Receiver<Outcome>) -> Self {
        Self(State::Given(outcome))
    }

    /// Gives the event to the sender, waiting for room, and returns without
    /// waiting for its outcome.
    pub(crate) async fn give(mut self) -> Self {
        if let State::Written(sender, event) = std::mem::replace(&mut self.0, State::Done) {
            self.0 = match begin(sender, event) {
                State::Waiting(given) => State::from(given.await),
                other => other,
            };
        }
        self
    }
}

fn begin(sender: Arc<Sender>, event: Pending) -> State {
    match sender.try_submit(event) {
        Ok(outcome) => State::Given(outcome),
        Err((CapacityError::Full, event)) => State::Waiting(Box::pin(sender.submit(event))),
        Err((CapacityError::Closed, event)) => State::Failed(event.refused()),
    }
}

impl From<Given> for State {
    fn from(given: Given) -> Self {
        match given {
            Ok(outcome) => Self::Given(outcome),
            Err(error) => Self::Failed(error),
        }
    }
}

impl Future for EmitFuture {
    type Output = Outcome;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Outcome> {
        loop {
            let next = match &mut self.0 {
                State::Waiting(given) => State::from(ready!(given.as_mut().poll(cx))),
                State::Given(outcome) => {
                    let told = ready!(Pin::new(outcome).poll(cx));
                    self.0 = State::Done;
                    #[expect(
                        clippy::expect_used,
                        reason = "`Pending` answers when it is dropped"
                    )]
                    return Poll::Ready(told.expect("every pending event answers its caller"));
                }
                _ => match std::mem::replace(&mut self.0, State::Done) {
                    State::Written(sender, event) => begin(sender, event),
                    State::Failed(error) => return Poll::Ready(Err(error)),
                    // Like every future, it must not be polled after its end.
                    _ => return Poll::Pending,
                },
            };
            self.0 = next;
        }
    }
}

impl fmt::Debug for EmitFuture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("EmitFuture")
            .field(&match self.0 {
                State::Written(..) => "written",
                State::Waiting(_) => "waits for room",
                State::Given(_) => "given to the sender",
                State::Failed(_) => "failed",
                State::Done => "done",
            })
            .finish()
    }
}
