//! The clock of the process, which never returns the same time twice.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use super::timestamp::{END, Timestamp};

/// How far timestamps may run ahead of the wall clock, in microseconds.
const MAX_AHEAD: u64 = 60_000_000;

static LAST: AtomicU64 = AtomicU64::new(0);
static RESETS: AtomicU64 = AtomicU64::new(0);

impl Timestamp {
    /// Returns the present time in whole microseconds.
    ///
    /// The result is later than every timestamp that this function returned before in
    /// this process, even if the wall clock stands still or was set back by up to 60 s.
    /// If the wall clock was set back further, it was wrong before, and the function
    /// continues from the new time. The timestamps from before and after such a reset do
    /// not show the order of the events, but the identities of the events still differ.
    /// [`clock_resets`](Self::clock_resets) counts the resets, and with the feature `sqs`
    /// each reset is logged as a warning.
    ///
    /// # Examples
    ///
    /// ```
    /// use domain_events::Timestamp;
    ///
    /// let (first, second) = (Timestamp::now(), Timestamp::now());
    /// assert!(first < second);
    /// ```
    pub fn now() -> Self {
        let wall = SystemTime::now().duration_since(UNIX_EPOCH).ok().map(|d| {
            // This computation uses 64 bits, because the 128-bit division of `as_micros` is slow.
            d.as_secs()
                .saturating_mul(1_000_000)
                .saturating_add(u64::from(d.subsec_micros()))
        });
        let step = next_after(&LAST, wall);
        if let Some(ahead) = step.reset {
            report_reset(ahead);
        }
        Self(step.micros.saturating_mul(1000).min(END - 1))
    }

    /// Returns how often [`now`](Self::now) has gone back in time in this process, because the
    /// wall clock was set back by more than 60 s.
    pub fn clock_resets() -> u64 {
        RESETS.load(Ordering::Relaxed)
    }
}

#[cold]
fn report_reset(ahead: u64) {
    RESETS.fetch_add(1, Ordering::Relaxed);
    #[cfg(feature = "sqs")]
    tracing::warn!(
        seconds = ahead / 1_000_000,
        "the system clock was set back; the timestamps of new events continue from its present \
         time, and earlier events of this process may have timestamps in the future"
    );
    #[cfg(not(feature = "sqs"))]
    let _ = ahead;
}

#[derive(Debug, PartialEq)]
struct Step {
    micros: u64,
    /// How far the last timestamp was ahead of the wall clock, if that was too far.
    reset: Option<u64>,
}

/// Returns the larger of `wall` and one more than the last result, in microseconds.
fn next_after(last: &AtomicU64, wall: Option<u64>) -> Step {
    // Ignore a reading beyond the range of timestamps: the clock is wrong.
    let wall = wall.filter(|wall| *wall < END / 1000);
    let step = |last: u64| {
        let Some(wall) = wall else {
            return Step {
                micros: last + 1,
                reset: None,
            };
        };
        match last.checked_sub(wall) {
            Some(ahead) if ahead > MAX_AHEAD => Step {
                micros: wall,
                reset: Some(ahead),
            },
            _ => Step {
                micros: wall.max(last + 1),
                reset: None,
            },
        }
    };
    // Relaxed: the counter protects no other memory.
    match last.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |l| {
        Some(step(l).micros)
    }) {
        Ok(before) | Err(before) => step(before),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(readings: &[u64]) -> (Vec<u64>, usize) {
        let last = AtomicU64::new(0);
        let steps: Vec<_> = readings
            .iter()
            .map(|wall| next_after(&last, Some(*wall)))
            .collect();
        let resets = steps.iter().filter(|step| step.reset.is_some()).count();
        (steps.iter().map(|step| step.micros).collect(), resets)
    }

    #[test]
    fn clock_increases_when_wall_clock_steps_back() {
        let readings = [100, 100, 50, 0, 103, 200];
        assert_eq!(run(&readings), (vec![100, 101, 102, 103, 104, 200], 0));
        let readings = [MAX_AHEAD + 5, 5, 6];
        let (steps, resets) = run(&readings);
        assert!(steps.is_sorted());
        assert_eq!(resets, 0);
    }

    #[test]
    fn clock_returns_from_a_wrong_year() {
        let year = 365 * 86_400 * 1_000_000;
        let (steps, resets) = run(&[100, year, year + 1, 200, 150, 201]);
        assert_eq!(steps, [100, year, year + 1, 200, 201, 202]);
        assert_eq!(resets, 1);
    }

    #[test]
    fn unreadable_wall_clock_is_ignored() {
        let last = AtomicU64::new(0);
        let readings = [Some(100), Some(END / 1000), None, Some(103), Some(200)];
        let steps = readings.map(|wall| next_after(&last, wall).micros);
        assert_eq!(steps, [100, 101, 102, 103, 200]);
    }

    #[test]
    fn many_threads_never_share_a_timestamp() {
        let threads: Vec<_> = (0..4)
            .map(|_| std::thread::spawn(|| (0..5000).map(|_| Timestamp::now()).collect::<Vec<_>>()))
            .collect();
        let mut all = std::collections::HashSet::new();
        for thread in threads {
            let times = thread.join().unwrap();
            assert!(times.windows(2).all(|w| w[0] < w[1]));
            all.extend(times);
        }
        assert_eq!(all.len(), 20_000);
    }
}
