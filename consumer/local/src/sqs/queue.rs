//! One queue: which messages it has, and what may happen to them.
//!
//! Nothing here waits, reads a clock or does I/O. The time is an argument, and
//! what must outlive the process goes into a journal. No step looks at more
//! messages than it changes, however long the queue is.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use super::clock::Millis;
use super::journal::{Change, DeduplicationKey, Journal, Original};
use super::line::Line;
use super::message::Message;
use super::settings::{Settings, Texts};
use super::window::Window;

mod receiving;

pub(super) use receiving::Receive;

/// Where a message stands among all that were ever sent; never used twice.
pub(super) type Seq = u64;

/// A queue and its messages.
#[derive(Debug)]
pub(super) struct Queue {
    pub(super) id: u64,
    pub(super) name: String,
    pub(super) settings: Arc<Settings>,
    pub(super) tags: Texts,
    pub(super) created_at: Millis,
    pub(super) modified_at: Millis,
    pub(super) purged_at: Option<Millis>,
    messages: HashMap<Seq, Slot>,
    line: Line,
    /// What happens by itself: the end of a delay or a visibility timeout.
    due: BTreeSet<(Millis, Seq)>,
    /// By age, for the end of the retention period.
    ages: BTreeSet<(Millis, Seq)>,
    in_flight: usize,
    delayed: usize,
    duplicates: Window<DeduplicationKey, Original>,
    attempts: Window<String, Vec<(Seq, Delivery)>>,
}

/// A message and what happened to it.
#[derive(Debug, Clone)]
pub(super) struct Slot {
    pub(super) seq: Seq,
    pub(super) message: Arc<Message>,
    pub(super) delivery: Delivery,
}

/// What happened to a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Delivery {
    pub(super) receives: u32,
    pub(super) first_received_at: Option<Millis>,
    /// When the retention period began.
    pub(super) retained_from: Millis,
    pub(super) state: State,
}

/// Whether a message can be received.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    Ready { since: Millis },
    Delayed { until: Millis },
    InFlight { received_at: Millis, until: Millis },
}

/// How many messages there are, by state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Counts {
    pub(super) visible: usize,
    pub(super) in_flight: usize,
    pub(super) delayed: usize,
}

impl Queue {
    pub(super) fn new(id: u64, name: String, settings: Settings, tags: Texts, now: Millis) -> Self {
        Self {
            id,
            name,
            line: Line::new(settings.fifo),
            settings: Arc::new(settings),
            tags,
            created_at: now,
            modified_at: now,
            purged_at: None,
            messages: HashMap::new(),
            due: BTreeSet::new(),
            ages: BTreeSet::new(),
            in_flight: 0,
            delayed: 0,
            duplicates: Window::new(),
            attempts: Window::new(),
        }
    }

    /// Lets the time pass: delays and visibility timeouts end, old messages
    /// and old deduplication ids go. Every request begins with this.
    pub(super) fn advance(&mut self, now: Millis, journal: &mut Journal) {
        while let Some((until, seq)) = self.due.first().copied()
            && until <= now
        {
            self.due.pop_first();
            let Some(slot) = self.messages.get_mut(&seq) else {
                continue;
            };
            let group = slot.message.group.as_deref().unwrap_or_default();
            match slot.delivery.state {
                State::InFlight { .. } => {
                    self.in_flight -= 1;
                    self.line.give_back(seq, group, until);
                }
                State::Delayed { .. } => {
                    self.delayed -= 1;
                    self.line.join(seq, group, until);
                }
                State::Ready { .. } => {}
            }
            slot.delivery.state = State::Ready { since: until };
        }
        while let Some((from, seq)) = self.ages.first().copied()
            && from + self.settings.retention <= now
        {
            self.remove(seq, now, journal);
        }
        self.attempts.forget(now);
        if let Some(until) = self.duplicates.forget(now) {
            let queue = self.id;
            journal.push(Change::Forgotten { queue, until });
        }
    }

    /// When something will next happen by itself that lets a receiver go on.
    pub(super) fn next_due(&self) -> Option<Millis> {
        self.due.first().map(|(until, _)| *until)
    }

    /// Takes a message in, unless it is a duplicate: then nothing changes, and
    /// the answer is the original.
    pub(super) fn send(
        &mut self,
        now: Millis,
        seq: Seq,
        message: Message,
        delay: Option<Millis>,
        journal: &mut Journal,
    ) -> Original {
        let original = Original {
            message_id: message.id.clone(),
            seq,
        };
        if let Some(id) = &message.deduplication_id {
            let group = message.group.clone();
            let key = DeduplicationKey {
                group: group.filter(|_| self.settings.deduplicate_by_group),
                id: id.clone(),
            };
            if let Some(original) = self.duplicates.get(&key) {
                return original.clone();
            }
            journal.push(Change::Remembered {
                queue: self.id,
                key: key.clone(),
                original: original.clone(),
                at: now,
            });
            self.duplicates.insert(now, key, original.clone());
        }
        let until = now + delay.unwrap_or(self.settings.delay);
        let state = if until > now {
            State::Delayed { until }
        } else {
            State::Ready { since: now }
        };
        let delivery = Delivery {
            receives: 0,
            first_received_at: None,
            retained_from: now,
            state,
        };
        self.admit(seq, Arc::new(message), delivery, journal);
        original
    }

    /// Takes in a message that another queue gave up: its identity, age and
    /// receive count stay.
    pub(super) fn bury(
        &mut self,
        now: Millis,
        seq: Seq,
        slot: Slot,
        source: &str,
        journal: &mut Journal,
    ) {
        let mut message = Arc::unwrap_or_clone(slot.message);
        message.dead_letter_source = Some(source.to_owned());
        let delivery = Delivery {
            // A FIFO dead-letter queue keeps messages for its own full period;
            // on a standard one the time in the source counts.
            retained_from: if self.settings.fifo {
                now
            } else {
                slot.delivery.retained_from
            },
            state: State::Ready { since: now },
            ..slot.delivery
        };
        self.admit(seq, Arc::new(message), delivery, journal);
    }

    /// Takes in a message that comes back from a dead-letter queue: to SQS it
    /// is a new one, with the body and attributes of the old.
    pub(super) fn renew(&mut self, now: Millis, seq: Seq, old: &Message, journal: &mut Journal) {
        let message = Message {
            id: uuid::Uuid::new_v4().to_string(),
            sent_at: now,
            dead_letter_source: None,
            ..old.clone()
        };
        let delivery = Delivery {
            receives: 0,
            first_received_at: None,
            retained_from: now,
            state: State::Ready { since: now },
        };
        self.admit(seq, Arc::new(message), delivery, journal);
    }

    /// Puts back what [`take_out`](Self::take_out) took.
    pub(super) fn put_back(&mut self, now: Millis, slot: Slot, journal: &mut Journal) {
        let delivery = Delivery {
            state: State::Ready { since: now },
            ..slot.delivery
        };
        self.admit(slot.seq, slot.message, delivery, journal);
    }

    fn admit(
        &mut self,
        seq: Seq,
        message: Arc<Message>,
        delivery: Delivery,
        journal: &mut Journal,
    ) {
        journal.push(Change::Added {
            queue: self.id,
            seq,
            message: Arc::clone(&message),
            delivery,
        });
        self.restore(Slot {
            seq,
            message,
            delivery,
        });
    }

    /// Puts a message where its state says, without a change to record.
    pub(super) fn restore(&mut self, slot: Slot) {
        let seq = slot.seq;
        let group = slot.message.group.as_deref().unwrap_or_default();
        match slot.delivery.state {
            State::Ready { since } => self.line.join(seq, group, since),
            State::Delayed { until } => {
                self.line.delay(seq, group);
                self.due.insert((until, seq));
                self.delayed += 1;
            }
            State::InFlight { until, .. } => {
                self.line.hold(group);
                self.due.insert((until, seq));
                self.in_flight += 1;
            }
        }
        self.ages.insert((slot.delivery.retained_from, seq));
        self.messages.insert(seq, slot);
    }

    /// Remembers a deduplication id that was used before a restart.
    pub(super) fn restore_duplicate(
        &mut self,
        at: Millis,
        key: DeduplicationKey,
        original: Original,
    ) {
        self.duplicates.insert(at, key, original);
    }

    /// Takes messages out for good that nobody has in hand.
    pub(super) fn take_out(
        &mut self,
        now: Millis,
        most: usize,
        journal: &mut Journal,
    ) -> Vec<Slot> {
        let mut out = Vec::new();
        for seq in self.line.take(most) {
            if let Some(slot) = self.messages.get_mut(&seq) {
                slot.delivery.state = State::InFlight {
                    received_at: now,
                    until: now,
                };
                self.in_flight += 1;
            }
            out.extend(self.remove(seq, now, journal));
        }
        out
    }

    /// Removes every message, in flight or not. Deduplication ids stay.
    pub(super) fn purge(&mut self, now: Millis, journal: &mut Journal) {
        journal.push(Change::Purged { queue: self.id });
        self.messages.clear();
        self.line = Line::new(self.settings.fifo);
        self.due.clear();
        self.ages.clear();
        (self.in_flight, self.delayed) = (0, 0);
        self.purged_at = Some(now);
    }

    /// Changes the settings. The delay of a FIFO queue also changes for the
    /// messages that are delayed already, as on AWS.
    pub(super) fn set(&mut self, now: Millis, settings: Settings, journal: &mut Journal) {
        if settings.fifo && settings.delay != self.settings.delay {
            let delayed = |slot: &&mut Slot| matches!(slot.delivery.state, State::Delayed { .. });
            for slot in self.messages.values_mut().filter(delayed) {
                if let State::Delayed { until } = slot.delivery.state {
                    self.due.remove(&(until, slot.seq));
                }
                let until = slot.message.sent_at + settings.delay;
                slot.delivery.state = State::Delayed { until };
                self.due.insert((until, slot.seq));
                journal.push(Change::Delivered {
                    seq: slot.seq,
                    delivery: slot.delivery,
                });
            }
        }
        self.settings = Arc::new(settings);
        self.modified_at = now;
        self.save(journal);
    }

    /// Records the queue itself.
    pub(super) fn save(&self, journal: &mut Journal) {
        journal.push(Change::QueueSaved {
            id: self.id,
            name: self.name.clone(),
            attributes: self.settings.texts().clone(),
            tags: self.tags.clone(),
            created_at: self.created_at,
            modified_at: self.modified_at,
        });
    }

    /// All messages, whatever their state.
    pub(super) fn messages(&self) -> usize {
        self.messages.len()
    }

    pub(super) fn counts(&self) -> Counts {
        Counts {
            visible: self.messages.len() - self.in_flight - self.delayed,
            in_flight: self.in_flight,
            delayed: self.delayed,
        }
    }

    fn remove(&mut self, seq: Seq, now: Millis, journal: &mut Journal) -> Option<Slot> {
        let slot = self.messages.remove(&seq)?;
        let group = slot.message.group.as_deref().unwrap_or_default();
        match slot.delivery.state {
            State::Ready { since } => self.line.leave(seq, group, since),
            State::Delayed { until } => {
                self.line.leave(seq, group, until);
                self.due.remove(&(until, seq));
                self.delayed -= 1;
            }
            State::InFlight { until, .. } => {
                self.line.release(group, now);
                self.due.remove(&(until, seq));
                self.in_flight -= 1;
            }
        }
        self.ages.remove(&(slot.delivery.retained_from, seq));
        journal.push(Change::Removed { seq });
        Some(slot)
    }
}

#[cfg(test)]
mod tests;
