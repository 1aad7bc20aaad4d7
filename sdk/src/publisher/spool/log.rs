//! The log of the spool: events on disk, in the order in which they were written.
//!
//! The log is a folder of segment files of about 1 MiB. New records are appended to the last
//! segment, and are confirmed after `fsync`. When SQS has accepted an event, the mark of its
//! record is overwritten in place. A segment without waiting records is deleted. Draining
//! therefore needs no disk space, and works on a full disk.
//!
//! A segment is first written under another name, and is renamed when its first records are on
//! disk. A file with the name of a segment is therefore always a segment, even after a kill at
//! any point. A process never appends to a segment of an earlier process, or to a segment whose
//! last write failed.
//!
//! # Why the log has its own file format
//!
//! A copy-on-write database (redb) needs disk space to delete, refuses its whole
//! file for one damaged page, and does not notice a flipped bit in a value. SQLite
//! needs space for its write-ahead log to delete, and has no checksums either.
//! The log needs neither an index nor transactions, because an event that is sent
//! twice is stored once.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::fs::{self, File};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::Path;

use super::error::{SpoolDamage, SpoolError};
use super::folder::{FileKind, SpoolFolder, make_private};
use super::record::{self, Mark};
use super::scan::{SegmentScan, WaitingRecord, lacks_resources, scan_segment};
use super::writer::SegmentWriter;

/// A segment of this length or more receives no more records.
const SEGMENT_BYTES: u64 = 1024 * 1024;

/// The position of a record in the log. Positions sort in the order of the events.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct RecordPosition {
    segment: u64,
    offset: u64,
}

impl fmt::Display for RecordPosition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "file {}, byte {}", self.segment, self.offset)
    }
}

/// The content of a record, with its position.
#[derive(Debug)]
pub(super) struct SpooledEvent {
    pub(super) position: RecordPosition,
    pub(super) group: Option<String>,
    pub(super) body: String,
}

/// The state of a segment.
#[derive(Debug, Default)]
struct Segment {
    waiting: Vec<WaitingRecord>,
    /// The segment contains refused events or damaged records, so it is set aside and not
    /// deleted.
    keep: bool,
}

/// The log of one folder. Each waiting event takes about 16 bytes of memory.
#[derive(Debug)]
pub(crate) struct SpoolLog {
    folder: SpoolFolder,
    segments: BTreeMap<u64, Segment>,
    pub(crate) writer: SegmentWriter,
    damaged: u64,
    marks_fail: bool,
}

impl SpoolLog {
    /// Opens the log of a folder, and calls `each` with the message group of every waiting event.
    ///
    /// Opening an existing folder needs no disk space, so that the events can be sent even if the
    /// disk is full.
    pub(super) fn open(
        path: &Path,
        damage: SpoolDamage,
        mut each: impl FnMut(Option<&str>),
    ) -> Result<Self, SpoolError> {
        let folder = SpoolFolder::open(path)?;
        let files = folder.files()?;
        let (mut next, mut scans) = (1, Vec::new());
        for (name, path) in &files {
            if let FileKind::Segment(number)
            | FileKind::Unfinished(number)
            | FileKind::SetAside(number) = name
            {
                next = next.max(number.saturating_add(1));
            }
            if let FileKind::Segment(number) = name {
                scans.push((*number, scan_segment(path, &mut each)?));
            }
        }
        if damage == SpoolDamage::Refuse
            && let Some((number, scan)) = scans.iter().find(|(_, scan)| scan.is_damaged())
        {
            let damaged = scans.iter().filter(|(_, scan)| scan.is_damaged()).count();
            let what = format!(
                "{}; {damaged} file(s) of this folder are damaged, and no file was changed: move \
                 the damaged files to another folder, or build the publisher with \
                 `SpoolDamage::SetAside`",
                scan.describe()
            );
            let path = folder.segment(*number);
            return Err(SpoolError::new("use the damaged file", &path, what));
        }
        for (_, path) in files
            .iter()
            .filter(|(n, _)| matches!(n, FileKind::Unfinished(_)))
        {
            // No record in an unfinished file was confirmed.
            let _ = fs::remove_file(path);
        }
        let mut log = Self {
            folder,
            segments: BTreeMap::new(),
            writer: SegmentWriter::new(next),
            damaged: 0,
            marks_fail: false,
        };
        for (number, scan) in scans {
            log.add_segment(number, scan);
        }
        Ok(log)
    }

    /// Adds a segment that an earlier process wrote.
    fn add_segment(&mut self, number: u64, scan: SegmentScan) {
        let path = self.folder.segment(number);
        make_private(&path);
        if scan.is_damaged() {
            tracing::error!(
                path = %path.display(),
                damaged = scan.damaged(),
                error = scan.describe(),
                "a file of the spool is damaged; its intact events are sent, and its damaged \
                 records stay in a file that is set aside"
            );
        }
        self.damaged += scan.damaged();
        let mut segment = Segment {
            keep: scan.is_damaged(),
            ..Segment::default()
        };
        if let SegmentScan::Read(read) = scan {
            if read.truncated > 0 {
                tracing::warn!(
                    path = %path.display(),
                    bytes = read.truncated,
                    "the last record of a file of the spool is incomplete: the process ended \
                     before the record was confirmed"
                );
            }
            segment.keep |= read.refused > 0;
            segment.waiting = read.waiting;
        }
        self.segments.insert(number, segment);
        self.finish(number);
    }

    /// Returns the number of waiting events.
    pub(super) fn len(&self) -> u64 {
        let lengths = self.segments.values().map(|s| s.waiting.len() as u64);
        lengths.sum()
    }

    /// Returns the number of damaged records that were found since the log was opened.
    pub(super) fn damaged(&self) -> u64 {
        self.damaged
    }

    pub(super) fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Appends events. Returns the number of events that the disk has confirmed, counted from
    /// the first, and the error that stopped the append, if there was one.
    pub(crate) fn append<'a>(
        &mut self,
        events: impl IntoIterator<Item = (Option<&'a str>, &'a str)>,
    ) -> (usize, Option<SpoolError>) {
        let mut events = events.into_iter().peekable();
        let mut confirmed = 0;
        while events.peek().is_some() {
            let (start, mut buffer) = match self.writer.next_offset(SEGMENT_BYTES) {
                0 => (0, record::header().to_vec()),
                length => (length, Vec::new()),
            };
            let mut records = Vec::new();
            while records.is_empty() || start + (buffer.len() as u64) < SEGMENT_BYTES {
                let Some((group, body)) = events.next() else {
                    break;
                };
                let before = buffer.len();
                record::write(&mut buffer, group, body);
                records.push(WaitingRecord {
                    offset: start + before as u64,
                    bytes: buffer.len() - before,
                });
            }
            match self.writer.commit(&self.folder, &buffer) {
                Ok(number) => {
                    confirmed += records.len();
                    let segment = self.segments.entry(number).or_default();
                    segment.waiting.extend(records);
                }
                Err(error) => return (confirmed, Some(error)),
            }
        }
        (confirmed, None)
    }

    /// Ends the active segment, so that the next append starts a new one. Called after a panic,
    /// because the end of the active segment is then unknown.
    pub(super) fn seal(&mut self) {
        self.writer.seal();
    }

    /// Reads the oldest events: at most `count` events and, except for the first event, at most
    /// `bytes` bytes.
    ///
    /// A record that can no longer be read is counted as damaged and skipped.
    ///
    /// # Errors
    ///
    /// Returns an error if the process lacks memory or file descriptors. The next call may
    /// succeed.
    pub(super) fn read(
        &mut self,
        count: usize,
        bytes: usize,
    ) -> Result<Vec<SpooledEvent>, SpoolError> {
        let (mut events, mut size) = (Vec::new(), 0);
        let numbers: Vec<u64> = self.segments.keys().copied().collect();
        for number in numbers {
            let path = self.folder.segment(number);
            let file = match File::open(&path) {
                Ok(file) => file,
                Err(error) if lacks_resources(&error) => {
                    return Err(SpoolError::new("open the spool's file", &path, error));
                }
                Err(error) => {
                    self.discard_segment(number, &error);
                    continue;
                }
            };
            let mut unreadable: Option<(Vec<u64>, String)> = None;
            let mut full = false;
            for record in self.segments.get(&number).iter().flat_map(|s| &s.waiting) {
                full = events.len() == count || (size + record.bytes > bytes && !events.is_empty());
                if full {
                    break;
                }
                match read_at(&file, record) {
                    Ok((group, body)) => {
                        size += record.bytes;
                        let offset = record.offset;
                        let position = RecordPosition {
                            segment: number,
                            offset,
                        };
                        events.push(SpooledEvent {
                            position,
                            group,
                            body,
                        });
                    }
                    Err(error) => {
                        let (offsets, _) =
                            unreadable.get_or_insert_with(|| (Vec::new(), error.to_string()));
                        offsets.push(record.offset);
                    }
                }
            }
            if let Some((offsets, error)) = unreadable {
                self.discard_records(number, &offsets, &error);
            }
            if full {
                break;
            }
        }
        Ok(events)
    }

    /// Removes events that have an outcome: SQS has accepted the events of `sent`, and would
    /// never accept the events of `refused`.
    ///
    /// The change in memory always succeeds. If the disk fails, the events are sent again after
    /// a restart, and the consumer recognises them as duplicates.
    pub(super) fn remove(&mut self, sent: &[RecordPosition], refused: &[RecordPosition]) {
        let mut marks: BTreeMap<u64, HashMap<u64, Mark>> = BTreeMap::new();
        for (positions, mark) in [(sent, Mark::Sent), (refused, Mark::Refused)] {
            for position in positions {
                let marks = marks.entry(position.segment).or_default();
                marks.insert(position.offset, mark);
            }
        }
        for (number, marks) in marks {
            let Some(segment) = self.segments.get_mut(&number) else {
                continue;
            };
            segment.keep |= marks.values().any(|mark| *mark == Mark::Refused);
            let before = segment.waiting.len();
            segment
                .waiting
                .retain(|record| !marks.contains_key(&record.offset));
            let removed = before - segment.waiting.len();
            // `finish` deletes a file without waiting or refused events, so it needs no marks.
            if removed > 0 && (segment.keep || !segment.waiting.is_empty()) {
                let path = self.folder.segment(number);
                if let Err(error) = write_marks(&path, &marks)
                    && !std::mem::replace(&mut self.marks_fail, true)
                {
                    tracing::warn!(
                        path = %path.display(),
                        error = &error as &dyn std::error::Error,
                        "the spool cannot mark events as sent; after a restart, these events are \
                         sent again, and the consumer stores each event once"
                    );
                }
            }
            self.finish(number);
        }
    }

    /// Deletes a segment without waiting records, or sets it aside. Does nothing to a segment
    /// with waiting records.
    fn finish(&mut self, number: u64) {
        let Some(segment) = self.segments.get(&number) else {
            return;
        };
        if !segment.waiting.is_empty() {
            return;
        }
        let keep = segment.keep;
        self.segments.remove(&number);
        self.writer.seal_segment(number);
        let path = self.folder.segment(number);
        let result = match keep {
            true => self.folder.set_aside(number).map(|aside| {
                tracing::warn!(
                    path = %aside.display(),
                    "a file of the spool is set aside, because it contains refused events or \
                     damaged records"
                );
            }),
            false => fs::remove_file(&path),
        };
        if let Err(error) = result {
            tracing::warn!(
                path = %path.display(),
                error = &error as &dyn std::error::Error,
                "a file of the spool without waiting events cannot be deleted or set aside; the \
                 next start tries again"
            );
        }
    }

    /// Counts records that can no longer be read as damaged, and stops reading them.
    fn discard_records(&mut self, number: u64, offsets: &[u64], error: &str) {
        tracing::error!(
            path = %self.folder.segment(number).display(),
            damaged = offsets.len(),
            error,
            "records of the spool were damaged after the spool was opened; they stay in a file \
             that is set aside"
        );
        self.damaged += offsets.len() as u64;
        if let Some(segment) = self.segments.get_mut(&number) {
            segment.keep = true;
            segment
                .waiting
                .retain(|record| !offsets.contains(&record.offset));
        }
        self.finish(number);
    }

    /// Counts all waiting records of a segment that can no longer be opened as damaged.
    fn discard_segment(&mut self, number: u64, error: &io::Error) {
        let waiting = self.segments.get(&number).map(|s| &s.waiting);
        let offsets: Vec<u64> = waiting.into_iter().flatten().map(|e| e.offset).collect();
        self.discard_records(number, &offsets, &error.to_string());
    }
}

/// Reads the message group and the body of a record, and checks that the record is intact.
fn read_at(mut file: &File, waiting: &WaitingRecord) -> io::Result<(Option<String>, String)> {
    let mut bytes = vec![0; waiting.bytes];
    file.seek(SeekFrom::Start(waiting.offset))?;
    file.read_exact(&mut bytes)?;
    match record::read(&bytes) {
        Ok(record) => Ok((record.group.map(str::to_owned), record.body.to_owned())),
        Err(_) => Err(io::Error::new(
            io::ErrorKind::InvalidData,
            "the checksum does not match",
        )),
    }
}

/// Overwrites the marks of records of one segment. The file is not synced: if a power failure
/// undoes a mark, the event is sent again.
fn write_marks(path: &Path, marks: &HashMap<u64, Mark>) -> io::Result<()> {
    let mut file = File::options().write(true).open(path)?;
    for (offset, mark) in marks {
        file.seek(SeekFrom::Start(Mark::offset(*offset)))?;
        file.write_all(&mark.bytes())?;
    }
    Ok(())
}

#[cfg(test)]
mod tests;
