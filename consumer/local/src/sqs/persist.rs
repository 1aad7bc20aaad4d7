//! The file that outlives the process.
//!
//! The queues in memory are the truth while the process runs; the file is read
//! once, when it is opened, and written by one thread. A request is answered
//! after its changes are committed. Requests that arrive while a commit is
//! under way share the next one.
//!
//! The file is a SQLite database in WAL mode with `synchronous = NORMAL`: what
//! was answered survives the end of the process, however it ends. A crash of
//! the operating system or a power cut may take the last moments with it,
//! which spares an `fsync` for each request. It stays in order and readable.

use std::path::Path;
use std::sync::mpsc;
use std::thread::JoinHandle;
use std::time::Duration;

use rusqlite::Connection;
use tokio::sync::oneshot;

use super::clock::Millis;
use super::journal::Journal;
use super::queue::{Queue, Seq};

mod schema;

/// Why a file of queues cannot be opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// Another process, or another [`Queues`](super::Queues), has the file open.
    #[error("the file of queues is in use")]
    InUse,
    /// A later version of this software wrote the file.
    #[error("the file of queues has format {found}, this version knows {known}")]
    Format {
        /// The file's format.
        found: i64,
        /// The format this version reads and writes.
        known: i64,
    },
    /// The file holds something that no version of this software writes.
    #[error("the file of queues is damaged: {0}")]
    Damaged(String),
    /// The file cannot be read or written.
    #[error("cannot use the file of queues")]
    File(#[source] rusqlite::Error),
}

impl From<rusqlite::Error> for OpenError {
    fn from(error: rusqlite::Error) -> Self {
        match error.sqlite_error_code() {
            Some(rusqlite::ErrorCode::DatabaseBusy | rusqlite::ErrorCode::DatabaseLocked) => {
                Self::InUse
            }
            _ => Self::File(error),
        }
    }
}

/// What the file held.
#[derive(Debug)]
pub(super) struct Loaded {
    pub(super) queues: Vec<Queue>,
    /// The highest number that was given out.
    pub(super) last_seq: Seq,
}

/// The way to the file.
#[derive(Debug)]
pub(super) struct Store {
    /// Absent only while the store is dropped.
    commits: Option<mpsc::Sender<Commit>>,
    writer: Option<JoinHandle<()>>,
}

#[derive(Debug)]
struct Commit {
    journal: Journal,
    written: oneshot::Sender<bool>,
}

impl Store {
    /// Opens or creates the file and reads what it holds.
    pub(super) fn open(path: &Path, now: Millis) -> Result<(Self, Loaded), OpenError> {
        let mut connection = Connection::open(path)?;
        connection.busy_timeout(Duration::from_millis(200))?;
        // The truth is in memory, so nobody else may write the file meanwhile.
        connection.pragma_update(None, "locking_mode", "EXCLUSIVE")?;
        connection.pragma_update(None, "journal_mode", "WAL")?;
        connection.pragma_update(None, "synchronous", "NORMAL")?;
        connection.set_prepared_statement_cache_capacity(32);
        schema::prepare(&mut connection)?;
        let loaded = schema::load(&connection, now)?;
        let (commits, requests) = mpsc::channel();
        let writer = std::thread::Builder::new()
            .name("sqs-store".to_owned())
            .spawn(move || write(connection, &requests))
            .map_err(|error| OpenError::Damaged(error.to_string()))?;
        let store = Self {
            commits: Some(commits),
            writer: Some(writer),
        };
        Ok((store, loaded))
    }

    /// Hands changes over to be committed; the receiver tells whether they
    /// were, and all before them. Callers must do so in the order in which the
    /// changes were made.
    pub(super) fn commit(&self, journal: Journal) -> oneshot::Receiver<bool> {
        let (written, outcome) = oneshot::channel();
        if let Some(commits) = &self.commits {
            // If the writer is gone, the receiver finds out.
            let _ = commits.send(Commit { journal, written });
        }
        outcome
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        // The writer ends once it has written what it was given. It holds the
        // file's lock, so whoever opens the file next must find it gone.
        self.commits = None;
        if self
            .writer
            .take()
            .is_some_and(|writer| writer.join().is_err())
        {
            tracing::error!("the writer of the queues' file panicked");
        }
    }
}

fn write(mut connection: Connection, requests: &mpsc::Receiver<Commit>) {
    // Changes that could not be written stay and go first next time. So a
    // request is never told that it is safe while one before it is not: a
    // duplicate that SQS would accept must not stand in for a lost original.
    let mut unwritten = Journal::new();
    while let Ok(first) = requests.recv() {
        let mut waiting = Vec::new();
        for commit in std::iter::once(first).chain(requests.try_iter()) {
            unwritten.extend(commit.journal);
            waiting.push(commit.written);
        }
        let written = match schema::apply(&mut connection, &unwritten) {
            Ok(()) => {
                unwritten.clear();
                true
            }
            Err(error) => {
                tracing::error!(%error, changes = unwritten.len(), "cannot write the queues' file");
                false
            }
        };
        for request in waiting {
            // A client that has gone does not wait for its answer.
            let _ = request.send(written);
        }
    }
}

#[cfg(test)]
mod tests;
