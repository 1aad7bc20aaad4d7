//! New identities: UUIDs of version 7 (RFC 9562), without a system call each.
//!
//! ```text
//! 48 bits  milliseconds since 1970      ┐ the event's own timestamp, which
//! 12 bits  part of the millisecond      ┘ this process gives only once
//! 62 bits  random, one draw for a thread and millisecond of the wall clock
//! ```
//!
//! Within a process the time alone tells identities apart (RFC 9562, section 6.2,
//! method 3), and sorts them across threads. Should it ever not go on, there is
//! another draw. Between processes it is the random
//! bits: two would have to draw the same 62 in the same millisecond.
//!
//! The operating system's random bytes cost more than all else that makes an
//! identity, so `Uuid::now_v7`, which asks for some each time, is not used. They
//! are asked for again after a millisecond and not, as other generators do, after
//! some thousand identities: a machine that was copied while it ran (a snapshot,
//! a fork) would go on with the same bytes as its copy, but its clock moves on.

use std::cell::Cell;
use std::time::{SystemTime, UNIX_EPOCH};

use uuid::Uuid;

use crate::event::ids::EventId;
use crate::event::timestamp::Timestamp;

const NANOS_PER_MILLISECOND: u64 = 1_000_000;

impl EventId {
    /// A new identity: a UUID of version 7, so that identities sort by time. Two
    /// of one millisecond resemble each other: it is an identity, not a secret.
    pub fn random() -> Self {
        at(Timestamp::now())
    }
}

/// The identity of what [`Timestamp::now`] was told for.
pub(crate) fn at(timestamp: Timestamp) -> EventId {
    let nanos = timestamp.as_nanos();
    let milliseconds = nanos / NANOS_PER_MILLISECOND;
    // As a binary fraction, 4,096 to the millisecond: more than one to each
    // microsecond, so that no two fall together.
    let part = (nanos % NANOS_PER_MILLISECOND) * 4096 / NANOS_PER_MILLISECOND;
    let version = 7;
    let time = milliseconds << 16 | version << 12 | part;
    EventId::of_uuid(Uuid::from_u64_pair(time, random(wall_clock(), time)))
}

/// Milliseconds, of the clock and not of the timestamp: while the clock is behind,
/// timestamps go on by a microsecond each, however long it takes.
fn wall_clock() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| since.as_millis() as u64)
}

/// 62 random bits below the two of a UUID's variant, for an identity with this
/// `time` above them.
fn random(milliseconds: u64, time: u64) -> u64 {
    thread_local! {
        /// The millisecond of the last draw, the last time it was used for, and
        /// what was drawn.
        static DRAWN: Cell<(u64, u64, u64)> = const { Cell::new((u64::MAX, 0, 0)) };
    }
    let (when, last, bits) = DRAWN.get();
    // The same bits below the same time would be the same identity, and of two
    // events with one identity the store keeps one.
    let bits = if when == milliseconds && last < time {
        bits
    } else {
        // The lower half of any UUID has the variant in its place.
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
    fn an_identity_is_a_uuid_of_version_7_with_the_events_time() {
        let timestamp: Timestamp = "1596719980.123456".parse().unwrap();
        let uuid = uuid(&at(timestamp));
        assert_eq!(uuid.get_version(), Some(uuid::Version::SortRand));
        assert_eq!(uuid.get_variant(), uuid::Variant::RFC4122);
        let (seconds, nanos) = uuid.get_timestamp().unwrap().to_unix();
        assert_eq!((seconds, nanos), (1_596_719_980, 123_000_000));
    }

    #[test]
    fn identities_differ_and_sort_by_time_across_threads() {
        let make = || {
            (0..5000).map(|_| {
                let timestamp = Timestamp::now();
                (timestamp, at(timestamp))
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
    fn every_microsecond_has_its_own_part_of_the_millisecond() {
        let ids: Vec<EventId> = (0..1000)
            .map(|micros| {
                at(Timestamp::from_nanos(1_596_719_980_000_000_000 + micros * 1000).unwrap())
            })
            .collect();
        assert!(
            ids.windows(2)
                .all(|pair| pair[0].as_str() < pair[1].as_str())
        );
    }

    #[test]
    fn another_millisecond_and_another_thread_have_other_random_bits() {
        assert_eq!(random(7, 1), random(7, 2));
        let before = random(7, 3);
        assert_ne!(before, random(8, 4));
        assert_ne!(before, random(7, 5), "it is another draw");
        let here = random(9, 6);
        let elsewhere = std::thread::spawn(|| random(9, 6)).join().unwrap();
        assert_ne!(here, elsewhere);
    }

    #[test]
    fn a_time_that_does_not_go_on_has_other_random_bits() {
        assert_ne!(at(Timestamp::MAX), at(Timestamp::MAX));
        let ids: std::collections::HashSet<String> = [5, 4, 5, 5, 4]
            .map(|nanos| at(Timestamp::from_nanos(nanos).unwrap()).to_string())
            .into();
        assert_eq!(ids.len(), 5, "finer than what an identity holds of it");
    }
}
