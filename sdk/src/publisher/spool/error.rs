//! Why a spool cannot be opened, written or read.

use std::error::Error;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Why the spool cannot be opened, or could not take an event.
///
/// Its text names the file or folder; its source is the error of the operating
/// system, where there is one.
#[derive(Debug, Clone)]
pub struct SpoolError(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    attempt: &'static str,
    path: PathBuf,
    source: Box<dyn Error + Send + Sync>,
}

impl SpoolError {
    /// `attempt` completes "cannot …" and is followed by the path.
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

    /// The text together with its cause, for places that print one line.
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

/// What the publisher does when it finds a damaged file in its spool's folder
/// while it is built.
///
/// Damage that is found later, while the spool is sent, is always set aside.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum SpoolDamage {
    /// Sends every record that is intact. Damaged records stay on disk, in a file
    /// of the same folder whose name contains `set-aside` and the time; an error
    /// is logged, and [`ShutdownReport`](crate::ShutdownReport) counts them.
    #[default]
    SetAside,
    /// `build` returns an error that names the files, and changes none of them.
    Refuse,
}
