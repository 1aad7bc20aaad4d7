//! The policy for retries of failed entries.

use std::time::Duration;

use crate::backoff::Backoff;

/// Bounds the retries of one event.
///
/// The number of requests in flight bounds the retries of all events, because a retried event
/// is part of a batch like any other event.
#[derive(Debug, Clone, Copy)]
pub(crate) struct RetryPolicy {
    /// Including the first attempt.
    pub(crate) max_attempts: u32,
    pub(crate) initial_backoff: Duration,
    pub(crate) max_backoff: Duration,
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self {
            max_attempts: 5,
            initial_backoff: Duration::from_millis(50),
            max_backoff: Duration::from_secs(5),
        }
    }
}

impl RetryPolicy {
    /// Returns how long to wait after `attempts` attempts, or `None` if there are no attempts
    /// left.
    pub(crate) fn backoff(&self, attempts: u32) -> Option<Duration> {
        let backoff = Backoff::new(self.initial_backoff, self.max_backoff);
        (attempts < self.max_attempts).then(|| backoff.delay(attempts))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn last_attempt_has_no_backoff() {
        let retry = RetryPolicy::default();
        let first = retry.backoff(1).unwrap().as_millis();
        assert!((25..=50).contains(&first), "{first}");
        assert!(retry.backoff(4).is_some());
        assert_eq!(retry.backoff(5), None);
    }
}
