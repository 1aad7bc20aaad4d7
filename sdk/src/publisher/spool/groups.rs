//! The message groups that have events on disk.

use std::collections::HashMap;
use std::hash::{BuildHasher as _, RandomState};

/// Counts the events on disk by message group, for FIFO queues.
///
/// It keeps hashes, because a spool may hold events of millions of groups. Two
/// groups with the same hash may make an event wait for longer than necessary.
#[derive(Debug, Default)]
pub(super) struct Groups {
    counts: HashMap<u64, u64>,
    hasher: RandomState,
}

impl Groups {
    pub(super) fn add(&mut self, group: &str) {
        let hash = self.hasher.hash_one(group);
        *self.counts.entry(hash).or_default() += 1;
    }

    pub(super) fn remove(&mut self, group: &str) {
        let hash = self.hasher.hash_one(group);
        if let Some(count) = self.counts.get_mut(&hash) {
            *count -= 1;
            if *count == 0 {
                self.counts.remove(&hash);
            }
        }
    }

    pub(super) fn contains(&self, group: &str) -> bool {
        self.counts.contains_key(&self.hasher.hash_one(group))
    }

    /// For a spool without events: those that were damaged on disk have left their
    /// groups' counts behind.
    pub(super) fn clear(&mut self) {
        self.counts.clear();
    }
}
