//! A wall clock that never goes back.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::time::Instant;

/// Milliseconds since 1970-01-01T00:00:00Z.
pub(super) type Millis = u64;

/// The clock of the queues.
///
/// Deadlines survive restarts, so they are wall-clock times. If the wall clock of the system
/// steps back, this clock does not, because every visibility timeout would become longer. It
/// then continues at the rate of the monotonic clock. It follows a step forward: after a
/// laptop was suspended, deadlines have passed, as on AWS.
///
/// This clock is never ahead of the wall clock, unless the wall clock steps back. Otherwise,
/// after a restart, the new clock could be behind the old clock, and a timeout that had
/// passed would not have passed yet.
#[derive(Debug)]
pub(super) struct Clock {
    started: Instant,
    /// The greatest difference seen so far between the wall clock and the time since
    /// `started`, in nanoseconds. Rounded to milliseconds, it could be too large by one.
    offset: AtomicU64,
    /// The system's wall clock, in nanoseconds.
    wall: fn() -> u64,
}

impl Clock {
    pub(super) fn start() -> Self {
        Self::with(wall(), wall)
    }

    /// Creates a clock that starts at `now` and then follows only Tokio's clock.
    pub(super) fn start_at(now: Millis) -> Self {
        Self::with(now * NANOS_PER_MILLI, || 0)
    }

    fn with(offset: u64, wall: fn() -> u64) -> Self {
        Self {
            started: Instant::now(),
            offset: AtomicU64::new(offset),
            wall,
        }
    }

    pub(super) fn now(&self) -> Millis {
        // The wall clock is read first. In the other order, if the thread were suspended
        // between the two reads, the offset would be too large from then on.
        let wall = (self.wall)();
        let elapsed = nanos(self.started.elapsed());
        let offset = wall.saturating_sub(elapsed);
        let greatest = self.offset.fetch_max(offset, Ordering::Relaxed).max(offset);
        (greatest + elapsed) / NANOS_PER_MILLI
    }
}

const NANOS_PER_MILLI: u64 = 1_000_000;

fn wall() -> u64 {
    // A clock that is set to a time before 1970 counts as 1970.
    nanos(
        SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default(),
    )
}

/// Converts a duration to nanoseconds. The type is sufficient until the year 2554.
fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn step_back_is_ignored() {
        let clock = Clock::start();
        let ahead = wall() + 3_600_000 * NANOS_PER_MILLI;
        clock.offset.store(ahead, Ordering::Relaxed);
        assert!(clock.now() >= ahead / NANOS_PER_MILLI);
    }

    #[test]
    fn step_forward_is_followed() {
        let clock = Clock::start();
        clock.offset.store(0, Ordering::Relaxed);
        assert!(clock.now() + 1_000 >= wall() / NANOS_PER_MILLI);
    }

    static WALL: AtomicU64 = AtomicU64::new(1_000_999_500);

    #[tokio::test(start_paused = true)]
    async fn clock_is_not_ahead_of_the_wall_clock() {
        let wall = || WALL.load(Ordering::Relaxed);
        let clock = Clock::with(wall(), wall);
        let step = Duration::from_micros(100);
        for _ in 0..50 {
            tokio::time::advance(step).await;
            WALL.fetch_add(nanos(step), Ordering::Relaxed);
            assert_eq!(clock.now(), wall() / NANOS_PER_MILLI);
        }
    }
}
