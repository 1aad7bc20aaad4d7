//! A request has come back: what becomes of each of its events.

use std::sync::Arc;

use tokio::time::{Instant, sleep_until};

use super::{Sender, State};
use crate::publisher::buffer::pending::Pending;
use crate::publisher::buffer::queue::{Batch, Held};
use crate::publisher::error::EmitError;
use crate::publisher::metrics;
use crate::publisher::transport::{Answer, RequestError, RequestErrorKind};

/// What all events of one message are told.
pub(super) enum Verdict {
    Accepted {
        message_id: String,
        sequence_number: Option<String>,
    },
    Refused {
        code: String,
        reason: String,
    },
    Exhausted {
        code: String,
        reason: String,
    },
    Request(RequestError),
}

/// What one answer means for its message.
enum Next {
    Tell(Verdict),
    /// Again after a while, in the same message.
    Retry(Instant),
    /// Again at once, in smaller messages.
    Divide,
}

impl Sender {
    /// Gives every event of a batch its outcome, or its next attempt.
    pub(super) fn settle(self: &Arc<Self>, flight: u64, result: Result<Vec<Answer>, RequestError>) {
        let mut told = Vec::new();
        let mut held = Vec::new();
        let mut state = self.lock();
        // A shutdown at its deadline has taken the batch, and answered for it.
        let Some(batch) = state.flights.remove(&flight) else {
            return;
        };
        match result {
            Err(error) if error.kind() == RequestErrorKind::TooLong && batch.events.len() > 1 => {
                state.shrink(&batch);
                state.restore(batch);
            }
            result => self.judge(&mut state, batch, result, &mut told, &mut held),
        }
        #[cfg(feature = "spool")]
        let unwritten = self.divert(&mut state, &mut told);
        for (events, _) in &told {
            let group = events.first().and_then(Pending::group).cloned();
            state.queue.release(group.as_ref());
        }
        let retried = std::mem::take(&mut state.retried);
        // What was put back may go at once.
        self.start_workers(state);
        metrics::retried(retried);
        for place in held {
            self.runtime().spawn(Alarm::new(self, place).run());
        }
        #[cfg(feature = "spool")]
        {
            // What the journal did not take is answered by this.
            drop(unwritten);
            self.drain_spool();
        }
        if !told.is_empty() {
            self.tell(told);
        }
    }

    fn judge(
        self: &Arc<Self>,
        state: &mut State,
        batch: Batch,
        result: Result<Vec<Answer>, RequestError>,
        told: &mut Vec<(Held, Verdict)>,
        held: &mut Vec<(Instant, u64)>,
    ) {
        let mut answers = match result {
            Ok(answers) => Ok(answers.into_iter()),
            Err(error) => Err(error),
        };
        let mut events = batch.events.into_iter();
        told.reserve(batch.messages.len());
        for count in batch.messages {
            let mut message: Held = events.by_ref().take(count).collect();
            for event in &mut message {
                event.attempts += 1;
            }
            let next = match &mut answers {
                Err(error) => Next::Tell(Verdict::Request(error.clone())),
                Ok(answers) => self.next_of(answers.next(), &message),
            };
            match next {
                Next::Tell(verdict) => told.push((message, verdict)),
                Next::Retry(at) => {
                    state.retried += message.len() as u64;
                    let unwritable = message.iter_mut().find_map(|e| e.restore_body().err());
                    if unwritable.is_some() {
                        // It was written once, so it can be written again.
                        debug_assert!(false, "an envelope that can no longer be written");
                    }
                    // Its lane waits with it.
                    let place = (at, state.number());
                    state.delayed.insert(place, message);
                    held.push(place);
                }
                Next::Divide => {
                    let bytes = message.iter().map(Pending::bytes).sum::<usize>();
                    state.limits.pack_bytes = Some(bytes / 2);
                    state.restore(Batch {
                        messages: vec![message.len()],
                        events: message,
                    });
                }
            }
        }
    }

    fn next_of(&self, answer: Option<Answer>, events: &[Pending]) -> Next {
        let (code, reason, sender_fault) = match answer {
            Some(Answer::Accepted {
                message_id,
                sequence_number,
            }) => {
                return Next::Tell(Verdict::Accepted {
                    message_id,
                    sequence_number,
                });
            }
            Some(Answer::Refused {
                code,
                reason,
                sender_fault,
            }) => (code, reason, sender_fault),
            Some(Answer::Denied { code, reason }) => {
                // As if the whole request had been.
                let source = format!("{code}: {reason}");
                let error = RequestError::new(RequestErrorKind::Denied, source);
                return Next::Tell(Verdict::Request(error));
            }
            None => (
                "NoAnswer".to_owned(),
                "the response did not mention the message".to_owned(),
                false,
            ),
        };
        if sender_fault {
            return if events.len() > 1 {
                // Several events in one message may be more than the queue
                // takes where each of them is not.
                Next::Divide
            } else {
                Next::Tell(Verdict::Refused { code, reason })
            };
        }
        let attempts = events.first().map_or(1, |event| event.attempts);
        match self.settings.retry.backoff(attempts, fastrand::f64()) {
            Some(wait) => {
                tracing::debug!(code, attempts, ?wait, "SQS failed at an entry");
                let now = Instant::now();
                Next::Retry(now.checked_add(wait).unwrap_or(now))
            }
            None => Next::Tell(Verdict::Exhausted { code, reason }),
        }
    }

    /// Answers the callers, then counts the events out.
    fn tell(self: &Arc<Self>, told: Vec<(Held, Verdict)>) {
        let mut gone = Vec::with_capacity(told.iter().map(|(events, _)| events.len()).sum());
        let (mut accepted, mut failed) = (0, 0);
        for (events, verdict) in told {
            for event in events {
                match &verdict {
                    Verdict::Accepted { .. } => accepted += 1,
                    // The spool has it still.
                    _ => failed += u64::from(!event.from_spool),
                }
                if !event.from_spool {
                    gone.push((event.bytes(), event.epoch));
                }
                verdict.tell(event);
            }
        }
        metrics::told(accepted, failed);
        let mut state = self.lock();
        state.accepted += accepted;
        state.failed += failed;
        for (_, epoch) in &gone {
            state.epochs.leave(*epoch);
        }
        drop(state);
        self.room.leave(gone.into_iter().map(|(bytes, _)| bytes));
    }
}

/// Wakes a message for its next attempt. If it goes before that, with its
/// runtime, the message is due at once: whoever emits next takes it along, where
/// nobody else would ever wake it.
///
/// It is not made under the lock: one that is spawned into a runtime which ends is
/// dropped at once, and its drop takes the lock.
struct Alarm {
    sender: Arc<Sender>,
    place: (Instant, u64),
    rung: bool,
}

impl Alarm {
    fn new(sender: &Arc<Sender>, place: (Instant, u64)) -> Self {
        Self {
            sender: sender.clone(),
            place,
            rung: false,
        }
    }

    async fn run(mut self) {
        sleep_until(self.place.0).await;
        self.rung = true;
        let mut state = self.sender.lock();
        state.wake(self.place);
        self.sender.start_workers(state);
    }
}

impl Drop for Alarm {
    fn drop(&mut self) {
        if !self.rung {
            let mut state = self.sender.lock();
            state.wake(self.place);
            drop(state);
            self.sender.go_on_at_home();
        }
    }
}

impl Verdict {
    /// The same event may be accepted later, with nothing changed.
    #[cfg(feature = "spool")]
    pub(super) fn may_pass(&self) -> bool {
        match self {
            Self::Exhausted { .. } => true,
            Self::Request(error) => error.is_retryable(),
            Self::Accepted { .. } | Self::Refused { .. } => false,
        }
    }

    /// It says nothing about the event.
    #[cfg(feature = "spool")]
    pub(super) fn is_of_the_road(&self) -> bool {
        match self {
            Self::Exhausted { .. } => true,
            Self::Request(error) => error.kind() != RequestErrorKind::TooLong,
            Self::Accepted { .. } | Self::Refused { .. } => false,
        }
    }

    fn tell(&self, event: Pending) {
        let (message_bytes, attempts) = (event.bytes(), event.attempts);
        match self {
            Self::Accepted {
                message_id,
                sequence_number,
            } => event.accepted(message_id, sequence_number.as_deref()),
            Self::Refused { reason, .. } if is_size(reason) => {
                event.failed(|envelope| EmitError::TooLargeForQueue {
                    envelope,
                    message_bytes,
                    reason: reason.clone(),
                })
            }
            Self::Refused { code, reason } => event.failed(|envelope| EmitError::Refused {
                envelope,
                code: code.clone(),
                reason: reason.clone(),
            }),
            Self::Exhausted { code, reason } => {
                event.failed(|envelope| EmitError::RetriesExhausted {
                    envelope,
                    attempts,
                    code: code.clone(),
                    reason: reason.clone(),
                })
            }
            Self::Request(source) if source.kind() == RequestErrorKind::TooLong => {
                event.failed(|envelope| EmitError::TooLargeForQueue {
                    envelope,
                    message_bytes,
                    reason: source.to_string(),
                })
            }
            Self::Request(source) => event.failed(|envelope| EmitError::Request {
                envelope,
                source: source.clone(),
            }),
        }
    }
}

/// SQS has no code of its own for a message over the queue's
/// `MaximumMessageSize`: it is `InvalidParameterValue` with "Message must be
/// shorter than 1024 bytes".
fn is_size(reason: &str) -> bool {
    reason.contains("must be shorter than")
}

impl State {
    /// Puts a batch back to where it came from, as if it had not been sent.
    pub(super) fn restore(&mut self, batch: Batch) {
        let mut events = batch.events;
        for count in batch.messages.into_iter().rev() {
            let mut message = events.split_off(events.len() - count);
            for event in &mut message {
                let written = event.restore_body();
                debug_assert!(written.is_ok(), "it was written once");
            }
            self.queue.put_back(message);
        }
    }

    /// The endpoint takes less than SQS does today: asks for half from now on.
    fn shrink(&mut self, batch: &Batch) {
        let bytes = batch.events.iter().map(Pending::bytes).sum::<usize>();
        self.limits.request_bytes = self.limits.request_bytes.min((bytes / 2).max(1));
        tracing::warn!(
            bytes,
            now = self.limits.request_bytes,
            "a request was longer than the queue's endpoint takes; sending smaller ones"
        );
    }
}
