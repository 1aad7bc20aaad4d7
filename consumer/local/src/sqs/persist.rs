//! The file that keeps the queues across restarts.
//!
//! While the process runs, the queues in memory are authoritative. The file is read
//! once, when it is opened, and one thread writes it. The endpoint responds to a request
//! after the changes of the request are committed. Requests that arrive during a commit
//! share the next commit.
//!
//! The file is a SQLite database in WAL mode with `synchronous = NORMAL`. Every change
//! that was confirmed to a client survives the end of the process, including SIGKILL. A
//! crash of the operating system or a power failure may lose the most recent changes, but
//! leaves the file consistent. In return, a request needs no `fsync`.

use std::path::Path;
use std::sync::mpsc;
use std::thread::JoinHandle;
use std::time::Duration;

use rusqlite::Connection;
use tokio::sync::oneshot;

use super::changes::ChangeSet;
use super::clock::Millis;
use super::message::Seq;
use super::queue::Queue;

mod schema;

/// Why the file of queues cannot be opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// Another process, or another [`Queues`](super::Queues), has the file open.
    #[error("another process has the file of queues open")]
    InUse,
    /// A later version of this software wrote the file.
    #[error("the file of queues has format {found}; this version supports format {known}")]
    Format {
        /// The file's format.
        found: i64,
        /// The format that this version reads and writes.
        known: i64,
    },
    /// The file contains data that no version of this software writes.
    #[error("the file of queues is damaged: {0}")]
    Damaged(String),
    /// The file cannot be read or written.
    #[error("cannot read or write the file of queues")]
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

/// The contents of the file.
#[derive(Debug)]
pub(super) struct Loaded {
    pub(super) queues: Vec<Queue>,
    /// The highest sequence number that was used.
    pub(super) last_seq: Seq,
}

/// Sends changes to the thread that writes the file.
#[derive(Debug)]
pub(super) struct QueueFile {
    /// The channel to the thread. It is `None` only during `drop`.
    commits: Option<mpsc::Sender<Commit>>,
    writer: Option<JoinHandle<()>>,
}

#[derive(Debug)]
struct Commit {
    changes: ChangeSet,
    written: oneshot::Sender<bool>,
}

impl QueueFile {
    /// Opens or creates the file and reads its contents.
    pub(super) fn open(path: &Path, now: Millis) -> Result<(Self, Loaded), OpenError> {
        let mut connection = Connection::open(path)?;
        connection.busy_timeout(Duration::from_millis(200))?;
        // The queues in memory are authoritative, so no other process may write the file.
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

    /// Queues changes for the writer. The receiver yields true if these changes and all
    /// earlier changes have been committed. Callers must call this function in the order in
    /// which the changes were made.
    pub(super) fn commit(&self, changes: ChangeSet) -> oneshot::Receiver<bool> {
        let (written, outcome) = oneshot::channel();
        if let Some(commits) = &self.commits {
            // If the writer has ended, the receiver yields an error.
            let _ = commits.send(Commit { changes, written });
        }
        outcome
    }
}

impl Drop for QueueFile {
    fn drop(&mut self) {
        // The writer ends after it has written the queued changes. It holds the lock of
        // the file, and must release it before the file can be opened again.
        self.commits = None;
        if self
            .writer
            .take()
            .is_some_and(|writer| writer.join().is_err())
        {
            tracing::error!("the thread that writes the file of queues panicked");
        }
    }
}

fn write(mut connection: Connection, requests: &mpsc::Receiver<Commit>) {
    // Changes that cannot be written are kept, and the next commit writes them first. A request
    // is therefore never confirmed while an earlier request is not stored. Otherwise, a
    // duplicate could be confirmed although its original message is lost.
    let mut unwritten = ChangeSet::new();
    while let Ok(first) = requests.recv() {
        let mut waiting = Vec::new();
        for commit in std::iter::once(first).chain(requests.try_iter()) {
            unwritten.extend(commit.changes);
            waiting.push(commit.written);
        }
        let written = match schema::apply(&mut connection, &unwritten) {
            Ok(()) => {
                unwritten.clear();
                true
            }
            Err(error) => {
                tracing::error!(%error, changes = unwritten.len(), "cannot write the file of queues");
                false
            }
        };
        for request in waiting {
            // The send fails if the client has closed its connection in the meantime.
            let _ = request.send(written);
        }
    }
}

#[cfg(test)]
mod tests;
