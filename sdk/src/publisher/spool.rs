//! Events on disk while SQS cannot be reached.
//!
//! While the spool holds events, new events go behind them, and all of them go to
//! SQS from the front. So a FIFO queue keeps the order of each entity, and an event
//! is in one place: in memory, with a caller who waits, or on disk, with a caller
//! who has a receipt.
//!
//! A disk that is full or fails does not stop the publisher: an event that cannot
//! be written is sent to SQS directly. On a FIFO queue, such an event waits in
//! memory until the events of its group that are on disk have been sent. Only if
//! SQS does not accept it either, its caller gets an error.
//!
//! [`record`] has the bytes of a file, [`log`] the files of a folder, [`thread`]
//! the thread that uses them, and [`drain`] the way from there to SQS.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::{Notify, mpsc, oneshot};

use crate::publisher::buffer::in_flight::InFlight;
use crate::publisher::buffer::outcome::MessageOutcome;
use crate::publisher::buffer::pending::Pending;
use crate::publisher::metrics;

mod drain;
pub(crate) mod error;
mod folder;
mod groups;
mod log;
pub(crate) mod outlet;
mod record;
mod scan;
mod thread;

use drain::{Drain, FIRST_WAIT};
use error::{SpoolDamage, SpoolError};
use groups::Groups;
use log::SpoolLog;
use outlet::Outlet;
use thread::{Command, PendingWrite, SpoolThread};

/// Bytes that one round holds in memory, next to what the publisher may hold.
const ROUND_BYTES: usize = 8 * 1024 * 1024;

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

/// What the spool, its drain and its thread share.
#[derive(Debug)]
struct Shared {
    folder: PathBuf,
    in_flight: Arc<InFlight>,
    /// Events on disk, as the thread counted them after its last command.
    stored: AtomicU64,
    /// Damaged records, counted in the same way.
    damaged: AtomicU64,
    state: Mutex<SpoolState>,
    closed: AtomicBool,
    /// Ends a pause between two rounds.
    hurry: Notify,
    /// The spool holds less, or the drain has ended.
    changed: Notify,
}

#[derive(Debug, Default)]
struct SpoolState {
    /// Events that are being written, by number. They are kept here and not by the
    /// thread, so that they get an outcome whatever happens to it.
    writing: BTreeMap<u64, Vec<Pending>>,
    next_number: u64,
    draining: bool,
    /// Events that could not be written, for FIFO queues: those of their group that
    /// are on disk are sent first.
    held: HashMap<Arc<str>, Vec<Held>>,
    /// The number of the last round that was begun.
    round: u64,
}

/// An event that waits in memory for events on disk.
#[derive(Debug)]
struct Held {
    event: Pending,
    /// Why it was not written.
    error: SpoolError,
    /// The last round that was begun before.
    round: u64,
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
        !state.writing.is_empty() || self.stored() > 0 || !state.held.is_empty()
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

    fn is_writing(&self, number: u64) -> bool {
        self.state().writing.contains_key(&number)
    }

    /// Completes the first events of a write, which are on disk.
    fn written(&self, number: u64, count: usize) {
        let events = {
            let mut state = self.state();
            let Some(mut events) = state.writing.remove(&number) else {
                return;
            };
            let rest = events.split_off(count.min(events.len()));
            if !rest.is_empty() {
                state.writing.insert(number, rest);
            }
            events
        };
        self.in_flight.complete([(events, MessageOutcome::Spooled)]);
        self.changed.notify_waiters();
    }

    /// Completes all events of a write that have no outcome yet with an error.
    fn fail(&self, number: u64, error: &SpoolError) {
        let events = self.state().writing.remove(&number);
        if let Some(events) = events {
            let outcome = MessageOutcome::SpoolFailed(error.clone());
            self.in_flight.complete([(events, outcome)]);
            self.changed.notify_waiters();
        }
    }

    /// Sends events directly that are to be written and cannot be. `waits` tells
    /// whether events of a group are on disk.
    ///
    /// It takes all writes that have no result yet, and not only the one that
    /// failed: if the next one succeeded, its events would overtake these.
    ///
    /// An event that was sent before has failed at SQS and on disk, and its caller
    /// gets the error.
    fn unwritten(
        &self,
        outlet: &Arc<dyn Outlet>,
        error: &SpoolError,
        waits: impl Fn(&str) -> bool,
    ) {
        let mut failed = Vec::new();
        let taken = outlet.clone().send_unwritten(&mut || {
            let mut state = self.state();
            let writing = std::mem::take(&mut state.writing);
            let mut direct = Vec::new();
            for event in writing.into_values().flatten() {
                if event.attempts > 0 {
                    failed.push(event);
                } else if let Some(event) = state.hold(event, error, &waits) {
                    direct.push(event);
                }
            }
            direct
        });
        if !taken {
            // The shutdown's deadline has passed.
            let writing = std::mem::take(&mut self.state().writing);
            failed.extend(writing.into_values().flatten());
        }
        let outcome = MessageOutcome::SpoolFailed(error.clone());
        self.in_flight.complete([(failed, outcome)]);
        self.changed.notify_waiters();
        if !self.state().held.is_empty() {
            // They wait for the next round, and not for the end of a pause.
            self.hurry.notify_waiters();
        }
    }

    /// Sends the held events of groups that have none on disk any more.
    fn release(&self, outlet: &Arc<dyn Outlet>, waits: impl Fn(&str) -> bool) {
        if self.state().held.is_empty() {
            return;
        }
        outlet.clone().send_unwritten(&mut || {
            let mut state = self.state();
            let free = state.held.extract_if(|group, _| !waits(group));
            let free = free.flat_map(|(_, held)| held);
            let mut events: Vec<Pending> = free.map(|held| held.event).collect();
            events.sort_by_key(|event| event.sequence);
            events
        });
    }

    fn begin_round(&self) {
        self.state().round += 1;
    }

    /// Completes events with the error of the disk that were held before the last
    /// round began: SQS did not accept the events before them. Later events wait
    /// for the next round, because SQS may be available again.
    fn fail_held(&self) {
        let failed = {
            let mut state = self.state();
            let last = state.round;
            let mut failed = Vec::new();
            for held in state.held.values_mut() {
                failed.extend(held.extract_if(.., |held| held.round < last));
            }
            state.held.retain(|_, held| !held.is_empty());
            failed
        };
        let failed = failed
            .into_iter()
            .map(|held| (vec![held.event], MessageOutcome::SpoolFailed(held.error)));
        self.in_flight.complete(failed);
    }

    fn recount(&self, log: &SpoolLog) {
        self.stored.store(log.len(), Ordering::SeqCst);
        let damaged = log.damaged();
        let before = self.damaged.swap(damaged, Ordering::SeqCst);
        metrics::spool_damaged(damaged.saturating_sub(before));
    }

    /// The error of events that the thread can no longer write.
    fn ended(&self) -> SpoolError {
        SpoolError::new(
            "write to the spool's folder",
            &self.folder,
            "the spool is closed, or its thread panicked",
        )
    }
}

impl SpoolState {
    /// Keeps an event back if others of its group must be sent before it.
    fn hold(
        &mut self,
        event: Pending,
        error: &SpoolError,
        waits: impl Fn(&str) -> bool,
    ) -> Option<Pending> {
        match event.group() {
            Some(group) if waits(group) || self.held.contains_key(group) => {
                let round = self.round;
                let held = self.held.entry(group.clone()).or_default();
                held.push(Held {
                    event,
                    error: error.clone(),
                    round,
                });
                None
            }
            _ => Some(event),
        }
    }

    /// Keeps an event back if others of its group are.
    fn follow(&mut self, event: Pending) -> Option<Pending> {
        let held = event.group().and_then(|group| self.held.get(group));
        match held.and_then(|held| held.last()).map(|h| h.error.clone()) {
            Some(error) => self.hold(event, &error, |_| false),
            None => Some(event),
        }
    }
}

impl Spool {
    /// Opens the spool of a publisher for a FIFO queue or a standard one.
    pub(crate) fn open(
        settings: &SpoolSettings,
        fifo: bool,
        in_flight: Arc<InFlight>,
    ) -> Result<Self, SpoolError> {
        let folder: &Path = &settings.folder;
        let mut groups = fifo.then(Groups::default);
        let log = SpoolLog::open(folder, settings.damage, |group| {
            if let (Some(groups), Some(group)) = (&mut groups, group) {
                groups.add(group);
            }
        })?;
        let shared = Arc::new(Shared {
            folder: folder.to_owned(),
            in_flight,
            stored: AtomicU64::new(0),
            damaged: AtomicU64::new(0),
            state: Mutex::default(),
            closed: AtomicBool::new(false),
            hurry: Notify::new(),
            changed: Notify::new(),
        });
        shared.recount(&log);
        if shared.stored() > 0 {
            tracing::info!(
                folder = %folder.display(),
                events = shared.stored(),
                "the spool holds events of an earlier process; they are sent now"
            );
        }
        // Unbounded: an event keeps its capacity until it is on disk.
        let (sender, commands) = mpsc::unbounded_channel();
        let thread = SpoolThread {
            log,
            groups,
            shared: shared.clone(),
            commands,
            failing: false,
        };
        std::thread::Builder::new()
            .name("domain-events-spool".to_owned())
            .spawn(move || thread.run())
            .map_err(|error| SpoolError::new("start the thread of the spool", folder, error))?;
        Ok(Self {
            commands: sender,
            shared,
        })
    }

    /// Whether new events go to the spool.
    pub(crate) fn is_on(&self) -> bool {
        self.shared.is_on(&self.shared.state())
    }

    /// Events on disk.
    pub(crate) fn stored(&self) -> u64 {
        self.shared.stored()
    }

    /// Damaged records that were found on disk.
    pub(crate) fn damaged(&self) -> u64 {
        self.shared.damaged.load(Ordering::SeqCst)
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

    /// Writes events to the disk, in their order. Each of them is completed when
    /// it is on disk, or is sent through `outlet` if it could not be written.
    ///
    /// It may be called under the sender's lock.
    pub(crate) fn append(&self, outlet: Arc<dyn Outlet>, events: Vec<Pending>) {
        let (number, events) = {
            let mut state = self.shared.state();
            let to_write = events.into_iter().filter_map(|event| state.follow(event));
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
            outlet,
            number,
            events,
        }));
    }

    /// Starts sending the events of the spool through `outlet`, if it holds any and
    /// none are being sent.
    pub(crate) fn drain(&self, outlet: Arc<dyn Outlet>, runtime: &Handle) {
        if !self.is_closed() && self.shared.start_draining() {
            let drain = Drain {
                commands: self.commands.clone(),
                shared: self.shared.clone(),
                outlet,
                ended: false,
            };
            runtime.spawn(drain.run());
        }
    }

    /// Waits until the spool is empty or closed. `drain` starts a drain, because an
    /// earlier one may have ended with its runtime.
    pub(crate) async fn wait_until_empty(&self, drain: impl Fn()) {
        loop {
            let mut changed = pin!(self.shared.changed.notified());
            changed.as_mut().enable();
            drain();
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

    /// Stops sending and closes the files. Returns when all writes are done. What is
    /// on disk stays there.
    pub(crate) async fn close(&self) {
        self.shared.closed.store(true, Ordering::Relaxed);
        self.hurry();
        self.shared.changed.notify_waiters();
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
    pub(crate) async fn pause(&self, outlet: &dyn Outlet, wait: Duration) {
        self.shared.pause(outlet, wait).await;
    }
}

impl Shared {
    fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Relaxed)
    }

    /// Waits for this time, or until [`Spool::hurry`] is called. It does not wait
    /// while events are held, because their callers wait for the next round.
    async fn pause(&self, outlet: &dyn Outlet, wait: Duration) {
        let mut hurry = pin!(self.hurry.notified());
        hurry.as_mut().enable();
        // Checked after `enable`: a call of `hurry` before had no effect.
        let wait = match outlet.is_closed() {
            true => wait.min(FIRST_WAIT),
            false => wait,
        };
        if !self.is_closed() && self.state().held.is_empty() {
            // Either way it is time for the next round.
            let _ = tokio::time::timeout(wait, hurry).await;
        }
    }
}
