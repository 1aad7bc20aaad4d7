//! What receivers do: take messages, hide them, delete them.

use super::{Delivery, Queue, Seq, Slot, State};
use crate::sqs::clock::Millis;
use crate::sqs::error::{Kind, Refusal, invalid_value};
use crate::sqs::journal::{Change, Journal};
use crate::sqs::receipt::Receipt;
use crate::sqs::settings::LONGEST_VISIBILITY;

/// The most messages of a queue that can be in flight.
pub(super) const MOST_IN_FLIGHT: usize = 120_000;

/// What a receiver asks for.
#[derive(Debug, Clone)]
pub(in crate::sqs) struct Receive {
    pub(in crate::sqs) most: usize,
    /// How long the messages are hidden, if not as long as the queue says.
    pub(in crate::sqs) visibility: Option<Millis>,
    /// Names the attempt, so that it can be made again (FIFO).
    pub(in crate::sqs) attempt: Option<String>,
}

/// What one receive took out of the line.
#[derive(Debug, Default)]
pub(in crate::sqs) struct Taken {
    pub(in crate::sqs) delivered: Vec<Slot>,
    /// Messages that were received too often; they have left the queue.
    pub(in crate::sqs) dead: Vec<Slot>,
}

impl Queue {
    /// Takes up to `most` messages for one receiver. Those that were received
    /// too often are taken as well, but given up if `has_dead_letter_queue`.
    ///
    /// # Errors
    ///
    /// `OverLimit` if too many are in flight on a standard queue; a FIFO queue
    /// then gives none.
    pub(in crate::sqs) fn receive(
        &mut self,
        now: Millis,
        request: &Receive,
        has_dead_letter_queue: bool,
        journal: &mut Journal,
    ) -> Result<Taken, Refusal> {
        let until = now + request.visibility.unwrap_or(self.settings.visibility);
        if let Some(delivered) = self.attempted_before(now, until, request, journal) {
            return Ok(Taken {
                delivered,
                dead: Vec::new(),
            });
        }
        let free = MOST_IN_FLIGHT.saturating_sub(self.in_flight);
        if free == 0 && !self.settings.fifo {
            return Err(Kind::OverLimit.because(format!(
                "Too many messages are in flight: the limit is {MOST_IN_FLIGHT}."
            )));
        }
        let most = request.most.min(free);
        let redrive = self.settings.redrive.as_ref();
        let max_receives = redrive
            .filter(|_| has_dead_letter_queue)
            .map_or(u32::MAX, |redrive| redrive.max_receives);
        let mut taken = Taken::default();
        while taken.delivered.len() < most {
            let next = self.line.take(most - taken.delivered.len());
            if next.is_empty() {
                break;
            }
            for seq in next {
                let Some(slot) = self.messages.get_mut(&seq) else {
                    continue;
                };
                // The line has let go of it, so it is held from here on.
                slot.delivery.state = State::InFlight {
                    received_at: now,
                    until,
                };
                self.in_flight += 1;
                self.due.insert((until, seq));
                if slot.delivery.receives >= max_receives {
                    taken.dead.extend(self.remove(seq, now, journal));
                    continue;
                }
                slot.delivery.receives += 1;
                slot.delivery.first_received_at.get_or_insert(now);
                let delivery = slot.delivery;
                journal.push(Change::Delivered { seq, delivery });
                taken.delivered.push(slot.clone());
            }
        }
        if let Some(attempt) = request.attempt.clone().filter(|_| self.settings.fifo) {
            let receipts = taken.delivered.iter().map(|slot| (slot.seq, slot.delivery));
            self.attempts.insert(now, attempt, receipts.collect());
        }
        Ok(taken)
    }

    /// The messages an earlier attempt of the same name took, hidden anew, if
    /// nothing has happened to any of them since.
    fn attempted_before(
        &mut self,
        now: Millis,
        until: Millis,
        request: &Receive,
        journal: &mut Journal,
    ) -> Option<Vec<Slot>> {
        let name = request.attempt.as_deref()?;
        let receipts = self.attempts.get(name)?.clone();
        let untouched = |(seq, delivery): &(Seq, Delivery)| {
            self.messages
                .get(seq)
                .is_some_and(|slot| slot.delivery == *delivery)
        };
        if receipts.is_empty() || !receipts.iter().all(untouched) {
            return None;
        }
        let seqs = receipts.iter().map(|(seq, _)| *seq);
        seqs.clone()
            .for_each(|seq| self.hide(seq, now, until, journal));
        let slots: Vec<Slot> = seqs
            .filter_map(|seq| self.messages.get(&seq).cloned())
            .collect();
        let receipts = slots.iter().map(|slot| (slot.seq, slot.delivery)).collect();
        self.attempts.insert(now, name.to_owned(), receipts);
        Some(slots)
    }

    /// Deletes a message that was received. One that is gone, or that a
    /// standard queue has handed out again since, is left as it is.
    ///
    /// # Errors
    ///
    /// `InvalidParameterValue` on a FIFO queue if the visibility timeout has
    /// ended: the group may have gone on without this receiver.
    pub(in crate::sqs) fn delete(
        &mut self,
        now: Millis,
        receipt: Receipt,
        journal: &mut Journal,
    ) -> Result<(), Refusal> {
        let Some(slot) = self.messages.get(&receipt.seq) else {
            return Ok(());
        };
        let latest = slot.delivery.receives == receipt.receive;
        let in_flight = matches!(slot.delivery.state, State::InFlight { .. });
        if self.settings.fifo && !(latest && in_flight) {
            return Err(invalid_value(
                receipt.encode(),
                "ReceiptHandle",
                "The receipt handle has expired.",
            ));
        }
        if latest {
            self.remove(receipt.seq, now, journal);
        }
        Ok(())
    }

    /// Hides a message for `timeout` from now on.
    ///
    /// # Errors
    ///
    /// `MessageNotInflight` if it is visible again, `InvalidParameterValue` if
    /// it is gone or would be hidden for more than twelve hours in all.
    pub(in crate::sqs) fn change_visibility(
        &mut self,
        now: Millis,
        receipt: Receipt,
        timeout: Millis,
        journal: &mut Journal,
    ) -> Result<(), Refusal> {
        let refused = |reason| Err(invalid_value(receipt.encode(), "ReceiptHandle", reason));
        let Some(slot) = self.messages.get(&receipt.seq) else {
            return refused(
                "Message does not exist or is not available for visibility timeout change.",
            );
        };
        let State::InFlight { received_at, .. } = slot.delivery.state else {
            return Err(
                Kind::MessageNotInflight.because("The message referred to isn't in flight.")
            );
        };
        if slot.delivery.receives != receipt.receive {
            return refused("The receipt handle has expired.");
        }
        if now + timeout > received_at + LONGEST_VISIBILITY * 1_000 {
            return Err(invalid_value(
                timeout / 1_000,
                "VisibilityTimeout",
                &format!(
                    "Total VisibilityTimeout for the message is beyond the limit [{LONGEST_VISIBILITY} seconds]"
                ),
            ));
        }
        self.hide(receipt.seq, received_at, now + timeout, journal);
        Ok(())
    }

    fn hide(&mut self, seq: Seq, received_at: Millis, until: Millis, journal: &mut Journal) {
        let Some(slot) = self.messages.get_mut(&seq) else {
            return;
        };
        if let State::InFlight { until, .. } = slot.delivery.state {
            self.due.remove(&(until, seq));
        }
        slot.delivery.state = State::InFlight { received_at, until };
        self.due.insert((until, seq));
        let delivery = slot.delivery;
        journal.push(Change::Delivered { seq, delivery });
    }
}
