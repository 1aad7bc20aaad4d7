//! The sort key of an item: the event's timestamp, and a tie-break below the nanosecond.

use std::cmp::Ordering;

use crate::event::EventId;
use crate::event::timestamp::Timestamp;
use crate::json::reader::number_text;

/// The sort key of an item: the event's timestamp, followed below the nanosecond by a
/// tie-break if another event of the entity has the same timestamp.
///
/// For example, in `1596719980.123456789 1596719980123 042517` (without the spaces), the
/// tie-break consists of 13 digits of the identity's creation time in milliseconds and 6
/// digits of the identity's hash. Together with the timestamp, the key uses all 38 digits
/// that DynamoDB stores. The same event always has the same keys, so every step of an
/// append may be repeated. The first nine decimals are the exact timestamp.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct SortKey(String);

impl SortKey {
    /// Returns the key of an event's `attempt`th insert. For attempt 0, the key is the
    /// timestamp. A later key is used only if other events have all earlier keys.
    pub(crate) fn new(timestamp: Timestamp, event_id: &EventId, attempt: u32) -> Self {
        if attempt == 0 {
            return Self(timestamp.to_string());
        }
        let (seconds, nanos) = (timestamp.as_secs(), timestamp.as_nanos() % 1_000_000_000);
        let created = creation_millis(event_id).unwrap_or(timestamp.as_nanos() / 1_000_000);
        // Never zero: DynamoDB trims trailing zeros, and a tie-break of zeros would be
        // the timestamp itself.
        let hash = stable_hash(event_id, attempt) % 999_999 + 1;
        Self(
            format!("{seconds}.{nanos:09}{created:013}{hash:06}")
                .trim_end_matches('0')
                .to_owned(),
        )
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns the lowest key of `timestamp`.
    pub(crate) fn first_of(timestamp: Timestamp) -> Self {
        Self(timestamp.to_string())
    }

    /// Returns the highest number that a key of `timestamp` can be, tie-break included.
    pub(crate) fn last_of(timestamp: Timestamp) -> Self {
        let (seconds, nanos) = (timestamp.as_secs(), timestamp.as_nanos() % 1_000_000_000);
        Self(format!("{seconds}.{nanos:09}{}", "9".repeat(19)))
    }

    /// Parses the text that [`as_str`](Self::as_str) returned.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let plain = |b: u8| b.is_ascii_digit() || b == b'.';
        let number = number_text(text).filter(|t| t.len() <= 40 && t.bytes().all(plain))?;
        let number = match number.contains('.') {
            true => number.trim_end_matches('0').trim_end_matches('.'),
            false => number,
        };
        Some(Self(number.to_owned()))
    }

    /// Creates a key from a number that DynamoDB returned. Another writer may have stored a
    /// number that is not the key of an event.
    pub(crate) fn from_item(number: String) -> Self {
        Self(number)
    }

    /// Returns the timestamp with its tie-break cut off: `1596719980.5`. DynamoDB returns
    /// numbers of this range without exponents.
    pub(crate) fn cut_to_nanoseconds(&self) -> &str {
        match self.0.find('.') {
            Some(dot) => &self.0[..self.0.len().min(dot + 10)],
            None => &self.0,
        }
    }

    /// Returns the digits before the decimal point, as a number, and the digits after it.
    fn digits(&self) -> (u64, &str) {
        let (seconds, fraction) = self.0.split_once('.').unwrap_or((&self.0, ""));
        (
            seconds.parse().unwrap_or(u64::MAX),
            fraction.trim_end_matches('0'),
        )
    }
}

// By value, as DynamoDB orders numbers: fractions compare digit by digit.
impl Ord for SortKey {
    fn cmp(&self, other: &Self) -> Ordering {
        self.digits().cmp(&other.digits())
    }
}

impl PartialOrd for SortKey {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// Returns when an identity was created, in milliseconds since 1970, if the identity contains
/// it: the first 48 bits of a UUID of version 7 (RFC 9562), if 13 digits can hold them.
fn creation_millis(id: &EventId) -> Option<u64> {
    let uuid = uuid::Uuid::try_parse(id.as_str()).ok()?;
    let millis = (uuid.as_u128() >> 80) as u64;
    (uuid.get_version_num() == 7 && millis < 10_000_000_000_000).then_some(millis)
}

/// FNV-1a of the identity and a salt, with a final mix because its low digits are weak.
/// Keys in tables depend on it, so it can never change.
pub(crate) fn stable_hash(id: &EventId, salt: u32) -> u64 {
    let mut hash: u64 = 0xcbf2_9ce4_8422_2325;
    for byte in id.as_str().bytes().chain(salt.to_le_bytes()) {
        hash = (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    }
    hash ^= hash >> 32;
    hash = hash.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    hash ^ (hash >> 29)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::json::number::Number;

    #[test]
    fn recorded_keys_never_change() {
        let timestamp = "1596719980.5".parse().unwrap();
        let id = EventId::from_static("0190b5a8-7c3e-7d3a-9a51-2f1f0c9d1e11");
        let keys: Vec<String> = (0..3).map(|n| SortKey::new(timestamp, &id, n).0).collect();
        assert_eq!(
            keys,
            [
                "1596719980.5",
                "1596719980.5000000001721034636350265301",
                "1596719980.500000000172103463635041696",
            ]
        );
    }

    #[test]
    fn equal_numbers_parse_to_equal_keys() {
        for (text, key) in [("1.50", "1.5"), ("1.0", "1"), ("10", "10"), ("0", "0")] {
            assert_eq!(SortKey::parse(text).unwrap().as_str(), key);
        }
        for text in ["", "-1", "1e2", "1.", "a", &"1".repeat(41)] {
            assert_eq!(SortKey::parse(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn tie_break_is_exact_and_keeps_order(
            nanos in 0..9_999_999_999_999_999_999_u64,
            id in "[a-f0-9]{8}-[a-f0-9]{4}-[47][a-f0-9]{3}-[89ab][a-f0-9]{3}-[a-f0-9]{12}|\\PC{1,30}",
            attempt in 0..20_u32,
        ) {
            let timestamp = Timestamp::from_nanos(nanos).unwrap();
            let id = EventId::new(id).unwrap();
            let key = SortKey::new(timestamp, &id, attempt);
            prop_assert_eq!(&SortKey::new(timestamp, &id, attempt), &key);
            prop_assert_eq!(key.cut_to_nanoseconds().parse::<Timestamp>().unwrap(), timestamp);
            prop_assert_eq!(Number::parse(key.as_str()).not_storable(), None);
            if let Ok(next) = Timestamp::from_nanos(nanos + 1) {
                prop_assert!(key < SortKey::first_of(next));
            }
            prop_assert!(key <= SortKey::last_of(timestamp));
            let first = SortKey::first_of(timestamp);
            prop_assert_eq!(key.cmp(&first), attempt.cmp(&0));
            prop_assert_eq!(SortKey::parse(key.as_str()), Some(key));
        }

        #[test]
        fn tied_events_sort_by_creation_time(a in 0..10_000_000_000_000_u64, b in 0..10_000_000_000_000_u64) {
            let timestamp = "1596719980.123456".parse().unwrap();
            let key = |millis: u64| {
                let uuid = uuid::Builder::from_unix_timestamp_millis(millis, &[7; 10]).into_uuid();
                SortKey::new(timestamp, &EventId::new(uuid.to_string()).unwrap(), 1)
            };
            prop_assert_eq!(a.cmp(&b), key(a).cmp(&key(b)));
        }
    }
}
