//! What time it is: the wall clock, except that it never goes back.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::time::Instant;

/// Milliseconds since 1970-01-01T00:00:00Z.
pub(super) type Millis = u64;

/// Tells the time to the queues.
///
/// Deadlines are kept across restarts, so they are wall-clock times. A wall
/// clock that steps back would prolong every visibility timeout, so from then
/// on the time passes at the pace of the monotonic clock instead. A step
/// forward is followed: after a laptop's sleep the deadlines have passed, as
/// they have on AWS.
#[derive(Debug)]
pub(super) struct Clock {
    started: Instant,
    /// The greatest difference seen between the wall clock and the time since
    /// `started`.
    offset: AtomicU64,
}

impl Clock {
    pub(super) fn start() -> Self {
        Self {
            started: Instant::now(),
            offset: AtomicU64::new(wall()),
        }
    }

    pub(super) fn now(&self) -> Millis {
        let elapsed = millis(self.started.elapsed());
        let offset = wall().saturating_sub(elapsed);
        let greatest = self.offset.fetch_max(offset, Ordering::Relaxed).max(offset);
        greatest + elapsed
    }
}

fn wall() -> Millis {
    // A clock before 1970 is as good as one at 1970.
    millis(
        SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default(),
    )
}

fn millis(duration: Duration) -> Millis {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wall_clock_that_was_ahead_is_not_followed_back() {
        let clock = Clock::start();
        let ahead = wall() + 3_600_000;
        clock.offset.store(ahead, Ordering::Relaxed);
        assert!(clock.now() >= ahead);
    }

    #[test]
    fn a_step_forward_is_followed() {
        let clock = Clock::start();
        clock.offset.store(0, Ordering::Relaxed);
        assert!(clock.now() + 1_000 >= wall());
    }
}
