//! The outcomes and failures of a command, and their exit codes.

use std::path::Path;
use std::process::ExitCode;
use std::{fmt, io};

use domain_events::__internals::with_causes;
use domain_events::ReadError;

/// The outcome of a command that completed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum Outcome {
    /// The command is done: exit code 0.
    Done,
    /// The command found what it looks for, for example invalid events: exit code 1.
    Found,
}

/// Why a command did not complete.
#[derive(Debug)]
pub enum Failure {
    /// The command was called incorrectly: exit code 2.
    Usage(String),
    /// AWS, the disk or another program failed or does not respond: exit code 3.
    Environment(String),
    /// The program that reads standard output has closed it, as `head` does: exit code 0.
    OutputClosed,
}

impl Failure {
    /// Creates the failure of an environment that failed while `doing`, because of `error`.
    pub fn environment(
        doing: impl fmt::Display,
        error: &(dyn std::error::Error + 'static),
    ) -> Self {
        Self::Environment(format!("{doing}: {}", with_causes(error)))
    }

    /// Creates the failure of a file system that failed while `doing` with the file or folder
    /// at `path`. A path that does not exist, or that exists as something else, is incorrect
    /// usage.
    pub fn file(doing: &str, path: &Path, error: &io::Error) -> Self {
        use io::ErrorKind as Kind;
        let (usage, remedy) = match error.kind() {
            Kind::NotFound => (true, "check the path"),
            Kind::IsADirectory => (true, "give a file, not a folder"),
            Kind::NotADirectory => (true, "a part of the path is not a folder; check the path"),
            Kind::AlreadyExists => (true, "choose another path, or remove what is there"),
            Kind::PermissionDenied => (false, "check the permissions of the file and its folder"),
            Kind::ReadOnlyFilesystem => (false, "choose a path on a disk that can be written"),
            Kind::StorageFull | Kind::QuotaExceeded => (false, "free space on the disk"),
            _ => (false, "check the disk and the path"),
        };
        let text = format!("cannot {doing} {}: {error}; {remedy}", path.display());
        match usage {
            true => Self::Usage(text),
            false => Self::Environment(text),
        }
    }

    /// Events could not be read while `doing`. The failure is incorrect usage if the arguments
    /// are the cause.
    pub fn read(doing: &str, error: &ReadError) -> Self {
        let text = format!("{doing}: {}", with_causes(error));
        match error {
            ReadError::InvalidId(_)
            | ReadError::NoIndex
            | ReadError::ForeignCursor { .. }
            | ReadError::TooFewShards { .. } => Self::Usage(text),
            _ => Self::Environment(text),
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Usage(text) | Self::Environment(text) => f.write_str(text),
            Self::OutputClosed => f.write_str("standard output is closed"),
        }
    }
}

impl std::error::Error for Failure {}

/// Returns the exit code of a command.
pub fn exit_code(result: &Result<Outcome, Failure>) -> ExitCode {
    ExitCode::from(match result {
        Ok(Outcome::Done) | Err(Failure::OutputClosed) => 0,
        Ok(Outcome::Found) => 1,
        Err(Failure::Usage(_)) => 2,
        Err(Failure::Environment(_)) => 3,
    })
}
