//! Who is next: the messages that can be received, in order.

use std::collections::BTreeSet;

use super::clock::Millis;
use super::fifo::Groups;
use super::queue::Seq;

/// The messages of a queue that wait to be received.
///
/// On a standard queue the one that has been available for longest is next, so
/// a message that comes back goes behind those that waited meanwhile, and
/// cannot starve them. On a FIFO queue each group has an order of its own.
#[derive(Debug)]
pub(super) enum Line {
    Standard(BTreeSet<(Millis, Seq)>),
    Fifo(Groups),
}

impl Line {
    pub(super) fn new(fifo: bool) -> Self {
        if fifo {
            Self::Fifo(Groups::default())
        } else {
            Self::Standard(BTreeSet::new())
        }
    }

    /// A new message is delayed: on a FIFO queue it holds up its group.
    pub(super) fn delay(&mut self, seq: Seq, group: &str) {
        match self {
            Self::Standard(_) => {}
            Self::Fifo(groups) => groups.delay(seq, group),
        }
    }

    /// A message, new or delayed until now, is available since `since`.
    pub(super) fn join(&mut self, seq: Seq, group: &str, since: Millis) {
        match self {
            Self::Standard(line) => {
                line.insert((since, seq));
            }
            Self::Fifo(groups) => groups.join(seq, group, since),
        }
    }

    /// Takes up to `most` messages out, to be held by one receiver.
    pub(super) fn take(&mut self, most: usize) -> Vec<Seq> {
        match self {
            Self::Standard(line) => std::iter::from_fn(|| line.pop_first())
                .map(|(_, seq)| seq)
                .take(most)
                .collect(),
            Self::Fifo(groups) => groups.take(most),
        }
    }

    /// A message that was held is available again.
    pub(super) fn give_back(&mut self, seq: Seq, group: &str, since: Millis) {
        match self {
            Self::Standard(line) => {
                line.insert((since, seq));
            }
            Self::Fifo(groups) => groups.give_back(seq, group, since),
        }
    }

    /// A message that was held is gone.
    pub(super) fn release(&mut self, group: &str, now: Millis) {
        match self {
            Self::Standard(_) => {}
            Self::Fifo(groups) => groups.release(group, now),
        }
    }

    /// A message that was not held is gone.
    pub(super) fn leave(&mut self, seq: Seq, group: &str, since: Millis) {
        match self {
            Self::Standard(line) => {
                line.remove(&(since, seq));
            }
            Self::Fifo(groups) => groups.leave(seq, group),
        }
    }

    /// Holds a message again that was held when the process ended.
    pub(super) fn hold(&mut self, group: &str) {
        match self {
            Self::Standard(_) => {}
            Self::Fifo(groups) => groups.hold(group),
        }
    }
}
