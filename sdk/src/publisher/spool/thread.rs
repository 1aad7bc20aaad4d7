//! The thread of the spool. Only this thread reads and writes the files of the spool.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use tokio::sync::{mpsc, oneshot};

use super::error::SpoolError;
use super::groups::Groups;
use super::log::{Place, SpoolLog, Spooled};
use super::outlet::Outlet;
use super::shared::Shared;

/// Bytes that one round holds in memory, next to what the publisher may hold.
const ROUND_BYTES: usize = 8 * 1024 * 1024;

/// A command to the spool's thread.
pub(super) enum Command {
    Append(PendingWrite),
    /// Up to so many events, from the front.
    Read(
        usize,
        Arc<dyn Outlet>,
        oneshot::Sender<Result<Vec<Spooled>, SpoolError>>,
    ),
    Remove(Handled, Arc<dyn Outlet>, oneshot::Sender<()>),
    /// The sender is notified when all earlier commands are done.
    Sync(oneshot::Sender<()>),
    /// The last command. After the notification, another publisher may use the folder.
    Close(oneshot::Sender<()>),
    #[cfg(test)]
    Run(Box<dyn FnOnce(&mut SpoolLog) + Send>),
}

/// The outcomes of the events of one round.
#[derive(Debug, Default)]
pub(super) struct Handled {
    pub(super) sent: Vec<Place>,
    pub(super) refused: Vec<Place>,
    /// The groups of all of them, as the records name them.
    pub(super) groups: Vec<String>,
}

/// Events to be written. If it is dropped without a result, their callers get an
/// error.
pub(super) struct PendingWrite {
    pub(super) shared: Arc<Shared>,
    pub(super) outlet: Arc<dyn Outlet>,
    pub(super) number: u64,
    /// Group and body of each.
    pub(super) events: Vec<(Option<Arc<str>>, String)>,
}

/// This also completes the events of a write that was in progress when the thread
/// panicked.
impl Drop for PendingWrite {
    fn drop(&mut self) {
        self.shared.fail(self.number, &self.shared.ended());
    }
}

/// The log, and what else the thread knows.
pub(super) struct SpoolThread {
    pub(super) log: SpoolLog,
    /// `None` for a standard queue, whose events need no order.
    pub(super) groups: Option<Groups>,
    pub(super) shared: Arc<Shared>,
    pub(super) commands: mpsc::UnboundedReceiver<Command>,
    /// The last write failed. A disk that stays full is logged once.
    pub(super) failing: bool,
}

impl SpoolThread {
    pub(super) fn run(mut self) {
        while let Some(first) = self.commands.blocking_recv() {
            if let Some(reply) = self.step(first) {
                return self.close(reply);
            }
        }
    }

    /// The same, in a task, which blocks its runtime while it uses the files.
    pub(super) async fn run_as_task(mut self) {
        while let Some(first) = self.commands.recv().await {
            if let Some(reply) = self.step(first) {
                return self.close(reply);
            }
        }
    }

    /// Carries out a command, and the writes that follow it. Returns the answer to the
    /// last command.
    fn step(&mut self, first: Command) -> Option<oneshot::Sender<()>> {
        // Consecutive writes share one write to the disk.
        let mut writes = Vec::new();
        let mut next = Some(first);
        while let Some(Command::Append(write)) = next {
            writes.push(write);
            next = self.commands.try_recv().ok();
        }
        self.guard(|thread| thread.append(writes));
        match next {
            Some(Command::Close(reply)) => return Some(reply),
            Some(command) => self.guard(|thread| thread.execute(command)),
            None => {}
        }
        None
    }

    fn close(self, reply: oneshot::Sender<()>) {
        drop(self.log);
        // The caller may have stopped waiting.
        let _ = reply.send(());
    }

    /// A panic is an error of one piece of work. Without the thread, no event could be
    /// written any more, nor be read and sent.
    fn guard(&mut self, work: impl FnOnce(&mut Self)) {
        if catch_unwind(AssertUnwindSafe(|| work(self))).is_err() {
            tracing::error!(
                folder = %self.log.path().display(),
                "the spool's thread panicked; the events that it was writing have failed, and it \
                 continues with the next command"
            );
            self.log.seal();
            self.shared.recount(&self.log);
        }
    }

    fn execute(&mut self, command: Command) {
        match command {
            Command::Read(count, outlet, reply) => {
                let events = self.log.read(count, ROUND_BYTES);
                self.shared.recount(&self.log);
                self.release(&outlet);
                // The drain may have ended with its runtime.
                let _ = reply.send(events);
            }
            Command::Remove(handled, outlet, reply) => {
                self.log.remove(&handled.sent, &handled.refused);
                if let Some(groups) = &mut self.groups {
                    handled.groups.iter().for_each(|group| groups.remove(group));
                }
                self.shared.recount(&self.log);
                self.release(&outlet);
                self.shared.changed.notify_waiters();
                let _ = reply.send(());
            }
            Command::Sync(reply) => {
                let _ = reply.send(());
            }
            #[cfg(test)]
            Command::Run(work) => {
                work(&mut self.log);
                self.shared.recount(&self.log);
            }
            // `run` has handled these.
            Command::Append(_) | Command::Close(_) => {}
        }
    }

    fn append(&mut self, mut writes: Vec<PendingWrite>) {
        // The sender has taken the events of some writes back.
        writes.retain(|write| self.shared.is_writing(write.number));
        if writes.is_empty() {
            return;
        }
        let events = writes.iter().flat_map(|write| &write.events);
        let events = events.map(|(group, body)| (group.as_deref(), body.as_str()));
        let (mut confirmed, error) = self.log.append(events);
        self.report(error.as_ref());
        if let Some(groups) = &mut self.groups {
            let written = writes.iter().flat_map(|write| &write.events);
            let written = written.take(confirmed);
            written
                .filter_map(|(group, _)| group.as_deref())
                .for_each(|group| groups.add(group));
        }
        self.shared.recount(&self.log);
        for write in writes {
            let count = confirmed.min(write.events.len());
            confirmed -= count;
            self.shared.written(write.number, count);
            if let Some(error) = error.as_ref().filter(|_| count < write.events.len()) {
                let groups = self.groups.as_ref();
                let waits = |group: &str| groups.is_some_and(|groups| groups.contains(group));
                self.shared.unwritten(&write.outlet, error, waits);
            }
        }
    }

    fn report(&mut self, error: Option<&SpoolError>) {
        let failed = std::mem::replace(&mut self.failing, error.is_some());
        match error {
            Some(error) if !failed => tracing::error!(
                error = error.explain(),
                "the spool cannot take events; they are sent to SQS directly, and fail if SQS \
                 does not accept them"
            ),
            None if failed => tracing::info!(
                folder = %self.log.path().display(),
                "the spool takes events again"
            ),
            _ => {}
        }
    }

    /// Sends the events that waited for others of their group, if those are gone.
    fn release(&mut self, outlet: &Arc<dyn Outlet>) {
        if let Some(groups) = &mut self.groups {
            if self.log.len() == 0 {
                groups.clear();
            }
            self.shared.release(outlet, |group| groups.contains(group));
        }
    }
}
