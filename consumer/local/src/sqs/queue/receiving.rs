//! Receiving messages, changing their visibility timeout, and deleting them.

use super::Queue;
use crate::sqs::changes::{Change, ChangeSet};
use crate::sqs::clock::Millis;
use crate::sqs::error::{ErrorCode, SqsError, invalid_value};
use crate::sqs::message::{Delivery, DeliveryState, QueuedMessage, Seq};
use crate::sqs::receipt_handle::ReceiptHandle;
use crate::sqs::settings::MAX_VISIBILITY_TIMEOUT;

/// The maximum number of messages of a queue that can be in flight.
pub(super) const MAX_IN_FLIGHT: usize = 120_000;

/// The parameters of one receive.
#[derive(Debug, Clone)]
pub(in crate::sqs) struct Receive {
    pub(in crate::sqs) max: usize,
    /// The visibility timeout; `None` means the visibility timeout of the queue.
    pub(in crate::sqs) visibility: Option<Millis>,
    /// The receive request attempt id, with which a receive from a FIFO queue can be
    /// retried.
    pub(in crate::sqs) attempt: Option<String>,
}

/// The messages that one receive took.
#[derive(Debug, Default)]
pub(in crate::sqs) struct Taken {
    pub(in crate::sqs) delivered: Vec<QueuedMessage>,
    /// Messages that were received too often. They are no longer in the queue.
    pub(in crate::sqs) dead: Vec<QueuedMessage>,
}

impl Queue {
    /// Takes up to `max` messages for one receiver. If `has_dead_letter_queue`,
    /// messages that were received too often are removed and returned separately.
    ///
    /// # Errors
    ///
    /// `OverLimit` if too many messages of a standard queue are in flight. A FIFO
    /// queue returns no messages in this case.
    pub(in crate::sqs) fn receive(
        &mut self,
        now: Millis,
        request: &Receive,
        has_dead_letter_queue: bool,
        changes: &mut ChangeSet,
    ) -> Result<Taken, SqsError> {
        let until = now + request.visibility.unwrap_or(self.settings.visibility);
        if let Some(delivered) = self.attempted_before(now, until, request, changes) {
            return Ok(Taken {
                delivered,
                dead: Vec::new(),
            });
        }
        let free = MAX_IN_FLIGHT.saturating_sub(self.in_flight);
        if free == 0 && !self.settings.fifo {
            return Err(ErrorCode::OverLimit.error(format!(
                "Too many messages are in flight: the limit is {MAX_IN_FLIGHT}."
            )));
        }
        let max = request.max.min(free);
        let redrive = self.settings.redrive.as_ref();
        let max_receives = redrive
            .filter(|_| has_dead_letter_queue)
            .map_or(u32::MAX, |redrive| redrive.max_receives);
        let mut taken = Taken::default();
        while taken.delivered.len() < max {
            let next = self.ready.take(max - taken.delivered.len());
            if next.is_empty() {
                break;
            }
            for seq in next {
                let Some(queued) = self.messages.get_mut(&seq) else {
                    continue;
                };
                // `take` has removed it from the ready messages.
                queued.delivery.state = DeliveryState::InFlight {
                    received_at: now,
                    until,
                };
                self.in_flight += 1;
                self.due.insert((until, seq));
                if queued.delivery.receives >= max_receives {
                    taken.dead.extend(self.remove(seq, now, changes));
                    continue;
                }
                queued.delivery.receives += 1;
                queued.delivery.first_received_at.get_or_insert(now);
                let delivery = queued.delivery;
                changes.push(Change::DeliveryChanged { seq, delivery });
                taken.delivered.push(queued.clone());
            }
        }
        if let Some(attempt) = request.attempt.clone().filter(|_| self.settings.fifo) {
            let receipts = taken
                .delivered
                .iter()
                .map(|queued| (queued.seq, queued.delivery));
            self.attempts.insert(now, attempt, receipts.collect());
        }
        Ok(taken)
    }

    /// Returns the messages that an earlier receive with the same attempt id took, if none of
    /// these messages has changed since. Their visibility timeout starts again.
    fn attempted_before(
        &mut self,
        now: Millis,
        until: Millis,
        request: &Receive,
        changes: &mut ChangeSet,
    ) -> Option<Vec<QueuedMessage>> {
        let name = request.attempt.as_deref()?;
        let receipts = self.attempts.get(name)?.clone();
        let untouched = |(seq, delivery): &(Seq, Delivery)| {
            self.messages
                .get(seq)
                .is_some_and(|queued| queued.delivery == *delivery)
        };
        if receipts.is_empty() || !receipts.iter().all(untouched) {
            return None;
        }
        let seqs = receipts.iter().map(|(seq, _)| *seq);
        seqs.clone()
            .for_each(|seq| self.hide(seq, now, until, changes));
        let messages: Vec<QueuedMessage> = seqs
            .filter_map(|seq| self.messages.get(&seq).cloned())
            .collect();
        let receipts = messages
            .iter()
            .map(|queued| (queued.seq, queued.delivery))
            .collect();
        self.attempts.insert(now, name.to_owned(), receipts);
        Some(messages)
    }

    /// Deletes a message that was received. The call has no effect if the message no longer
    /// exists, or if a standard queue has delivered it again since.
    ///
    /// # Errors
    ///
    /// `InvalidParameterValue` on a FIFO queue if the visibility timeout has ended:
    /// another receiver may already process the message group.
    pub(in crate::sqs) fn delete(
        &mut self,
        now: Millis,
        receipt: ReceiptHandle,
        changes: &mut ChangeSet,
    ) -> Result<(), SqsError> {
        let Some(queued) = self.messages.get(&receipt.seq) else {
            return Ok(());
        };
        let latest = queued.delivery.receives == receipt.receive;
        let in_flight = matches!(queued.delivery.state, DeliveryState::InFlight { .. });
        if self.settings.fifo && !(latest && in_flight) {
            return Err(invalid_value(
                receipt.encode(),
                "ReceiptHandle",
                "The receipt handle has expired.",
            ));
        }
        if latest {
            self.remove(receipt.seq, now, changes);
        }
        Ok(())
    }

    /// Lets the visibility timeout of a message in flight end `timeout` after `now`.
    ///
    /// # Errors
    ///
    /// `MessageNotInflight` if the message is visible again, `InvalidParameterValue`
    /// if it no longer exists or would be in flight for more than twelve hours.
    pub(in crate::sqs) fn change_visibility(
        &mut self,
        now: Millis,
        receipt: ReceiptHandle,
        timeout: Millis,
        changes: &mut ChangeSet,
    ) -> Result<(), SqsError> {
        let refused = |reason| Err(invalid_value(receipt.encode(), "ReceiptHandle", reason));
        let Some(queued) = self.messages.get(&receipt.seq) else {
            return refused(
                "Message does not exist or is not available for visibility timeout change.",
            );
        };
        let DeliveryState::InFlight { received_at, .. } = queued.delivery.state else {
            return Err(
                ErrorCode::MessageNotInflight.error("The message referred to isn't in flight.")
            );
        };
        if queued.delivery.receives != receipt.receive {
            return refused("The receipt handle has expired.");
        }
        if now + timeout > received_at + MAX_VISIBILITY_TIMEOUT * 1_000 {
            return Err(invalid_value(
                timeout / 1_000,
                "VisibilityTimeout",
                &format!(
                    "Total VisibilityTimeout for the message is beyond the limit [{MAX_VISIBILITY_TIMEOUT} seconds]"
                ),
            ));
        }
        self.hide(receipt.seq, received_at, now + timeout, changes);
        Ok(())
    }

    fn hide(&mut self, seq: Seq, received_at: Millis, until: Millis, changes: &mut ChangeSet) {
        let Some(queued) = self.messages.get_mut(&seq) else {
            return;
        };
        if let DeliveryState::InFlight { until, .. } = queued.delivery.state {
            self.due.remove(&(until, seq));
        }
        queued.delivery.state = DeliveryState::InFlight { received_at, until };
        self.due.insert((until, seq));
        let delivery = queued.delivery;
        changes.push(Change::DeliveryChanged { seq, delivery });
    }
}
