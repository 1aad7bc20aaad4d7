//! The messages of a queue that can be received, in the order of delivery.

use std::collections::BTreeSet;

use super::clock::Millis;
use super::fifo::MessageGroups;
use super::message::Seq;

/// The messages of a queue that are ready to be received.
///
/// A standard queue first delivers the message that has been ready for the longest time. A
/// message whose visibility timeout ends is therefore placed behind the messages that became
/// ready before it, and cannot starve them. On a FIFO queue, each message group has its own
/// order.
#[derive(Debug)]
pub(super) enum ReadyQueue {
    Standard(BTreeSet<(Millis, Seq)>),
    Fifo(MessageGroups),
}

impl ReadyQueue {
    pub(super) fn new(fifo: bool) -> Self {
        if fifo {
            Self::Fifo(MessageGroups::default())
        } else {
            Self::Standard(BTreeSet::new())
        }
    }

    /// Adds a delayed message. On a FIFO queue, it blocks its group.
    pub(super) fn add_delayed(&mut self, seq: Seq, group: &str) {
        match self {
            Self::Standard(_) => {}
            Self::Fifo(groups) => groups.add_delayed(seq, group),
        }
    }

    /// Adds a message that has been ready since `since`: a new message, or a message whose
    /// delay has ended.
    pub(super) fn add(&mut self, seq: Seq, group: &str, since: Millis) {
        match self {
            Self::Standard(ready) => {
                ready.insert((since, seq));
            }
            Self::Fifo(groups) => groups.add(seq, group, since),
        }
    }

    /// Takes up to `max` messages, which are then in flight.
    pub(super) fn take(&mut self, max: usize) -> Vec<Seq> {
        match self {
            Self::Standard(ready) => std::iter::from_fn(|| ready.pop_first())
                .map(|(_, seq)| seq)
                .take(max)
                .collect(),
            Self::Fifo(groups) => groups.take(max),
        }
    }

    /// Returns a message whose visibility timeout has ended to the ready messages.
    pub(super) fn put_back(&mut self, seq: Seq, group: &str, since: Millis) {
        match self {
            Self::Standard(ready) => {
                ready.insert((since, seq));
            }
            Self::Fifo(groups) => groups.put_back(seq, group, since),
        }
    }

    /// Unblocks the group of an in-flight message that was removed.
    pub(super) fn remove_in_flight(&mut self, group: &str, now: Millis) {
        match self {
            Self::Standard(_) => {}
            Self::Fifo(groups) => groups.remove_in_flight(group, now),
        }
    }

    /// Removes a message that is not in flight.
    pub(super) fn remove(&mut self, seq: Seq, group: &str, since: Millis) {
        match self {
            Self::Standard(ready) => {
                ready.remove(&(since, seq));
            }
            Self::Fifo(groups) => groups.remove(seq, group),
        }
    }

    /// Blocks the group of a message that was in flight when the process ended.
    pub(super) fn restore_in_flight(&mut self, group: &str) {
        match self {
            Self::Standard(_) => {}
            Self::Fifo(groups) => groups.restore_in_flight(group),
        }
    }
}
