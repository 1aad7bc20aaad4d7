//! The events that wait: in the order they came, on FIFO queues in lanes.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use crate::publisher::buffer::batch::{Limits, Request};
use crate::publisher::buffer::pending::Pending;

/// Events that wait to be sent.
#[derive(Debug)]
pub(crate) enum Queue {
    Standard(Line),
    Fifo(Lanes),
}

/// The events of one request.
#[derive(Debug, Default)]
pub(crate) struct Batch {
    pub(crate) events: Vec<Pending>,
    /// How many events each message carries.
    pub(crate) messages: Vec<usize>,
}

/// What is held back while it waits for its next attempt: one message's events.
pub(crate) type Held = Vec<Pending>;

impl Queue {
    pub(crate) fn new(fifo: bool) -> Self {
        if fifo {
            Self::Fifo(Lanes::default())
        } else {
            Self::Standard(Line::default())
        }
    }

    pub(crate) fn push(&mut self, event: Pending) {
        match self {
            Self::Standard(line) => line.push_back(event),
            Self::Fifo(lanes) => lanes.push_back(event),
        }
    }

    /// Puts events back to where they came from. On FIFO their lane is free
    /// again: they are the next of it.
    pub(crate) fn put_back(&mut self, events: Held) {
        match self {
            Self::Standard(line) => events.into_iter().rev().for_each(|e| line.push_front(e)),
            Self::Fifo(lanes) => lanes.put_back(events),
        }
    }

    /// Tells that the message in flight of `group` has its outcome.
    pub(crate) fn release(&mut self, group: Option<&Arc<str>>) {
        if let (Self::Fifo(lanes), Some(group)) = (self, group) {
            lanes.release(group);
        }
    }

    /// Events that wait, ready to go or not.
    pub(crate) fn len(&self) -> usize {
        match self {
            Self::Standard(line) => line.events.len(),
            Self::Fifo(lanes) => lanes.len,
        }
    }

    /// Whether an event could go now.
    pub(crate) fn is_ready(&self) -> bool {
        match self {
            Self::Standard(line) => !line.events.is_empty(),
            Self::Fifo(lanes) => !lanes.ready.is_empty(),
        }
    }

    /// Whether what could go now fills `requests` requests.
    pub(crate) fn fills(&self, limits: &Limits, requests: usize) -> bool {
        match self {
            Self::Standard(line) => limits.fill(requests, line.events.len(), line.bytes),
            Self::Fifo(lanes) => lanes.ready.len() >= limits.entries.saturating_mul(requests),
        }
    }

    /// The event that has waited longest of those that could go now.
    pub(crate) fn oldest(&self) -> Option<&Pending> {
        match self {
            Self::Standard(line) => line.events.front(),
            Self::Fifo(lanes) => lanes.lanes.get(lanes.ready.front()?)?.waiting.front(),
        }
    }

    /// Takes as many events as one request holds; none if none is ready.
    pub(crate) fn take(&mut self, limits: &Limits) -> Option<Batch> {
        let batch = match self {
            Self::Standard(line) => line.take(limits),
            Self::Fifo(lanes) => lanes.take(limits),
        };
        (!batch.events.is_empty()).then_some(batch)
    }

    /// Takes the events that wait behind a message of `group` in flight.
    #[cfg(feature = "spool")]
    pub(crate) fn take_followers(&mut self, group: Option<&Arc<str>>) -> Vec<Pending> {
        match (self, group) {
            (Self::Fifo(lanes), Some(group)) => lanes.take_lane(group),
            _ => Vec::new(),
        }
    }

    /// Takes the events that do not come from the spool and have nothing of
    /// their group in flight.
    #[cfg(feature = "spool")]
    pub(crate) fn take_idle(&mut self) -> Vec<Pending> {
        match self {
            Self::Standard(_) => {
                let (spooled, taken): (Vec<_>, Vec<_>) =
                    self.drain().into_iter().partition(|event| event.from_spool);
                spooled.into_iter().for_each(|event| self.push(event));
                taken
            }
            Self::Fifo(lanes) => lanes.take_ready(),
        }
    }

    /// Whether an event of `group` has to go behind others that are here and
    /// may yet come to the spool: it must not be there before them.
    #[cfg(feature = "spool")]
    pub(crate) fn holds(&self, group: Option<&Arc<str>>) -> bool {
        match (self, group) {
            (Self::Fifo(lanes), Some(group)) => {
                lanes.lanes.get(group).is_some_and(|lane| !lane.from_spool)
            }
            _ => false,
        }
    }

    /// Takes everything.
    pub(crate) fn drain(&mut self) -> Vec<Pending> {
        match self {
            Self::Standard(line) => {
                line.bytes = 0;
                std::mem::take(&mut line.events).into()
            }
            Self::Fifo(lanes) => lanes.drain(),
        }
    }
}

/// A standard queue's events, in the order they came.
#[derive(Debug, Default)]
pub(crate) struct Line {
    events: VecDeque<Pending>,
    bytes: usize,
}

impl Line {
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
            let count = request.next_message(together(&self.events), pack);
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

/// The sizes of the events, from the front, that may share a message.
///
/// A message has one group, so that only events of one tenant do. And it fails
/// as a whole: then those that lie in the spool stay there, and the others are
/// written to it, so that neither may carry the other.
fn together(events: &VecDeque<Pending>) -> impl Iterator<Item = usize> {
    let first = events.front();
    let alike = move |event: &&Pending| {
        first.is_some_and(|first| {
            event.group() == first.group() && event.from_spool == first.from_spool
        })
    };
    events.iter().take_while(alike).map(Pending::bytes)
}

/// A FIFO queue's events: one lane per message group.
///
/// A lane has at most one message in flight, and gives nothing while it has.
/// More than one message of a lane in one request would not do either: SQS may
/// fail at the first and accept the second, and then the order is lost.
#[derive(Debug, Default)]
pub(crate) struct Lanes {
    lanes: HashMap<Arc<str>, Lane>,
    /// The lanes that could give a message now, in turn.
    ready: VecDeque<Arc<str>>,
    len: usize,
}

#[derive(Debug, Default)]
struct Lane {
    waiting: VecDeque<Pending>,
    busy: bool,
    /// All of a lane's events come from the spool, or none: while the spool
    /// holds any of an entity, new ones go behind them.
    #[cfg(feature = "spool")]
    from_spool: bool,
}

impl Lanes {
    fn push_back(&mut self, event: Pending) {
        // Every event of a FIFO queue has a group; see `Sdk::pending`.
        let Some(group) = event.group().cloned() else {
            return;
        };
        self.len += 1;
        let lane = self.lanes.entry(group.clone()).or_default();
        if lane.waiting.is_empty() && !lane.busy {
            self.ready.push_back(group);
        }
        #[cfg(feature = "spool")]
        {
            lane.from_spool = event.from_spool;
        }
        lane.waiting.push_back(event);
    }

    fn put_back(&mut self, events: Held) {
        let Some(group) = events.first().and_then(|e| e.group().cloned()) else {
            return;
        };
        self.len += events.len();
        let lane = self.lanes.entry(group.clone()).or_default();
        // It was in flight, or held back; with this it is neither.
        lane.busy = true;
        for event in events.into_iter().rev() {
            lane.waiting.push_front(event);
        }
        self.release(&group);
    }

    fn release(&mut self, group: &Arc<str>) {
        let Some(lane) = self.lanes.get_mut(group) else {
            return;
        };
        let was_busy = std::mem::take(&mut lane.busy);
        if lane.waiting.is_empty() {
            self.lanes.remove(group);
        } else if was_busy {
            self.ready.push_back(group.clone());
        }
    }

    fn take(&mut self, limits: &Limits) -> Batch {
        let mut request = Request::new(*limits);
        let mut batch = Batch::default();
        while let Some(group) = self.ready.pop_front() {
            let Some(lane) = self.lanes.get_mut(&group) else {
                continue;
            };
            if lane.waiting.is_empty() {
                continue;
            }
            let count = request.next_message(together(&lane.waiting), true);
            if count == 0 {
                self.ready.push_front(group);
                break;
            }
            batch.messages.push(count);
            batch.events.extend(lane.waiting.drain(..count));
            lane.busy = true;
        }
        self.len -= batch.events.len();
        batch
    }

    #[cfg(feature = "spool")]
    fn take_lane(&mut self, group: &Arc<str>) -> Vec<Pending> {
        let Some(lane) = self.lanes.get_mut(group) else {
            return Vec::new();
        };
        let waiting: Vec<Pending> = std::mem::take(&mut lane.waiting).into();
        self.len -= waiting.len();
        waiting
    }

    #[cfg(feature = "spool")]
    fn take_ready(&mut self) -> Vec<Pending> {
        let mut all = Vec::new();
        let ready = std::mem::take(&mut self.ready);
        for group in ready {
            match self.lanes.get(&group) {
                Some(lane) if lane.from_spool => self.ready.push_back(group),
                Some(_) => {
                    all.extend(self.take_lane(&group));
                    self.lanes.remove(&group);
                }
                None => {}
            }
        }
        all.sort_by_key(|event| event.number);
        all
    }

    fn drain(&mut self) -> Vec<Pending> {
        self.ready.clear();
        self.len = 0;
        let mut all: Vec<Pending> = Vec::new();
        for lane in self.lanes.values_mut() {
            all.extend(lane.waiting.drain(..));
        }
        self.lanes.retain(|_, lane| lane.busy);
        all.sort_by_key(|event| event.number);
        all
    }
}
