//! The sender: the events that wait, the requests in flight, and the retries.
//!
//! The sender consists of a state under a lock that is never held across an await, and of one
//! worker task per request in flight. A worker takes the next batch when its request is done.
//! If there is nothing to send, there are no tasks, so there is nothing to stop.
//!
//! **Natural batching.** A request that is not full is sent only if no other request is in
//! flight. A single event is therefore sent at once, and under load the requests are full,
//! regardless of the number of requests in flight.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, oneshot};
use tokio::time::Instant;

use crate::publisher::buffer::batch::Limits;
use crate::publisher::buffer::capacity::CapacityError;
use crate::publisher::buffer::in_flight::InFlight;
use crate::publisher::buffer::pending::{Outcome, Pending};
use crate::publisher::buffer::queue::{Batch, MessageEvents, Queue};
use crate::publisher::error::EmitError;
use crate::publisher::metrics;
use crate::publisher::retry::RetryPolicy;
use crate::publisher::runtime::PublisherThread;
#[cfg(feature = "spool")]
use crate::publisher::spool::Spool;
use crate::publisher::transport::Transport;

mod completion;
mod shutdown;
#[cfg(feature = "spool")]
mod spooled;
#[cfg(test)]
mod tests;
mod worker;

/// The settings of a sender.
#[derive(Debug, Clone)]
pub(crate) struct SenderSettings {
    pub(crate) fifo: bool,
    pub(crate) limits: Limits,
    pub(crate) max_in_flight: usize,
    pub(crate) linger: Duration,
    pub(crate) retry: RetryPolicy,
}

/// The sender that all handles of one publisher share.
#[derive(Debug)]
pub(crate) struct Sender {
    settings: SenderSettings,
    transport: Arc<dyn Transport>,
    state: Mutex<SenderState>,
    in_flight: Arc<InFlight>,
    thread: PublisherThread,
    /// Ends the linger of a worker.
    linger_cancel: Notify,
    /// Ends the requests in flight, at the deadline of a shutdown.
    abandon: Notify,
    #[cfg(feature = "spool")]
    spool: Option<Arc<Spool>>,
}

#[derive(Debug)]
struct SenderState {
    queue: Queue,
    limits: Limits,
    /// The batches in flight. They are stored here and not in their workers, so that a shutdown
    /// can return their events even if a worker does not respond.
    requests: BTreeMap<u64, Batch>,
    /// Messages that wait for a retry, by the time of that retry.
    delayed: BTreeMap<RetryKey, MessageEvents>,
    next_sequence: u64,
    /// The number of all workers; of the workers that have not taken a batch yet; of the workers
    /// whose request takes long; and of the workers that linger.
    workers: usize,
    starting: usize,
    stalled: usize,
    lingering: usize,
    closed: bool,
    abandoned: bool,
}

/// The time of a retry, with a number that makes the key unique.
type RetryKey = (Instant, u64);

impl Sender {
    pub(crate) fn new(
        settings: SenderSettings,
        transport: Arc<dyn Transport>,
        in_flight: Arc<InFlight>,
        thread: PublisherThread,
        #[cfg(feature = "spool")] spool: Option<Arc<Spool>>,
    ) -> Arc<Self> {
        let state = SenderState {
            queue: Queue::new(settings.fifo),
            limits: settings.limits,
            requests: BTreeMap::new(),
            delayed: BTreeMap::new(),
            next_sequence: 0,
            workers: 0,
            starting: 0,
            stalled: 0,
            lingering: 0,
            closed: false,
            abandoned: false,
        };
        let sender = Arc::new(Self {
            transport,
            state: Mutex::new(state),
            in_flight,
            thread,
            linger_cancel: Notify::new(),
            abandon: Notify::new(),
            settings,
            #[cfg(feature = "spool")]
            spool,
        });
        #[cfg(feature = "spool")]
        sender.drain_spool();
        sender
    }

    /// Takes the event if there is capacity for it.
    pub(crate) fn try_submit(
        self: &Arc<Self>,
        event: Pending,
    ) -> Result<oneshot::Receiver<Outcome>, (CapacityError, Pending)> {
        match self.in_flight.try_acquire(event.bytes()) {
            Ok(()) => self
                .insert(event, None)
                .map_err(|event| (CapacityError::Closed, event)),
            Err(error) => Err((error, event)),
        }
    }

    /// Waits for capacity, then takes the event.
    ///
    /// # Cancel safety
    ///
    /// An event that waits for capacity has not been taken.
    pub(crate) async fn submit(
        self: Arc<Self>,
        event: Pending,
    ) -> Result<oneshot::Receiver<Outcome>, EmitError> {
        let waiting = WaitingEvent::new(&self, event).map_err(Pending::into_shut_down_error)?;
        let capacity = self.in_flight.acquire(waiting.bytes()).await;
        let (event, generation) = waiting.take();
        match capacity {
            Ok(()) => self.insert(event, Some(generation)),
            Err(_) => {
                self.in_flight.cancel(generation);
                Err(event)
            }
        }
        .map_err(Pending::into_shut_down_error)
    }

    fn insert(
        self: &Arc<Self>,
        mut event: Pending,
        generation: Option<u64>,
    ) -> Result<oneshot::Receiver<Outcome>, Pending> {
        let mut state = self.lock();
        // An event that waited for capacity when a shutdown began is still taken.
        if state.abandoned || (state.closed && generation.is_none()) {
            drop(state);
            self.in_flight.release(event.bytes());
            if let Some(generation) = generation {
                self.in_flight.cancel(generation);
            }
            return Err(event);
        }
        let outcome = event.subscribe();
        event.enqueued_at = Instant::now();
        event.sequence = state.next_sequence();
        event.generation = generation.unwrap_or_else(|| self.in_flight.begin());
        #[cfg(feature = "spool")]
        let event = match self.append_if_spooling(&state, event) {
            Err(event) => event,
            Ok(()) => {
                drop(state);
                self.drain_spool();
                return Ok(outcome);
            }
        };
        state.queue.push(event);
        // A worker that takes a batch reports the number of waiting events. While all requests
        // hang, no worker takes a batch, so the number is reported here.
        let busy = state.workers == self.settings.max_in_flight;
        let waiting = busy.then(|| {
            let oldest = state.queue.oldest().map(|event| event.enqueued_at);
            (state.queue.len(), oldest)
        });
        self.start_workers(state);
        if let Some((events, oldest)) = waiting {
            metrics::waiting(events, oldest);
        }
        Ok(outcome)
    }

    /// Starts as many workers as there is work for.
    fn start_workers(self: &Arc<Self>, mut state: MutexGuard<'_, SenderState>) {
        let before = state.workers;
        while state.workers < self.settings.max_in_flight
            && state.queue.is_ready()
            && (state.is_idle() || state.queue.fills(&state.limits, state.starting + 1))
        {
            state.workers += 1;
            state.starting += 1;
        }
        let started = state.workers - before;
        let cancel_linger = state.lingering > 0 && self.should_send_now(&state);
        drop(state);
        for _ in 0..started {
            self.thread.spawn_worker(worker::Worker::new(self).run());
        }
        if cancel_linger {
            self.linger_cancel.notify_waiters();
        }
    }

    /// Returns true if an event must not linger any longer.
    fn should_send_now(&self, state: &SenderState) -> bool {
        state.closed || self.in_flight.is_flushing() || state.queue.fills(&state.limits, 1)
    }

    pub(crate) fn is_fifo(&self) -> bool {
        self.settings.fifo
    }

    pub(crate) fn in_flight(&self) -> &Arc<InFlight> {
        &self.in_flight
    }

    fn lock(&self) -> MutexGuard<'_, SenderState> {
        // Only `tracing` subscribers run foreign code under this lock, so poisoning
        // is very unlikely. If it happens, continuing is better than panicking in
        // every later `emit`.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl SenderState {
    /// Returns true if no request is in flight. Requests that take long are ignored, because
    /// they must not delay other events.
    fn is_idle(&self) -> bool {
        self.workers == self.stalled
    }

    fn next_sequence(&mut self) -> u64 {
        self.next_sequence += 1;
        self.next_sequence
    }

    /// Queues the message that waits for this retry.
    fn wake(&mut self, key: RetryKey) {
        if let Some(events) = self.delayed.remove(&key) {
            self.queue.put_back(events);
        }
    }
}

/// An event that waits for capacity. A flush waits for it, and its drop is counted.
struct WaitingEvent {
    in_flight: Arc<InFlight>,
    bytes: usize,
    /// With its flush generation.
    event: Option<(Pending, u64)>,
}

impl WaitingEvent {
    /// Returns the event if the sender is closed.
    fn new(sender: &Sender, event: Pending) -> Result<Self, Pending> {
        let state = sender.lock();
        if state.closed {
            return Err(event);
        }
        let generation = sender.in_flight.begin();
        Ok(Self {
            in_flight: sender.in_flight.clone(),
            bytes: event.bytes(),
            event: Some((event, generation)),
        })
    }

    fn bytes(&self) -> usize {
        self.bytes
    }

    fn take(mut self) -> (Pending, u64) {
        #[expect(clippy::expect_used, reason = "only `take` and the drop take it")]
        self.event.take().expect("the event is taken once")
    }
}

impl Drop for WaitingEvent {
    fn drop(&mut self) {
        if let Some((event, generation)) = self.event.take() {
            self.in_flight.dropped(&event);
            self.in_flight.cancel(generation);
        }
    }
}
