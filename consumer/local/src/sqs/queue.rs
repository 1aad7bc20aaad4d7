//! One queue: its messages, and the rules for sending, receiving and removing them.
//!
//! This module does not wait, read a clock or do I/O. The time is an argument, and every
//! change that must survive a restart is added to a change set. The cost of an operation
//! depends on the number of messages that it changes, not on the length of the queue.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use super::changes::{Change, ChangeSet, DeduplicationKey, Original};
use super::clock::Millis;
use super::dedup::ExpiringMap;
use super::message::{Delivery, DeliveryState, Message, QueuedMessage, Seq};
use super::ready::ReadyQueue;
use super::settings::{AttributeMap, QueueSettings};

mod receiving;

pub(super) use receiving::Receive;

/// A queue and its messages.
#[derive(Debug)]
pub(super) struct Queue {
    pub(super) id: u64,
    pub(super) name: String,
    pub(super) settings: Arc<QueueSettings>,
    pub(super) tags: AttributeMap,
    pub(super) created_at: Millis,
    pub(super) modified_at: Millis,
    pub(super) purged_at: Option<Millis>,
    messages: HashMap<Seq, QueuedMessage>,
    ready: ReadyQueue,
    /// Messages by the end of their delay or visibility timeout.
    due: BTreeSet<(Millis, Seq)>,
    /// Messages by the start of their retention period.
    ages: BTreeSet<(Millis, Seq)>,
    in_flight: usize,
    delayed: usize,
    duplicates: ExpiringMap<DeduplicationKey, Original>,
    attempts: ExpiringMap<String, Vec<(Seq, Delivery)>>,
}

/// The number of messages in each state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Counts {
    pub(super) visible: usize,
    pub(super) in_flight: usize,
    pub(super) delayed: usize,
}

impl Queue {
    pub(super) fn new(
        id: u64,
        name: String,
        settings: QueueSettings,
        tags: AttributeMap,
        now: Millis,
    ) -> Self {
        Self {
            id,
            name,
            ready: ReadyQueue::new(settings.fifo),
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
            duplicates: ExpiringMap::new(),
            attempts: ExpiringMap::new(),
        }
    }

    /// Applies the effects of time up to `now`: ends delays and visibility timeouts, and
    /// removes expired messages and deduplication ids. Every request calls this function
    /// first.
    pub(super) fn advance(&mut self, now: Millis, changes: &mut ChangeSet) {
        while let Some((until, seq)) = self.due.first().copied()
            && until <= now
        {
            self.due.pop_first();
            let Some(queued) = self.messages.get_mut(&seq) else {
                continue;
            };
            let group = queued.message.group.as_deref().unwrap_or_default();
            match queued.delivery.state {
                DeliveryState::InFlight { .. } => {
                    self.in_flight -= 1;
                    self.ready.put_back(seq, group, until);
                }
                DeliveryState::Delayed { .. } => {
                    self.delayed -= 1;
                    self.ready.add(seq, group, until);
                }
                DeliveryState::Ready { .. } => {}
            }
            queued.delivery.state = DeliveryState::Ready { since: until };
        }
        while let Some((from, seq)) = self.ages.first().copied()
            && from + self.settings.retention <= now
        {
            self.remove(seq, now, changes);
        }
        self.attempts.remove_expired(now);
        if let Some(until) = self.duplicates.remove_expired(now) {
            let queue = self.id;
            changes.push(Change::DeduplicationIdsExpired { queue, until });
        }
    }

    /// Returns the time at which the next delay or visibility timeout ends.
    pub(super) fn next_due(&self) -> Option<Millis> {
        self.due.first().map(|(until, _)| *until)
    }

    /// Adds a message and returns its id and sequence number. For a duplicate, it adds no
    /// message and returns the id and sequence number of the original.
    pub(super) fn send(
        &mut self,
        now: Millis,
        seq: Seq,
        message: Message,
        delay: Option<Millis>,
        changes: &mut ChangeSet,
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
            changes.push(Change::DeduplicationIdUsed {
                queue: self.id,
                key: key.clone(),
                original: original.clone(),
                at: now,
            });
            self.duplicates.insert(now, key, original.clone());
        }
        let until = now + delay.unwrap_or(self.settings.delay);
        let state = if until > now {
            DeliveryState::Delayed { until }
        } else {
            DeliveryState::Ready { since: now }
        };
        let delivery = Delivery {
            receives: 0,
            first_received_at: None,
            retained_from: now,
            state,
        };
        self.admit(seq, Arc::new(message), delivery, changes);
        original
    }

    /// Adds a message that its source queue moved here after too many receives. The message
    /// keeps its message id, age and receive count.
    pub(super) fn accept_dead_letter(
        &mut self,
        now: Millis,
        seq: Seq,
        queued: QueuedMessage,
        source: &str,
        changes: &mut ChangeSet,
    ) {
        let mut message = Arc::unwrap_or_clone(queued.message);
        message.dead_letter_source = Some(source.to_owned());
        let delivery = Delivery {
            // In a FIFO dead-letter queue, the retention period starts again. In a standard
            // dead-letter queue, the time in the source queue counts, too.
            retained_from: if self.settings.fifo {
                now
            } else {
                queued.delivery.retained_from
            },
            state: DeliveryState::Ready { since: now },
            ..queued.delivery
        };
        self.admit(seq, Arc::new(message), delivery, changes);
    }

    /// Adds a message that a move task takes from a dead-letter queue. SQS treats it as a new
    /// message with the id `id` and with the body and the attributes of the old message.
    pub(super) fn accept_redriven(
        &mut self,
        now: Millis,
        seq: Seq,
        id: String,
        old: &Message,
        changes: &mut ChangeSet,
    ) {
        let message = Message {
            id,
            sent_at: now,
            dead_letter_source: None,
            ..old.clone()
        };
        let delivery = Delivery {
            receives: 0,
            first_received_at: None,
            retained_from: now,
            state: DeliveryState::Ready { since: now },
        };
        self.admit(seq, Arc::new(message), delivery, changes);
    }

    /// Returns a message that [`take_for_move`](Self::take_for_move) removed.
    pub(super) fn put_back(&mut self, now: Millis, queued: QueuedMessage, changes: &mut ChangeSet) {
        let delivery = Delivery {
            state: DeliveryState::Ready { since: now },
            ..queued.delivery
        };
        self.admit(queued.seq, queued.message, delivery, changes);
    }

    fn admit(
        &mut self,
        seq: Seq,
        message: Arc<Message>,
        delivery: Delivery,
        changes: &mut ChangeSet,
    ) {
        changes.push(Change::Added {
            queue: self.id,
            seq,
            message: Arc::clone(&message),
            delivery,
        });
        self.restore(QueuedMessage {
            seq,
            message,
            delivery,
        });
    }

    /// Adds a message in its stored state, without recording a change.
    pub(super) fn restore(&mut self, queued: QueuedMessage) {
        let seq = queued.seq;
        let group = queued.message.group.as_deref().unwrap_or_default();
        match queued.delivery.state {
            DeliveryState::Ready { since } => self.ready.add(seq, group, since),
            DeliveryState::Delayed { until } => {
                self.ready.add_delayed(seq, group);
                self.due.insert((until, seq));
                self.delayed += 1;
            }
            DeliveryState::InFlight { until, .. } => {
                self.ready.restore_in_flight(group);
                self.due.insert((until, seq));
                self.in_flight += 1;
            }
        }
        self.ages.insert((queued.delivery.retained_from, seq));
        self.messages.insert(seq, queued);
    }

    /// Adds a deduplication id that was used before a restart.
    pub(super) fn restore_duplicate(
        &mut self,
        at: Millis,
        key: DeduplicationKey,
        original: Original,
    ) {
        self.duplicates.insert(at, key, original);
    }

    /// Removes up to `max` messages that are ready, for a move task.
    pub(super) fn take_for_move(
        &mut self,
        now: Millis,
        max: usize,
        changes: &mut ChangeSet,
    ) -> Vec<QueuedMessage> {
        let mut out = Vec::new();
        for seq in self.ready.take(max) {
            if let Some(queued) = self.messages.get_mut(&seq) {
                queued.delivery.state = DeliveryState::InFlight {
                    received_at: now,
                    until: now,
                };
                self.in_flight += 1;
            }
            out.extend(self.remove(seq, now, changes));
        }
        out
    }

    /// Removes every message, in flight or not. Deduplication ids are kept.
    pub(super) fn purge(&mut self, now: Millis, changes: &mut ChangeSet) {
        changes.push(Change::Purged { queue: self.id });
        self.messages.clear();
        self.ready = ReadyQueue::new(self.settings.fifo);
        self.due.clear();
        self.ages.clear();
        (self.in_flight, self.delayed) = (0, 0);
        self.purged_at = Some(now);
    }

    /// Replaces the settings. On a FIFO queue, a new delay also applies to messages
    /// that are already delayed, as on AWS.
    pub(super) fn set(&mut self, now: Millis, settings: QueueSettings, changes: &mut ChangeSet) {
        if settings.fifo && settings.delay != self.settings.delay {
            let delayed = |queued: &&mut QueuedMessage| {
                matches!(queued.delivery.state, DeliveryState::Delayed { .. })
            };
            for queued in self.messages.values_mut().filter(delayed) {
                if let DeliveryState::Delayed { until } = queued.delivery.state {
                    self.due.remove(&(until, queued.seq));
                }
                let until = queued.message.sent_at + settings.delay;
                queued.delivery.state = DeliveryState::Delayed { until };
                self.due.insert((until, queued.seq));
                changes.push(Change::DeliveryChanged {
                    seq: queued.seq,
                    delivery: queued.delivery,
                });
            }
        }
        self.settings = Arc::new(settings);
        self.modified_at = now;
        self.save(changes);
    }

    /// Records the queue's attributes and tags as a change.
    pub(super) fn save(&self, changes: &mut ChangeSet) {
        changes.push(Change::QueueSaved {
            id: self.id,
            name: self.name.clone(),
            attributes: self.settings.attributes().clone(),
            tags: self.tags.clone(),
            created_at: self.created_at,
            modified_at: self.modified_at,
        });
    }

    /// Returns the message with this sequence number.
    pub(super) fn message(&self, seq: Seq) -> Option<&Message> {
        self.messages.get(&seq).map(|queued| &*queued.message)
    }

    /// Returns the time at which the oldest message was sent.
    pub(super) fn oldest(&self) -> Option<Millis> {
        self.ages.first().map(|(from, _)| *from)
    }

    /// Returns up to `max` messages, in the order of the start of their retention period.
    pub(super) fn first_messages(&self, max: usize) -> Vec<QueuedMessage> {
        let seqs = self.ages.iter().take(max);
        seqs.filter_map(|(_, seq)| self.messages.get(seq).cloned())
            .collect()
    }

    /// Removes a message in any state.
    pub(super) fn discard(&mut self, seq: Seq, now: Millis, changes: &mut ChangeSet) {
        self.remove(seq, now, changes);
    }

    /// Returns the number of messages, in any state.
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

    fn remove(&mut self, seq: Seq, now: Millis, changes: &mut ChangeSet) -> Option<QueuedMessage> {
        let queued = self.messages.remove(&seq)?;
        let group = queued.message.group.as_deref().unwrap_or_default();
        match queued.delivery.state {
            DeliveryState::Ready { since } => self.ready.remove(seq, group, since),
            DeliveryState::Delayed { until } => {
                self.ready.remove(seq, group, until);
                self.due.remove(&(until, seq));
                self.delayed -= 1;
            }
            DeliveryState::InFlight { until, .. } => {
                self.ready.remove_in_flight(group, now);
                self.due.remove(&(until, seq));
                self.in_flight -= 1;
            }
        }
        self.ages.remove(&(queued.delivery.retained_from, seq));
        changes.push(Change::Removed { seq });
        Some(queued)
    }
}

#[cfg(test)]
mod tests;
