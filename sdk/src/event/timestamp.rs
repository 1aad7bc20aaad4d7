//! Exact timestamps.

use std::fmt;
use std::time::{SystemTime, UNIX_EPOCH};

use chrono::{DateTime, Utc};

use crate::error::{InvalidEvent, RejectionCode};
use crate::json::number::{self, NotNanos, Number};

const NANOS_PER_SECOND: u64 = 1_000_000_000;
/// The upper limit of timestamps, exclusive: 10,000,000,000 seconds, which is in the year 2286.
/// A larger number is almost always a number of milliseconds.
pub(super) const END: u64 = 10_000_000_000 * NANOS_PER_SECOND;

/// The time of an event, in whole nanoseconds since 1970-01-01T00:00:00Z.
///
/// On the wire and in the table, a timestamp is a decimal number of seconds. It is never
/// converted to a float, so no digit is lost. serde writes and reads it as a string of
/// decimal seconds, because many readers turn a number into a float.
///
/// # Examples
///
/// ```
/// use domain_events::Timestamp;
///
/// let parsed: Timestamp = "1596719980.123456789".parse()?;
/// assert_eq!(parsed.as_nanos(), 1_596_719_980_123_456_789);
/// assert_eq!(parsed.to_string(), "1596719980.123456789");
/// assert_eq!(parsed.to_datetime().to_rfc3339(), "2020-08-06T13:19:40.123456789+00:00");
/// assert_eq!(serde_json::to_string(&parsed).unwrap(), r#""1596719980.123456789""#);
///
/// assert_eq!(Timestamp::try_from(parsed.to_datetime())?, parsed);
/// assert_eq!(Timestamp::from_nanos(1_500_000_000)?.to_string(), "1.5");
/// // Milliseconds are refused, because they are almost always a mistake.
/// assert!("1596719980123".parse::<Timestamp>().is_err());
/// # Ok::<(), domain_events::InvalidEvent>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(pub(super) u64);

impl Timestamp {
    /// The earliest timestamp.
    pub const MIN: Self = Self(0);
    /// The latest timestamp, one nanosecond before 10,000,000,000 s.
    pub const MAX: Self = Self(END - 1);

    /// Creates the timestamp `nanos` nanoseconds after 1970-01-01T00:00:00Z.
    ///
    /// # Errors
    ///
    /// [`InvalidEvent`] if `nanos` is 10,000,000,000 s or more.
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

    /// Returns the timestamp as a date.
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

/// The longest text: ten digits, a point and nine decimals.
pub(crate) const TEXT_BYTES: usize = 20;

impl Timestamp {
    /// Appends decimal seconds without trailing zeros: `1596719980.5`.
    pub(crate) fn push_to(self, out: &mut String) {
        out.push_str(itoa::Buffer::new().format(self.as_secs()));
        let (decimals, length) = self.decimals();
        if length > 0 {
            // A leading 1 keeps the zeros after the decimal point. It is then removed.
            let mut buffer = itoa::Buffer::new();
            let digits = buffer.format(10_u32.pow(length) + decimals);
            out.push('.');
            out.push_str(&digits[1..]);
        }
    }

    /// Returns the digits after the point as a number, and their count.
    fn decimals(self) -> (u32, u32) {
        let (mut decimals, mut length) = ((self.0 % NANOS_PER_SECOND) as u32, 9);
        // The clock of this process returns whole microseconds.
        if decimals.is_multiple_of(1000) {
            (decimals, length) = (decimals / 1000, 6);
        }
        while length > 0 && decimals.is_multiple_of(10) {
            (decimals, length) = (decimals / 10, length - 1);
        }
        (decimals, length)
    }

    /// Returns the bytes that DynamoDB counts for the timestamp: [`Number::size`] of its text,
    /// without writing the text.
    pub(crate) fn size(self) -> usize {
        let seconds = self.as_secs();
        match self.decimals() {
            (_, 0) => number::integer_size(itoa::Buffer::new().format(seconds)),
            (decimals, length) => {
                // Leading zeros do not count.
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
                    "found a text of {} bytes that is not a decimal number of seconds",
                    text.len()
                ),
            )),
        }
    }
}

/// Writes decimal seconds as a string: `"1596719980.5"`.
impl serde::Serialize for Timestamp {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// Reads decimal seconds from a string.
impl<'de> serde::Deserialize<'de> for Timestamp {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_keeps_every_digit() {
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
        assert!(" 1".parse::<Timestamp>().is_err());
        assert!("1\n".parse::<Timestamp>().is_err());
    }

    #[test]
    fn size_is_the_size_of_the_text() {
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
    fn date_is_converted_both_ways() {
        let date = DateTime::from_timestamp(1_596_719_980, 123_456_789).unwrap();
        assert_eq!(Timestamp::try_from(date).unwrap().to_datetime(), date);
        assert!(Timestamp::try_from(DateTime::from_timestamp(-1, 0).unwrap()).is_err());
    }
}
