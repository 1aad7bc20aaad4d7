//! Generates identities: UUIDs of version 7 (RFC 9562), without a system call for each identity.
//!
//! ```text
//! 48 bits  milliseconds since 1970      ┐ the event's own timestamp, which
//! 12 bits  part of the millisecond      ┘ this process returns only once
//! 62 bits  random, drawn once per thread and millisecond of the wall clock
//! ```
//!
//! Within a process, the time distinguishes identities (RFC 9562, section 6.2, method 3)
//! and sorts them across threads. If the time does not increase, because the clock was
//! reset, the thread draws new random bits. Between processes, the random bits
//! distinguish identities: two processes would have to draw the same 62 bits in the same
//! millisecond.
//!
//! `Uuid::now_v7` requests random bytes from the operating system for each identity, which
//! costs more than the rest of the work. Other generators make one request for some thousand
//! identities. This generator makes one request per millisecond of the wall clock. It is
//! therefore safe to copy a running machine (a snapshot, a fork): the copy continues with the
//! same bytes, but its clock advances.

use std::cell::Cell;
use std::time::{SystemTime, UNIX_EPOCH};

use uuid::Uuid;

use crate::event::ids::EventId;
use crate::event::timestamp::Timestamp;

const NANOS_PER_MILLISECOND: u64 = 1_000_000;

impl EventId {
    /// Generates a new identity: a UUID of version 7, so that identities sort by time.
    /// Identities of the same millisecond resemble each other. An identity is not a secret.
    ///
    /// # Examples
    ///
    /// ```
    /// use domain_events::EventId;
    ///
    /// let (first, second) = (EventId::random(), EventId::random());
    /// assert!(first < second); // the identities of one process sort by time
    /// ```
    pub fn random() -> Self {
        new_v7(Timestamp::now())
    }
}

/// Generates the identity of the event that has this `timestamp` of [`Timestamp::now`].
pub(crate) fn new_v7(timestamp: Timestamp) -> EventId {
    let nanos = timestamp.as_nanos();
    let milliseconds = nanos / NANOS_PER_MILLISECOND;
    // The fraction of the millisecond in units of 1/4096. A millisecond has more units than
    // microseconds, so each microsecond has a different unit.
    let part = (nanos % NANOS_PER_MILLISECOND) * 4096 / NANOS_PER_MILLISECOND;
    let version = 7;
    let time = milliseconds << 16 | version << 12 | part;
    EventId::of_uuid(Uuid::from_u64_pair(time, random(wall_clock(), time)))
}

/// Returns the milliseconds of the wall clock. They cannot be taken from the timestamps: while
/// the wall clock is behind, timestamps advance by only one microsecond per event.
fn wall_clock() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| since.as_millis() as u64)
}

/// 62 random bits, below the two bits of a UUID's variant, for an identity with this
/// `time`.
fn random(milliseconds: u64, time: u64) -> u64 {
    thread_local! {
        /// The millisecond of the last draw, the last time that used it, and the bits.
        static DRAWN: Cell<(u64, u64, u64)> = const { Cell::new((u64::MAX, 0, 0)) };
    }
    let (when, last, bits) = DRAWN.get();
    // The same bits and the same time would result in the same identity, and the store keeps
    // only one of two events with the same identity.
    let bits = if when == milliseconds && last < time {
        bits
    } else {
        // The lower half of every UUID has the variant in its two highest bits.
        Uuid::new_v4().as_u64_pair().1
    };
    DRAWN.set((milliseconds, time, bits));
    bits
}

#[cfg(test)]
mod tests {
    use super::*;

    fn uuid(id: &EventId) -> Uuid {
        id.as_str().parse().unwrap()
    }

    #[test]
    fn identity_is_a_uuid_v7_with_the_timestamp() {
        let timestamp: Timestamp = "1596719980.123456".parse().unwrap();
        let uuid = uuid(&new_v7(timestamp));
        assert_eq!(uuid.get_version(), Some(uuid::Version::SortRand));
        assert_eq!(uuid.get_variant(), uuid::Variant::RFC4122);
        let (seconds, nanos) = uuid.get_timestamp().unwrap().to_unix();
        assert_eq!((seconds, nanos), (1_596_719_980, 123_000_000));
    }

    #[test]
    fn identities_sort_by_time_across_threads() {
        let make = || {
            (0..5000).map(|_| {
                let timestamp = Timestamp::now();
                (timestamp, new_v7(timestamp))
            })
        };
        let threads: Vec<_> = (0..4)
            .map(|_| std::thread::spawn(move || make().collect::<Vec<_>>()))
            .collect();
        let mut all: Vec<_> = threads
            .into_iter()
            .flat_map(|t| t.join().unwrap())
            .collect();
        all.sort_by_key(|(timestamp, _)| *timestamp);
        assert!(
            all.windows(2)
                .all(|pair| pair[0].1.as_str() < pair[1].1.as_str())
        );
    }

    #[test]
    fn every_microsecond_has_its_own_identity() {
        let ids: Vec<EventId> = (0..1000)
            .map(|micros| {
                new_v7(Timestamp::from_nanos(1_596_719_980_000_000_000 + micros * 1000).unwrap())
            })
            .collect();
        assert!(
            ids.windows(2)
                .all(|pair| pair[0].as_str() < pair[1].as_str())
        );
    }

    #[test]
    fn random_bits_change_by_millisecond_and_thread() {
        assert_eq!(random(7, 1), random(7, 2));
        let before = random(7, 3);
        assert_ne!(before, random(8, 4));
        assert_ne!(before, random(7, 5), "the time did not increase");
        let here = random(9, 6);
        let elsewhere = std::thread::spawn(|| random(9, 6)).join().unwrap();
        assert_ne!(here, elsewhere);
    }

    #[test]
    fn repeated_time_has_other_random_bits() {
        assert_ne!(new_v7(Timestamp::MAX), new_v7(Timestamp::MAX));
        let ids: std::collections::HashSet<String> = [5, 4, 5, 5, 4]
            .map(|nanos| new_v7(Timestamp::from_nanos(nanos).unwrap()).to_string())
            .into();
        assert_eq!(
            ids.len(),
            5,
            "an identity has a coarser time than a timestamp"
        );
    }
}
