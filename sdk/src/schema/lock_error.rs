//! Why a lock could not be checked, or why a program does not comply with it.

use std::path::PathBuf;
use std::process::ExitStatus;
use std::{fmt, io};

use super::problem::SchemaError;
use super::report::Report;

/// Why a lock could not be checked, or why a program does not comply with it.
///
/// # Examples
///
/// ```no_run
/// # async fn run(events: &domain_events::schema::Events) -> Result<(), Box<dyn std::error::Error>> {
/// use domain_events::schema::{LockError, Mode, check_lock};
///
/// match check_lock("events.lock", events, Mode::Locked) {
///     Ok(_) => {}
///     Err(LockError::Incompatible { report, .. }) => {
///         for change in &report.breaking_changes {
///             println!("{} at {}: {}", change.event_type, change.pointer, change.what);
///             println!("remedies: {}", change.remedies.join("; or "));
///         }
///     }
///     Err(error) => return Err(error.into()),
/// }
/// # Ok(())
/// # }
/// ```
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum LockError {
    /// An event could no longer be read.
    #[error(
        "the events are not compatible with {path}:\n\n{report}\n\
         If an event was never stored nor sent, delete its entry from the file by hand"
    )]
    Incompatible {
        /// Path of the lock.
        path: PathBuf,
        /// The breaking changes.
        report: Report,
    },
    /// The check is strict, and the program has events that the lock does not contain.
    #[error(
        "{path} is out of date: {}; \
         write it with `EVENTS_LOCK=update cargo test` or `domain-events schema check --update`, and commit it",
        changes.join("; ")
    )]
    OutOfDate {
        /// Path of the lock.
        path: PathBuf,
        /// What the lock does not contain.
        changes: Vec<String>,
    },
    /// There is no lock yet.
    #[error(
        "there is no {path}: \
         write it with `EVENTS_LOCK=update cargo test` or `domain-events schema check --update`, and commit it"
    )]
    Missing {
        /// The path at which the lock was expected.
        path: PathBuf,
    },
    /// The lock could not be read.
    #[error("{path} cannot be read; check the path and the file's permissions")]
    Read {
        /// Path of the lock.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
    /// The lock could not be written.
    #[error("{path} cannot be written; check the folder and the file's permissions")]
    Write {
        /// Path of the lock.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
    /// The file is not a lock.
    #[error(
        "{path} is not a lock of events: {reason}; \
         restore it from version control, or resolve the merge conflict in it"
    )]
    Parse {
        /// Path of the file.
        path: PathBuf,
        /// Why it is not a lock.
        reason: String,
    },
    /// The program that prints the events could not be started.
    #[error("{program} cannot be started; check that it is installed, and write its path")]
    StartProgram {
        /// The program.
        program: PathBuf,
        /// The cause.
        source: io::Error,
    },
    /// The program that prints the events failed.
    #[error("{program} failed with {status}; run it alone, and correct what it reports")]
    ProgramFailed {
        /// The program.
        program: PathBuf,
        /// The exit status.
        status: ExitStatus,
    },
    /// The output of the program does not describe events.
    #[error(
        "the output of {program} is not a document of events: {reason}; \
         the program must print to standard output what `domain_events::schema::print_document` prints, \
         and nothing else"
    )]
    ProgramOutput {
        /// The program.
        program: PathBuf,
        /// Why the output is not a document.
        reason: String,
    },
    /// The text does not describe events.
    #[error(
        "the input is not a document of events: {reason}; \
         it must be the output of `domain_events::schema::print_document`"
    )]
    Document {
        /// Why the text is not a document.
        reason: String,
    },
    /// The document could not be written to standard output.
    #[error("the document of events cannot be written to standard output")]
    Print {
        /// The cause.
        source: io::Error,
    },
    /// The events of the program cannot be described.
    #[error(transparent)]
    Schema(#[from] SchemaError),
}

/// The same text as `Display`. A test that returns an error prints it with `Debug`.
impl fmt::Debug for LockError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
