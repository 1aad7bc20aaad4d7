//! The thread of the spool. Only this thread reads and writes the files of the spool.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use tokio::sync::{mpsc, oneshot};

use super::error::SpoolError;
use super::event_sender::EventSender;
use super::groups::GroupsOnDisk;
use super::log::{RecordPosition, SpoolLog, SpooledEvent};
use super::shared::Shared;

/// Bytes of events that one round holds in memory, in addition to the buffer of the
/// publisher.
const MAX_ROUND_BYTES: usize = 8 * 1024 * 1024;

/// A command to the spool's thread.
pub(super) enum Command {
    Append(PendingWrite),
    /// Reads up to this many events, the oldest first.
    Read(
        usize,
        Arc<dyn EventSender>,
        oneshot::Sender<Result<Vec<SpooledEvent>, SpoolError>>,
    ),
    Remove(RoundOutcomes, Arc<dyn EventSender>, oneshot::Sender<()>),
    /// Notifies the sender when all earlier commands are done.
    Sync(oneshot::Sender<()>),
    /// The last command. After the notification, another publisher may use the folder.
    Close(oneshot::Sender<()>),
    #[cfg(test)]
    Run(Box<dyn FnOnce(&mut SpoolLog) + Send>),
}

/// The outcomes of the events of one round.
#[derive(Debug, Default)]
pub(super) struct RoundOutcomes {
    pub(super) sent: Vec<RecordPosition>,
    pub(super) refused: Vec<RecordPosition>,
    /// The message group of each of these events, as written in the records.
    pub(super) groups: Vec<String>,
}

/// Events that the thread is to write. If the value is dropped without a result, the
/// callers of the events get an error.
pub(super) struct PendingWrite {
    pub(super) shared: Arc<Shared>,
    pub(super) event_sender: Arc<dyn EventSender>,
    pub(super) number: u64,
    /// The message group and the body of each event.
    pub(super) events: Vec<(Option<Arc<str>>, String)>,
}

/// `drop` also completes the events of a write that was in progress when the thread
/// panicked.
impl Drop for PendingWrite {
    fn drop(&mut self) {
        self.shared.fail_write(self.number, &self.shared.ended());
    }
}

/// The log, and the other state of the spool's thread.
pub(super) struct SpoolThread {
    pub(super) log: SpoolLog,
    /// `None` for a standard queue, which does not keep an order.
    pub(super) groups: Option<GroupsOnDisk>,
    pub(super) shared: Arc<Shared>,
    pub(super) commands: mpsc::UnboundedReceiver<Command>,
    /// Whether the last write failed, so that a full disk is logged only once.
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

    /// Does the same as [`run`](Self::run) in a task. The task blocks its runtime while it
    /// reads and writes files.
    pub(super) async fn run_as_task(mut self) {
        while let Some(first) = self.commands.recv().await {
            if let Some(reply) = self.step(first) {
                return self.close(reply);
            }
        }
    }

    /// Executes a command. If it is a write, the writes that directly follow it are executed
    /// together with it, and then the next command. For [`Command::Close`], returns the
    /// channel that notifies the sender of the command.
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
        // This fails if the caller has stopped waiting.
        let _ = reply.send(());
    }

    /// Runs `work`, and continues after a panic in it. If the thread ended, the spool could
    /// no longer write events, nor read and send the events on disk.
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
            Command::Read(count, event_sender, reply) => {
                let events = self.log.read(count, MAX_ROUND_BYTES);
                self.shared.recount(&self.log);
                self.release(&event_sender);
                // This fails if the drain has ended together with its runtime.
                let _ = reply.send(events);
            }
            Command::Remove(outcomes, event_sender, reply) => {
                self.log.remove(&outcomes.sent, &outcomes.refused);
                if let Some(groups) = &mut self.groups {
                    outcomes
                        .groups
                        .iter()
                        .for_each(|group| groups.remove(group));
                }
                self.shared.recount(&self.log);
                self.release(&event_sender);
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
            // `step` has handled these commands.
            Command::Append(_) | Command::Close(_) => {}
        }
    }

    fn append(&mut self, mut writes: Vec<PendingWrite>) {
        // `Shared::send_writes_directly` may have taken the events of some writes back.
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
            self.shared.complete_write(write.number, count);
            if let Some(error) = error.as_ref().filter(|_| count < write.events.len()) {
                let groups = self.groups.as_ref();
                let on_disk = |group: &str| groups.is_some_and(|groups| groups.contains(group));
                self.shared
                    .send_writes_directly(&write.event_sender, error, on_disk);
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

    /// Sends the held events of each group that has no more events on disk.
    fn release(&mut self, event_sender: &Arc<dyn EventSender>) {
        if let Some(groups) = &mut self.groups {
            if self.log.len() == 0 {
                groups.clear();
            }
            self.shared
                .release_held(event_sender, |group| groups.contains(group));
        }
    }
}
