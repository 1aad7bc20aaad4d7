//! Events on disk while SQS cannot be reached.
//!
//! While the spool holds anything, new events go behind what it holds, and all
//! of it goes to SQS from the front. So a FIFO queue keeps the order of each
//! entity (a standard queue has none, and a history needs none), and there is
//! one place where an event can be: in memory with a caller who waits,
//! or on disk with a caller who has a receipt.

use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, mpsc, oneshot};

use crate::publisher::buffer::in_flight::InFlight;
use crate::publisher::buffer::outcome::MessageOutcome;
use crate::publisher::buffer::pending::Pending;
use crate::publisher::runtime::PublisherThread;

mod drain;
pub(crate) mod error;
mod journal;
pub(crate) mod outlet;

use drain::{Drain, FIRST_WAIT};
use error::SpoolError;
use journal::{Journal, Record};
use outlet::Outlet;

/// Bytes that one round holds in memory, next to what the publisher may hold.
const ROUND_BYTES: usize = 8 * 1024 * 1024;

/// The spool of one publisher.
#[derive(Debug)]
pub(crate) struct Spool {
    commands: mpsc::UnboundedSender<Command>,
    shared: Arc<Shared>,
}

/// What the spool, its drain and the journal's thread share.
#[derive(Debug)]
struct Shared {
    in_flight: Arc<InFlight>,
    /// Events on disk, as the journal's thread counted them after its last command.
    /// It is never computed from requests: a write that is reported as failed may
    /// have been done.
    stored: AtomicU64,
    state: Mutex<SpoolState>,
    closed: AtomicBool,
    /// Ends a pause between two rounds.
    hurry: Notify,
    /// The journal holds less, or the drain has ended.
    changed: Notify,
}

#[derive(Debug, Default)]
struct SpoolState {
    /// Events that are being written, by number. They are kept here and not by the
    /// journal's thread, so that they get an outcome whatever happens to it.
    writing: HashMap<u64, Vec<Pending>>,
    next_number: u64,
    draining: bool,
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, SpoolState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn stored(&self) -> u64 {
        self.stored.load(Ordering::SeqCst)
    }

    fn is_on(&self, state: &SpoolState) -> bool {
        // In this order: events are counted as stored before they leave `writing`.
        !state.writing.is_empty() || self.stored() > 0
    }

    fn start_draining(&self) -> bool {
        let mut state = self.state();
        self.is_on(&state) && !std::mem::replace(&mut state.draining, true)
    }

    /// Ends the draining if there is nothing left.
    fn end_draining(&self) -> bool {
        let mut state = self.state();
        state.draining = self.is_on(&state);
        !state.draining
    }

    /// Completes the events that were to be written under this number.
    fn written(&self, number: u64, result: &Result<(), SpoolError>) {
        let events = self.state().writing.remove(&number).unwrap_or_default();
        let outcome = match result {
            Ok(()) => MessageOutcome::Spooled,
            Err(error) => MessageOutcome::SpoolFailed(error.clone()),
        };
        self.in_flight.complete([(events, outcome)]);
        self.changed.notify_waiters();
    }
}

/// A command to the journal's thread.
enum Command {
    Append(PendingWrite),
    Read(usize, oneshot::Sender<Result<Vec<Record>, SpoolError>>),
    /// The numbers of sent and of refused events.
    Remove(Vec<u64>, Vec<u64>, oneshot::Sender<Result<(), SpoolError>>),
    /// Is answered when all earlier commands are done.
    Sync(oneshot::Sender<()>),
    /// The last command. After its answer another publisher may use the folder.
    Close(oneshot::Sender<()>),
    #[cfg(test)]
    Run(Box<dyn FnOnce(&mut Journal) + Send>),
}

/// Events to be written. If it is dropped without a result, their callers get an
/// error.
struct PendingWrite {
    shared: Arc<Shared>,
    number: u64,
    /// Group and body of each.
    events: Vec<(Option<Arc<str>>, String)>,
    answered: bool,
}

impl PendingWrite {
    fn answer(mut self, result: &Result<(), SpoolError>) {
        self.answered = true;
        self.shared.written(self.number, result);
    }
}

impl Drop for PendingWrite {
    fn drop(&mut self) {
        if !self.answered {
            self.shared.written(self.number, &Err(ended()));
        }
    }
}

fn ended() -> SpoolError {
    SpoolError::new("the journal's thread has ended")
}

impl Spool {
    pub(crate) fn open(dir: &Path, in_flight: Arc<InFlight>) -> Result<Self, SpoolError> {
        let mut journal = Journal::open(dir)?;
        let shared = Arc::new(Shared {
            in_flight,
            stored: AtomicU64::new(journal.len()?),
            state: Mutex::default(),
            closed: AtomicBool::new(false),
            hurry: Notify::new(),
            changed: Notify::new(),
        });
        let count = shared.clone();
        // Unbounded: an event keeps its capacity until it is on disk.
        let (commands, mut todo) = mpsc::unbounded_channel();
        std::thread::Builder::new()
            .name("domain-events-spool".to_owned())
            .spawn(move || {
                while let Some(first) = todo.blocking_recv() {
                    // A panic is an error of this command. Without the thread no
                    // event could be written any more, nor be read and sent.
                    let work = || run(&mut journal, first, &mut todo, &count);
                    match catch_unwind(AssertUnwindSafe(work)) {
                        Ok(None) => {}
                        Ok(Some(closed)) => {
                            drop(journal);
                            // The caller may have stopped waiting.
                            let _ = closed.send(());
                            return;
                        }
                        Err(_) => {
                            tracing::error!("the spool's thread panicked; it continues");
                            journal.close();
                            recount(&mut journal, &count.stored);
                        }
                    }
                }
            })
            .map_err(SpoolError::new)?;
        Ok(Self { commands, shared })
    }

    /// Whether new events go to the spool.
    pub(crate) fn is_on(&self) -> bool {
        self.shared.is_on(&self.shared.state())
    }

    /// Events on disk.
    pub(crate) fn stored(&self) -> u64 {
        self.shared.stored()
    }

    /// Takes the events whose write has no result yet.
    pub(crate) fn take_unconfirmed(&self) -> Vec<Pending> {
        let mut state = self.shared.state();
        state
            .writing
            .drain()
            .flat_map(|(_, events)| events)
            .collect()
    }

    /// Writes events to the journal, in their order, and completes each of them when
    /// it is on disk or could not be written.
    pub(crate) fn append(&self, mut events: Vec<Pending>) {
        let bodies = events
            .iter_mut()
            .map(|event| (event.group().cloned(), event.take_body()))
            .collect();
        let number = {
            let mut state = self.shared.state();
            state.next_number += 1;
            let number = state.next_number;
            state.writing.insert(number, events);
            number
        };
        let write = PendingWrite {
            shared: self.shared.clone(),
            number,
            events: bodies,
            answered: false,
        };
        // If the journal's thread has ended, this drops the write, which completes
        // the events.
        let _ = self.commands.send(Command::Append(write));
    }

    /// Starts sending the events of the spool through `outlet`, if it holds any and
    /// none are being sent.
    pub(crate) fn drain(&self, outlet: Arc<dyn Outlet>, thread: &PublisherThread) {
        if !self.is_closed() && self.shared.start_draining() {
            let drain = Drain {
                commands: self.commands.clone(),
                shared: self.shared.clone(),
                outlet,
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
                !self.shared.is_on(&state) && !state.draining
            };
            if empty || self.is_closed() {
                return;
            }
            changed.await;
        }
    }

    /// Ends the pause after a failed round: once a shutdown has begun, it could be
    /// longer than the time that is left.
    pub(crate) fn hurry(&self) {
        self.shared.hurry.notify_waiters();
    }

    /// Stops sending and closes the journal. Returns when all writes are done. What
    /// is on disk stays there.
    pub(crate) async fn close(&self) {
        self.shared.closed.store(true, Ordering::Relaxed);
        self.hurry();
        self.shared.changed.notify_waiters();
        let (reply, done) = oneshot::channel();
        // A round in progress still has to remove what it has sent, and closes the
        // journal then.
        let draining = self.shared.state().draining;
        let _ = self.commands.send(match draining {
            true => Command::Sync(reply),
            false => Command::Close(reply),
        });
        // It fails if the journal was closed before.
        let _ = done.await;
    }

    fn is_closed(&self) -> bool {
        self.shared.is_closed()
    }

    /// Runs something in the journal's thread.
    #[cfg(test)]
    pub(crate) fn run(&self, work: impl FnOnce(&mut Journal) + Send + 'static) {
        assert!(self.commands.send(Command::Run(Box::new(work))).is_ok());
    }

    /// Ends the journal's thread.
    #[cfg(test)]
    pub(crate) async fn end_thread(&self) {
        let (reply, _) = oneshot::channel();
        let _ = self.commands.send(Command::Close(reply));
        self.commands.closed().await;
    }

    #[cfg(test)]
    pub(crate) async fn pause(&self, outlet: &dyn Outlet, wait: Duration) {
        self.shared.pause(outlet, wait).await;
    }
}

impl Shared {
    fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Relaxed)
    }

    /// Waits for this time, or until [`Spool::hurry`] is called.
    async fn pause(&self, outlet: &dyn Outlet, wait: Duration) {
        let mut hurry = pin!(self.hurry.notified());
        hurry.as_mut().enable();
        // Checked after `enable`: a call of `hurry` before had no effect.
        let wait = match outlet.is_closed() {
            true => wait.min(FIRST_WAIT),
            false => wait,
        };
        if !self.is_closed() {
            // Either way it is time for the next round.
            let _ = tokio::time::timeout(wait, hurry).await;
        }
    }
}

/// Does one piece of work, and with an append all that wait behind it: they
/// share one write to the disk.
/// Who waits for the end, if it has come.
fn run(
    journal: &mut Journal,
    first: Command,
    todo: &mut mpsc::UnboundedReceiver<Command>,
    shared: &Shared,
) -> Option<oneshot::Sender<()>> {
    let mut next = Some(first);
    let mut appends: Vec<PendingWrite> = Vec::new();
    while let Some(work) = next.take() {
        match work {
            Command::Append(writing) => {
                appends.push(writing);
                next = todo.try_recv().ok();
                if next.is_none() {
                    append(journal, std::mem::take(&mut appends), &shared.stored);
                }
            }
            other => {
                append(journal, std::mem::take(&mut appends), &shared.stored);
                match other {
                    Command::Read(count, reply) => {
                        let records = journal.read(count, ROUND_BYTES);
                        recount(journal, &shared.stored);
                        let _ = reply.send(records);
                    }
                    Command::Remove(sent, refused, reply) => {
                        let result = journal.remove(&sent, &refused);
                        // Here, and not by who asked: that may be gone.
                        recount(journal, &shared.stored);
                        shared.changed.notify_waiters();
                        let _ = reply.send(result);
                    }
                    Command::Sync(reply) => {
                        // Nobody may be waiting for it.
                        let _ = reply.send(());
                    }
                    Command::Close(reply) => return Some(reply),
                    #[cfg(test)]
                    Command::Run(work) => {
                        work(journal);
                        recount(journal, &shared.stored);
                    }
                    Command::Append(_) => {}
                }
            }
        }
    }
    None
}

fn append(journal: &mut Journal, appends: Vec<PendingWrite>, stored: &AtomicU64) {
    if appends.is_empty() {
        return;
    }
    let events = appends.iter().flat_map(|writing| &writing.events);
    let result = journal.append(events.map(|(group, body)| (group.as_ref(), body.as_str())));
    if let Err(error) = &result {
        tracing::error!(error = error.explain(), "the spool could not take events");
    }
    recount(journal, stored);
    for writing in appends {
        writing.answer(&result);
    }
}

/// Looks at how many events there are. While nobody can, what was known stands.
fn recount(journal: &mut Journal, stored: &AtomicU64) {
    if let Ok(events) = journal.len() {
        stored.store(events, Ordering::SeqCst);
    }
}
