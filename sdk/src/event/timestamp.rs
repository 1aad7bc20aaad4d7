//! Exact timestamps, and the clock that never gives one twice.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use chrono::{DateTime, Utc};

use crate::error::{InvalidEvent, RejectionCode};
use crate::json::number::{self, NotNanos, Number};

const NANOS_PER_SECOND: u64 = 1_000_000_000;
/// 10,000,000,000 seconds (in the year 2286) exclusive. A larger number is
/// almost always a count of milliseconds.
const END: u64 = 10_000_000_000 * NANOS_PER_SECOND;

/// A moment, in whole nanoseconds since 1970-01-01T00:00:00Z.
///
/// On the wire and in the table it is a decimal number of seconds. It is never
/// held in a float, so no digit is lost.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(u64);

impl Timestamp {
    /// The earliest timestamp there is.
    pub const MIN: Self = Self(0);
    /// The latest timestamp there is: a nanosecond before 10,000,000,000 s.
    pub const MAX: Self = Self(END - 1);

    /// The present, in whole microseconds, later than every timestamp this
    /// function gave in this process before, even when the system's clock
    /// stands still or steps back.
    pub fn now() -> Self {
        static LAST: AtomicU64 = AtomicU64::new(0);
        let wall = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            // In 64 bits: `as_micros` divides 128.
            .map_or(0, |d| {
                d.as_secs()
                    .saturating_mul(1_000_000)
                    .saturating_add(u64::from(d.subsec_micros()))
            });
        Self(next_after(&LAST, wall).saturating_mul(1000).min(END - 1))
    }

    /// `nanos` nanoseconds since 1970-01-01T00:00:00Z.
    ///
    /// # Errors
    ///
    /// [`InvalidEvent`] from 10,000,000,000 s on.
    pub fn from_nanos(nanos: u64) -> Result<Self, InvalidEvent> {
        if nanos < END {
            Ok(Self(nanos))
        } else {
            Err(refused(NotNanos::TooLarge))
        }
    }

    /// Whole nanoseconds since 1970-01-01T00:00:00Z.
    pub const fn as_nanos(self) -> u64 {
        self.0
    }

    /// Whole seconds since 1970-01-01T00:00:00Z, rounded down.
    pub const fn as_secs(self) -> u64 {
        self.0 / NANOS_PER_SECOND
    }

    /// Reads a JSON number of seconds.
    pub(crate) fn from_number(number: Number<'_>) -> Result<Self, InvalidEvent> {
        match number.nanos() {
            Ok(nanos) => Self::from_nanos(nanos),
            Err(why) => Err(refused(why)),
        }
    }

    /// The timestamp as a date.
    pub fn to_datetime(self) -> DateTime<Utc> {
        let nanos = (self.0 % NANOS_PER_SECOND) as u32;
        DateTime::from_timestamp(self.as_secs() as i64, nanos).unwrap_or_default()
    }
}

fn refused(why: NotNanos) -> InvalidEvent {
    let found = match why {
        NotNanos::Negative => "found a negative number",
        NotNanos::TooLarge => {
            "found 10,000,000,000 or more, which looks like milliseconds: divide by 1,000"
        }
        NotNanos::TooFine => "found more than nine decimals",
    };
    let expected = "Timestamp must be seconds since 1970-01-01T00:00:00Z, at least 0, below \
                    10,000,000,000, with at most nine decimals";
    InvalidEvent::new(
        RejectionCode::InvalidValue,
        "/Timestamp",
        format!("{found}; {expected}"),
    )
}

/// The larger of `wall` and one more than the last value given, in microseconds.
fn next_after(last: &AtomicU64, wall: u64) -> u64 {
    // A reading that no timestamp can hold says as little as one before 1970. If
    // it were taken once, all later ones would be the same last microsecond.
    let wall = if wall < END / 1000 { wall } else { 0 };
    let step = |last: u64| wall.max(last + 1);
    // Relaxed: only the counter itself is shared, nothing is published with it.
    match last.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |l| Some(step(l))) {
        Ok(before) | Err(before) => step(before),
    }
}

/// Ten digits, a point and nine decimals are the longest text.
pub(crate) const TEXT_BYTES: usize = 20;

impl Timestamp {
    /// Appends decimal seconds without trailing zeros: `1596719980.5`.
    pub(crate) fn push_to(self, out: &mut String) {
        out.push_str(itoa::Buffer::new().format(self.as_secs()));
        let (decimals, length) = self.decimals();
        if length > 0 {
            // With a digit in front, the zeros behind it are written as well.
            let mut buffer = itoa::Buffer::new();
            let digits = buffer.format(10_u32.pow(length) + decimals);
            out.push('.');
            out.push_str(&digits[1..]);
        }
    }

    /// The digits behind the point as a number, and how many they are.
    fn decimals(self) -> (u32, u32) {
        let (mut decimals, mut length) = ((self.0 % NANOS_PER_SECOND) as u32, 9);
        // Ours are whole microseconds.
        if decimals.is_multiple_of(1000) {
            (decimals, length) = (decimals / 1000, 6);
        }
        while length > 0 && decimals.is_multiple_of(10) {
            (decimals, length) = (decimals / 10, length - 1);
        }
        (decimals, length)
    }

    /// What DynamoDB counts for it: [`Number::size`] of its text, which every
    /// event would have to be written twice for.
    pub(crate) fn size(self) -> usize {
        let seconds = self.as_secs();
        match self.decimals() {
            (_, 0) => number::integer_size(itoa::Buffer::new().format(seconds)),
            (decimals, length) => {
                // In front of the first digit that is not zero, none counts.
                let (before, after) = match seconds.checked_ilog10() {
                    Some(log) => (log + 1, length),
                    None => (0, decimals.ilog10() + 1),
                };
                1 + before.div_ceil(2) as usize + after.div_ceil(2) as usize
            }
        }
    }
}

/// Decimal seconds without trailing zeros: `1596719980.5`.
impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = String::with_capacity(TEXT_BYTES);
        self.push_to(&mut text);
        f.write_str(&text)
    }
}

impl fmt::Debug for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Timestamp({self})")
    }
}

impl TryFrom<DateTime<Utc>> for Timestamp {
    type Error = InvalidEvent;
    fn try_from(date: DateTime<Utc>) -> Result<Self, InvalidEvent> {
        let seconds = u64::try_from(date.timestamp()).map_err(|_| refused(NotNanos::Negative))?;
        let nanos = seconds
            .checked_mul(NANOS_PER_SECOND)
            .and_then(|n| n.checked_add(u64::from(date.timestamp_subsec_nanos())))
            .ok_or_else(|| refused(NotNanos::TooLarge))?;
        Self::from_nanos(nanos)
    }
}

impl TryFrom<SystemTime> for Timestamp {
    type Error = InvalidEvent;
    fn try_from(time: SystemTime) -> Result<Self, InvalidEvent> {
        let since = time
            .duration_since(UNIX_EPOCH)
            .map_err(|_| refused(NotNanos::Negative))?;
        let nanos = u64::try_from(since.as_nanos()).map_err(|_| refused(NotNanos::TooLarge))?;
        Self::from_nanos(nanos)
    }
}

impl From<Timestamp> for DateTime<Utc> {
    fn from(timestamp: Timestamp) -> Self {
        timestamp.to_datetime()
    }
}

/// Reads decimal seconds: `1596719980.123`.
impl std::str::FromStr for Timestamp {
    type Err = InvalidEvent;
    fn from_str(text: &str) -> Result<Self, InvalidEvent> {
        match crate::json::reader::number_text(text) {
            Some(lexeme) => Self::from_number(Number::parse(lexeme)),
            None => Err(InvalidEvent::new(
                RejectionCode::WrongType,
                "/Timestamp",
                format!(
                    "found a text of {} bytes that is no decimal number of seconds",
                    text.len()
                ),
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_clock_is_strictly_increasing_while_the_wall_clock_steps_back() {
        let last = AtomicU64::new(0);
        let given: Vec<u64> = [100, 100, 50, 0, 103, 200]
            .into_iter()
            .map(|wall| next_after(&last, wall))
            .collect();
        assert_eq!(given, [100, 101, 102, 103, 104, 200]);
    }

    #[test]
    fn a_wall_clock_that_was_once_beyond_the_last_timestamp_does_no_harm_later() {
        let last = AtomicU64::new(0);
        let given: Vec<u64> = [100, END / 1000, u64::MAX, 103, 200]
            .into_iter()
            .map(|wall| next_after(&last, wall))
            .collect();
        assert_eq!(given, [100, 101, 102, 103, 200]);
    }

    #[test]
    fn the_clock_gives_no_timestamp_twice_to_many_threads() {
        let threads: Vec<_> = (0..4)
            .map(|_| std::thread::spawn(|| (0..5000).map(|_| Timestamp::now()).collect::<Vec<_>>()))
            .collect();
        let mut all = std::collections::HashSet::new();
        for thread in threads {
            let given = thread.join().unwrap();
            assert!(given.windows(2).all(|w| w[0] < w[1]));
            all.extend(given);
        }
        assert_eq!(all.len(), 20_000);
    }

    #[test]
    fn text_and_back_keeps_every_digit() {
        for text in [
            "0",
            "1596719980",
            "1596719980.5",
            "0.000000001",
            "9999999999.999999999",
        ] {
            assert_eq!(text.parse::<Timestamp>().unwrap().to_string(), text);
        }
        assert_eq!("1.50".parse::<Timestamp>().unwrap().to_string(), "1.5");
        assert_eq!(Timestamp::MAX.to_string(), "9999999999.999999999");
        assert!("soon".parse::<Timestamp>().is_err());
        assert!("+1".parse::<Timestamp>().is_err());
    }

    #[test]
    fn the_size_is_that_of_the_text() {
        for seconds in [0, 1, 10, 99, 1_596_719_980, 1_600_000_000, 9_999_999_999] {
            for nanos in [
                0,
                1,
                10,
                1_000,
                5_000_000,
                120_000,
                100_000_000,
                123_456_789,
                999_999_999,
            ] {
                let timestamp = Timestamp(seconds * NANOS_PER_SECOND + nanos);
                let text = timestamp.to_string();
                assert_eq!(timestamp.size(), Number::parse(&text).size(), "{text}");
                assert_eq!(text.parse::<Timestamp>().unwrap(), timestamp);
            }
        }
    }

    #[test]
    fn dates_go_in_and_out() {
        let date = DateTime::from_timestamp(1_596_719_980, 123_456_789).unwrap();
        assert_eq!(Timestamp::try_from(date).unwrap().to_datetime(), date);
        assert!(Timestamp::try_from(DateTime::from_timestamp(-1, 0).unwrap()).is_err());
    }
}
