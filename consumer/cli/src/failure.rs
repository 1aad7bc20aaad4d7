//! How a command ends.

use std::fmt;
use std::process::ExitCode;

use domain_events::__internals::with_causes;

/// A command that ran to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum Outcome {
    /// It is done: exit code 0.
    Done,
    /// It found what it looks for, for example invalid events: exit code 1.
    Found,
}

/// A command that could not run to its end.
#[derive(Debug)]
pub enum Failure {
    /// The command was called incorrectly: exit code 2.
    Usage(String),
    /// AWS, the disk or another program does not respond as needed: exit code 3.
    Environment(String),
    /// The reader of standard output has ended, as `head` does: exit code 0.
    OutputClosed,
}

impl Failure {
    /// The environment failed while `doing`, because of `error`.
    pub fn environment(
        doing: impl fmt::Display,
        error: &(dyn std::error::Error + 'static),
    ) -> Self {
        Self::Environment(format!("{doing}: {}", with_causes(error)))
    }

    /// The file system failed while `doing` with the file or folder at `path`.
    pub fn file(doing: &str, path: &std::path::Path, error: &std::io::Error) -> Self {
        Self::Environment(format!("cannot {doing} {}: {error}", path.display()))
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

/// The exit code of a command.
pub fn exit_code(result: &Result<Outcome, Failure>) -> ExitCode {
    ExitCode::from(match result {
        Ok(Outcome::Done) | Err(Failure::OutputClosed) => 0,
        Ok(Outcome::Found) => 1,
        Err(Failure::Usage(_)) => 2,
        Err(Failure::Environment(_)) => 3,
    })
}
