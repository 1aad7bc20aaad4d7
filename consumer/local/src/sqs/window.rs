//! What is remembered for five minutes.

use std::borrow::Borrow;
use std::collections::{HashMap, VecDeque};
use std::hash::Hash;

use super::clock::Millis;

/// The deduplication interval of SQS; receive attempts are kept as long.
pub(super) const LENGTH: Millis = 5 * 60 * 1_000;

/// Keys and values that are forgotten five minutes after they were put in.
#[derive(Debug)]
pub(super) struct Window<K, V> {
    values: HashMap<K, (Millis, V)>,
    /// In the order in which they came, which is that of forgetting.
    order: VecDeque<(Millis, K)>,
}

impl<K: Hash + Eq + Clone, V> Window<K, V> {
    pub(super) fn new() -> Self {
        Self {
            values: HashMap::new(),
            order: VecDeque::new(),
        }
    }

    /// Puts a value in, in place of the one that had its key.
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

    /// Forgets what is too old; the time of the youngest that was.
    pub(super) fn forget(&mut self, now: Millis) -> Option<Millis> {
        let mut until = None;
        while let Some((at, _)) = self.order.front()
            && at + LENGTH <= now
        {
            until = Some(*at);
            if let Some((at, key)) = self.order.pop_front()
                // A key that was put in again stays until its second time.
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
    fn a_value_is_forgotten_after_five_minutes() {
        let mut window = Window::new();
        window.insert(10, "a", 1);
        window.insert(20, "b", 2);
        assert_eq!(window.forget(10 + LENGTH - 1), None);
        assert_eq!(window.get("a"), Some(&1));
        assert_eq!(window.forget(10 + LENGTH), Some(10));
        assert_eq!((window.get("a"), window.get("b")), (None, Some(&2)));
    }

    #[test]
    fn a_key_put_in_again_lasts_from_its_second_time() {
        let mut window = Window::new();
        window.insert(10, "a", 1);
        window.insert(20, "a", 2);
        window.forget(10 + LENGTH);
        assert_eq!(window.get("a"), Some(&2));
        window.forget(20 + LENGTH);
        assert_eq!(window.get("a"), None);
    }
}
