//! Computes the delay before a retry.

use std::time::Duration;

/// Exponential backoff with jitter.
///
/// The upper limit of the delay doubles with each retry up to a maximum. The delay is a random
/// value between half of the limit and the limit. Without this jitter, all clients that failed
/// in an outage would retry at the same time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Backoff {
    first: Duration,
    max: Duration,
}

impl Backoff {
    /// Creates a backoff whose first delay is at most `first`, and whose delays are at most
    /// `max`.
    pub const fn new(first: Duration, max: Duration) -> Self {
        Self { first, max }
    }

    /// Returns the delay before the `retry`th retry, counted from 1.
    pub fn delay(self, retry: u32) -> Duration {
        self.without_jitter(retry)
            .mul_f64(0.5 + fastrand::f64() / 2.0)
    }

    /// Returns the upper limit of [`delay`](Self::delay).
    pub fn without_jitter(self, retry: u32) -> Duration {
        let doubled = 1u32.checked_shl(retry.saturating_sub(1));
        self.first
            .saturating_mul(doubled.unwrap_or(u32::MAX))
            .min(self.max)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delay_doubles_up_to_the_maximum() {
        let backoff = Backoff::new(Duration::from_millis(50), Duration::from_secs(5));
        let millis = |retry| backoff.without_jitter(retry).as_millis();
        assert_eq!(
            [0, 1, 2, 3, 8, 90].map(millis),
            [50, 50, 100, 200, 5000, 5000]
        );
    }

    #[test]
    fn delay_is_in_the_upper_half() {
        let backoff = Backoff::new(Duration::from_secs(1), Duration::from_secs(8));
        let delays: Vec<Duration> = (0..200).map(|_| backoff.delay(3)).collect();
        assert!(
            delays
                .iter()
                .all(|d| (2.0..=4.0).contains(&d.as_secs_f64()))
        );
        assert!(delays.iter().any(|d| *d != delays[0]), "there is no jitter");
    }
}
