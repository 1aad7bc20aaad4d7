//! When is everything done that was given before a moment?

use std::collections::VecDeque;

use tokio::sync::oneshot;

/// Counts the events without an outcome, by the flushes between them: a flush
/// costs nothing per event, and an event costs two additions.
#[derive(Debug)]
pub(crate) struct Epochs {
    first: u64,
    /// The last one is open; all others end with a flush that waits.
    epochs: VecDeque<Epoch>,
}

#[derive(Debug, Default)]
struct Epoch {
    events: usize,
    waiting: Option<oneshot::Sender<()>>,
}

impl Epochs {
    pub(crate) fn new() -> Self {
        Self {
            first: 0,
            epochs: VecDeque::from([Epoch::default()]),
        }
    }

    /// Counts an event in.
    pub(crate) fn enter(&mut self) -> u64 {
        let last = self.epochs.len() - 1;
        self.epochs[last].events += 1;
        self.first + last as u64
    }

    /// Counts an event out.
    pub(crate) fn leave(&mut self, epoch: u64) {
        self.epochs[(epoch - self.first) as usize].events -= 1;
        while self.epochs.len() > 1 && self.epochs[0].events == 0 {
            self.first += 1;
            let done = self.epochs.pop_front();
            if let Some(waiting) = done.and_then(|e| e.waiting) {
                // A flush that nobody waits for any more is no concern.
                let _ = waiting.send(());
            }
        }
    }

    /// Resolves when every event counted in before is counted out; `None` if
    /// that is so already.
    pub(crate) fn flush(&mut self) -> Option<oneshot::Receiver<()>> {
        if self.count() == 0 {
            return None;
        }
        let (waiting, done) = oneshot::channel();
        let last = self.epochs.len() - 1;
        self.epochs[last].waiting = Some(waiting);
        self.epochs.push_back(Epoch::default());
        // An empty last epoch behind older ones ends with them.
        Some(done)
    }

    /// Whether a flush waits.
    pub(crate) fn is_flushing(&self) -> bool {
        self.epochs.len() > 1
    }

    /// Events counted in and not out.
    pub(crate) fn count(&self) -> usize {
        self.epochs.iter().map(|epoch| epoch.events).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flush_waits_for_what_was_before_it_and_for_nothing_else() {
        let mut epochs = Epochs::new();
        assert!(epochs.flush().is_none());
        let (a, b) = (epochs.enter(), epochs.enter());
        let mut first = epochs.flush().unwrap();
        let mut again = epochs.flush().unwrap();
        let c = epochs.enter();
        let mut second = epochs.flush().unwrap();
        epochs.leave(c);
        epochs.leave(a);
        assert!(first.try_recv().is_err() && again.try_recv().is_err());
        epochs.leave(b);
        assert!(first.try_recv().is_ok() && again.try_recv().is_ok());
        assert!(second.try_recv().is_ok());
        assert!(!epochs.is_flushing());
        assert_eq!(epochs.count(), 0);
    }
}
