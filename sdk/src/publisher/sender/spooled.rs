//! The sender and its spool: what goes there, and what comes from there.

use std::sync::Arc;

use tokio::sync::oneshot;

use super::completion::Verdict;
use super::{Sender, State};
use crate::publisher::buffer::pending::{Outcome, Pending};
use crate::publisher::buffer::queue::Held;
use crate::publisher::error::EmitError;
use crate::publisher::metrics;
use crate::publisher::spool::{Spool, SpoolError, Spooling, Writing};

impl Sender {
    pub(crate) fn spool(&self) -> Option<&Spool> {
        self.spool.as_ref()
    }

    /// Whether a shutdown has begun.
    pub(crate) fn is_closed(&self) -> bool {
        self.lock().closed
    }

    /// Changes what is known of the spool.
    pub(crate) fn spooling<T>(&self, change: impl FnOnce(&mut Spooling) -> T) -> T {
        change(&mut self.lock().spooling)
    }

    /// Sees to it that what the spool holds is sent. Not under the lock: a task
    /// that is spawned into a runtime which ends is dropped at once, and its
    /// drop takes the lock.
    pub(super) fn drain_spool(self: &Arc<Self>) {
        if let Some(spool) = &self.spool {
            spool.drain(self);
        }
    }

    /// While the spool holds events, new ones go behind them. What the journal
    /// did not take comes back, and must not be dropped under the lock.
    pub(super) fn append_if_spooling(
        self: &Arc<Self>,
        state: &mut State,
        event: Pending,
    ) -> Result<Option<Writing>, Pending> {
        let spool = self.spool.as_ref();
        match spool.filter(|_| state.spooling.is_on() && !state.queue.holds(event.group())) {
            Some(spool) => Ok(spool.append(self, &mut state.spooling, vec![event])),
            None => Err(event),
        }
    }

    /// Sends an event that lies in the spool. It takes no room: a round of the
    /// spool has bounds of its own.
    pub(crate) fn give_from_spool(
        self: &Arc<Self>,
        mut event: Pending,
    ) -> oneshot::Receiver<Outcome> {
        let outcome = event.subscribe();
        let mut state = self.lock();
        // After a shutdown's deadline nobody sends it: its drop says so.
        if !state.abandoned {
            event.number = state.number();
            state.queue.push(event);
            self.start_workers(state);
        }
        outcome
    }

    /// Takes out of `told` what goes to the spool instead of back to its
    /// caller, together with all that must not overtake it. What the journal did
    /// not take comes back, and must not be dropped under the lock.
    pub(super) fn divert(
        self: &Arc<Self>,
        state: &mut State,
        told: &mut Vec<(Held, Verdict)>,
    ) -> Option<Writing> {
        let spool = self.spool.as_ref().filter(|_| !state.abandoned)?;
        let mut to_spool = Vec::new();
        let mut stay = Vec::with_capacity(told.len());
        for (mut events, verdict) in told.drain(..) {
            let (group, from_spool) = match events.first() {
                Some(event) => (event.group().cloned(), event.from_spool),
                None => continue,
            };
            if from_spool && verdict.is_of_the_road() {
                // They lie in the spool already, and the next round begins with
                // the one that failed.
                events.extend(state.queue.take_followers(group.as_ref()));
                stay.push((events, verdict));
            } else if !from_spool && verdict.may_pass() {
                events.extend(state.queue.take_followers(group.as_ref()));
                state.queue.release(group.as_ref());
                to_spool.extend(events);
            } else {
                stay.push((events, verdict));
            }
        }
        *told = stay;
        if to_spool.is_empty() {
            return None;
        }
        // What waits would only find the same: it need not wait for that.
        to_spool.extend(state.queue.take_idle());
        tracing::warn!(
            events = to_spool.len(),
            "SQS cannot be reached; events go to the spool"
        );
        for event in &mut to_spool {
            let written = event.restore_body();
            debug_assert!(written.is_ok(), "it was written once");
        }
        spool.append(self, &mut state.spooling, to_spool)
    }

    /// Answers for the events that were to be written to the spool under this
    /// number. Not under the lock.
    pub(crate) fn spooled(self: &Arc<Self>, number: u64, result: &Result<(), SpoolError>) {
        let events = self.spooling(|spooling| spooling.written(number));
        let gone: Vec<(usize, u64)> = events.iter().map(|e| (e.bytes(), e.epoch)).collect();
        for event in events {
            match result {
                Ok(()) => event.spooled(),
                Err(source) => event.failed(|envelope| EmitError::Spool {
                    envelope,
                    source: source.clone(),
                }),
            }
        }
        let failed = match result {
            Ok(()) => 0,
            Err(_) => gone.len() as u64,
        };
        metrics::told(0, failed);
        let mut state = self.lock();
        state.failed += failed;
        for (_, epoch) in &gone {
            state.epochs.leave(*epoch);
        }
        drop(state);
        self.spool_changed();
        self.room.leave(gone.into_iter().map(|(bytes, _)| bytes));
    }

    /// Tells whoever waits for the spool to be empty.
    pub(crate) fn spool_changed(&self) {
        if let Some(spool) = &self.spool {
            spool.tell_change();
        }
    }
}
