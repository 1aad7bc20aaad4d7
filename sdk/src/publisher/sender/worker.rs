//! A worker: it sends one request after the other.

use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use tokio::time::{Instant, sleep, sleep_until};
use tracing::Instrument as _;

use super::{Sender, SenderState};
use crate::publisher::buffer::pending::deduplication_id;
use crate::publisher::buffer::queue::Batch;
use crate::publisher::metrics;
use crate::publisher::transport::{EntryResult, Message, RequestError, RequestErrorKind};

/// How long a request in flight may delay waiting events. Most requests to SQS take a tenth of
/// this time, so only requests that hang reach it.
const SLOW_REQUEST_AFTER: Duration = Duration::from_millis(100);

/// A worker has at most one request in flight.
pub(super) struct Worker {
    sender: Arc<Sender>,
    stage: WorkerStage,
    /// True if its request takes longer than [`SLOW_REQUEST_AFTER`].
    stalled: bool,
}

/// The stage of a worker, which determines the counter in the state.
enum WorkerStage {
    Starting,
    Lingering,
    /// With the number of its request.
    Sending(u64),
    Retired,
}

enum Step {
    Send(u64, Vec<Message>),
    Linger(Instant),
    Stop,
}

impl Worker {
    /// Creates a worker that the state has already counted in `starting`.
    pub(super) fn new(sender: &Arc<Sender>) -> Self {
        Self {
            sender: sender.clone(),
            stage: WorkerStage::Starting,
            stalled: false,
        }
    }

    pub(super) async fn run(mut self) {
        let lingers = !self.sender.settings.linger.is_zero();
        let mut may_linger = lingers;
        loop {
            match self.next_step(may_linger) {
                Step::Send(request, messages) => {
                    let result = self.send(messages).await;
                    // Without a result, a shutdown has taken the batch and completed it.
                    if let Some(result) = result {
                        self.sender.request_done(request, result);
                    }
                    may_linger = lingers;
                }
                Step::Linger(until) => {
                    self.linger(until).await;
                    may_linger = false;
                }
                Step::Stop => return,
            }
        }
    }

    /// Takes the next batch, or ends the worker. Both happen under one lock, so that
    /// no event can be missed in between.
    fn next_step(&mut self, may_linger: bool) -> Step {
        let sender = self.sender.clone();
        let mut state = sender.lock();
        self.uncount(&mut state);
        if state.is_idle() || state.queue.fills(&state.limits, 1) {
            let oldest = state.queue.oldest().map(|event| event.enqueued_at);
            let lingers = may_linger && !sender.should_send_now(&state);
            if let Some(since) = oldest.filter(|_| lingers) {
                state.workers += 1;
                state.lingering += 1;
                self.stage = WorkerStage::Lingering;
                return Step::Linger(since + sender.settings.linger);
            }
            let limits = state.limits;
            if let Some(mut batch) = state.queue.take(&limits) {
                let messages = messages(&mut batch, sender.settings.fifo);
                let bytes = messages.iter().map(|message| message.body.len()).sum();
                let (events, waiting) = (batch.events.len(), state.queue.len());
                // The oldest of the events that stay in the queue.
                let oldest = state.queue.oldest().map(|event| event.enqueued_at);
                let request = state.next_sequence();
                state.requests.insert(request, batch);
                state.workers += 1;
                self.stage = WorkerStage::Sending(request);
                // The remaining events may fill further requests.
                sender.start_workers(state);
                metrics::waiting(waiting, oldest);
                metrics::sending(messages.len(), events, bytes);
                return Step::Send(request, messages);
            }
        }
        Step::Stop
    }

    /// Removes the worker from the state's counts.
    fn uncount(&mut self, state: &mut SenderState) {
        let stage = std::mem::replace(&mut self.stage, WorkerStage::Retired);
        state.uncount(&stage, std::mem::take(&mut self.stalled));
    }

    async fn linger(&self, until: Instant) {
        let mut cancelled = pin!(self.sender.linger_cancel.notified());
        cancelled.as_mut().enable();
        if !self.sender.should_send_now(&self.sender.lock()) {
            tokio::select! {
                biased;
                () = cancelled => {}
                () = sleep_until(until) => {}
            }
        }
    }

    /// Sends one request. Returns `None` if a shutdown reaches its deadline first.
    async fn send(
        &mut self,
        messages: Vec<Message>,
    ) -> Option<Result<Vec<EntryResult>, RequestError>> {
        let sender = self.sender.clone();
        let mut abandoned = pin!(sender.abandon.notified());
        abandoned.as_mut().enable();
        if sender.lock().abandoned {
            return None;
        }
        let count = messages.len();
        let span = tracing::debug_span!("send_message_batch", messages = count);
        let mut request = pin!(sender.transport.send(messages).instrument(span));
        let mut request = pin!(poll_fn(|cx| {
            let poll = || request.as_mut().poll(cx);
            let panicked = || {
                RequestError::new(
                    RequestErrorKind::Denied,
                    sender.in_flight.queue(),
                    "the request panicked",
                )
            };
            catch_unwind(AssertUnwindSafe(poll)).unwrap_or_else(|_| Poll::Ready(Err(panicked())))
        }));
        let started = Instant::now();
        let mut slow = pin!(sleep(SLOW_REQUEST_AFTER));
        loop {
            tokio::select! {
                biased;
                result = &mut request => {
                    metrics::request(count, started, &result);
                    return Some(result);
                }
                () = &mut abandoned => return None,
                () = &mut slow, if !self.stalled => {
                    self.stalled = true;
                    let mut state = sender.lock();
                    state.stalled += 1;
                    sender.start_workers(state);
                }
            }
        }
    }
}

/// A worker is dropped early if the runtime of a caller ends. Its batch goes back to
/// the queue, and the publisher's thread sends it. The events may have arrived, but an
/// event that arrives twice is stored once.
impl Drop for Worker {
    fn drop(&mut self) {
        if matches!(self.stage, WorkerStage::Retired) {
            return;
        }
        let stage = std::mem::replace(&mut self.stage, WorkerStage::Retired);
        let (sender, stalled) = (self.sender.clone(), self.stalled);
        // The restart is spawned, because this task may be dropped while a lock is held.
        self.sender.thread.spawn(async move {
            let mut state = sender.lock();
            state.uncount(&stage, stalled);
            let batch = match stage {
                WorkerStage::Sending(request) => state.requests.remove(&request),
                _ => None,
            };
            if let Some(batch) = batch {
                state.restore(batch);
            }
            sender.start_workers(state);
        });
    }
}

impl SenderState {
    fn uncount(&mut self, stage: &WorkerStage, stalled: bool) {
        match stage {
            WorkerStage::Starting => self.starting -= 1,
            WorkerStage::Lingering => self.lingering -= 1,
            WorkerStage::Sending(_) => {}
            WorkerStage::Retired => return,
        }
        self.workers -= 1;
        self.stalled -= usize::from(stalled);
    }
}

/// Encodes a batch as the messages of a request.
fn messages(batch: &mut Batch, fifo: bool) -> Vec<Message> {
    let mut rest = &mut batch.events[..];
    let mut messages = Vec::with_capacity(batch.messages.len());
    for count in &batch.messages {
        let (events, after) = rest.split_at_mut(*count);
        rest = after;
        let deduplication = fifo.then(|| deduplication_id(events));
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
