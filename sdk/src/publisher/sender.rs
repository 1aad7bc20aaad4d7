//! The sender: what waits, what is on its way, what is tried again.
//!
//! It is a state under a lock that is never held across an await, and a worker
//! per request in flight, which takes the next batch when its own is done. With
//! nothing to send there is no task at all, so that nothing has to be stopped.
//! Its tasks are in the runtime of whoever emits, but a worker takes what anybody
//! has given.
//!
//! **Natural batching.** A request that is not full goes only if no other is in
//! flight. So an event that comes alone is sent at once, and under load the
//! requests fill by themselves, however many may be in flight.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::{Notify, oneshot};
use tokio::time::Instant;

use crate::publisher::buffer::batch::Limits;
use crate::publisher::buffer::capacity::{NoRoom, Room};
use crate::publisher::buffer::flush::Epochs;
use crate::publisher::buffer::pending::{Outcome, Pending};
use crate::publisher::buffer::queue::{Batch, Held, Queue};
use crate::publisher::error::EmitError;
use crate::publisher::metrics;
use crate::publisher::retry::Retry;
use crate::publisher::transport::Transport;

mod completion;
mod shutdown;
#[cfg(feature = "spool")]
mod spooled;
#[cfg(test)]
mod tests;
mod worker;

/// What the sender is told once and for all.
#[derive(Debug, Clone)]
pub(crate) struct Settings {
    pub(crate) fifo: bool,
    pub(crate) limits: Limits,
    pub(crate) max_in_flight: usize,
    pub(crate) max_events: usize,
    pub(crate) max_bytes: usize,
    pub(crate) linger: Duration,
    pub(crate) retry: Retry,
}

/// The engine behind all handles of one emitter.
#[derive(Debug)]
pub(crate) struct Sender {
    settings: Settings,
    transport: Arc<dyn Transport>,
    state: Mutex<State>,
    room: Room,
    /// For who has no runtime of its own: a drop, or `try_emit` in a thread.
    runtime: Handle,
    /// A worker that lingers has to go.
    hurry: Notify,
    /// The shutdown's deadline has come.
    abandon: Notify,
    #[cfg(feature = "spool")]
    spool: Option<crate::publisher::spool::Spool>,
}

#[derive(Debug)]
struct State {
    queue: Queue,
    limits: Limits,
    /// Batches on their way, by number. They are kept here and not by their
    /// workers, so that a shutdown can hand them back whatever a worker does.
    flights: HashMap<u64, Batch>,
    /// Messages that wait for their next attempt, by the time of it.
    delayed: BTreeMap<(Instant, u64), Held>,
    next_number: u64,
    /// Workers, and how many of them have not taken a batch yet, or wait for a
    /// request that is long in coming.
    workers: usize,
    starting: usize,
    slow: usize,
    lingering: usize,
    epochs: Epochs,
    closed: bool,
    abandoned: bool,
    accepted: u64,
    failed: u64,
    /// Events that are to be sent again, not told to the metrics yet.
    retried: u64,
    #[cfg(feature = "spool")]
    spooling: crate::publisher::spool::Spooling,
}

impl Sender {
    pub(crate) fn new(
        settings: Settings,
        transport: Arc<dyn Transport>,
        #[cfg(feature = "spool")] spool: Option<crate::publisher::spool::Spool>,
    ) -> Arc<Self> {
        let state = State {
            queue: Queue::new(settings.fifo),
            limits: settings.limits,
            flights: HashMap::new(),
            delayed: BTreeMap::new(),
            next_number: 0,
            workers: 0,
            starting: 0,
            slow: 0,
            lingering: 0,
            epochs: Epochs::new(),
            closed: false,
            abandoned: false,
            accepted: 0,
            failed: 0,
            retried: 0,
            #[cfg(feature = "spool")]
            spooling: crate::publisher::spool::Spooling::of(spool.as_ref()),
        };
        let sender = Arc::new(Self {
            transport,
            state: Mutex::new(state),
            room: Room::new(settings.max_events, settings.max_bytes),
            runtime: Handle::current(),
            hurry: Notify::new(),
            abandon: Notify::new(),
            settings,
            #[cfg(feature = "spool")]
            spool,
        });
        #[cfg(feature = "spool")]
        sender.drain_spool();
        sender
    }

    /// Takes the event if there is room for it.
    pub(crate) fn try_give(
        self: &Arc<Self>,
        event: Pending,
    ) -> Result<oneshot::Receiver<Outcome>, (NoRoom, Pending)> {
        match self.room.try_enter(event.bytes()) {
            Ok(()) => self.insert(event, None).map_err(|e| (NoRoom::Closed, e)),
            Err(why) => Err((why, event)),
        }
    }

    /// Waits for room, then takes the event.
    ///
    /// # Cancel safety
    ///
    /// An event that waits for room is not taken, and leaves without a trace.
    pub(crate) async fn give(
        self: Arc<Self>,
        event: Pending,
    ) -> Result<oneshot::Receiver<Outcome>, EmitError> {
        let Some(ticket) = Ticket::new(&self) else {
            return Err(event.refused());
        };
        match self.room.enter(event.bytes()).await {
            Ok(()) => self
                .insert(event, Some(ticket))
                .map_err(|event| event.refused()),
            Err(_) => Err(event.refused()),
        }
    }

    fn insert(
        self: &Arc<Self>,
        mut event: Pending,
        ticket: Option<Ticket>,
    ) -> Result<oneshot::Receiver<Outcome>, Pending> {
        let mut state = self.lock();
        if state.abandoned || (state.closed && ticket.is_none()) {
            drop(state);
            self.room.leave([event.bytes()]);
            return Err(event);
        }
        let outcome = event.subscribe();
        event.since = Instant::now();
        state.wake_delayed(event.since);
        event.number = state.number();
        event.epoch = match ticket {
            Some(ticket) => ticket.redeem(),
            None => state.epochs.enter(),
        };
        #[cfg(feature = "spool")]
        let event = match self.append_if_spooling(&mut state, event) {
            Err(event) => event,
            Ok(unwritten) => {
                // What was due may go, while this one goes to the disk.
                self.start_workers(state);
                // What the journal did not take is answered by this.
                drop(unwritten);
                self.drain_spool();
                return Ok(outcome);
            }
        };
        state.queue.push(event);
        // Whoever takes the next batch tells what waits behind it; while all
        // requests hang, nobody does.
        let busy = state.workers == self.settings.max_in_flight;
        let waiting = busy.then(|| (state.queue.len(), state.queue.oldest().map(|e| e.since)));
        self.start_workers(state);
        if let Some((events, oldest)) = waiting {
            metrics::waiting(events, oldest);
        }
        Ok(outcome)
    }

    /// Starts as many workers as there is work for, in the runtime of whoever
    /// emits: it is driven now, which the one that built the emitter need not be.
    fn start_workers(self: &Arc<Self>, mut state: MutexGuard<'_, State>) {
        let before = state.workers;
        while state.workers < self.settings.max_in_flight
            && state.queue.is_ready()
            && (state.idle() || state.queue.fills(&state.limits, state.starting + 1))
        {
            state.workers += 1;
            state.starting += 1;
        }
        let started = state.workers - before;
        let hurry = state.lingering > 0 && state.must_not_linger();
        drop(state);
        if started > 0 {
            let runtime = self.runtime();
            for _ in 0..started {
                runtime.spawn(worker::Worker::new(self).run());
            }
        }
        if hurry {
            self.hurry.notify_waiters();
        }
    }

    /// Goes on in the runtime in which the emitter was built, for one that has
    /// ended. Nothing is counted before that runtime gets to it: it may have
    /// ended as well, or stand still, and then whoever emits next goes on.
    pub(crate) fn go_on_at_home(self: &Arc<Self>) {
        let sender = Arc::clone(self);
        self.runtime.spawn(async move {
            sender.start_workers(sender.lock());
            #[cfg(feature = "spool")]
            sender.drain_spool();
        });
    }

    pub(crate) fn is_fifo(&self) -> bool {
        self.settings.fifo
    }

    pub(crate) fn runtime(&self) -> Handle {
        Handle::try_current().unwrap_or_else(|_| self.runtime.clone())
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // No code of others runs under the lock, but for a subscriber of
        // `tracing`, so that a panic under it is next to impossible; and going
        // on beats a panic in every later `emit`.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// No request is in flight, but for those that are long in coming: these
    /// must not hold the others back.
    fn idle(&self) -> bool {
        self.workers == self.slow
    }

    fn must_not_linger(&self) -> bool {
        self.closed || self.epochs.is_flushing() || self.queue.fills(&self.limits, 1)
    }

    fn number(&mut self) -> u64 {
        self.next_number += 1;
        self.next_number
    }

    /// What is held back at this place waits in the queue again.
    fn wake(&mut self, place: (Instant, u64)) {
        if let Some(held) = self.delayed.remove(&place) {
            self.queue.put_back(held);
        }
    }

    /// What was due by `now` waits in the queue again, also if the timer that
    /// should have seen to it is in a runtime that nobody drives.
    fn wake_delayed(&mut self, now: Instant) {
        while let Some(first) = self.delayed.first_entry().filter(|e| e.key().0 <= now) {
            let held = first.remove();
            self.queue.put_back(held);
        }
    }
}

/// An event that waits for room: a flush waits for it, although it is not in.
struct Ticket {
    sender: Arc<Sender>,
    epoch: Option<u64>,
}

impl Ticket {
    /// `None` if the sender is closed.
    fn new(sender: &Arc<Sender>) -> Option<Self> {
        let mut state = sender.lock();
        (!state.closed).then(|| Self {
            sender: sender.clone(),
            epoch: Some(state.epochs.enter()),
        })
    }

    fn redeem(mut self) -> u64 {
        self.epoch.take().unwrap_or_default()
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        if let Some(epoch) = self.epoch.take() {
            self.sender.lock().epochs.leave(epoch);
        }
    }
}
