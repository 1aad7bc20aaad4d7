//! The result of a compatibility check.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The readers that can no longer read an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Audience {
    /// Programs that run the previous code and receive events of the new code.
    OldReaders,
    /// The new code, which receives events of programs that run the previous code.
    NewReaders,
    /// The new code, which reads stored events.
    StoredHistory,
}

impl fmt::Display for Audience {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::OldReaders => "old readers",
            Self::NewReaders => "new readers",
            Self::StoredHistory => "stored history",
        })
    }
}

/// A change after which an audience can no longer read an event.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct BreakingChange {
    /// The event's type, as the lock names it.
    pub event_type: String,
    /// Version of its data.
    pub version: u16,
    /// A JSON Pointer into the event. It is empty if the change concerns the whole event.
    pub pointer: String,
    /// What changed.
    pub what: String,
    /// The audiences that can no longer read the event.
    pub audiences: Vec<Audience>,
    /// Ways to avoid the breaking change. Each remedy is sufficient.
    pub remedies: Vec<String>,
}

impl fmt::Display for BreakingChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} version {}", self.event_type, self.version)?;
        if !self.pointer.is_empty() {
            write!(f, ", at {}", self.pointer)?;
        }
        let audiences: Vec<_> = self.audiences.iter().map(ToString::to_string).collect();
        write!(f, ": {}\n  breaks: {}", self.what, audiences.join(", "))?;
        let remedies = self.remedies.iter();
        remedies
            .enumerate()
            .try_for_each(|(index, remedy)| match index {
                0 => write!(f, "\n  instead: {remedy}"),
                _ => write!(f, "\n  or: {remedy}"),
            })
    }
}

/// The differences between a lock and a program.
///
/// # Examples
///
/// ```
/// # #[cfg(feature = "derive")] {
/// # use domain_events::DomainEvent;
/// # #[derive(serde::Serialize, serde::Deserialize, schemars::JsonSchema, DomainEvent)]
/// # struct OrderPlaced { #[event(id)] order_id: String, total_cents: u64 }
/// # let path = std::env::temp_dir().join(format!("report-{}.lock", std::process::id()));
/// use domain_events::schema::{Mode, check_lock};
///
/// let events = domain_events::events![OrderPlaced];
/// check_lock(&path, &events, Mode::Update)?;
/// let report = check_lock(&path, &events, Mode::Check)?;
/// assert!(report.is_compatible() && report.notes.is_empty());
/// # std::fs::remove_file(&path).unwrap();
/// # }
/// # Ok::<(), domain_events::schema::LockError>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Report {
    /// Changes after which an event can no longer be read.
    pub breaking_changes: Vec<BreakingChange>,
    /// Changes that the lock does not contain yet, with advice for their release.
    pub notes: Vec<String>,
}

impl Report {
    /// Returns true if every audience can still read every event.
    pub fn is_compatible(&self) -> bool {
        self.breaking_changes.is_empty()
    }

    /// Adds a change, unless an earlier form of the event has already led to the same
    /// change.
    pub(super) fn push(&mut self, change: BreakingChange) {
        if !self.breaking_changes.contains(&change) {
            self.breaking_changes.push(change);
        }
    }

    pub(super) fn note(&mut self, note: String) {
        if !self.notes.contains(&note) {
            self.notes.push(note);
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for change in &self.breaking_changes {
            writeln!(f, "{change}")?;
        }
        for note in &self.notes {
            writeln!(f, "note: {note}")?;
        }
        Ok(())
    }
}
