//! Which events a flush waits for.

use std::collections::VecDeque;

use tokio::sync::oneshot;

/// Counts the events without an outcome in generations: each flush ends the
/// current generation, and resolves when that one and all before it are empty. So
/// a flush costs nothing per event, and an event costs two additions.
#[derive(Debug)]
pub(crate) struct FlushTracker {
    /// Number of the first generation in `generations`.
    first: u64,
    /// The last one is open. Each of the others was ended by a flush.
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

    /// Counts an event in, and returns its generation.
    pub(crate) fn begin(&mut self) -> u64 {
        let last = self.generations.len() - 1;
        self.generations[last].events += 1;
        self.first + last as u64
    }

    /// Counts an event of `generation` out.
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

    /// Resolves when every event that was counted in before this call is counted
    /// out. `None` if there is none.
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

    /// Whether a flush is waiting.
    pub(crate) fn is_flushing(&self) -> bool {
        self.generations.len() > 1
    }

    /// Events that were counted in and not out.
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
}
