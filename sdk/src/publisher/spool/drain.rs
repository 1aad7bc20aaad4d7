//! Sends the events of the spool to SQS, in rounds, from the front of the log.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};

use super::error::SpoolError;
use super::log::Spooled;
use super::outlet::Outlet;
use super::shared::{FIRST_WAIT, Shared};
use super::thread::{Command, Handled};
use crate::event::EventId;
use crate::event::envelope::Envelope;
use crate::publisher::buffer::pending::{Pending, group_of};
use crate::publisher::error::EmitError;
use crate::wire;

/// The number of events that a round sends before it waits for their outcomes.
const ROUND: usize = 1_000;
/// The number of events of a round while SQS is unavailable. They fit into one request.
const PROBE: usize = 10;
/// The longest wait after a round that failed.
const LONGEST_WAIT: Duration = Duration::from_secs(30);

/// Sends the events of the spool from the front, until the spool is empty.
pub(super) struct Drain {
    pub(super) commands: mpsc::UnboundedSender<Command>,
    pub(super) shared: Arc<Shared>,
    pub(super) outlet: Arc<dyn Outlet>,
    pub(super) ended: bool,
}

/// A spool that was closed during a round leaves it to the drain to close the files.
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
                // An event is written for longer than a round takes: the disk is
                // slow, and asking it more often does not help.
                Ok(Round::Nothing) if again => self.pause(FIRST_WAIT).await,
                Ok(Round::Nothing) => {}
                Ok(Round::Sent) => (count, wait) = (ROUND, FIRST_WAIT),
                Ok(Round::Failed { progress }) => {
                    count = PROBE;
                    if !progress {
                        self.shared.fail_held();
                    }
                    let jittered = wait.mul_f64(0.5 + fastrand::f64() / 2.0);
                    self.pause(jittered).await;
                    wait = (wait * 2).min(LONGEST_WAIT);
                }
                Err(error) => {
                    tracing::error!(error = error.explain(), "the spool cannot be read");
                    self.shared.fail_held();
                    self.pause(LONGEST_WAIT).await;
                }
            }
        }
    }

    async fn pause(&self, wait: Duration) {
        self.shared.pause(&*self.outlet, wait).await;
    }

    /// Sends the first events through the sender, and removes those that SQS has
    /// accepted or would never accept.
    async fn round(&self, count: usize) -> Result<Round, SpoolError> {
        self.shared.begin_round();
        let (reply, answer) = oneshot::channel();
        let read = Command::Read(count, self.outlet.clone(), reply);
        let _ = self.commands.send(read);
        let events = answer.await.unwrap_or_else(|_| Err(self.shared.ended()))?;
        if events.is_empty() {
            // Events that are not on disk yet are in the thread's commands, behind
            // this one: the next round finds them.
            let empty = self.shared.end_draining();
            return Ok(if empty { Round::Empty } else { Round::Nothing });
        }
        let mut handled = Handled::default();
        let mut under_way = Vec::new();
        for event in events {
            match revive(&*self.outlet, &event) {
                Some(pending) => {
                    let outcome = self.outlet.clone().send_spooled(pending);
                    under_way.push((event.place, event.group, outcome));
                }
                None => {
                    tracing::error!(
                        place = %event.place,
                        "an event of the spool cannot be decoded; it is not sent, and its file \
                         is set aside"
                    );
                    handled.refused.push(event.place);
                    handled.groups.extend(event.group);
                }
            }
        }
        let mut failed = false;
        for (place, group, outcome) in under_way {
            match outcome.await {
                Ok(Ok(_)) => handled.sent.push(place),
                Ok(Err(error)) if !error.is_retryable() && !is_request(&error) => {
                    // Its caller has a receipt, so that only the log can tell.
                    tracing::error!(
                        %place,
                        event_id = error.envelope().map(|e| e.event_id().as_str()),
                        error = &error as &dyn std::error::Error,
                        "SQS refused an event of the spool for good; its file is set aside"
                    );
                    handled.refused.push(place);
                }
                _ => {
                    failed = true;
                    continue;
                }
            }
            handled.groups.extend(group);
        }
        let progress = !handled.sent.is_empty();
        let (reply, done) = oneshot::channel();
        let remove = Command::Remove(handled, self.outlet.clone(), reply);
        let _ = self.commands.send(remove);
        done.await.map_err(|_| self.shared.ended())?;
        Ok(match failed {
            true => Round::Failed { progress },
            false => Round::Sent,
        })
    }
}

enum Round {
    Empty,
    /// There was nothing, but an event is being written.
    Nothing,
    Sent,
    /// Some events were not sent.
    Failed {
        /// Others were.
        progress: bool,
    },
}

/// Returns true for an error of the whole request. The events are not the cause of such an
/// error.
fn is_request(error: &EmitError) -> bool {
    matches!(error, EmitError::Request { .. })
}

/// The event of a record. `None` if the record does not hold an event.
fn revive(outlet: &dyn Outlet, record: &Spooled) -> Option<Pending> {
    let unnamed = EventId::from_static("unnamed");
    let mut events = wire::decode(&record.body, &unnamed).ok()?;
    let envelope: Envelope = events.pop()?.outcome.ok()?;
    let group = if outlet.is_fifo() {
        Some(group_of(envelope.entity_id()))
    } else {
        record.group.as_deref().map(Arc::from)
    };
    let mut event = Pending::new(envelope, group).ok()?;
    event.from_spool = true;
    Some(event)
}
