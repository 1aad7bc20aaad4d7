//! A wall clock that never goes back.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::time::Instant;

/// Milliseconds since 1970-01-01T00:00:00Z.
pub(super) type Millis = u64;

/// The clock of the queues.
///
/// Deadlines survive restarts, so they are wall-clock times. If the system's wall
/// clock steps back, every visibility timeout would become longer; this clock then
/// continues at the pace of the monotonic clock instead. It follows a step forward:
/// after a laptop has slept, deadlines have passed, as they have on AWS.
#[derive(Debug)]
pub(super) struct Clock {
    started: Instant,
    /// The greatest difference seen so far between the wall clock and the time since
    /// `started`.
    offset: AtomicU64,
    /// The system's wall clock.
    wall: fn() -> Millis,
}

impl Clock {
    pub(super) fn start() -> Self {
        Self {
            started: Instant::now(),
            offset: AtomicU64::new(wall()),
            wall,
        }
    }

    /// A clock that starts at `now` and then follows Tokio's clock only.
    pub(super) fn start_at(now: Millis) -> Self {
        Self {
            started: Instant::now(),
            offset: AtomicU64::new(now),
            wall: || 0,
        }
    }

    pub(super) fn now(&self) -> Millis {
        let elapsed = millis(self.started.elapsed());
        let offset = (self.wall)().saturating_sub(elapsed);
        let greatest = self.offset.fetch_max(offset, Ordering::Relaxed).max(offset);
        greatest + elapsed
    }
}

fn wall() -> Millis {
    // A clock that is set to a time before 1970 counts as 1970.
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
    fn step_back_is_ignored() {
        let clock = Clock::start();
        let ahead = wall() + 3_600_000;
        clock.offset.store(ahead, Ordering::Relaxed);
        assert!(clock.now() >= ahead);
    }

    #[test]
    fn step_forward_is_followed() {
        let clock = Clock::start();
        clock.offset.store(0, Ordering::Relaxed);
        assert!(clock.now() + 1_000 >= wall());
    }
}
