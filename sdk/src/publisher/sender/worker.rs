//! One request in flight, and then the next.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, sleep, sleep_until};
use tracing::Instrument as _;

use super::{Sender, State};
use crate::publisher::buffer::pending::deduplication_of;
use crate::publisher::buffer::queue::Batch;
use crate::publisher::metrics;
use crate::publisher::transport::{Answer, Message, RequestError, RequestErrorKind};

/// How long a request may take before what gathers behind it goes without it.
/// Most requests to SQS take a tenth of it, so that this is for the one that
/// hangs.
const PATIENCE: Duration = Duration::from_millis(100);

/// The right to one request in flight.
pub(super) struct Worker {
    sender: Arc<Sender>,
    stage: Stage,
    /// Its request is long in coming.
    slow: bool,
}

/// How the state counts the worker.
enum Stage {
    Starting,
    Lingering,
    /// With the number of the batch that is on its way.
    Sending(u64),
    Between,
    Retired,
}

enum Next {
    Send(u64, Vec<Message>),
    Linger(Instant),
    Nothing,
}

impl Worker {
    /// A worker that the state counts already, as one that starts.
    pub(super) fn new(sender: &Arc<Sender>) -> Self {
        Self {
            sender: sender.clone(),
            stage: Stage::Starting,
            slow: false,
        }
    }

    pub(super) async fn run(mut self) {
        let lingers = !self.sender.settings.linger.is_zero();
        let mut patient = lingers;
        loop {
            match self.next(patient) {
                Next::Send(flight, messages) => {
                    let result = self.request(messages).await;
                    self.stage = Stage::Between;
                    // A shutdown may have taken the batch, and answered for it.
                    if let Some(result) = result {
                        self.sender.settle(flight, result);
                    }
                    patient = lingers;
                }
                Next::Linger(until) => {
                    self.linger(until).await;
                    patient = false;
                }
                Next::Nothing => return,
            }
        }
    }

    /// Takes the next batch, or ends the worker: both under one lock, so that
    /// no event can come between.
    fn next(&mut self, patient: bool) -> Next {
        let sender = self.sender.clone();
        let mut state = sender.lock();
        self.uncount(&mut state);
        if !state.delayed.is_empty() {
            state.wake_delayed(Instant::now());
        }
        let alone = state.idle();
        if alone || state.queue.fills(&state.limits, 1) {
            let oldest = state.queue.oldest().map(|event| event.since);
            if let Some(since) = oldest.filter(|_| patient && !state.must_not_linger()) {
                state.workers += 1;
                state.lingering += 1;
                self.stage = Stage::Lingering;
                return Next::Linger(since + sender.settings.linger);
            }
            let limits = state.limits;
            if let Some(mut batch) = state.queue.take(&limits) {
                let messages = messages(&mut batch, sender.settings.fifo);
                let bytes = messages.iter().map(|message| message.body.len()).sum();
                let (events, waiting) = (batch.events.len(), state.queue.len());
                // Of those that are left, not of those that just go.
                let oldest = state.queue.oldest().map(|event| event.since);
                let flight = state.number();
                state.flights.insert(flight, batch);
                state.workers += 1;
                self.stage = Stage::Sending(flight);
                // What is left may be enough for others.
                sender.start_workers(state);
                metrics::waiting(waiting, oldest);
                metrics::sending(messages.len(), events, bytes);
                return Next::Send(flight, messages);
            }
        }
        Next::Nothing
    }

    /// Takes the worker out of the state's counts.
    fn uncount(&mut self, state: &mut State) {
        match std::mem::replace(&mut self.stage, Stage::Retired) {
            Stage::Starting => state.starting -= 1,
            Stage::Lingering => state.lingering -= 1,
            Stage::Sending(_) | Stage::Between => {}
            Stage::Retired => return,
        }
        state.workers -= 1;
        state.slow -= usize::from(std::mem::take(&mut self.slow));
    }

    async fn linger(&self, until: Instant) {
        let mut hurry = pin!(self.sender.hurry.notified());
        hurry.as_mut().enable();
        if !self.sender.lock().must_not_linger() {
            tokio::select! {
                () = sleep_until(until) => {}
                () = hurry => {}
            }
        }
    }

    /// Sends one request; `None` if the sender is abandoned meanwhile.
    async fn request(
        &mut self,
        messages: Vec<Message>,
    ) -> Option<Result<Vec<Answer>, RequestError>> {
        let sender = self.sender.clone();
        let mut abandoned = pin!(sender.abandon.notified());
        abandoned.as_mut().enable();
        if sender.lock().abandoned {
            return None;
        }
        let count = messages.len();
        let span = tracing::debug_span!("send_message_batch", messages = count);
        let mut request = pin!(sender.transport.send(messages).instrument(span));
        let started = Instant::now();
        let mut patience = pin!(sleep(PATIENCE));
        loop {
            tokio::select! {
                biased;
                result = &mut request => {
                    metrics::request(count, started, &result);
                    return Some(result);
                }
                () = &mut abandoned => return None,
                () = &mut patience, if !self.slow => {
                    self.slow = true;
                    let mut state = sender.lock();
                    state.slow += 1;
                    sender.start_workers(state);
                }
            }
        }
    }
}

/// A worker ends early if its runtime does. Its batch goes back to the queue,
/// for whoever emits next: the events may have arrived, but arriving twice is
/// one event in the store, and not arriving is none.
impl Drop for Worker {
    fn drop(&mut self) {
        let flight = match self.stage {
            Stage::Retired => return,
            Stage::Sending(flight) => Some(flight),
            _ => None,
        };
        let sender = self.sender.clone();
        if let Some(flight) = flight.filter(|_| std::thread::panicking()) {
            // Sent again, it would panic again.
            let error = RequestError::new(RequestErrorKind::Denied, "the request panicked");
            sender.settle(flight, Err(error));
        }
        let mut state = sender.lock();
        self.uncount(&mut state);
        if let Some(batch) = flight.and_then(|flight| state.flights.remove(&flight)) {
            state.restore(batch);
        }
        drop(state);
        sender.go_on_at_home();
    }
}

/// Writes a batch as the messages of a request.
fn messages(batch: &mut Batch, fifo: bool) -> Vec<Message> {
    let mut rest = &mut batch.events[..];
    let mut messages = Vec::with_capacity(batch.messages.len());
    for count in &batch.messages {
        let (events, after) = rest.split_at_mut(*count);
        rest = after;
        let deduplication = fifo.then(|| deduplication_of(events));
        let group = events.first().and_then(|event| event.group().cloned());
        let body = match events {
            [one] => one.take_body(),
            many => {
                let size = many.iter().map(|event| event.bytes() + 1).sum::<usize>();
                let mut body = String::with_capacity(size + 1);
                for (index, event) in many.iter_mut().enumerate() {
                    body.push(if index == 0 { '[' } else { ',' });
                    body.push_str(&event.take_body());
                }
                body.push(']');
                body
            }
        };
        messages.push(Message {
            body,
            group,
            deduplication,
        });
    }
    messages
}
