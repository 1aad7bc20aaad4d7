//! The sender with a spool: which events are written to the spool, and how the events of the
//! spool are sent.

use std::sync::Arc;

use tokio::sync::oneshot;

use super::completion::restore_bodies;
use super::{Sender, SenderState};
use crate::publisher::buffer::outcome::MessageOutcome;
use crate::publisher::buffer::pending::{Outcome, Pending};
use crate::publisher::buffer::queue::MessageEvents;
use crate::publisher::spool::event_sender::EventSender;

impl EventSender for Sender {
    fn send_spooled(self: Arc<Self>, mut event: Pending) -> oneshot::Receiver<Outcome> {
        let outcome = event.subscribe();
        let mut state = self.lock();
        // After the deadline of a shutdown, the event is dropped, and its outcome is `Interrupted`.
        if !state.abandoned {
            event.sequence = state.next_sequence();
            state.queue.push(event);
            self.start_workers(state);
        }
        outcome
    }

    fn send_unwritten(self: Arc<Self>, take: &mut dyn FnMut() -> Vec<Pending>) -> bool {
        let mut state = self.lock();
        if state.abandoned {
            return false;
        }
        let mut events = take();
        restore_bodies(&mut events);
        for event in events {
            state.queue.push(event);
        }
        self.start_workers(state);
        true
    }

    fn is_fifo(&self) -> bool {
        self.settings.fifo
    }

    fn is_closed(&self) -> bool {
        self.lock().closed
    }
}

impl Sender {
    #[cfg(test)]
    pub(crate) fn spool(&self) -> Option<&crate::publisher::spool::Spool> {
        self.spool.as_deref()
    }

    /// Starts to send the events of the spool.
    pub(super) fn drain_spool(self: &Arc<Self>) {
        if let Some(spool) = &self.spool {
            spool.drain(self.clone(), &self.thread);
        }
    }

    /// Waits until the spool is empty or closed.
    pub(super) async fn spool_drained(self: &Arc<Self>) {
        self.drain_spool();
        if let Some(spool) = &self.spool {
            spool.wait_until_empty().await;
        }
    }

    /// Appends `event` to the spool if the spool contains events, because an event must not
    /// overtake them. Otherwise returns the event.
    pub(super) fn append_if_spooling(
        self: &Arc<Self>,
        state: &SenderState,
        event: Pending,
    ) -> Result<(), Pending> {
        let spool = self.spool.as_ref();
        match spool.filter(|spool| spool.is_active() && !state.queue.holds(event.group())) {
            Some(spool) => {
                spool.append(self.clone(), vec![event]);
                Ok(())
            }
            None => Err(event),
        }
    }

    /// Moves the messages that SQS could not accept from `completed` to the spool, together with
    /// all events that must not overtake them.
    pub(super) fn divert_to_spool(
        self: &Arc<Self>,
        state: &mut SenderState,
        completed: &mut Vec<(MessageEvents, MessageOutcome)>,
    ) {
        let Some(spool) = self.spool.as_ref().filter(|_| !state.abandoned) else {
            return;
        };
        let accepted = |(events, outcome): &(MessageEvents, MessageOutcome)| {
            matches!(outcome, MessageOutcome::Accepted { .. })
                && events.first().is_some_and(|event| !event.from_spool)
        };
        if spool.stored() > 0 && completed.iter().any(accepted) {
            // SQS is available again, so the next round starts at once.
            spool.end_pause();
        }
        let mut to_spool = Vec::new();
        let mut others = Vec::with_capacity(completed.len());
        for (mut events, outcome) in completed.drain(..) {
            let (group, from_spool) = match events.first() {
                Some(event) => (event.group().cloned(), event.from_spool),
                None => continue,
            };
            if from_spool && outcome.is_transport_failure() {
                // These events are already in the spool. The next round starts with the event
                // that failed.
                events.extend(state.queue.take_followers(group.as_ref()));
                others.push((events, outcome));
            } else if !from_spool && outcome.is_transient() {
                events.extend(state.queue.take_followers(group.as_ref()));
                state.queue.release(group.as_ref());
                to_spool.extend(events);
            } else {
                others.push((events, outcome));
            }
        }
        *completed = others;
        if to_spool.is_empty() {
            return;
        }
        // The other events in the queue would fail in the same way.
        to_spool.extend(state.queue.take_idle());
        tracing::warn!(
            events = to_spool.len(),
            "SQS is unavailable; writing events to the spool"
        );
        restore_bodies(&mut to_spool);
        spool.append(self.clone(), to_spool);
    }
}
