//! The message groups of a FIFO queue.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use super::clock::Millis;
use super::message::Seq;

/// The message groups of a FIFO queue, and the groups that are free.
///
/// A group is free while none of its messages is in flight. A receive takes one or more
/// messages of a free group, in the order of their sequence numbers. The group that has been
/// free for the longest time comes first, so that one busy group does not starve the others.
#[derive(Debug, Default)]
pub(super) struct MessageGroups {
    groups: HashMap<Arc<str>, Group>,
    free: BTreeMap<Position, Arc<str>>,
}

/// The position of a free group in the order of delivery: the time since which it is free,
/// and its first message.
type Position = (Millis, Seq);

#[derive(Debug, Default)]
struct Group {
    /// The messages that are not in flight, and the time since which each message is ready.
    /// The time is `None` while the message is delayed.
    waiting: BTreeMap<Seq, Option<Millis>>,
    in_flight: usize,
    free_since: Millis,
    /// The group's key in `MessageGroups::free`.
    position: Option<Position>,
}

impl Group {
    /// Returns the position that the group should have, or `None` while it is blocked.
    fn expected_position(&self) -> Option<Position> {
        let (seq, since) = self.waiting.first_key_value()?;
        let since = (*since).filter(|_| self.in_flight == 0)?;
        Some((since.max(self.free_since), *seq))
    }
}

impl MessageGroups {
    pub(super) fn add_delayed(&mut self, seq: Seq, group: &str) {
        self.change(group, |group| group.waiting.insert(seq, None));
    }

    pub(super) fn add(&mut self, seq: Seq, group: &str, since: Millis) {
        self.change(group, |group| group.waiting.insert(seq, Some(since)));
    }

    pub(super) fn take(&mut self, max: usize) -> Vec<Seq> {
        let mut taken = Vec::new();
        while taken.len() < max
            && let Some((_, name)) = self.free.pop_first()
            && let Some(group) = self.groups.get_mut(&name)
        {
            group.position = None;
            while taken.len() < max
                && let Some(first) = group.waiting.first_entry()
                && first.get().is_some()
            {
                taken.push(first.remove_entry().0);
                group.in_flight += 1;
            }
        }
        taken
    }

    pub(super) fn put_back(&mut self, seq: Seq, group: &str, since: Millis) {
        self.change(group, |group| {
            group.in_flight = group.in_flight.saturating_sub(1);
            group.waiting.insert(seq, Some(since));
        });
    }

    pub(super) fn remove_in_flight(&mut self, group: &str, now: Millis) {
        self.change(group, |group| {
            group.in_flight = group.in_flight.saturating_sub(1);
            group.free_since = now;
        });
    }

    pub(super) fn remove(&mut self, seq: Seq, group: &str) {
        self.change(group, |group| group.waiting.remove(&seq));
    }

    pub(super) fn restore_in_flight(&mut self, group: &str) {
        self.change(group, |group| group.in_flight += 1);
    }

    /// Changes one group and updates its position.
    fn change<T>(&mut self, name: &str, act: impl FnOnce(&mut Group) -> T) {
        let name = match self.groups.get_key_value(name) {
            Some((name, _)) => Arc::clone(name),
            None => Arc::from(name),
        };
        let group = self.groups.entry(Arc::clone(&name)).or_default();
        act(group);
        let position = group.expected_position();
        if let Some(old) = std::mem::replace(&mut group.position, position) {
            self.free.remove(&old);
        }
        match position {
            Some(position) => {
                self.free.insert(position, name);
            }
            None if group.waiting.is_empty() && group.in_flight == 0 => {
                self.groups.remove(&name);
            }
            None => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn groups(messages: &[(Seq, &str)]) -> MessageGroups {
        let mut groups = MessageGroups::default();
        for (seq, group) in messages {
            groups.add(*seq, group, 0);
        }
        groups
    }

    #[test]
    fn receive_takes_a_group_in_order() {
        let mut groups = groups(&[(1, "a"), (2, "b"), (3, "a"), (4, "a")]);
        assert_eq!(groups.take(2), [1, 3]);
        assert_eq!(groups.take(10), [2]);
    }

    #[test]
    fn group_in_flight_is_blocked() {
        let mut groups = groups(&[(1, "a"), (2, "a"), (3, "a")]);
        assert_eq!(groups.take(2), [1, 2]);
        groups.remove_in_flight("a", 5);
        assert!(groups.take(10).is_empty());
        groups.put_back(2, "a", 6);
        assert_eq!(groups.take(10), [2, 3]);
    }

    #[test]
    fn delayed_message_blocks_its_group() {
        let mut groups = MessageGroups::default();
        groups.add_delayed(1, "a");
        groups.add(2, "a", 0);
        assert!(groups.take(10).is_empty());
        groups.add(1, "a", 9);
        assert_eq!(groups.take(10), [1, 2]);
    }

    #[test]
    fn longest_free_group_comes_first() {
        let mut groups = groups(&[(1, "a"), (2, "a"), (3, "b")]);
        assert_eq!(groups.take(1), [1]);
        groups.remove_in_flight("a", 5);
        assert_eq!(groups.take(1), [3]);
        assert_eq!(groups.take(1), [2]);
    }

    #[test]
    fn empty_group_is_removed() {
        let mut groups = groups(&[(1, "a"), (2, "a")]);
        groups.remove(2, "a");
        groups.take(1);
        groups.remove_in_flight("a", 1);
        assert!(groups.groups.is_empty() && groups.free.is_empty());
    }
}
