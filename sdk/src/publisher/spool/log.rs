//! The log of the spool: events on disk, in the order of their arrival.
//!
//! The log is a folder of segment files of about 1 MiB. New records are appended to the last
//! segment, and are confirmed after `fsync`. When SQS has accepted an event, the mark of its
//! record is overwritten in place. A segment without waiting records is deleted. Sending
//! therefore needs no disk space, so a full disk can be emptied.
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
use super::folder::{Name, SpoolFolder, make_private};
use super::record::{self, Mark};
use super::scan::{Entry, Scan, lacks_resources, scan};
use super::writer::Writer;

/// A segment takes no more records once it is as long as this.
const SEGMENT_BYTES: u64 = 1024 * 1024;

/// The place of a record. Places sort in the order of the events.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Place {
    segment: u64,
    offset: u64,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "file {}, byte {}", self.segment, self.offset)
    }
}

/// An event of the log.
#[derive(Debug)]
pub(super) struct Spooled {
    pub(super) place: Place,
    pub(super) group: Option<String>,
    pub(super) body: String,
}

/// The state of a segment.
#[derive(Debug, Default)]
struct Segment {
    waiting: Vec<Entry>,
    /// It holds refused events or damaged records, so it is set aside and not
    /// deleted.
    keep: bool,
}

/// The events of one folder. Each event takes about 16 bytes of memory.
#[derive(Debug)]
pub(crate) struct SpoolLog {
    folder: SpoolFolder,
    segments: BTreeMap<u64, Segment>,
    pub(crate) writer: Writer,
    damaged: u64,
    marks_fail: bool,
}

impl SpoolLog {
    /// Opens the log of a folder, and calls `each` with the group of every waiting event.
    ///
    /// If the folder is complete, nothing is written to the disk, so that the events can be sent
    /// even if the disk is full.
    pub(super) fn open(
        path: &Path,
        damage: SpoolDamage,
        mut each: impl FnMut(Option<&str>),
    ) -> Result<Self, SpoolError> {
        let folder = SpoolFolder::open(path)?;
        let files = folder.files()?;
        let (mut next, mut scans) = (1, Vec::new());
        for (name, path) in &files {
            if let Name::Segment(number) | Name::Unfinished(number) | Name::SetAside(number) = name
            {
                next = next.max(number.saturating_add(1));
            }
            if let Name::Segment(number) = name {
                scans.push((*number, scan(path, &mut each)?));
            }
        }
        if damage == SpoolDamage::Refuse
            && let Some((number, scan)) = scans.iter().find(|(_, scan)| scan.is_damaged())
        {
            let damaged = scans.iter().filter(|(_, scan)| scan.is_damaged()).count();
            let what = format!(
                "{}; {damaged} file(s) of the folder are damaged, and nothing was changed in \
                 them: move them away, or build the publisher with `SpoolDamage::SetAside`",
                scan.describe()
            );
            let path = folder.segment(*number);
            return Err(SpoolError::new("accept the damage in", &path, what));
        }
        for (_, path) in files
            .iter()
            .filter(|(n, _)| matches!(n, Name::Unfinished(_)))
        {
            // No event in it was confirmed.
            let _ = fs::remove_file(path);
        }
        let mut log = Self {
            folder,
            segments: BTreeMap::new(),
            writer: Writer::new(next),
            damaged: 0,
            marks_fail: false,
        };
        for (number, scan) in scans {
            log.take(number, scan);
        }
        Ok(log)
    }

    /// Takes in a segment of an earlier process.
    fn take(&mut self, number: u64, scan: Scan) {
        let path = self.folder.segment(number);
        make_private(&path);
        if scan.is_damaged() {
            tracing::error!(
                path = %path.display(),
                damaged = scan.damaged(),
                error = scan.describe(),
                "a file of the spool is damaged; its other events are sent, and the damaged \
                 records are kept in a file that is set aside"
            );
        }
        self.damaged += scan.damaged();
        let mut segment = Segment {
            keep: scan.is_damaged(),
            ..Segment::default()
        };
        if let Scan::Read(read) = scan {
            if read.cut > 0 {
                tracing::warn!(
                    path = %path.display(),
                    bytes = read.cut,
                    "the last record of the spool's file is not complete: its process ended \
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

    /// Damaged records that were found since the log was opened.
    pub(super) fn damaged(&self) -> u64 {
        self.damaged
    }

    pub(super) fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Appends events. Returns how many of the events, counted from the first, the disk has
    /// confirmed, and why it has not confirmed the next event.
    pub(crate) fn append<'a>(
        &mut self,
        events: impl IntoIterator<Item = (Option<&'a str>, &'a str)>,
    ) -> (usize, Option<SpoolError>) {
        let mut events = events.into_iter().peekable();
        let mut confirmed = 0;
        while events.peek().is_some() {
            let (start, mut buffer) = match self.writer.begin(SEGMENT_BYTES) {
                0 => (0, record::header().to_vec()),
                length => (length, Vec::new()),
            };
            let mut entries = Vec::new();
            while entries.is_empty() || start + (buffer.len() as u64) < SEGMENT_BYTES {
                let Some((group, body)) = events.next() else {
                    break;
                };
                let before = buffer.len();
                record::write(&mut buffer, group, body);
                entries.push(Entry {
                    offset: start + before as u64,
                    bytes: buffer.len() - before,
                });
            }
            match self.writer.commit(&self.folder, &buffer) {
                Ok(number) => {
                    confirmed += entries.len();
                    let segment = self.segments.entry(number).or_default();
                    segment.waiting.extend(entries);
                }
                Err(error) => return (confirmed, Some(error)),
            }
        }
        (confirmed, None)
    }

    /// Lets the next append start a new segment. It is called after a panic, because the end of
    /// the active segment is then unknown.
    pub(super) fn seal(&mut self) {
        self.writer.seal();
    }

    /// The first events, up to `count` of them and, after the first, `bytes`.
    ///
    /// A record that can no longer be read is set aside.
    ///
    /// # Errors
    ///
    /// If the process lacks memory or file descriptors, so that the next call may
    /// succeed.
    pub(super) fn read(&mut self, count: usize, bytes: usize) -> Result<Vec<Spooled>, SpoolError> {
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
                    self.give_up(number, &error);
                    continue;
                }
            };
            let mut lost: Option<(Vec<u64>, String)> = None;
            let mut full = false;
            for entry in self.segments.get(&number).iter().flat_map(|s| &s.waiting) {
                full = events.len() == count || (size + entry.bytes > bytes && !events.is_empty());
                if full {
                    break;
                }
                match read_at(&file, entry) {
                    Ok((group, body)) => {
                        size += entry.bytes;
                        let offset = entry.offset;
                        let place = Place {
                            segment: number,
                            offset,
                        };
                        events.push(Spooled { place, group, body });
                    }
                    Err(error) => {
                        let lost = lost.get_or_insert_with(|| (Vec::new(), error.to_string()));
                        lost.0.push(entry.offset);
                    }
                }
            }
            if let Some((offsets, error)) = lost {
                self.lose(number, &offsets, &error);
            }
            if full {
                break;
            }
        }
        Ok(events)
    }

    /// Records the outcome of events: SQS has accepted the events of `sent`, and would never
    /// accept the events of `refused`.
    ///
    /// The change in memory always succeeds. If the disk fails, the events are sent again after
    /// a restart, and are recognised as duplicates when they are stored.
    pub(super) fn remove(&mut self, sent: &[Place], refused: &[Place]) {
        let mut marks: BTreeMap<u64, HashMap<u64, Mark>> = BTreeMap::new();
        for (places, mark) in [(sent, Mark::Sent), (refused, Mark::Refused)] {
            for place in places {
                let marks = marks.entry(place.segment).or_default();
                marks.insert(place.offset, mark);
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
                .retain(|entry| !marks.contains_key(&entry.offset));
            let removed = before - segment.waiting.len();
            // A file that is deleted at once needs no marks.
            if removed > 0 && (segment.keep || !segment.waiting.is_empty()) {
                let path = self.folder.segment(number);
                if let Err(error) = write_marks(&path, &marks)
                    && !std::mem::replace(&mut self.marks_fail, true)
                {
                    tracing::warn!(
                        path = %path.display(),
                        error = &error as &dyn std::error::Error,
                        "the spool cannot record which events were sent; after a restart, they \
                         are sent again and stored once"
                    );
                }
            }
            self.finish(number);
        }
    }

    /// Deletes a segment without waiting records, or sets it aside.
    fn finish(&mut self, number: u64) {
        let Some(segment) = self.segments.get(&number) else {
            return;
        };
        if !segment.waiting.is_empty() {
            return;
        }
        let keep = segment.keep;
        self.segments.remove(&number);
        self.writer.forget(number);
        let path = self.folder.segment(number);
        let result = match keep {
            true => self.folder.set_aside(number).map(|aside| {
                tracing::warn!(
                    path = %aside.display(),
                    "a file of the spool is set aside, because it holds refused events or \
                     damaged records"
                );
            }),
            false => fs::remove_file(&path),
        };
        if let Err(error) = result {
            tracing::warn!(
                path = %path.display(),
                error = &error as &dyn std::error::Error,
                "a file of the spool that is no longer needed cannot be moved away; the next \
                 start tries again"
            );
        }
    }

    /// Gives up records that can no longer be read.
    fn lose(&mut self, number: u64, offsets: &[u64], error: &str) {
        tracing::error!(
            path = %self.folder.segment(number).display(),
            damaged = offsets.len(),
            error,
            "records of the spool were damaged while they waited; they are kept in a file that \
             is set aside"
        );
        self.damaged += offsets.len() as u64;
        if let Some(segment) = self.segments.get_mut(&number) {
            segment.keep = true;
            let lost = |entry: &Entry| offsets.contains(&entry.offset);
            segment.waiting.retain(|entry| !lost(entry));
        }
        self.finish(number);
    }

    /// Gives up a segment that can no longer be opened.
    fn give_up(&mut self, number: u64, error: &io::Error) {
        let waiting = self.segments.get(&number).map(|s| &s.waiting);
        let offsets: Vec<u64> = waiting.into_iter().flatten().map(|e| e.offset).collect();
        self.lose(number, &offsets, &error.to_string());
    }
}

/// Reads the group and the body of a record, and checks that the record is intact.
fn read_at(mut file: &File, entry: &Entry) -> io::Result<(Option<String>, String)> {
    let mut bytes = vec![0; entry.bytes];
    file.seek(SeekFrom::Start(entry.offset))?;
    file.read_exact(&mut bytes)?;
    match record::read(&bytes) {
        Ok(record) => Ok((record.group.map(str::to_owned), record.body.to_owned())),
        Err(_) => Err(io::Error::new(
            io::ErrorKind::InvalidData,
            "the checksum does not match",
        )),
    }
}

/// Overwrites the marks of a segment. The marks are not synced: if a power failure undoes a
/// mark, the event is sent again.
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
