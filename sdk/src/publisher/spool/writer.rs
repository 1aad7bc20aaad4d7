//! Writes new records to the last segment of the log.

use std::fs::{self, File};
use std::io::{self, Write as _};

use super::error::SpoolError;
use super::folder::{SpoolFolder, private};

/// Writes to the last segment of a folder.
#[derive(Debug)]
pub(crate) struct SegmentWriter {
    active: Option<ActiveSegment>,
    next: u64,
    /// Lets a test fail every write.
    #[cfg(test)]
    pub(crate) fault: Option<fn() -> io::Result<()>>,
}

#[derive(Debug)]
struct ActiveSegment {
    number: u64,
    file: File,
    /// The length in bytes that the disk has confirmed.
    bytes: u64,
}

impl SegmentWriter {
    /// Creates a writer without a segment. The first segment gets the number `next`.
    pub(super) fn new(next: u64) -> Self {
        Self {
            active: None,
            next,
            #[cfg(test)]
            fault: None,
        }
    }

    /// Returns the offset at which the next commit writes: the length of the active segment, or
    /// 0 for a new segment. A segment of `limit` bytes or more receives no more records.
    pub(super) fn next_offset(&mut self, limit: u64) -> u64 {
        self.active.take_if(|active| active.bytes >= limit);
        self.active.as_ref().map_or(0, |active| active.bytes)
    }

    /// Writes to the end of the active segment, or to a new segment, and returns the number of
    /// the segment once the disk has confirmed the bytes.
    pub(super) fn commit(&mut self, folder: &SpoolFolder, bytes: &[u8]) -> Result<u64, SpoolError> {
        let active = match self.active.take() {
            Some(active) => self.extend(folder, active, bytes)?,
            None => self.create(folder, bytes)?,
        };
        Ok(self.active.insert(active).number)
    }

    fn extend(
        &self,
        folder: &SpoolFolder,
        mut active: ActiveSegment,
        bytes: &[u8],
    ) -> Result<ActiveSegment, SpoolError> {
        let written = active.file.write_all(bytes);
        if let Err(error) = written.and_then(|()| self.sync(&active.file)) {
            // The segment receives no more records, because after a failed `fsync` it is
            // unknown which bytes of its end are on disk. If `set_len` cannot remove these
            // records either, they are sent after a restart. If their callers have emitted
            // the events again, these are duplicates.
            let _ = active.file.set_len(active.bytes);
            let path = folder.segment(active.number);
            return Err(SpoolError::new("write to the spool's file", &path, error));
        }
        active.bytes += bytes.len() as u64;
        Ok(active)
    }

    fn create(&mut self, folder: &SpoolFolder, bytes: &[u8]) -> Result<ActiveSegment, SpoolError> {
        let number = self.next;
        self.next += 1;
        let (new, path) = (folder.unfinished(number), folder.segment(number));
        let create = || -> io::Result<File> {
            let mut options = private();
            let mut file = options.create(true).truncate(true).write(true).open(&new)?;
            file.write_all(bytes)?;
            self.sync(&file)?;
            fs::rename(&new, &path)?;
            folder.sync()?;
            Ok(file)
        };
        match create() {
            Ok(file) => Ok(ActiveSegment {
                number,
                file,
                bytes: bytes.len() as u64,
            }),
            Err(error) => {
                let _ = fs::remove_file(&new).or_else(|_| fs::remove_file(&path));
                Err(SpoolError::new("create the spool's file", &path, error))
            }
        }
    }

    fn sync(&self, file: &File) -> io::Result<()> {
        file.sync_data()?;
        #[cfg(test)]
        if let Some(fault) = self.fault {
            fault()?;
        }
        Ok(())
    }

    /// Ends the active segment, so that the next commit writes to a new one.
    pub(super) fn seal(&mut self) {
        self.active = None;
    }

    /// Ends the segment `number` if it is the active one, so that the next commit writes to a
    /// new one.
    pub(super) fn seal_segment(&mut self, number: u64) {
        self.active.take_if(|active| active.number == number);
    }

    #[cfg(test)]
    pub(super) fn active(&self) -> Option<u64> {
        self.active.as_ref().map(|active| active.number)
    }
}
