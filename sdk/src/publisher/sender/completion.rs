//! Handles the result of a request: completes each message, or schedules a retry.

use std::sync::Arc;

use tokio::time::{Instant, sleep_until};

use super::{RetryKey, Sender, SenderState};
use crate::publisher::buffer::outcome::MessageOutcome;
use crate::publisher::buffer::pending::Pending;
use crate::publisher::buffer::queue::{Batch, MessageEvents};
use crate::publisher::metrics;
use crate::publisher::transport::{EntryResult, RequestError, RequestErrorKind};

/// The action for a message after its entry has a result.
enum EntryAction {
    Complete(MessageOutcome),
    /// Send the same message again, at this time.
    Retry(Instant),
    /// Send its events again at once, in smaller messages.
    Split,
}

/// The messages of a request that have an outcome, and the retries that were scheduled.
#[derive(Default)]
struct Completed {
    messages: Vec<(MessageEvents, MessageOutcome)>,
    retry_keys: Vec<RetryKey>,
    retried_events: u64,
}

impl Sender {
    /// Completes the messages of a request, or schedules their next attempt.
    pub(super) fn request_done(
        self: &Arc<Self>,
        request: u64,
        result: Result<Vec<EntryResult>, RequestError>,
    ) {
        let mut state = self.lock();
        // If the batch is missing, a shutdown has taken it at its deadline and completed it.
        let Some(batch) = state.requests.remove(&request) else {
            return;
        };
        let mut completed = Completed::default();
        match result {
            Err(error) if error.kind() == RequestErrorKind::TooLong && batch.events.len() > 1 => {
                state.shrink(&batch);
                state.restore(batch);
            }
            result => completed = self.apply_results(&mut state, batch, result),
        }
        #[cfg(feature = "spool")]
        self.divert_to_spool(&mut state, &mut completed.messages);
        for (events, _) in &completed.messages {
            let group = events.first().and_then(Pending::group).cloned();
            state.queue.release(group.as_ref());
        }
        // Events that were put back may be sent at once.
        self.start_workers(state);
        metrics::retried(completed.retried_events);
        for key in completed.retry_keys {
            self.thread.spawn(self.clone().wake_at(key));
        }
        #[cfg(feature = "spool")]
        self.drain_spool();
        if !completed.messages.is_empty() {
            self.in_flight.complete(completed.messages);
        }
    }

    /// Applies the result of each entry to the events of its message.
    fn apply_results(
        &self,
        state: &mut SenderState,
        batch: Batch,
        result: Result<Vec<EntryResult>, RequestError>,
    ) -> Completed {
        let mut results = result.map(Vec::into_iter);
        let mut events = batch.events.into_iter();
        let mut completed = Completed::default();
        completed.messages.reserve(batch.messages.len());
        for count in batch.messages {
            let mut message: MessageEvents = events.by_ref().take(count).collect();
            for event in &mut message {
                event.attempts += 1;
            }
            let action = match &mut results {
                Err(error) => EntryAction::Complete(MessageOutcome::RequestFailed(error.clone())),
                Ok(results) => {
                    let result = results.next().unwrap_or_else(EntryResult::missing);
                    self.action_for(result, &message)
                }
            };
            match action {
                EntryAction::Complete(outcome) => completed.messages.push((message, outcome)),
                EntryAction::Retry(at) => {
                    completed.retried_events += message.len() as u64;
                    restore_bodies(&mut message);
                    // The message group stays blocked until the retry.
                    let key = (at, state.next_sequence());
                    state.delayed.insert(key, message);
                    completed.retry_keys.push(key);
                }
                EntryAction::Split => {
                    let bytes = message.iter().map(Pending::bytes).sum::<usize>();
                    state.limits.pack_bytes = Some(bytes / 2);
                    state.restore(Batch {
                        messages: vec![message.len()],
                        events: message,
                    });
                }
            }
        }
        completed
    }

    fn action_for(&self, result: EntryResult, events: &[Pending]) -> EntryAction {
        let (code, reason, sender_fault) = match result {
            EntryResult::Accepted {
                message_id,
                sequence_number,
            } => {
                return EntryAction::Complete(MessageOutcome::Accepted {
                    message_id,
                    sequence_number,
                });
            }
            // The cause applies to the whole request, and so does the outcome.
            EntryResult::Denied(error) => {
                return EntryAction::Complete(MessageOutcome::RequestFailed(error));
            }
            EntryResult::Refused {
                code,
                reason,
                sender_fault,
            } => (code, reason, sender_fault),
        };
        if sender_fault {
            return if events.len() > 1 {
                // A message with several events may be too large for the queue although each
                // event alone is small enough.
                EntryAction::Split
            } else {
                EntryAction::Complete(MessageOutcome::Refused { code, reason })
            };
        }
        let attempts = events.first().map_or(1, |event| event.attempts);
        match self.settings.retry.backoff(attempts) {
            Some(wait) => {
                tracing::debug!(code, attempts, ?wait, "SQS did not accept an entry");
                let now = Instant::now();
                EntryAction::Retry(now.checked_add(wait).unwrap_or(now))
            }
            None => EntryAction::Complete(MessageOutcome::RetriesExhausted { code, reason }),
        }
    }

    /// Queues a message again when its retry is due.
    async fn wake_at(self: Arc<Self>, key: RetryKey) {
        sleep_until(key.0).await;
        let mut state = self.lock();
        state.wake(key);
        self.start_workers(state);
    }
}

impl SenderState {
    /// Puts a batch back into the queue, as if it had not been sent.
    pub(super) fn restore(&mut self, batch: Batch) {
        let mut events = batch.events;
        for count in batch.messages.into_iter().rev() {
            let mut message = events.split_off(events.len() - count);
            restore_bodies(&mut message);
            self.queue.put_back(message);
        }
    }

    /// Halves the size of later requests: the endpoint accepts less than SQS does.
    fn shrink(&mut self, batch: &Batch) {
        let bytes = batch.events.iter().map(Pending::bytes).sum::<usize>();
        self.limits.request_bytes = self.limits.request_bytes.min((bytes / 2).max(1));
        tracing::warn!(
            bytes,
            request_bytes = self.limits.request_bytes,
            "a request was larger than the queue's endpoint accepts; sending smaller requests"
        );
    }
}

/// Encodes events again, for another attempt.
pub(super) fn restore_bodies(events: &mut [Pending]) {
    for event in events {
        let encoded = event.restore_body();
        debug_assert!(encoded.is_ok(), "the event was encoded once");
    }
}
