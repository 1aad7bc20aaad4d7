//! How often and how soon a failed entry is sent again.

use std::time::Duration;

/// The budget of one event's retries.
///
/// It bounds what one event may cost. What all events together may cost is
/// bounded by the requests in flight: a retry takes its place in a batch like
/// any other event.
#[derive(Debug, Clone, Copy)]
pub(crate) struct RetryPolicy {
    /// The first included.
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
    /// How long to wait after `attempts` attempts; `None` if that was the last.
    ///
    /// `jitter` in `0.0..1.0` spreads the waits over the upper half, so that
    /// many emitters which failed together do not come back together.
    pub(crate) fn backoff(&self, attempts: u32, jitter: f64) -> Option<Duration> {
        if attempts >= self.max_attempts {
            return None;
        }
        let doubled = 1u32.checked_shl(attempts.saturating_sub(1));
        let full = self
            .initial_backoff
            .saturating_mul(doubled.unwrap_or(u32::MAX))
            .min(self.max_backoff);
        Some(full.mul_f64(0.5 + jitter / 2.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_the_longest_and_end_with_the_budget() {
        let retry = RetryPolicy {
            max_attempts: 40,
            ..RetryPolicy::default()
        };
        let millis = |attempts, jitter| retry.backoff(attempts, jitter).unwrap().as_millis();
        assert_eq!((millis(1, 0.0), millis(1, 1.0)), (25, 50));
        assert_eq!((millis(3, 0.0), millis(3, 1.0)), (100, 200));
        assert_eq!((millis(39, 0.0), millis(39, 1.0)), (2500, 5000));
        assert_eq!(retry.backoff(40, 0.5), None);
        assert_eq!(RetryPolicy::default().backoff(5, 0.5), None);
    }
}
