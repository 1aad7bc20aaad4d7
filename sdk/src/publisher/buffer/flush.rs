//! Tracks the events that a flush waits for.

use std::collections::VecDeque;

use tokio::sync::oneshot;

/// Counts the events without an outcome in generations. Each flush ends the current generation,
/// and resolves when this generation and all earlier generations are empty. An event therefore
/// costs two additions, and the cost of a flush does not depend on the number of events.
#[derive(Debug)]
pub(crate) struct FlushTracker {
    /// Number of the first generation in `generations`.
    first: u64,
    /// The last generation is open. A flush ended each of the other generations.
    generations: VecDeque<Generation>,
}

#[derive(Debug, Default)]
struct Generation {
    events: usize,
    flush: Option<oneshot::Sender<()>>,
}

impl FlushTracker {
    pub(crate) fn new() -> Self {
        Self {
            first: 0,
            generations: VecDeque::from([Generation::default()]),
        }
    }

    /// Adds an event, and returns its generation.
    pub(crate) fn begin(&mut self) -> u64 {
        let last = self.generations.len() - 1;
        self.generations[last].events += 1;
        self.first + last as u64
    }

    /// Removes an event of `generation`.
    pub(crate) fn finish(&mut self, generation: u64) {
        self.generations[(generation - self.first) as usize].events -= 1;
        while self.generations.len() > 1 && self.generations[0].events == 0 {
            self.first += 1;
            let done = self.generations.pop_front();
            if let Some(flush) = done.and_then(|generation| generation.flush) {
                // The caller of this flush may have stopped waiting.
                let _ = flush.send(());
            }
        }
    }

    /// Returns a receiver that resolves when every event that was added before this call is
    /// removed. Returns `None` if there are no events.
    pub(crate) fn flush(&mut self) -> Option<oneshot::Receiver<()>> {
        if self.count() == 0 {
            return None;
        }
        let (flush, done) = oneshot::channel();
        let last = self.generations.len() - 1;
        // If this generation is empty, it ends together with the older ones.
        self.generations[last].flush = Some(flush);
        self.generations.push_back(Generation::default());
        Some(done)
    }

    /// Returns true if a flush is waiting.
    pub(crate) fn is_flushing(&self) -> bool {
        self.generations.len() > 1
    }

    /// Returns the number of events that were added and not removed.
    pub(crate) fn count(&self) -> usize {
        self.generations.iter().map(|g| g.events).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flush_waits_for_earlier_events_only() {
        let mut tracker = FlushTracker::new();
        assert!(tracker.flush().is_none());
        let (a, b) = (tracker.begin(), tracker.begin());
        let mut first = tracker.flush().unwrap();
        let mut again = tracker.flush().unwrap();
        let c = tracker.begin();
        let mut second = tracker.flush().unwrap();
        tracker.finish(c);
        tracker.finish(a);
        assert!(first.try_recv().is_err() && again.try_recv().is_err());
        tracker.finish(b);
        assert!(first.try_recv().is_ok() && again.try_recv().is_ok());
        assert!(second.try_recv().is_ok());
        assert!(!tracker.is_flushing());
        assert_eq!(tracker.count(), 0);
    }

    #[test]
    fn event_after_a_flush_outlives_it() {
        let mut tracker = FlushTracker::new();
        let before = tracker.begin();
        let mut flush = tracker.flush().unwrap();
        assert!(tracker.is_flushing());
        let after = tracker.begin();
        tracker.finish(before);
        assert!(flush.try_recv().is_ok());
        assert!(!tracker.is_flushing());
        assert_eq!(tracker.count(), 1);
        tracker.finish(after);
        assert_eq!(tracker.count(), 0);
    }
}
