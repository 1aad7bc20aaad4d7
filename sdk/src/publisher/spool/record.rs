//! The bytes of a segment file: a header, then one record per event.
//!
//! | header, 16 bytes | | record, 20 bytes and the payload | |
//! |---|---|---|---|
//! | 8 | `EVTSPOOL` | 4 | [`MARKER`] |
//! | 4 | format | 4 | [`Mark`] |
//! | 4 | CRC-32 of these | 4 | length of the payload |
//! | | | 4 | CRC-32 of the payload |
//! | | | 4 | CRC-32 of length and payload's CRC-32 |
//! | | | | payload: length of the group (1 byte), group, body |
//!
//! Numbers are little-endian. The header of a record has a separate checksum, which
//! distinguishes a record that a killed process did not finish (intact header, short
//! payload) from a record whose length is damaged.
//!
//! The payload is UTF-8, in which the first byte of the marker never occurs. After a
//! damaged record, a reader therefore continues at the next marker, and never mistakes
//! payload for a record.
//!
//! The mark is the only part of a file that is overwritten. It changes in place, so that
//! acknowledging an event needs no disk space, and no checksum covers it. The marks differ
//! in at least three bytes. Any other value means that the event has not been sent: an event
//! that is sent twice is stored once, but an event that is not sent is lost.

use memchr::memmem;

/// The version of the layout of records. A later layout gets a new number. A version of this
/// crate that writes a new layout must still read this one, because a spool may contain
/// events that an earlier version wrote.
pub(super) const FORMAT: u32 = 1;

const MAGIC: &[u8; 8] = b"EVTSPOOL";
pub(super) const HEADER_BYTES: usize = 16;

const MARKER: [u8; 4] = [0xFF, b'E', b'V', 0xFE];
pub(super) const RECORD_HEADER_BYTES: usize = 20;
const MARK_OFFSET: u64 = MARKER.len() as u64;

/// The state of the event in a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mark {
    Waiting,
    /// SQS has accepted the event.
    Sent,
    /// SQS will never accept the event.
    Refused,
}

impl Mark {
    pub(super) fn bytes(self) -> [u8; 4] {
        match self {
            Self::Waiting => *b"WAIT",
            Self::Sent => *b"SENT",
            Self::Refused => *b"REFU",
        }
    }

    fn of(bytes: &[u8]) -> Self {
        [Self::Sent, Self::Refused]
            .into_iter()
            .find(|mark| mark.bytes() == bytes)
            .unwrap_or(Self::Waiting)
    }

    /// Returns the offset of the mark of the record at the offset `record`.
    pub(super) fn offset(record: u64) -> u64 {
        record + MARK_OFFSET
    }
}

/// The content of a segment's header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum SegmentHeader {
    Known,
    /// The header is intact, and names the format of a later version.
    Later(u32),
    Damaged,
}

pub(super) fn header() -> [u8; HEADER_BYTES] {
    header_of(FORMAT)
}

pub(super) fn header_of(format: u32) -> [u8; HEADER_BYTES] {
    let mut header = [0; HEADER_BYTES];
    header[..8].copy_from_slice(MAGIC);
    header[8..12].copy_from_slice(&format.to_le_bytes());
    let sum = crc32fast::hash(&header[..12]);
    header[12..].copy_from_slice(&sum.to_le_bytes());
    header
}

pub(super) fn read_header(bytes: &[u8]) -> SegmentHeader {
    match bytes.get(..HEADER_BYTES).and_then(|h| number(h, 8)) {
        Some(format) if bytes.starts_with(&header_of(format)) => match format {
            FORMAT => SegmentHeader::Known,
            later => SegmentHeader::Later(later),
        },
        _ => SegmentHeader::Damaged,
    }
}

/// Appends the record of one event to `out`.
#[allow(
    clippy::expect_used,
    reason = "SQS bounds the group and the body far below the limits of their lengths"
)]
pub(super) fn write(out: &mut Vec<u8>, group: Option<&str>, body: &str) {
    let group = group.unwrap_or_default();
    let length_of_group = u8::try_from(group.len()).expect("a message group has up to 128 bytes");
    let length = u32::try_from(1 + group.len() + body.len()).expect("an event has up to 1 MiB");
    let mut sum = crc32fast::Hasher::new();
    for part in [&[length_of_group], group.as_bytes(), body.as_bytes()] {
        sum.update(part);
    }
    let mut sums = [0; 8];
    sums[..4].copy_from_slice(&length.to_le_bytes());
    sums[4..].copy_from_slice(&sum.finalize().to_le_bytes());
    out.extend_from_slice(&MARKER);
    out.extend_from_slice(&Mark::Waiting.bytes());
    out.extend_from_slice(&sums);
    out.extend_from_slice(&crc32fast::hash(&sums).to_le_bytes());
    out.push(length_of_group);
    out.extend_from_slice(group.as_bytes());
    out.extend_from_slice(body.as_bytes());
}

/// An intact record.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct SpoolRecord<'a> {
    pub(super) mark: Mark,
    pub(super) group: Option<&'a str>,
    pub(super) body: &'a str,
    /// The length of the record in bytes, header and payload.
    pub(super) bytes: usize,
}

/// Why bytes do not start with an intact record.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum RecordError {
    /// The bytes may be a record whose end is missing.
    Truncated,
    Damaged,
}

/// Reads the record at the start of `bytes`.
pub(super) fn read(bytes: &[u8]) -> Result<SpoolRecord<'_>, RecordError> {
    let Some((header, rest)) = bytes.split_at_checked(RECORD_HEADER_BYTES) else {
        let marker = &MARKER[..bytes.len().min(MARKER.len())];
        return Err(match bytes.starts_with(marker) {
            true => RecordError::Truncated,
            false => RecordError::Damaged,
        });
    };
    if !header.starts_with(&MARKER) || number(header, 16) != Some(crc32fast::hash(&header[8..16])) {
        return Err(RecordError::Damaged);
    }
    let length = number(header, 8).ok_or(RecordError::Damaged)? as usize;
    let payload = rest.get(..length).ok_or(RecordError::Truncated)?;
    if number(header, 12) != Some(crc32fast::hash(payload)) {
        return Err(RecordError::Damaged);
    }
    let (group, body) = payload
        .split_first()
        .and_then(|(group, rest)| rest.split_at_checked(usize::from(*group)))
        .ok_or(RecordError::Damaged)?;
    let text = |bytes| std::str::from_utf8(bytes).map_err(|_| RecordError::Damaged);
    let (group, body) = (text(group)?, text(body)?);
    Ok(SpoolRecord {
        mark: Mark::of(&header[4..8]),
        group: Some(group).filter(|group| !group.is_empty()),
        body,
        bytes: RECORD_HEADER_BYTES + length,
    })
}

/// A part of a segment.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Region<'a> {
    Record(SpoolRecord<'a>),
    /// Bytes that are not a record, up to the next marker or the end.
    Damaged(usize),
    /// The last record is not complete: its process ended before the record was
    /// confirmed.
    Truncated(usize),
}

/// Returns the regions of a segment in order, each with its offset.
pub(super) fn regions(bytes: &[u8]) -> impl Iterator<Item = (usize, Region<'_>)> {
    let mut at = match read_header(bytes) {
        SegmentHeader::Damaged => 0,
        _ => HEADER_BYTES,
    };
    std::iter::from_fn(move || {
        let rest = bytes.get(at..).filter(|rest| !rest.is_empty())?;
        let offset = at;
        let region = match read(rest) {
            Ok(record) => Region::Record(record),
            Err(why) => match memmem::find(&rest[1..], &MARKER) {
                Some(next) => Region::Damaged(next + 1),
                None if why == RecordError::Truncated => Region::Truncated(rest.len()),
                None => Region::Damaged(rest.len()),
            },
        };
        at += match &region {
            Region::Record(record) => record.bytes,
            Region::Damaged(bytes) | Region::Truncated(bytes) => *bytes,
        };
        Some((offset, region))
    })
}

fn number(bytes: &[u8], at: usize) -> Option<u32> {
    let four = bytes.get(at..at + 4)?;
    Some(u32::from_le_bytes(four.try_into().ok()?))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    type Event = (Option<String>, String);

    fn segment(events: &[Event]) -> (Vec<u8>, Vec<usize>) {
        let (mut bytes, mut ends) = (header().to_vec(), Vec::new());
        for (group, body) in events {
            write(&mut bytes, group.as_deref(), body);
            ends.push(bytes.len());
        }
        (bytes, ends)
    }

    /// Returns the events that are read, the number of damaged regions, and whether the last
    /// record is incomplete.
    fn scan(bytes: &[u8]) -> (Vec<Event>, usize, bool) {
        let (mut events, mut damaged, mut cut) = (Vec::new(), 0, false);
        for (_, region) in regions(bytes) {
            match region {
                Region::Record(record) => {
                    assert_eq!(record.mark, Mark::Waiting);
                    events.push((record.group.map(str::to_owned), record.body.to_owned()));
                }
                Region::Damaged(_) => damaged += 1,
                Region::Truncated(_) => cut = true,
            }
        }
        (events, damaged, cut)
    }

    fn three() -> Vec<Event> {
        vec![
            (None, "first".to_owned()),
            (Some("order-7".to_owned()), "zweites é\u{10FFFF}".to_owned()),
            (Some("g".repeat(128)), String::new()),
        ]
    }

    #[test]
    fn segment_is_read_as_written() {
        let (bytes, _) = segment(&three());
        assert_eq!(scan(&bytes), (three(), 0, false));
        assert_eq!(read_header(&bytes), SegmentHeader::Known);
        assert_eq!(read_header(&header_of(2)), SegmentHeader::Later(2));
    }

    #[test]
    fn flipped_byte_costs_at_most_its_record() {
        let (bytes, ends) = segment(&three());
        for position in 0..bytes.len() {
            for flip in [0x01, 0x80, 0xFF, 0x20] {
                let mut damaged = bytes.clone();
                damaged[position] ^= flip;
                let (events, regions, cut) = scan(&damaged);
                let hit = ends.iter().position(|end| position < *end).unwrap();
                let in_header = position < HEADER_BYTES;
                let start = if hit == 0 {
                    HEADER_BYTES
                } else {
                    ends[hit - 1]
                };
                let in_mark = !in_header && (4..8).contains(&(position - start));
                let mut expected = three();
                if !in_header && !in_mark {
                    expected.remove(hit);
                }
                assert_eq!(events, expected, "{position} ^ {flip:x}");
                assert_eq!(regions, usize::from(!in_mark), "{position} ^ {flip:x}");
                assert!(!cut, "{position}: damage passes for an unfinished record");
            }
        }
    }

    #[test]
    fn damage_never_marks_an_event_as_sent() {
        let (bytes, _) = segment(&three());
        let mark = HEADER_BYTES + 4;
        for byte in 0..4 {
            for value in 0..=255 {
                let mut damaged = bytes.clone();
                damaged[mark + byte] = value;
                assert_eq!(scan(&damaged).0, three());
            }
        }
    }

    #[test]
    fn cut_segment_keeps_every_whole_record() {
        let (bytes, ends) = segment(&three());
        for length in HEADER_BYTES..bytes.len() {
            let whole = ends.iter().filter(|end| **end <= length).count();
            let (events, damaged, cut) = scan(&bytes[..length]);
            assert_eq!(events, three()[..whole], "{length}");
            let between = length == HEADER_BYTES || ends.contains(&length);
            assert_eq!((damaged, cut), (0, !between), "{length}");
        }
    }

    #[test]
    fn zeros_and_foreign_bytes_are_one_region() {
        let (mut bytes, _) = segment(&three());
        bytes.resize(bytes.len() + 4_096, 0);
        assert_eq!(scan(&bytes), (three(), 1, false));
        assert_eq!(scan(&b"foreign, ".repeat(100)), (vec![], 1, false));
        assert_eq!(scan(&[0; 100]), (vec![], 1, false));
        assert_eq!(scan(&[]), (vec![], 0, false));
    }

    fn events() -> impl Strategy<Value = Vec<Event>> {
        prop::collection::vec((prop::option::of("[!-~]{1,20}"), ".{0,60}"), 1..12)
    }

    proptest! {
        /// Overwrites, removes or inserts bytes at one place.
        #[test]
        fn damage_at_one_place_spares_the_rest(
            events in events(),
            at in any::<prop::sample::Index>(),
            removed in 0usize..40,
            inserted in prop::collection::vec(any::<u8>(), 0..40),
        ) {
            let (mut bytes, ends) = segment(&events);
            let at = at.index(bytes.len());
            let removed = at..(at + removed).min(bytes.len());
            let starts = std::iter::once(HEADER_BYTES).chain(ends.iter().copied());
            let spans = starts.zip(&ends).map(|(start, end)| start..*end);
            let spared = |span: &std::ops::Range<usize>| {
                span.end <= removed.start || span.start >= removed.end
                    && !(span.start < at && at < span.end)
            };
            let kept: Vec<Event> = spans
                .zip(&events)
                .filter(|(span, _)| spared(span))
                .map(|(_, event)| event.clone())
                .collect();
            bytes.splice(removed, inserted);
            let (found, _, _) = scan(&bytes);
            // A record that was overwritten with the same bytes is still found.
            let mut rest = found.iter();
            prop_assert!(kept.iter().all(|event| rest.any(|other| other == event)));
            prop_assert!(found.iter().all(|event| events.contains(event)));
        }

        #[test]
        fn any_bytes_are_read_to_their_end(bytes in prop::collection::vec(any::<u8>(), 0..600)) {
            let mut end = match read_header(&bytes) {
                SegmentHeader::Damaged => 0,
                _ => HEADER_BYTES,
            };
            for (offset, region) in regions(&bytes) {
                prop_assert_eq!(offset, end);
                end += match region {
                    Region::Record(record) => record.bytes,
                    Region::Damaged(bytes) | Region::Truncated(bytes) => bytes,
                };
            }
            prop_assert_eq!(end, bytes.len());
        }
    }
}
