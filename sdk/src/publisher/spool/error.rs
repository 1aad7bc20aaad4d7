//! Why a spool cannot be opened, written or read.

use std::error::Error;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Why the spool could not be opened, or why an event could not be written to it.
///
/// The text names the file or folder. The source is the error of the operating system, if
/// there is one.
#[derive(Debug, Clone)]
pub struct SpoolError(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    attempt: &'static str,
    path: PathBuf,
    source: Box<dyn Error + Send + Sync>,
}

impl SpoolError {
    /// `attempt` completes the sentence "cannot …", which ends with the path.
    pub(super) fn new(
        attempt: &'static str,
        path: &Path,
        source: impl Into<Box<dyn Error + Send + Sync>>,
    ) -> Self {
        Self(Arc::new(Inner {
            attempt,
            path: path.to_owned(),
            source: source.into(),
        }))
    }

    /// Returns the text and its cause in one line.
    pub(crate) fn explain(&self) -> String {
        format!("{self}: {}", self.0.source)
    }
}

impl fmt::Display for SpoolError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cannot {} {}", self.0.attempt, self.0.path.display())
    }
}

impl Error for SpoolError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&*self.0.source)
    }
}

/// What `build` does if the folder of the spool contains a damaged file.
///
/// Records that are damaged later are always set aside.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum SpoolDamage {
    /// Sends every intact record. Damaged records stay on disk, in a file of the same folder
    /// whose name contains `set-aside` and the time. The publisher logs an error, and
    /// [`ShutdownReport`](crate::ShutdownReport) contains the number of damaged records.
    #[default]
    SetAside,
    /// Returns an error that names the first damaged file. No file is changed.
    Refuse,
}
