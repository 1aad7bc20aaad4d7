//! Events on disk while SQS cannot be reached.
//!
//! While the spool holds anything, new events go behind what it holds, and all
//! of it goes to SQS from the front. So a FIFO queue keeps the order of each
//! entity (a standard queue has none, and a history needs none), and there is
//! one place where an event can be: in memory with a caller who waits,
//! or on disk with a caller who has a receipt.

use std::collections::HashMap;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::{Notify, mpsc, oneshot};

use crate::publisher::buffer::pending::Pending;
use crate::publisher::sender::Sender;

mod drain;
mod journal;

use drain::{Drain, FIRST_WAIT};
use journal::{Journal, Record};

/// Bytes that one round holds in memory, next to what the emitter may hold.
const ROUND_BYTES: usize = 8 * 1024 * 1024;

/// Why the spool could not take an event, or be opened.
#[derive(Debug, Clone)]
pub struct SpoolError(Arc<dyn std::error::Error + Send + Sync>);

impl SpoolError {
    fn new(source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self(Arc::from(source.into()))
    }

    pub(crate) fn explain(&self) -> String {
        self.0.to_string()
    }
}

impl fmt::Display for SpoolError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the spool's journal failed")
    }
}

impl std::error::Error for SpoolError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&*self.0)
    }
}

/// The spool of one emitter.
#[derive(Debug)]
pub(crate) struct Spool {
    work: mpsc::UnboundedSender<Work>,
    stored: Arc<AtomicU64>,
    closed: AtomicBool,
    /// Whoever pauses between two rounds has to look again.
    hurry: Notify,
    /// The journal holds less, or nothing sends from it any more.
    changed: Notify,
}

/// What the sender's state knows of the spool.
#[derive(Debug, Default)]
pub(crate) struct Spooling {
    /// Events on disk, as the journal's thread counted them after its last work. It
    /// is never reckoned from what was asked: work that is reported as failed may
    /// have been done.
    stored: Arc<AtomicU64>,
    /// Those on their way to it, by number. They are kept here and not by the
    /// journal's thread, so that they have an answer whatever becomes of it.
    coming: HashMap<u64, Vec<Pending>>,
    next_number: u64,
    draining: bool,
}

impl Spooling {
    /// Whether new events go to the spool.
    pub(crate) fn is_on(&self) -> bool {
        // In this order: they are counted as stored before they have come.
        !self.coming.is_empty() || self.stored() > 0
    }

    pub(crate) fn stored(&self) -> u64 {
        self.stored.load(Ordering::SeqCst)
    }

    pub(crate) fn of(spool: Option<&Spool>) -> Self {
        Self {
            stored: spool.map(|spool| spool.stored.clone()).unwrap_or_default(),
            ..Self::default()
        }
    }

    /// Counts in events that are to be written.
    fn writing(&mut self, events: Vec<Pending>) -> u64 {
        self.next_number += 1;
        self.coming.insert(self.next_number, events);
        self.next_number
    }

    /// The events that were to be written under this number.
    pub(crate) fn written(&mut self, number: u64) -> Vec<Pending> {
        self.coming.remove(&number).unwrap_or_default()
    }

    /// Takes all events that are still on their way to the disk.
    pub(crate) fn give_up(&mut self) -> Vec<Pending> {
        self.coming.drain().flat_map(|(_, events)| events).collect()
    }

    fn start_draining(&mut self) -> bool {
        self.is_on() && !std::mem::replace(&mut self.draining, true)
    }

    /// Ends the draining if there is nothing left.
    fn end_draining(&mut self) -> bool {
        self.draining = self.is_on();
        !self.draining
    }
}

/// What the journal's thread is asked to do.
enum Work {
    Append(Writing),
    Read(usize, oneshot::Sender<Result<Vec<Record>, SpoolError>>),
    /// What was sent and what was refused.
    Remove(
        Arc<Sender>,
        Vec<u64>,
        Vec<u64>,
        oneshot::Sender<Result<(), SpoolError>>,
    ),
    /// Is answered when all that was asked before is done.
    Sync(oneshot::Sender<()>),
    /// The last work: the folder is another emitter's, once this is answered.
    Close(oneshot::Sender<()>),
    #[cfg(test)]
    Run(Box<dyn FnOnce(&mut Journal) + Send>),
}

/// Events that are to be written, of which the sender keeps all but this. When
/// it goes without a result, their callers get an error.
pub(crate) struct Writing {
    sender: Arc<Sender>,
    number: u64,
    /// Group and body of each.
    events: Vec<(Option<Arc<str>>, String)>,
    answered: bool,
}

impl Writing {
    fn answer(mut self, result: &Result<(), SpoolError>) {
        self.answered = true;
        self.sender.spooled(self.number, result);
    }
}

impl Drop for Writing {
    fn drop(&mut self) {
        if !self.answered {
            self.sender.spooled(self.number, &Err(ended()));
        }
    }
}

fn ended() -> SpoolError {
    SpoolError::new("the journal's thread has ended")
}

impl Spool {
    pub(crate) fn open(dir: &Path) -> Result<Self, SpoolError> {
        let mut journal = Journal::open(dir)?;
        let stored = Arc::new(AtomicU64::new(journal.len()?));
        let count = stored.clone();
        // Unbounded, since the sender's bounds hold until an event is on disk.
        let (work, mut todo) = mpsc::unbounded_channel();
        std::thread::Builder::new()
            .name("domain-events-spool".to_owned())
            .spawn(move || {
                while let Some(first) = todo.blocking_recv() {
                    // A panic is an error of the work at hand. Without the thread
                    // no event could come in any more, nor what lies here go out.
                    let work = || run(&mut journal, first, &mut todo, &count);
                    match catch_unwind(AssertUnwindSafe(work)) {
                        Ok(None) => {}
                        Ok(Some(closed)) => {
                            drop(journal);
                            // Nobody may be waiting for it.
                            let _ = closed.send(());
                            return;
                        }
                        Err(_) => {
                            tracing::error!("the spool's thread panicked, and goes on");
                            journal.close();
                            recount(&mut journal, &count);
                        }
                    }
                }
            })
            .map_err(SpoolError::new)?;
        Ok(Self {
            work,
            stored,
            closed: AtomicBool::new(false),
            hurry: Notify::new(),
            changed: Notify::new(),
        })
    }

    /// Writes events to the journal, in their order; each caller is answered
    /// when the disk has its event, or has not. If the journal's thread has
    /// ended, the drop of what comes back answers them, for which it needs the
    /// lock that whoever calls this holds.
    #[must_use = "it must not be dropped under the lock"]
    pub(crate) fn append(
        &self,
        sender: &Arc<Sender>,
        spooling: &mut Spooling,
        mut events: Vec<Pending>,
    ) -> Option<Writing> {
        let bodies = events
            .iter_mut()
            .map(|e| (e.group().cloned(), e.take_body()));
        let writing = Writing {
            sender: sender.clone(),
            events: bodies.collect(),
            number: spooling.writing(events),
            answered: false,
        };
        match self.work.send(Work::Append(writing)) {
            Err(mpsc::error::SendError(Work::Append(writing))) => Some(writing),
            _ => None,
        }
    }

    /// Sees to it that what the spool holds is sent.
    pub(crate) fn drain(&self, sender: &Arc<Sender>) {
        if !self.is_closed() && sender.spooling(Spooling::start_draining) {
            let drain = Drain {
                work: self.work.clone(),
                sender: sender.clone(),
                ended: false,
            };
            sender.runtime().spawn(drain.run());
        }
    }

    /// Waits until all that it held has been sent, or somebody closes it.
    pub(crate) async fn emptied(&self, sender: &Arc<Sender>) {
        loop {
            let mut changed = pin!(self.changed.notified());
            changed.as_mut().enable();
            // What sent from it may have ended with its runtime.
            self.drain(sender);
            let empty = sender.spooling(|spooling| !spooling.is_on() && !spooling.draining);
            if empty || self.is_closed() {
                return;
            }
            changed.await;
        }
    }

    /// Ends a pause: after a failure it may be longer than there is time, once the
    /// sender is closed.
    pub(crate) fn hurry(&self) {
        self.hurry.notify_waiters();
    }

    pub(crate) fn tell_change(&self) {
        self.changed.notify_waiters();
    }

    /// Stops sending, and gives the folder free; what is on disk stays there.
    /// Returns when all that is to be written there has been.
    pub(crate) async fn close(&self, sender: &Sender) {
        self.closed.store(true, Ordering::Relaxed);
        self.hurry();
        self.tell_change();
        let (reply, done) = oneshot::channel();
        // A round that is under way has still to note what it has sent, and
        // closes in the end.
        let _ = self.work.send(match sender.spooling(|s| s.draining) {
            true => Work::Sync(reply),
            false => Work::Close(reply),
        });
        // An error means that somebody has closed it before.
        let _ = done.await;
    }

    /// Waits for as long, or until there is a hurry: then it is tried as often as
    /// may be.
    pub(crate) async fn pause(&self, sender: &Sender, wait: Duration) {
        let mut hurry = pin!(self.hurry.notified());
        hurry.as_mut().enable();
        // Looked at only now: a hurry before was told to nobody, if a round was
        // under way.
        let wait = match sender.is_closed() {
            true => wait.min(FIRST_WAIT),
            false => wait,
        };
        if !self.is_closed() {
            // Either way it is time to look again.
            let _ = tokio::time::timeout(wait, hurry).await;
        }
    }

    fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Relaxed)
    }

    /// Lets the journal's thread do something else.
    #[cfg(test)]
    pub(crate) fn run(&self, work: impl FnOnce(&mut Journal) + Send + 'static) {
        assert!(self.work.send(Work::Run(Box::new(work))).is_ok());
    }

    /// Ends the journal's thread, as a close by somebody else would.
    #[cfg(test)]
    pub(crate) async fn end_thread(&self) {
        let (reply, _) = oneshot::channel();
        let _ = self.work.send(Work::Close(reply));
        self.work.closed().await;
    }
}

/// Does one piece of work, and with an append all that wait behind it: they
/// share one write to the disk.
/// Who waits for the end, if it has come.
fn run(
    journal: &mut Journal,
    first: Work,
    todo: &mut mpsc::UnboundedReceiver<Work>,
    stored: &AtomicU64,
) -> Option<oneshot::Sender<()>> {
    let mut next = Some(first);
    let mut appends: Vec<Writing> = Vec::new();
    while let Some(work) = next.take() {
        match work {
            Work::Append(writing) => {
                appends.push(writing);
                next = todo.try_recv().ok();
                if next.is_none() {
                    append(journal, std::mem::take(&mut appends), stored);
                }
            }
            other => {
                append(journal, std::mem::take(&mut appends), stored);
                match other {
                    Work::Read(count, reply) => {
                        let records = journal.read(count, ROUND_BYTES);
                        recount(journal, stored);
                        let _ = reply.send(records);
                    }
                    Work::Remove(sender, sent, refused, reply) => {
                        let result = journal.remove(&sent, &refused);
                        // Here, and not by who asked: that may be gone.
                        recount(journal, stored);
                        sender.spool_changed();
                        let _ = reply.send(result);
                    }
                    Work::Sync(reply) => {
                        // Nobody may be waiting for it.
                        let _ = reply.send(());
                    }
                    Work::Close(reply) => return Some(reply),
                    #[cfg(test)]
                    Work::Run(work) => {
                        work(journal);
                        recount(journal, stored);
                    }
                    Work::Append(_) => {}
                }
            }
        }
    }
    None
}

fn append(journal: &mut Journal, appends: Vec<Writing>, stored: &AtomicU64) {
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
