//! The deduplication interval: a map whose entries expire after five minutes.

use std::borrow::Borrow;
use std::collections::{HashMap, VecDeque};
use std::hash::Hash;

use super::clock::Millis;

/// How long SQS compares deduplication ids and receive request attempt ids.
pub(super) const DEDUPLICATION_INTERVAL: Millis = 5 * 60 * 1_000;

/// A map that removes each entry five minutes after it was inserted.
#[derive(Debug)]
pub(super) struct ExpiringMap<K, V> {
    values: HashMap<K, (Millis, V)>,
    /// The keys in the order of insertion, which is also the order of expiry.
    order: VecDeque<(Millis, K)>,
}

impl<K: Hash + Eq + Clone, V> ExpiringMap<K, V> {
    pub(super) fn new() -> Self {
        Self {
            values: HashMap::new(),
            order: VecDeque::new(),
        }
    }

    /// Inserts a value, replacing an earlier value of the same key.
    pub(super) fn insert(&mut self, at: Millis, key: K, value: V) {
        self.order.push_back((at, key.clone()));
        self.values.insert(key, (at, value));
    }

    pub(super) fn get<Q: Hash + Eq + ?Sized>(&self, key: &Q) -> Option<&V>
    where
        K: Borrow<Q>,
    {
        self.values.get(key).map(|(_, value)| value)
    }

    /// Removes expired entries. Returns the insertion time of the youngest of them.
    pub(super) fn remove_expired(&mut self, now: Millis) -> Option<Millis> {
        let mut until = None;
        while let Some((at, _)) = self.order.front()
            && at + DEDUPLICATION_INTERVAL <= now
        {
            until = Some(*at);
            if let Some((at, key)) = self.order.pop_front()
                // A key that was inserted again expires with its later insertion.
                && self.values.get(&key).is_some_and(|(kept, _)| *kept == at)
            {
                self.values.remove(&key);
            }
        }
        until
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entry_expires_after_five_minutes() {
        let mut map = ExpiringMap::new();
        map.insert(10, "a", 1);
        map.insert(20, "b", 2);
        assert_eq!(map.remove_expired(10 + DEDUPLICATION_INTERVAL - 1), None);
        assert_eq!(map.get("a"), Some(&1));
        assert_eq!(map.remove_expired(10 + DEDUPLICATION_INTERVAL), Some(10));
        assert_eq!((map.get("a"), map.get("b")), (None, Some(&2)));
    }

    #[test]
    fn reinserted_key_expires_later() {
        let mut map = ExpiringMap::new();
        map.insert(10, "a", 1);
        map.insert(20, "a", 2);
        map.remove_expired(10 + DEDUPLICATION_INTERVAL);
        assert_eq!(map.get("a"), Some(&2));
        map.remove_expired(20 + DEDUPLICATION_INTERVAL);
        assert_eq!(map.get("a"), None);
    }
}
