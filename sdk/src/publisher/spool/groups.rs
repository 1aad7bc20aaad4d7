//! The message groups that have events on disk.

use std::collections::HashMap;
use std::hash::{BuildHasher as _, RandomState};

/// Counts the events on disk by message group, for FIFO queues.
///
/// It stores hashes, because a spool may contain events of millions of groups. If two groups
/// have the same hash, an event may wait longer than necessary.
#[derive(Debug, Default)]
pub(super) struct GroupsOnDisk {
    counts: HashMap<u64, u64>,
    hasher: RandomState,
}

impl GroupsOnDisk {
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

    /// Removes all groups. Called when the spool is empty, because a record that was damaged on
    /// disk is never removed from the count of its group.
    pub(super) fn clear(&mut self) {
        self.counts.clear();
    }
}
