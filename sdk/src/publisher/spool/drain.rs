//! Sends the events of the spool to SQS in rounds, the oldest events first.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};

use super::error::SpoolError;
use super::event_sender::EventSender;
use super::log::SpooledEvent;
use super::shared::{MIN_PAUSE, Shared};
use super::thread::{Command, RoundOutcomes};
use crate::backoff::Backoff;
use crate::event::EventId;
use crate::event::envelope::Envelope;
use crate::publisher::buffer::pending::{Pending, group_of};
use crate::publisher::error::EmitError;
use crate::wire;

/// The maximum number of events of a round. A round sends its events, and then waits for their
/// outcomes.
const ROUND_EVENTS: usize = 1_000;
/// The maximum number of events of a round while SQS is unavailable: as many as fit into one
/// request.
const PROBE_EVENTS: usize = 10;
/// The longest pause after a failed round.
const MAX_PAUSE: Duration = Duration::from_secs(30);
const BACKOFF: Backoff = Backoff::new(MIN_PAUSE, MAX_PAUSE);

/// The task that sends the events of the spool until the spool is empty or closed.
pub(super) struct Drain {
    pub(super) commands: mpsc::UnboundedSender<Command>,
    pub(super) shared: Arc<Shared>,
    pub(super) event_sender: Arc<dyn EventSender>,
    pub(super) ended: bool,
}

/// If the spool was closed during a round, `drop` closes the files.
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
        let (mut count, mut failures, mut writing) = (PROBE_EVENTS, 0_u32, false);
        while !self.shared.is_closed() {
            let round = self.round(count).await;
            let was_writing =
                std::mem::replace(&mut writing, matches!(round, Ok(Round::WriteInProgress)));
            match round {
                Ok(Round::Empty) => {
                    self.ended = true;
                    return;
                }
                // The disk is slow: the write takes longer than a round. Starting the next
                // round at once would not help.
                Ok(Round::WriteInProgress) if was_writing => self.pause(MIN_PAUSE).await,
                Ok(Round::WriteInProgress) => {}
                Ok(Round::Sent) => (count, failures) = (ROUND_EVENTS, 0),
                Ok(Round::Failed { progress }) => {
                    count = PROBE_EVENTS;
                    if !progress {
                        self.shared.fail_held();
                    }
                    failures = failures.saturating_add(1);
                    self.pause(BACKOFF.delay(failures)).await;
                }
                Err(error) => {
                    tracing::error!(
                        error = error.explain(),
                        "the spool cannot be read; the next round tries again"
                    );
                    self.shared.fail_held();
                    self.pause(MAX_PAUSE).await;
                }
            }
        }
    }

    async fn pause(&self, wait: Duration) {
        self.shared.pause(&*self.event_sender, wait).await;
    }

    /// Sends the oldest events, and removes the events that SQS has accepted or would never
    /// accept.
    async fn round(&self, count: usize) -> Result<Round, SpoolError> {
        self.shared.begin_round();
        let (reply, response) = oneshot::channel();
        let read = Command::Read(count, self.event_sender.clone(), reply);
        let _ = self.commands.send(read);
        let events = response
            .await
            .unwrap_or_else(|_| Err(self.shared.ended()))?;
        if events.is_empty() {
            // Events that are not on disk yet are in the queue of the thread, behind this
            // command. The next round reads them.
            let empty = self.shared.end_draining();
            return Ok(if empty {
                Round::Empty
            } else {
                Round::WriteInProgress
            });
        }
        let mut outcomes = RoundOutcomes::default();
        let mut sending = Vec::new();
        for event in events {
            match decode_event(&*self.event_sender, &event) {
                Some(pending) => {
                    let outcome = self.event_sender.clone().send_spooled(pending);
                    sending.push((event.position, event.group, outcome));
                }
                None => {
                    tracing::error!(
                        position = %event.position,
                        "a record of the spool does not contain a valid event; it is not sent, \
                         and its file is set aside"
                    );
                    outcomes.refused.push(event.position);
                    outcomes.groups.extend(event.group);
                }
            }
        }
        let mut failed = false;
        for (position, group, outcome) in sending {
            match outcome.await {
                Ok(Ok(_)) => outcomes.sent.push(position),
                Ok(Err(error)) if !error.is_retryable() && !is_request_error(&error) => {
                    // The caller already has a receipt, so the error can only be logged.
                    tracing::error!(
                        %position,
                        event_id = error.envelope().map(|e| e.event_id().as_str()),
                        error = &error as &dyn std::error::Error,
                        "SQS will never accept an event of the spool; its file is set aside"
                    );
                    outcomes.refused.push(position);
                }
                _ => {
                    failed = true;
                    continue;
                }
            }
            outcomes.groups.extend(group);
        }
        let progress = !outcomes.sent.is_empty();
        let (reply, done) = oneshot::channel();
        let remove = Command::Remove(outcomes, self.event_sender.clone(), reply);
        let _ = self.commands.send(remove);
        done.await.map_err(|_| self.shared.ended())?;
        Ok(match failed {
            true => Round::Failed { progress },
            false => Round::Sent,
        })
    }
}

/// The result of a round.
enum Round {
    /// The spool is empty.
    Empty,
    /// No event is on disk, but events are being written.
    WriteInProgress,
    /// All events of the round have an outcome.
    Sent,
    /// SQS did not accept some events of the round.
    Failed {
        /// Whether SQS accepted other events of the round.
        progress: bool,
    },
}

/// Returns true for an error of the whole request. The events are not the cause of such an
/// error.
fn is_request_error(error: &EmitError) -> bool {
    matches!(error, EmitError::Request { .. })
}

/// Decodes the event of a record. Returns `None` if the record does not contain a valid event.
fn decode_event(event_sender: &dyn EventSender, record: &SpooledEvent) -> Option<Pending> {
    let unnamed = EventId::from_static("unnamed");
    let mut events = wire::decode(&record.body, &unnamed).ok()?;
    let envelope: Envelope = events.pop()?.outcome.ok()?;
    let group = if event_sender.is_fifo() {
        Some(group_of(envelope.entity_id()))
    } else {
        record.group.as_deref().map(Arc::from)
    };
    let mut event = Pending::new(envelope, group).ok()?;
    event.from_spool = true;
    Some(event)
}
