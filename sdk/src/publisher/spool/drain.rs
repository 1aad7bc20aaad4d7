//! From the spool to SQS: rounds of events from the front of the journal.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};

use super::error::SpoolError;
use super::journal::Record;
use super::outlet::Outlet;
use super::{Command, Shared, ended};
use crate::event::EventId;
use crate::event::envelope::Envelope;
use crate::publisher::buffer::pending::{Pending, group_of};
use crate::publisher::error::EmitError;
use crate::wire;

/// Events that are sent from the spool before their outcomes are looked at.
const ROUND: usize = 1_000;
/// While SQS does not answer, as many as one request holds are enough to ask.
const PROBE: usize = 10;
/// The waits between two rounds that failed.
pub(super) const FIRST_WAIT: Duration = Duration::from_millis(500);
const LONGEST_WAIT: Duration = Duration::from_secs(30);

/// Sends the journal's events, from the front, until there are none.
pub(super) struct Drain {
    pub(super) commands: mpsc::UnboundedSender<Command>,
    pub(super) shared: Arc<Shared>,
    pub(super) outlet: Arc<dyn Outlet>,
    pub(super) ended: bool,
}

/// A close during a round leaves closing the journal to this.
impl Drop for Drain {
    fn drop(&mut self) {
        if !self.ended {
            self.shared.state().draining = false;
        }
        if self.shared.is_closed() {
            let (reply, _) = oneshot::channel();
            let _ = self.commands.send(Command::Close(reply));
        }
        self.shared.changed.notify_waiters();
    }
}

impl Drain {
    pub(super) async fn run(mut self) {
        let (mut count, mut wait, mut nothing) = (PROBE, FIRST_WAIT, false);
        while !self.shared.is_closed() {
            let round = self.round(count).await;
            let again = std::mem::replace(&mut nothing, matches!(round, Ok(Round::Nothing)));
            match round {
                Ok(Round::Empty) => {
                    self.ended = true;
                    return;
                }
                // The disk fails at what comes; that is no reason to ask it all
                // the time.
                Ok(Round::Nothing) if again => self.shared.pause(&*self.outlet, FIRST_WAIT).await,
                Ok(Round::Nothing) => {}
                Ok(Round::Sent) => (count, wait) = (ROUND, FIRST_WAIT),
                Ok(Round::Failed) => {
                    count = PROBE;
                    let jittered = wait.mul_f64(0.5 + fastrand::f64() / 2.0);
                    self.shared.pause(&*self.outlet, jittered).await;
                    wait = (wait * 2).min(LONGEST_WAIT);
                }
                Err(error) => {
                    tracing::error!(error = error.explain(), "the spool cannot be read");
                    self.shared.pause(&*self.outlet, LONGEST_WAIT).await;
                }
            }
        }
    }

    /// Sends the first events through the sender, and removes what SQS took.
    async fn round(&self, count: usize) -> Result<Round, SpoolError> {
        let records = self.ask(|reply| Command::Read(count, reply)).await?;
        if records.is_empty() {
            // What is counted and not on disk yet is behind us in the thread's
            // work: the next round waits for it there.
            let empty = self.shared.end_draining();
            return Ok(if empty { Round::Empty } else { Round::Nothing });
        }
        let (mut given, mut sent, mut refused) = (Vec::new(), Vec::new(), Vec::new());
        for record in records {
            let number = record.number;
            match revive(&*self.outlet, &record) {
                Some(event) => given.push((number, self.outlet.clone().send_spooled(event))),
                None => {
                    // Whoever emitted it has a receipt, so that this is the one
                    // place to tell it.
                    tracing::error!(
                        number,
                        "an event of the spool cannot be read; it stays in the journal's table \
                         of refused events"
                    );
                    refused.push(number);
                }
            }
        }
        let mut failed = false;
        for (number, outcome) in given {
            match outcome.await {
                Ok(Ok(_)) => sent.push(number),
                Ok(Err(error)) if !error.is_retryable() && !is_request(&error) => {
                    tracing::error!(
                        event_id = error.envelope().map(|e| e.event_id().as_str()),
                        error = &error as &dyn std::error::Error,
                        "SQS refused an event of the spool for good; it stays in the journal's \
                         table of refused events"
                    );
                    refused.push(number);
                }
                _ => failed = true,
            }
        }
        self.ask(|reply| Command::Remove(sent, refused, reply))
            .await?;
        Ok(if failed { Round::Failed } else { Round::Sent })
    }

    async fn ask<T>(
        &self,
        work: impl FnOnce(oneshot::Sender<Result<T, SpoolError>>) -> Command,
    ) -> Result<T, SpoolError> {
        let (reply, answer) = oneshot::channel();
        let _ = self.commands.send(work(reply));
        answer.await.unwrap_or_else(|_| Err(ended()))
    }
}

enum Round {
    Empty,
    /// There was nothing, but something is on its way.
    Nothing,
    Sent,
    Failed,
}

/// A denied request is no verdict on the event.
fn is_request(error: &EmitError) -> bool {
    matches!(error, EmitError::Request { .. })
}

/// An event as it was; `None` if the journal holds what is none.
fn revive(sender: &dyn Outlet, record: &Record) -> Option<Pending> {
    let unnamed = EventId::from_static("unnamed");
    let mut events = wire::decode(&record.body, &unnamed).ok()?;
    let envelope: Envelope = events.pop()?.outcome.ok()?;
    let group = if sender.is_fifo() {
        Some(group_of(envelope.entity_id()))
    } else {
        record.group.as_deref().map(Arc::from)
    };
    let mut event = Pending::new(envelope, group).ok()?;
    event.from_spool = true;
    Some(event)
}
