//! Reads the segments that an earlier process wrote.

use std::fs::File;
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::path::Path;

use super::error::SpoolError;
use super::record::{self, FORMAT, Mark, Region, SegmentHeader};

/// The maximum number of bytes that are read from a file. A segment is far smaller. Bytes
/// beyond this limit count as damaged.
const MAX_SEGMENT_BYTES: u64 = 64 * 1024 * 1024;
/// The number of bytes that are skipped when the disk fails to read a part of a file.
const BLOCK: usize = 4096;

/// A record whose event has not been sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct WaitingRecord {
    pub(super) offset: u64,
    pub(super) bytes: usize,
}

/// The result of reading a segment.
#[derive(Debug)]
pub(super) enum SegmentScan {
    Read(SegmentContent),
    /// No part of the file could be read.
    Unreadable(io::Error),
}

/// The content of a segment.
#[derive(Debug, Default)]
pub(super) struct SegmentContent {
    pub(super) waiting: Vec<WaitingRecord>,
    pub(super) refused: u64,
    /// The length of an incomplete record at the end of the file, in bytes.
    pub(super) truncated: usize,
    damaged: u64,
    damaged_bytes: u64,
    first_damage: u64,
    error: Option<io::Error>,
}

/// A later version of this crate wrote the file.
#[derive(Debug, thiserror::Error)]
#[error(
    "the file has format {0}, and this version reads only format {FORMAT}; the file was not changed: \
     send its events with the version that wrote it"
)]
struct LaterFormat(u32);

impl SegmentScan {
    pub(super) fn is_damaged(&self) -> bool {
        self.damaged() > 0
    }

    /// Returns the number of damaged regions. A region is one record, several records whose
    /// boundaries are damaged, or the header of the file.
    pub(super) fn damaged(&self) -> u64 {
        match self {
            Self::Read(content) => content.damaged,
            Self::Unreadable(_) => 1,
        }
    }

    pub(super) fn describe(&self) -> String {
        match self {
            Self::Read(content) => {
                let cause = match &content.error {
                    Some(error) => format!(" ({error})"),
                    None => String::new(),
                };
                format!(
                    "{} damaged record(s), {} bytes in total, the first at byte {}{cause}",
                    content.damaged, content.damaged_bytes, content.first_damage
                )
            }
            Self::Unreadable(error) => format!("the file cannot be read: {error}"),
        }
    }
}

/// Reads a segment, and calls `each` with the group of every event that has not been sent.
///
/// # Errors
///
/// If a later version wrote the file, or if the process lacks memory or file
/// descriptors. In both cases the file is not damaged.
pub(super) fn scan_segment(
    path: &Path,
    each: &mut impl FnMut(Option<&str>),
) -> Result<SegmentScan, SpoolError> {
    let (bytes, error, more) = match read(path) {
        Ok(read) => read,
        Err(error) if lacks_resources(&error) => {
            return Err(SpoolError::new("open the spool's file", path, error));
        }
        Err(error) => return Ok(SegmentScan::Unreadable(error)),
    };
    let mut content = SegmentContent::default();
    let header = record::read_header(&bytes);
    if let SegmentHeader::Later(format) = header {
        let error = LaterFormat(format);
        return Err(SpoolError::new("read the spool's file", path, error));
    }
    for (offset, region) in record::regions(&bytes) {
        match region {
            Region::Record(record) => match record.mark {
                Mark::Waiting => {
                    each(record.group);
                    content.waiting.push(WaitingRecord {
                        offset: offset as u64,
                        bytes: record.bytes,
                    });
                }
                Mark::Sent => {}
                Mark::Refused => content.refused += 1,
            },
            Region::Damaged(length) => content.damage(offset as u64, length as u64),
            Region::Truncated(length) => content.truncated = length,
        }
    }
    if more > 0 {
        content.damage(bytes.len() as u64, more);
    }
    if header == SegmentHeader::Damaged && content.damaged == 0 {
        // The file is empty. A killed process does not leave an empty file, so this is
        // damage.
        content.damage(0, 0);
    }
    content.error = error;
    Ok(SegmentScan::Read(content))
}

impl SegmentContent {
    fn damage(&mut self, offset: u64, bytes: u64) {
        if self.damaged == 0 {
            self.first_damage = offset;
        }
        self.damaged += 1;
        self.damaged_bytes += bytes;
    }
}

/// Reads a file. Returns its content, in which unreadable blocks are replaced by zeros; the
/// error of the disk, if there was one; and the number of bytes that were not read.
fn read(path: &Path) -> io::Result<(Vec<u8>, Option<io::Error>, u64)> {
    let mut file = File::open(path)?;
    let length = file.metadata()?.len();
    let more = length.saturating_sub(MAX_SEGMENT_BYTES);
    let mut bytes = Vec::new();
    let Err(error) = (&file).take(MAX_SEGMENT_BYTES).read_to_end(&mut bytes) else {
        return Ok((bytes, None, more));
    };
    if lacks_resources(&error) || length == 0 {
        return Err(error);
    }
    // The disk may have a bad sector. The records in other blocks must still be sent.
    let length = usize::try_from(length - more).unwrap_or(0);
    let mut bytes = vec![0; length];
    let mut readable = false;
    for (index, block) in bytes.chunks_mut(BLOCK).enumerate() {
        file.seek(SeekFrom::Start((index * BLOCK) as u64))?;
        match file.read_exact(block) {
            Ok(()) => readable = true,
            Err(_) => block.fill(0),
        }
    }
    match readable {
        true => Ok((bytes, Some(error), more)),
        false => Err(error),
    }
}

/// Returns true if the error concerns this process and not the file: too many open files, or
/// not enough memory.
pub(super) fn lacks_resources(error: &io::Error) -> bool {
    const ENOMEM: i32 = 12;
    const ENFILE: i32 = 23;
    const EMFILE: i32 = 24;
    cfg!(unix) && matches!(error.raw_os_error(), Some(ENOMEM | ENFILE | EMFILE))
}
