//! The state that the spool, its drain and its thread share: the events that have no outcome
//! yet.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;

use super::error::SpoolError;
use super::event_sender::EventSender;
use super::log::SpoolLog;
use crate::publisher::buffer::in_flight::InFlight;
use crate::publisher::buffer::outcome::MessageOutcome;
use crate::publisher::buffer::pending::Pending;
use crate::publisher::metrics;

/// The shortest delay after a failed round.
pub(super) const MIN_PAUSE: Duration = Duration::from_millis(500);

/// The state that the spool, its drain and its thread share.
#[derive(Debug)]
pub(super) struct Shared {
    folder: PathBuf,
    in_flight: Arc<InFlight>,
    /// The number of events on disk. The thread updates it after each command.
    stored: AtomicU64,
    /// The number of damaged records, updated in the same way.
    damaged: AtomicU64,
    state: Mutex<SpoolState>,
    closed: AtomicBool,
    /// Notified to end a pause between two rounds.
    pub(super) end_pause: Notify,
    /// Notified when events have left the spool, or the drain has ended.
    pub(super) changed: Notify,
}

#[derive(Debug, Default)]
pub(super) struct SpoolState {
    /// Events that are being written, by the number of their write. They are kept here, and
    /// not in the thread, so that they get an outcome even if the thread panics.
    pub(super) writing: BTreeMap<u64, Vec<Pending>>,
    pub(super) next_number: u64,
    pub(super) draining: bool,
    /// For FIFO queues: events that could not be written, and wait until the events of their
    /// message group that are on disk have been sent. The map is ordered, so that the events
    /// are completed in a fixed order.
    pub(super) held: BTreeMap<Arc<str>, Vec<HeldEvent>>,
    /// The number of the last round that has started.
    round: u64,
}

/// An event in memory that waits until events on disk have been sent.
#[derive(Debug)]
pub(super) struct HeldEvent {
    pub(super) event: Pending,
    /// Why the event was not written.
    error: SpoolError,
    /// The number of the last round that had started when the event was held.
    round: u64,
}

impl Shared {
    pub(super) fn new(folder: &Path, in_flight: Arc<InFlight>) -> Self {
        Self {
            folder: folder.to_owned(),
            in_flight,
            stored: AtomicU64::new(0),
            damaged: AtomicU64::new(0),
            state: Mutex::default(),
            closed: AtomicBool::new(false),
            end_pause: Notify::new(),
            changed: Notify::new(),
        }
    }

    pub(super) fn state(&self) -> MutexGuard<'_, SpoolState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn stored(&self) -> u64 {
        self.stored.load(Ordering::SeqCst)
    }

    pub(super) fn damaged(&self) -> u64 {
        self.damaged.load(Ordering::SeqCst)
    }

    /// Ends the pause of the drain, and every wait for a change.
    pub(super) fn close(&self) {
        self.closed.store(true, Ordering::Relaxed);
        self.end_pause.notify_waiters();
        self.changed.notify_waiters();
    }

    pub(super) fn is_active(&self, state: &SpoolState) -> bool {
        // `writing` is checked before `stored`, because events are counted as stored before
        // they are removed from `writing`.
        !state.writing.is_empty() || self.stored() > 0 || !state.held.is_empty()
    }

    pub(super) fn start_draining(&self) -> bool {
        let mut state = self.state();
        self.is_active(&state) && !std::mem::replace(&mut state.draining, true)
    }

    /// Marks the drain as ended if the spool is empty. Returns whether it has ended.
    pub(super) fn end_draining(&self) -> bool {
        let mut state = self.state();
        state.draining = self.is_active(&state);
        !state.draining
    }

    pub(super) fn is_writing(&self, number: u64) -> bool {
        self.state().writing.contains_key(&number)
    }

    /// Completes the first `count` events of a write, which are on disk.
    pub(super) fn complete_write(&self, number: u64, count: usize) {
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

    /// Completes with an error all events of a write that have no outcome yet.
    pub(super) fn fail_write(&self, number: u64, error: &SpoolError) {
        let events = self.state().writing.remove(&number);
        if let Some(events) = events {
            let outcome = MessageOutcome::SpoolFailed(error.clone());
            self.in_flight.complete([(events, outcome)]);
            self.changed.notify_waiters();
        }
    }

    /// Sends events directly to SQS after a write to the disk failed. `on_disk` returns whether
    /// a message group has events on disk.
    ///
    /// The function takes the events of all writes that have no result yet, not only of the
    /// write that failed. If a later write succeeded, its events could overtake the events of
    /// the failed write.
    ///
    /// An event for which a request to SQS has already failed is not sent again: its caller
    /// gets the error of the disk.
    pub(super) fn send_writes_directly(
        &self,
        event_sender: &Arc<dyn EventSender>,
        error: &SpoolError,
        on_disk: impl Fn(&str) -> bool,
    ) {
        let mut failed = Vec::new();
        let taken = event_sender.clone().send_unwritten(&mut || {
            let mut state = self.state();
            let writing = std::mem::take(&mut state.writing);
            let mut direct = Vec::new();
            for event in writing.into_values().flatten() {
                if event.attempts > 0 {
                    failed.push(event);
                } else if let Some(event) = state.hold(event, error, &on_disk) {
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
            // HeldEvent events wait for the next round, so the pause before it is ended.
            self.end_pause.notify_waiters();
        }
    }

    /// Sends the held events of each group that has no more events on disk.
    pub(super) fn release_held(
        &self,
        event_sender: &Arc<dyn EventSender>,
        on_disk: impl Fn(&str) -> bool,
    ) {
        if self.state().held.is_empty() {
            return;
        }
        event_sender.clone().send_unwritten(&mut || {
            let mut state = self.state();
            let free = state.held.extract_if(.., |group, _| !on_disk(group));
            let free = free.flat_map(|(_, held)| held);
            let mut events: Vec<Pending> = free.map(|held| held.event).collect();
            events.sort_by_key(|event| event.sequence);
            events
        });
    }

    pub(super) fn begin_round(&self) {
        self.state().round += 1;
    }

    /// Completes with the error of the disk all events that were held before the last round
    /// started: in that round, SQS did not accept the earlier events of their groups. Events
    /// that were held later wait for the next round, because SQS may be available again.
    pub(super) fn fail_held(&self) {
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

    pub(super) fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Relaxed)
    }

    /// Waits for the duration `wait`, or until [`Spool::end_pause`](super::Spool::end_pause) is
    /// called. Does not wait while events are held, because their callers wait for the next
    /// round.
    pub(super) async fn pause(&self, event_sender: &dyn EventSender, wait: Duration) {
        let mut end_pause = pin!(self.end_pause.notified());
        end_pause.as_mut().enable();
        // Checked after `enable`, because a call of `end_pause` before `enable` has no effect.
        let wait = match event_sender.is_closed() {
            true => wait.min(MIN_PAUSE),
            false => wait,
        };
        if !self.is_closed() && self.state().held.is_empty() {
            // The next round starts after a timeout as well as after a notification.
            let _ = tokio::time::timeout(wait, end_pause).await;
        }
    }

    pub(super) fn recount(&self, log: &SpoolLog) {
        self.stored.store(log.len(), Ordering::SeqCst);
        let damaged = log.damaged();
        let before = self.damaged.swap(damaged, Ordering::SeqCst);
        metrics::spool_damaged(damaged.saturating_sub(before));
    }

    /// Returns the error for events that the thread can no longer write.
    pub(super) fn ended(&self) -> SpoolError {
        SpoolError::new(
            "write to the spool's folder",
            &self.folder,
            "the spool is closed, or its thread panicked",
        )
    }
}

impl SpoolState {
    /// Holds an event if other events of its group must be sent first. Returns the event if
    /// it need not wait.
    pub(super) fn hold(
        &mut self,
        event: Pending,
        error: &SpoolError,
        on_disk: impl Fn(&str) -> bool,
    ) -> Option<Pending> {
        match event.group() {
            Some(group) if on_disk(group) || self.held.contains_key(group) => {
                let round = self.round;
                let held = self.held.entry(group.clone()).or_default();
                held.push(HeldEvent {
                    event,
                    error: error.clone(),
                    round,
                });
                None
            }
            _ => Some(event),
        }
    }

    /// Holds an event if other events of its group are held. Returns the event if it need not
    /// wait.
    pub(super) fn hold_behind_held(&mut self, event: Pending) -> Option<Pending> {
        let held = event.group().and_then(|group| self.held.get(group));
        match held.and_then(|held| held.last()).map(|h| h.error.clone()) {
            Some(error) => self.hold(event, &error, |_| false),
            None => Some(event),
        }
    }
}
