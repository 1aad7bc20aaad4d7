//! Stores events on disk while SQS is unavailable.
//!
//! While the spool contains events, new events are appended to it, and events are sent to SQS
//! from its front. A FIFO queue therefore keeps the order of each entity, and an event is
//! either in memory, with a caller that waits, or on disk, with a caller that has a receipt.
//!
//! A full or failing disk does not stop the publisher: an event that cannot be written is sent
//! to SQS directly. On a FIFO queue, such an event waits in memory until the events of its
//! group that are on disk have been sent. If SQS does not accept the event either, its caller
//! gets an error.
//!
//! [`record`] defines the bytes of a file, and [`log`] the files of a folder. [`thread`] is the
//! thread that uses the files, and [`drain`] sends their events to SQS.

use std::path::{Path, PathBuf};
use std::pin::pin;
use std::sync::Arc;

use tokio::sync::{mpsc, oneshot};

use crate::publisher::buffer::in_flight::InFlight;
use crate::publisher::buffer::pending::Pending;
use crate::publisher::runtime::{Executor, PublisherThread};

mod drain;
pub(crate) mod error;
pub(crate) mod event_sender;
mod folder;
mod groups;
mod log;
mod record;
mod scan;
mod shared;
mod thread;
mod writer;

use drain::Drain;
use error::{SpoolDamage, SpoolError};
use event_sender::EventSender;
use groups::GroupsOnDisk;
use log::SpoolLog;
use shared::Shared;
use thread::{Command, PendingWrite, SpoolThread};

/// Settings of a spool.
#[derive(Debug, Clone)]
pub(crate) struct SpoolSettings {
    pub(crate) folder: PathBuf,
    pub(crate) damage: SpoolDamage,
}

/// The spool of one publisher.
#[derive(Debug)]
pub(crate) struct Spool {
    commands: mpsc::UnboundedSender<Command>,
    shared: Arc<Shared>,
}

impl Spool {
    /// Opens the spool of a publisher for a FIFO queue or a standard queue. The files are used
    /// on a separate thread, or in a task of `executor`.
    pub(crate) fn open(
        settings: &SpoolSettings,
        fifo: bool,
        in_flight: Arc<InFlight>,
        executor: Option<&Executor>,
    ) -> Result<Self, SpoolError> {
        let folder: &Path = &settings.folder;
        let mut groups = fifo.then(GroupsOnDisk::default);
        let log = SpoolLog::open(folder, settings.damage, |group| {
            if let (Some(groups), Some(group)) = (&mut groups, group) {
                groups.add(group);
            }
        })?;
        let shared = Arc::new(Shared::new(folder, in_flight));
        shared.recount(&log);
        if shared.stored() > 0 {
            tracing::info!(
                folder = %folder.display(),
                events = shared.stored(),
                "the spool holds events of an earlier process; they are sent now"
            );
        }
        // The channel is unbounded, because an event keeps its capacity until it is on disk.
        let (sender, commands) = mpsc::unbounded_channel();
        let thread = SpoolThread {
            log,
            groups,
            shared: shared.clone(),
            commands,
            failing: false,
        };
        match executor {
            Some(Executor(spawn)) => spawn(Box::pin(thread.run_as_task())),
            None => {
                std::thread::Builder::new()
                    .name("domain-events-spool".to_owned())
                    .spawn(move || thread.run())
                    .map_err(|error| {
                        SpoolError::new("start the thread of the spool", folder, error)
                    })?;
            }
        }
        Ok(Self {
            commands: sender,
            shared,
        })
    }

    /// Returns true if new events are written to the spool.
    pub(crate) fn is_active(&self) -> bool {
        self.shared.is_active(&self.shared.state())
    }

    /// Returns the number of events on disk.
    pub(crate) fn stored(&self) -> u64 {
        self.shared.stored()
    }

    /// Returns the number of damaged records that were found on disk.
    pub(crate) fn damaged(&self) -> u64 {
        self.shared.damaged()
    }

    /// Takes the events whose write has no result yet.
    pub(crate) fn take_unconfirmed(&self) -> Vec<Pending> {
        let writing = std::mem::take(&mut self.shared.state().writing);
        writing.into_values().flatten().collect()
    }

    /// Takes the events that wait in memory for events on disk.
    pub(crate) fn take_held(&self) -> Vec<Pending> {
        let held = std::mem::take(&mut self.shared.state().held);
        held.into_values().flatten().map(|h| h.event).collect()
    }

    /// Writes events to the disk, in their order. Each event is completed when it is on disk,
    /// or is sent through `event_sender` if it could not be written.
    ///
    /// It may be called under the sender's lock.
    pub(crate) fn append(&self, event_sender: Arc<dyn EventSender>, events: Vec<Pending>) {
        let (number, events) = {
            let mut state = self.shared.state();
            let to_write = events
                .into_iter()
                .filter_map(|event| state.hold_behind_held(event));
            let mut to_write: Vec<Pending> = to_write.collect();
            if to_write.is_empty() {
                return;
            }
            let bodies = to_write
                .iter_mut()
                .map(|event| (event.group().cloned(), event.take_body()))
                .collect();
            state.next_number += 1;
            let number = state.next_number;
            state.writing.insert(number, to_write);
            (number, bodies)
        };
        // If the thread has ended, this drops the write, which completes the events.
        let _ = self.commands.send(Command::Append(PendingWrite {
            shared: self.shared.clone(),
            event_sender,
            number,
            events,
        }));
    }

    /// Starts to send the events of the spool through `event_sender`, if the spool contains events and
    /// is not already being sent.
    pub(crate) fn drain(&self, event_sender: Arc<dyn EventSender>, thread: &PublisherThread) {
        if !self.is_closed() && self.shared.start_draining() {
            let drain = Drain {
                commands: self.commands.clone(),
                shared: self.shared.clone(),
                event_sender,
                ended: false,
            };
            thread.spawn(drain.run());
        }
    }

    /// Waits until the spool is empty or closed.
    pub(crate) async fn wait_until_empty(&self) {
        loop {
            let mut changed = pin!(self.shared.changed.notified());
            changed.as_mut().enable();
            let empty = {
                let state = self.shared.state();
                !self.shared.is_active(&state) && !state.draining
            };
            if empty || self.is_closed() {
                return;
            }
            changed.await;
        }
    }

    /// Ends the pause after a failed round: once a shutdown has begun, it could be
    /// longer than the time that is left.
    pub(crate) fn end_pause(&self) {
        self.shared.end_pause.notify_waiters();
    }

    /// Stops sending and closes the files. Returns when all writes are done. The events on disk
    /// stay there.
    pub(crate) async fn close(&self) {
        self.shared.close();
        let (reply, done) = oneshot::channel();
        // A round in progress still has to remove what it has sent, and closes the
        // files then.
        let draining = self.shared.state().draining;
        let _ = self.commands.send(match draining {
            true => Command::Sync(reply),
            false => Command::Close(reply),
        });
        // It fails if the files were closed before.
        let _ = done.await;
    }

    fn is_closed(&self) -> bool {
        self.shared.is_closed()
    }

    /// Runs something in the spool's thread.
    #[cfg(test)]
    pub(crate) fn run(&self, work: impl FnOnce(&mut SpoolLog) + Send + 'static) {
        assert!(self.commands.send(Command::Run(Box::new(work))).is_ok());
    }

    /// Ends the spool's thread.
    #[cfg(test)]
    pub(crate) async fn end_thread(&self) {
        let (reply, _) = oneshot::channel();
        let _ = self.commands.send(Command::Close(reply));
        self.commands.closed().await;
    }

    #[cfg(test)]
    pub(crate) async fn pause(&self, event_sender: &dyn EventSender, wait: std::time::Duration) {
        self.shared.pause(event_sender, wait).await;
    }
}
