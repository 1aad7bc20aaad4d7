//! The gate as it is used: in a test, and by the command.

use std::ffi::OsStr;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::{env, fmt, fs};

use serde::{Deserialize, Serialize};

use super::gate::{Break, Report, compare, read_samples, without_sample};
use super::lock::Lock;
use super::{Events, SchemaError};

/// Asks [`assert_lock`] to write the lock: `EVENTS_LOCK=update`.
const UPDATE: &str = "EVENTS_LOCK";

/// Tells a program that prints its events where the lock is, so that it reads
/// the examples in it.
const SAMPLES: &str = "EVENTS_LOCK_SAMPLES";

/// Whether a lock is only compared, or brought up to date as well.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Compares.
    Check,
    /// Compares, and writes the lock if nothing breaks.
    Update,
}

/// A lock that could not be checked, or that a program does not keep.
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum LockError {
    /// Somebody could no longer read an event.
    #[error(
        "events would no longer be read as {path} promises:\n\n{report}\n\
         If events of a kind were never stored nor sent, take them out of the file by hand"
    )]
    Broken {
        /// Where the lock is.
        path: PathBuf,
        /// What breaks.
        report: Report,
    },
    /// There is no lock yet.
    #[error(
        "there is no {path}: write it with `EVENTS_LOCK=update cargo test`, or `--update`, and commit it"
    )]
    Missing {
        /// Where it was looked for.
        path: PathBuf,
    },
    /// The lock or the program's document is not one.
    #[error("{path} cannot be understood: {reason}")]
    Malformed {
        /// Where it is.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// A file could not be read or written, or a program not be run.
    #[error("{path} cannot be read, written or run")]
    File {
        /// Where it is.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The program's own events cannot be described.
    #[error(transparent)]
    Schema(#[from] SchemaError),
}

/// As `Display`, for a test that returns it shows it so.
impl fmt::Debug for LockError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Fails if a change to `events` would keep somebody from reading an event. For
/// a test, where `path` is relative to the package.
///
/// With `EVENTS_LOCK=update` in the environment it writes the file, unless
/// something breaks.
///
/// # Panics
///
/// With a [`LockError`], which says what breaks, for whom, and the ways out.
#[track_caller]
pub fn assert_lock(path: impl AsRef<Path>, events: &Events) {
    let mode = match env::var_os(UPDATE) {
        Some(word) if word == "update" => Mode::Update,
        Some(word) if !word.is_empty() => {
            panic!("{UPDATE} is {}; it may be `update`", word.display())
        }
        _ => Mode::Check,
    };
    match check_lock(path, events, mode) {
        Ok(report) if mode == Mode::Check => {
            // Not through `print!`: of a test that passes, nobody sees that.
            let _ = write!(io::stderr(), "{report}");
        }
        Ok(_) => {}
        Err(error) => panic!("{error}"),
    }
}

/// Compares `events` with the lock at `path`, and reads every example in it.
///
/// # Errors
///
/// [`LockError::Broken`] if somebody could no longer read an event; else what
/// kept the lock from being checked.
pub fn check_lock(
    path: impl AsRef<Path>,
    events: &Events,
    mode: Mode,
) -> Result<Report, LockError> {
    let path = path.as_ref();
    let current = Lock::of(events)?;
    let lock = read(path, mode)?;
    let mut breaks = read_samples(&lock, events);
    breaks.extend(without_sample(&lock, &current, events));
    conclude(path, &lock, &current, breaks, mode)
}

/// What a program prints of itself.
#[derive(Serialize, Deserialize)]
struct Document {
    program: Lock,
    /// What of the lock's examples it cannot read; absent if it was not asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    unread: Option<Vec<Break>>,
}

/// Prints the program's events to standard output, for the command
/// `domain-events schema check`.
///
/// ```no_run
/// # use domain_events::schema::{Events, LockError};
/// # fn events() -> Events { Events::new() }
/// // examples/events.rs
/// fn main() -> Result<(), LockError> {
///     domain_events::schema::print(&events())
/// }
/// ```
///
/// # Errors
///
/// [`LockError`] if the events cannot be described, or the output be written.
pub fn print(events: &Events) -> Result<(), LockError> {
    let lock = Lock::of(events)?;
    let unread = match env::var_os(SAMPLES) {
        Some(path) if Path::new(&path).exists() => {
            let locked = read(Path::new(&path), Mode::Check)?;
            let mut breaks = read_samples(&locked, events);
            breaks.extend(without_sample(&locked, &lock, events));
            Some(breaks)
        }
        _ => None,
    };
    let file = |source| LockError::File {
        path: "standard output".into(),
        source,
    };
    let text = serde_json::to_string_pretty(&Document {
        program: lock,
        unread,
    })
    .map_err(|error| file(error.into()))?;
    writeln!(io::stdout(), "{text}").map_err(file)
}

/// Runs a program that [prints](print()) its events, and has it read the examples
/// in the lock at `path`. What it prints is for [`check_document`].
///
/// # Errors
///
/// [`LockError::File`] if the program cannot be run or fails.
pub fn document_of(
    program: &[impl AsRef<OsStr>],
    path: impl AsRef<Path>,
) -> Result<String, LockError> {
    let (name, arguments) = match program {
        [name, arguments @ ..] => (name.as_ref(), arguments),
        [] => (OsStr::new(""), program),
    };
    let file = |source| LockError::File {
        path: name.into(),
        source,
    };
    // The program may look for it from another folder.
    let lock = std::path::absolute(path).map_err(file)?;
    let mut command = Command::new(name);
    command.args(arguments).env(SAMPLES, lock);
    let output = command.stderr(Stdio::inherit()).output().map_err(file)?;
    if !output.status.success() {
        return Err(file(io::Error::other(format!(
            "it ended with {}",
            output.status
        ))));
    }
    String::from_utf8(output.stdout).map_err(|error| file(io::Error::other(error)))
}

/// Compares what a program [printed](print()) with the lock at `path`.
///
/// # Errors
///
/// As [`check_lock`].
pub fn check_document(
    document: &str,
    path: impl AsRef<Path>,
    mode: Mode,
) -> Result<Report, LockError> {
    let malformed = |reason| LockError::Malformed {
        path: "what the program printed".into(),
        reason,
    };
    let Document {
        program: lock,
        unread,
    } = serde_json::from_str(document).map_err(|error| malformed(error.to_string()))?;
    let path = path.as_ref();
    let is_asked = unread.is_some();
    let mut report = conclude(
        path,
        &read(path, mode)?,
        &lock,
        unread.unwrap_or_default(),
        mode,
    )?;
    if !is_asked && mode == Mode::Check {
        report.notes.push(
            "the lock's stored examples were not read: let the command run your program, \
             `domain-events schema check -- cargo run --example events`"
                .to_owned(),
        );
    }
    Ok(report)
}

fn conclude(
    path: &Path,
    lock: &Lock,
    current: &Lock,
    unread: Vec<Break>,
    mode: Mode,
) -> Result<Report, LockError> {
    let mut report = compare(lock, current);
    // What a schema already told need not be told by the example once more.
    for one in unread {
        let mut told = report.breaks.iter();
        if !told.any(|told| (&told.event_type, told.version) == (&one.event_type, one.version)) {
            report.breaks.push(one);
        }
    }
    let path = path.to_owned();
    if !report.is_compatible() {
        return Err(LockError::Broken { path, report });
    }
    if mode == Mode::Update {
        let text = lock.updated(current).to_text();
        fs::write(&path, text).map_err(|source| LockError::File { path, source })?;
    }
    Ok(report)
}

fn read(path: &Path, mode: Mode) -> Result<Lock, LockError> {
    let path = path.to_owned();
    match fs::read_to_string(&path) {
        Ok(text) => Lock::parse(&text).map_err(|reason| LockError::Malformed { path, reason }),
        Err(error) if error.kind() == io::ErrorKind::NotFound => match mode {
            Mode::Update => Ok(Lock::default()),
            Mode::Check => Err(LockError::Missing { path }),
        },
        Err(source) => Err(LockError::File { path, source }),
    }
}
