//! The message groups of a FIFO queue.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use super::clock::Millis;
use super::queue::Seq;

/// The groups of a FIFO queue, and those of them that can be received from.
///
/// A group is free when none of its messages is held by a receiver. Messages
/// leave a free group in the order of their sequence numbers, several at once
/// if they are asked for. The group that has been free for longest is next, so
/// that one busy group does not starve the others.
#[derive(Debug, Default)]
pub(super) struct Groups {
    groups: HashMap<Arc<str>, Group>,
    free: BTreeMap<Place, Arc<str>>,
}

/// Where a free group stands: since when, and its first message.
type Place = (Millis, Seq);

#[derive(Debug, Default)]
struct Group {
    /// The messages nobody holds, and since when each is available: a delayed
    /// one is not yet.
    waiting: BTreeMap<Seq, Option<Millis>>,
    held: usize,
    free_since: Millis,
    place: Option<Place>,
}

impl Group {
    /// Where the group should stand.
    fn place(&self) -> Option<Place> {
        let (seq, since) = self.waiting.first_key_value()?;
        let since = (*since).filter(|_| self.held == 0)?;
        Some((since.max(self.free_since), *seq))
    }
}

impl Groups {
    pub(super) fn delay(&mut self, seq: Seq, group: &str) {
        self.change(group, |group| group.waiting.insert(seq, None));
    }

    pub(super) fn join(&mut self, seq: Seq, group: &str, since: Millis) {
        self.change(group, |group| group.waiting.insert(seq, Some(since)));
    }

    pub(super) fn take(&mut self, most: usize) -> Vec<Seq> {
        let mut taken = Vec::new();
        while taken.len() < most
            && let Some((_, name)) = self.free.pop_first()
            && let Some(group) = self.groups.get_mut(&name)
        {
            group.place = None;
            while taken.len() < most
                && let Some(first) = group.waiting.first_entry()
                && first.get().is_some()
            {
                taken.push(first.remove_entry().0);
                group.held += 1;
            }
        }
        taken
    }

    pub(super) fn give_back(&mut self, seq: Seq, group: &str, since: Millis) {
        self.change(group, |group| {
            group.held = group.held.saturating_sub(1);
            group.waiting.insert(seq, Some(since));
        });
    }

    pub(super) fn release(&mut self, group: &str, now: Millis) {
        self.change(group, |group| {
            group.held = group.held.saturating_sub(1);
            group.free_since = now;
        });
    }

    pub(super) fn leave(&mut self, seq: Seq, group: &str) {
        self.change(group, |group| group.waiting.remove(&seq));
    }

    pub(super) fn hold(&mut self, group: &str) {
        self.change(group, |group| group.held += 1);
    }

    /// Changes one group and puts it where it then belongs.
    fn change<T>(&mut self, name: &str, act: impl FnOnce(&mut Group) -> T) {
        let name = match self.groups.get_key_value(name) {
            Some((name, _)) => Arc::clone(name),
            None => Arc::from(name),
        };
        let group = self.groups.entry(Arc::clone(&name)).or_default();
        act(group);
        let place = group.place();
        if let Some(left) = std::mem::replace(&mut group.place, place) {
            self.free.remove(&left);
        }
        match place {
            Some(place) => {
                self.free.insert(place, name);
            }
            None if group.waiting.is_empty() && group.held == 0 => {
                self.groups.remove(&name);
            }
            None => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn groups(messages: &[(Seq, &str)]) -> Groups {
        let mut groups = Groups::default();
        for (seq, group) in messages {
            groups.join(*seq, group, 0);
        }
        groups
    }

    #[test]
    fn one_receive_takes_several_of_one_group_in_order() {
        let mut groups = groups(&[(1, "a"), (2, "b"), (3, "a"), (4, "a")]);
        assert_eq!(groups.take(2), [1, 3]);
        assert_eq!(groups.take(10), [2]);
    }

    #[test]
    fn a_group_is_blocked_until_all_it_gave_out_is_back_or_gone() {
        let mut groups = groups(&[(1, "a"), (2, "a"), (3, "a")]);
        assert_eq!(groups.take(2), [1, 2]);
        groups.release("a", 5);
        assert!(groups.take(10).is_empty());
        groups.give_back(2, "a", 6);
        assert_eq!(groups.take(10), [2, 3]);
    }

    #[test]
    fn a_delayed_message_holds_up_those_behind_it() {
        let mut groups = Groups::default();
        groups.delay(1, "a");
        groups.join(2, "a", 0);
        assert!(groups.take(10).is_empty());
        groups.join(1, "a", 9);
        assert_eq!(groups.take(10), [1, 2]);
    }

    #[test]
    fn the_group_that_waited_longest_is_next() {
        let mut groups = groups(&[(1, "a"), (2, "a"), (3, "b")]);
        assert_eq!(groups.take(1), [1]);
        groups.release("a", 5);
        assert_eq!(groups.take(1), [3]);
        assert_eq!(groups.take(1), [2]);
    }

    #[test]
    fn nothing_is_left_of_an_empty_group() {
        let mut groups = groups(&[(1, "a"), (2, "a")]);
        groups.leave(2, "a");
        groups.take(1);
        groups.release("a", 1);
        assert!(groups.groups.is_empty() && groups.free.is_empty());
    }
}
