//! The events that wait to be sent: in order of arrival for a standard queue, and in message
//! groups for a FIFO queue.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use crate::publisher::buffer::batch::{Limits, Request};
use crate::publisher::buffer::pending::Pending;

/// Events that wait to be sent.
#[derive(Debug)]
pub(crate) enum Queue {
    Standard(StandardQueue),
    Fifo(FifoQueue),
}

/// The events of one request.
#[derive(Debug, Default)]
pub(crate) struct Batch {
    pub(crate) events: Vec<Pending>,
    /// The number of events in each message.
    pub(crate) messages: Vec<usize>,
}

/// The events of one message.
pub(crate) type MessageEvents = Vec<Pending>;

impl Queue {
    pub(crate) fn new(fifo: bool) -> Self {
        if fifo {
            Self::Fifo(FifoQueue::default())
        } else {
            Self::Standard(StandardQueue::default())
        }
    }

    pub(crate) fn push(&mut self, event: Pending) {
        match self {
            Self::Standard(queue) => queue.push_back(event),
            Self::Fifo(queue) => queue.push_back(event),
        }
    }

    /// Puts the events of one message back at the front. On a FIFO queue, this also releases
    /// their group, so that they are sent next.
    pub(crate) fn put_back(&mut self, events: MessageEvents) {
        match self {
            Self::Standard(queue) => events.into_iter().rev().for_each(|e| queue.push_front(e)),
            Self::Fifo(queue) => queue.put_back(events),
        }
    }

    /// Releases `group`, whose message in flight has its outcome.
    pub(crate) fn release(&mut self, group: Option<&Arc<str>>) {
        if let (Self::Fifo(queue), Some(group)) = (self, group) {
            queue.release(group);
        }
    }

    /// Returns the number of waiting events, whether or not they can be sent now.
    pub(crate) fn len(&self) -> usize {
        match self {
            Self::Standard(queue) => queue.events.len(),
            Self::Fifo(queue) => queue.len,
        }
    }

    /// Returns true if an event can be sent now.
    pub(crate) fn is_ready(&self) -> bool {
        match self {
            Self::Standard(queue) => !queue.events.is_empty(),
            Self::Fifo(queue) => !queue.ready.is_empty(),
        }
    }

    /// Returns true if the events that can be sent now fill `requests` requests.
    pub(crate) fn fills(&self, limits: &Limits, requests: usize) -> bool {
        match self {
            Self::Standard(queue) => limits.fill(requests, queue.events.len(), queue.bytes),
            Self::Fifo(queue) => queue.ready.len() >= limits.entries.saturating_mul(requests),
        }
    }

    /// Returns the oldest event among the events that can be sent now.
    pub(crate) fn oldest(&self) -> Option<&Pending> {
        match self {
            Self::Standard(queue) => queue.events.front(),
            Self::Fifo(queue) => queue.groups.get(queue.ready.front()?)?.waiting.front(),
        }
    }

    /// Takes as many events as fit into one request. Returns `None` if no event is ready.
    pub(crate) fn take(&mut self, limits: &Limits) -> Option<Batch> {
        let batch = match self {
            Self::Standard(queue) => queue.take(limits),
            Self::Fifo(queue) => queue.take(limits),
        };
        (!batch.events.is_empty()).then_some(batch)
    }

    /// Takes the events that wait behind a message of `group` in flight.
    #[cfg(feature = "spool")]
    pub(crate) fn take_followers(&mut self, group: Option<&Arc<str>>) -> Vec<Pending> {
        match (self, group) {
            (Self::Fifo(queue), Some(group)) => queue.take_group(group),
            _ => Vec::new(),
        }
    }

    /// Takes the events that did not come from the spool and whose group has no
    /// message in flight.
    #[cfg(feature = "spool")]
    pub(crate) fn take_idle(&mut self) -> Vec<Pending> {
        match self {
            Self::Standard(_) => {
                let (spooled, taken): (Vec<_>, Vec<_>) =
                    self.drain().into_iter().partition(|event| event.from_spool);
                spooled.into_iter().for_each(|event| self.push(event));
                taken
            }
            Self::Fifo(queue) => queue.take_ready(),
        }
    }

    /// Returns true if earlier events of `group` are in memory. They may still go to the spool,
    /// and a later event must not be there before them.
    #[cfg(feature = "spool")]
    pub(crate) fn holds(&self, group: Option<&Arc<str>>) -> bool {
        match (self, group) {
            (Self::Fifo(queue), Some(group)) => queue
                .groups
                .get(group)
                .is_some_and(|state| !state.from_spool),
            _ => false,
        }
    }

    /// Takes all events that wait.
    pub(crate) fn drain(&mut self) -> Vec<Pending> {
        match self {
            Self::Standard(queue) => {
                queue.bytes = 0;
                std::mem::take(&mut queue.events).into()
            }
            Self::Fifo(queue) => queue.drain(),
        }
    }
}

/// The events of a standard queue, in order of arrival.
#[derive(Debug, Default)]
pub(crate) struct StandardQueue {
    events: VecDeque<Pending>,
    bytes: usize,
}

impl StandardQueue {
    fn push_back(&mut self, event: Pending) {
        self.bytes += event.bytes();
        self.events.push_back(event);
    }

    fn push_front(&mut self, event: Pending) {
        self.bytes += event.bytes();
        self.events.push_front(event);
    }

    fn take(&mut self, limits: &Limits) -> Batch {
        let mut request = Request::new(*limits);
        let mut batch = Batch::default();
        // Up to ten events need no packing, and each gets its own outcome.
        let pack = self.events.len() > limits.entries;
        loop {
            let count = request.next_message(shareable(&self.events), pack);
            if count == 0 {
                return batch;
            }
            batch.messages.push(count);
            batch.events.reserve(count.max(limits.entries));
            for event in self.events.drain(..count) {
                self.bytes -= event.bytes();
                batch.events.push(event);
            }
        }
    }
}

/// Returns the sizes of the events at the front that may share a message.
///
/// A message has one group, so all its events belong to one tenant. A message also fails as a
/// whole. After a failure, events from the spool stay in the spool, and other events are written
/// to it. A message therefore never contains both kinds of events.
fn shareable(events: &VecDeque<Pending>) -> impl Iterator<Item = usize> {
    let first = events.front();
    let same = move |event: &&Pending| {
        first.is_some_and(|first| {
            event.group() == first.group() && event.from_spool == first.from_spool
        })
    };
    events.iter().take_while(same).map(Pending::bytes)
}

/// The events of a FIFO queue, by message group.
///
/// A group has at most one message in flight. Two messages of a group in the same request would
/// not keep the order either, because SQS may reject the first message and accept the second.
#[derive(Debug, Default)]
pub(crate) struct FifoQueue {
    groups: HashMap<Arc<str>, Group>,
    /// The groups that have events and no message in flight, in the order in which they are
    /// served.
    ready: VecDeque<Arc<str>>,
    len: usize,
}

#[derive(Debug, Default)]
struct Group {
    waiting: VecDeque<Pending>,
    busy: bool,
    /// Either all events of a group come from the spool, or none: while the spool contains
    /// events of an entity, new events of this entity are appended to the spool.
    #[cfg(feature = "spool")]
    from_spool: bool,
}

impl FifoQueue {
    fn push_back(&mut self, event: Pending) {
        // Every event of a FIFO queue has a group; see `Sdk::pending`.
        let Some(group) = event.group().cloned() else {
            return;
        };
        self.len += 1;
        let state = self.groups.entry(group.clone()).or_default();
        if state.waiting.is_empty() && !state.busy {
            self.ready.push_back(group);
        }
        #[cfg(feature = "spool")]
        {
            state.from_spool = event.from_spool;
        }
        state.waiting.push_back(event);
    }

    fn put_back(&mut self, events: MessageEvents) {
        let Some(group) = events.first().and_then(|e| e.group().cloned()) else {
            return;
        };
        self.len += events.len();
        let state = self.groups.entry(group.clone()).or_default();
        // The message was in flight or waited for a retry. Now it is neither.
        state.busy = true;
        for event in events.into_iter().rev() {
            state.waiting.push_front(event);
        }
        self.release(&group);
    }

    fn release(&mut self, group: &Arc<str>) {
        let Some(state) = self.groups.get_mut(group) else {
            return;
        };
        let was_busy = std::mem::take(&mut state.busy);
        if state.waiting.is_empty() {
            self.groups.remove(group);
        } else if was_busy {
            self.ready.push_back(group.clone());
        }
    }

    fn take(&mut self, limits: &Limits) -> Batch {
        let mut request = Request::new(*limits);
        let mut batch = Batch::default();
        while let Some(group) = self.ready.pop_front() {
            let Some(state) = self.groups.get_mut(&group) else {
                continue;
            };
            if state.waiting.is_empty() {
                continue;
            }
            let count = request.next_message(shareable(&state.waiting), true);
            if count == 0 {
                self.ready.push_front(group);
                break;
            }
            batch.messages.push(count);
            batch.events.extend(state.waiting.drain(..count));
            state.busy = true;
        }
        self.len -= batch.events.len();
        batch
    }

    #[cfg(feature = "spool")]
    fn take_group(&mut self, group: &Arc<str>) -> Vec<Pending> {
        let Some(state) = self.groups.get_mut(group) else {
            return Vec::new();
        };
        let waiting: Vec<Pending> = std::mem::take(&mut state.waiting).into();
        self.len -= waiting.len();
        waiting
    }

    #[cfg(feature = "spool")]
    fn take_ready(&mut self) -> Vec<Pending> {
        let mut all = Vec::new();
        let ready = std::mem::take(&mut self.ready);
        for group in ready {
            match self.groups.get(&group) {
                Some(state) if state.from_spool => self.ready.push_back(group),
                Some(_) => {
                    all.extend(self.take_group(&group));
                    self.groups.remove(&group);
                }
                None => {}
            }
        }
        all.sort_by_key(|event| event.sequence);
        all
    }

    fn drain(&mut self) -> Vec<Pending> {
        self.ready.clear();
        self.len = 0;
        let mut all: Vec<Pending> = Vec::new();
        for state in self.groups.values_mut() {
            all.extend(state.waiting.drain(..));
        }
        self.groups.retain(|_, state| state.busy);
        all.sort_by_key(|event| event.sequence);
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Emitter, EntityId, Envelope, EventType};

    fn push(queue: &mut Queue, group: &str) {
        let id = EntityId::new(group.to_owned()).unwrap();
        let emitter = Emitter::system("test").unwrap();
        let envelope = Envelope::builder(EventType::from_static("TESTED"), id, emitter);
        let group = Some(group.into());
        queue.push(Pending::new(envelope.build().unwrap(), group).unwrap());
    }

    #[test]
    fn ready_groups_fill_a_fifo_request() {
        let mut queue = Queue::new(true);
        for n in 0..10 {
            assert!(!queue.fills(&Limits::SQS, 1));
            push(&mut queue, &format!("group-{n}"));
        }
        assert!(queue.fills(&Limits::SQS, 1));
        assert!(!queue.fills(&Limits::SQS, 2));
    }

    #[test]
    fn sent_events_no_longer_fill_a_request() {
        let mut queue = Queue::new(false);
        push(&mut queue, "a");
        let Queue::Standard(standard) = &queue else {
            unreachable!()
        };
        let limits = Limits {
            request_bytes: standard.bytes,
            ..Limits::SQS
        };
        assert!(queue.fills(&limits, 1));
        assert!(queue.take(&limits).is_some());
        assert!(!queue.fills(&limits, 1));
    }
}
