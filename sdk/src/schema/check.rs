//! The compatibility check, for tests and for the command `domain-events schema check`.

use std::ffi::OsStr;
use std::io::{self, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::{env, fs};

use serde::{Deserialize, Serialize};

use super::Events;
use super::compatibility::{compare, read_examples, without_example};
use super::lock::{Lock, unreadable};
use super::lock_error::LockError;
use super::report::{BreakingChange, Report};

/// The environment variable for [`assert_lock`]: with the value `update`, it writes the
/// lock.
const UPDATE: &str = "EVENTS_LOCK";

/// The environment variable with the path of the lock. A program that prints its events
/// reads the examples in this lock.
const EXAMPLES: &str = "EVENTS_LOCK_SAMPLES";

/// What the check does with events that the lock does not contain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Accepts them, with a note in the report. An event that is not in the lock can
    /// be changed without notice.
    Check,
    /// Fails. The lock must contain every event in its current form.
    Locked,
    /// Writes them to the lock, unless there is a breaking change.
    Update,
}

impl Mode {
    /// [`Locked`](Self::Locked) in continuous integration, and
    /// [`Check`](Self::Check) elsewhere.
    ///
    /// The environment variable `CI` decides. All common services set it. An empty value,
    /// `false` and `0` count as not set.
    #[must_use]
    pub fn from_env() -> Self {
        let ci = env::var_os("CI").unwrap_or_default();
        match ci.is_empty() || ci == "false" || ci == "0" {
            true => Self::Check,
            false => Self::Locked,
        }
    }
}

/// Fails if a change to `events` makes an event unreadable. Call it in a test. `path` is
/// relative to the package.
///
/// - With `EVENTS_LOCK=update` in the environment, it writes the file, unless there is a
///   breaking change.
/// - With `CI` in the environment (see [`Mode::from_env`]), it is as strict as
///   [`assert_locked`].
///
/// # Panics
///
/// If there is a breaking change, or if the lock cannot be checked. The message is a
/// [`LockError`], which names each breaking change, the affected readers, and the remedies.
#[track_caller]
pub fn assert_lock(path: impl AsRef<Path>, events: &Events) {
    assert_in_mode(path.as_ref(), events, Mode::from_env());
}

/// Does the same as [`assert_lock`], and also fails if the lock does not contain every event in
/// its current form, even outside continuous integration.
///
/// # Panics
///
/// As [`assert_lock`], and if the lock is out of date.
///
/// # Examples
///
/// ```
/// # #[cfg(feature = "derive")] {
/// # use domain_events::DomainEvent;
/// # #[derive(serde::Serialize, serde::Deserialize, schemars::JsonSchema, DomainEvent)]
/// # struct OrderPlaced { #[event(id)] order_id: String, total_cents: u64 }
/// # let events = domain_events::events![OrderPlaced];
/// # let path = std::env::temp_dir().join(format!("strict-{}.lock", std::process::id()));
/// # domain_events::schema::check_lock(&path, &events, domain_events::schema::Mode::Update)?;
/// domain_events::schema::assert_locked(&path, &events); // in a test
/// # std::fs::remove_file(&path).unwrap();
/// # }
/// # Ok::<(), domain_events::schema::LockError>(())
/// ```
#[track_caller]
pub fn assert_locked(path: impl AsRef<Path>, events: &Events) {
    assert_in_mode(path.as_ref(), events, Mode::Locked);
}

#[track_caller]
fn assert_in_mode(path: &Path, events: &Events, mode: Mode) {
    let mode = match env::var_os(UPDATE) {
        Some(word) if word == "update" => Mode::Update,
        Some(word) if !word.is_empty() => {
            panic!("{UPDATE} is `{}`; it must be `update`", word.display())
        }
        _ => mode,
    };
    match check_lock(path, events, mode) {
        Ok(report) if mode == Mode::Check => {
            // Write to stderr directly, because the test harness hides the output of
            // `print!` if the test passes.
            let _ = write!(io::stderr(), "{report}");
        }
        Ok(_) => {}
        Err(error) => panic!("{}", with_causes(&error)),
    }
}

fn with_causes(error: &LockError) -> String {
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}

/// Compares `events` with the lock at `path`, and reads every example in it.
///
/// # Errors
///
/// [`LockError::Incompatible`] if an event could no longer be read,
/// [`LockError::OutOfDate`] if the mode is [`Mode::Locked`] and the lock is not complete.
/// The other errors state why the lock could not be checked.
///
/// # Examples
///
/// ```
/// # #[cfg(feature = "derive")] {
/// # use domain_events::DomainEvent;
/// # #[derive(serde::Serialize, serde::Deserialize, schemars::JsonSchema, DomainEvent)]
/// # struct OrderPlaced { #[event(id)] order_id: String, total_cents: u64 }
/// # let events = domain_events::events![OrderPlaced];
/// # let path = std::env::temp_dir().join(format!("events-{}.lock", std::process::id()));
/// use domain_events::schema::{Mode, check_lock};
///
/// check_lock(&path, &events, Mode::Update)?; // writes the lock
/// let report = check_lock(&path, &events, Mode::Locked)?;
/// assert!(report.is_compatible());
/// # std::fs::remove_file(&path).unwrap();
/// # }
/// # Ok::<(), domain_events::schema::LockError>(())
/// ```
pub fn check_lock(
    path: impl AsRef<Path>,
    events: &Events,
    mode: Mode,
) -> Result<Report, LockError> {
    let path = path.as_ref();
    let current = Lock::of(events)?;
    let lock = read(path, mode)?;
    let unread = unread(&lock, &current, events);
    conclude(path, &lock, &current, unread, mode)
}

/// Returns the examples that the program cannot read, in the lock and among its own examples.
fn unread(lock: &Lock, current: &Lock, events: &Events) -> Vec<BreakingChange> {
    let mut unread = read_examples(lock, events);
    for change in read_examples(current, events) {
        if !unread.contains(&change) {
            unread.push(change);
        }
    }
    unread.extend(without_example(lock, current, events));
    unread
}

/// The document that a program prints about its events.
#[derive(Serialize, Deserialize)]
struct Document {
    program: Lock,
    /// The examples in the lock that the program cannot read. Absent if the program
    /// received no lock.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    unread: Option<Vec<BreakingChange>>,
}

impl Document {
    fn parse(text: &str) -> Result<Self, String> {
        let document: Self = serde_json::from_str(text).map_err(|error| unreadable(&error))?;
        document.program.validate()?;
        Ok(document)
    }
}

/// Prints the program's events to standard output, for the command
/// `domain-events schema check`.
///
/// ```no_run
/// # use domain_events::schema::{Events, LockError};
/// # fn events() -> Events { Events::new() }
/// // examples/events.rs
/// fn main() -> Result<(), LockError> {
///     domain_events::schema::print_document(&events())
/// }
/// ```
///
/// # Errors
///
/// [`LockError`] if the events cannot be described, or if the lock that the command
/// names cannot be read, or if standard output cannot be written.
pub fn print_document(events: &Events) -> Result<(), LockError> {
    let current = Lock::of(events)?;
    let unread = match env::var_os(EXAMPLES) {
        Some(path) => {
            let path = Path::new(&path);
            let lock = match read(path, Mode::Check) {
                Err(LockError::Missing { .. }) => Lock::default(),
                lock => lock?,
            };
            Some(unread(&lock, &current, events))
        }
        None => None,
    };
    let document = Document {
        program: current,
        unread,
    };
    let text = serde_json::to_string_pretty(&document).map_err(|error| LockError::Print {
        source: error.into(),
    })?;
    writeln!(io::stdout(), "{text}").map_err(|source| LockError::Print { source })
}

/// Runs a program that [prints](print_document) its events. The program also reads the
/// examples in the lock at `path`. Returns the document that it printed, for
/// [`check_document`].
///
/// # Errors
///
/// [`LockError::StartProgram`], [`LockError::ProgramFailed`] or
/// [`LockError::ProgramOutput`].
pub fn run_program(
    program: &[impl AsRef<OsStr>],
    path: impl AsRef<Path>,
) -> Result<String, LockError> {
    let (name, arguments) = match program {
        [name, arguments @ ..] => (name.as_ref(), arguments),
        [] => (OsStr::new(""), program),
    };
    let start = |source| LockError::StartProgram {
        program: name.into(),
        source,
    };
    // The program may run in another folder.
    let lock = std::path::absolute(path).map_err(start)?;
    let mut command = Command::new(name);
    command.args(arguments).env(EXAMPLES, lock);
    let output = command.stderr(Stdio::inherit()).output().map_err(start)?;
    if !output.status.success() {
        return Err(LockError::ProgramFailed {
            program: name.into(),
            status: output.status,
        });
    }
    let unusable = |reason| LockError::ProgramOutput {
        program: name.into(),
        reason,
    };
    let text = String::from_utf8(output.stdout).map_err(|error| unusable(error.to_string()))?;
    Document::parse(&text).map_err(unusable)?;
    Ok(text)
}

/// Compares the document that a program [printed](print_document) with the lock at `path`.
///
/// # Errors
///
/// [`LockError::Document`] if the text is not such a document. The other errors are the
/// errors of [`check_lock`].
///
/// # Examples
///
/// ```no_run
/// # async fn run() -> Result<(), Box<dyn std::error::Error>> {
/// use domain_events::schema::{Mode, check_document, run_program};
///
/// let program = ["cargo", "run", "--quiet", "--example", "events"];
/// let document = run_program(&program, "events.lock")?;
/// let report = check_document(&document, "events.lock", Mode::from_env())?;
/// print!("{report}");
/// # Ok(())
/// # }
/// ```
pub fn check_document(
    document: &str,
    path: impl AsRef<Path>,
    mode: Mode,
) -> Result<Report, LockError> {
    let document = Document::parse(document).map_err(|reason| LockError::Document { reason })?;
    let path = path.as_ref();
    let has_read = document.unread.is_some();
    let unread = document.unread.unwrap_or_default();
    let lock = read(path, mode)?;
    let mut report = conclude(path, &lock, &document.program, unread, mode)?;
    if !has_read && mode != Mode::Update {
        report.note(
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
    unread: Vec<BreakingChange>,
    mode: Mode,
) -> Result<Report, LockError> {
    let mut report = compare(lock, current);
    let of_schemas = report.breaking_changes.clone();
    for change in unread {
        // Do not report an example if its schema has already revealed the change.
        let is_same = |of_schema: &BreakingChange| {
            (&of_schema.event_type, of_schema.version) == (&change.event_type, change.version)
        };
        if !of_schemas.iter().any(is_same) {
            report.push(change);
        }
    }
    let path = path.to_owned();
    if !report.is_compatible() {
        return Err(LockError::Incompatible { path, report });
    }
    let updated = lock.updated(current);
    match mode {
        Mode::Check => {}
        Mode::Locked if updated == *lock => {}
        Mode::Locked => {
            let changes = lock.differences(&updated);
            return Err(LockError::OutOfDate { path, changes });
        }
        Mode::Update => fs::write(&path, updated.to_text())
            .map_err(|source| LockError::Write { path, source })?,
    }
    Ok(report)
}

fn read(path: &Path, mode: Mode) -> Result<Lock, LockError> {
    let path = path.to_owned();
    match fs::read_to_string(&path) {
        Ok(text) => Lock::parse(&text).map_err(|reason| LockError::Parse { path, reason }),
        Err(error) if error.kind() == io::ErrorKind::NotFound => match mode {
            Mode::Update => Ok(Lock::default()),
            Mode::Check | Mode::Locked => Err(LockError::Missing { path }),
        },
        Err(source) => Err(LockError::Read { path, source }),
    }
}
