//! Appends events, each exactly once, whatever is repeated or interrupted.
//!
//! The key is the record of what was done. An event is inserted under its first
//! key; if that is taken, whoever holds it is asked for its identity: the same
//! identity means that the event is there already, another one sends the event
//! to its next key. An event's keys are always the same and in the same order,
//! and nothing is ever deleted or rewritten, so every step may be repeated, by
//! anybody, after a stop at any point.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use futures::future::BoxFuture;
use futures::stream::{FuturesUnordered, StreamExt};

use super::item::{self, SortKey, Stamp};
use crate::event::EventId;
use crate::event::envelope::Envelope;
use crate::store::error::StoreError;

/// Statements in one `BatchExecuteStatement` (API reference).
const MAX_STATEMENTS: usize = 25;
/// Bytes of one request's items, as the JSON that is sent. DynamoDB takes 16 MB
/// of request. A number that is 3 bytes of an item may be 30 of a request, so
/// the items' own sizes do not tell: a few hostile events would make the whole
/// request too large, with the other events in it.
const MAX_REQUEST_BYTES: usize = 4 * 1024 * 1024;
/// Requests of one call in flight together.
const MAX_IN_FLIGHT: usize = 8;
/// How often one event is sent again after throttling.
const MAX_RETRIES: u32 = 8;
/// How many keys of an event may be held by others. Each further one needs an
/// identity whose hash is the same, out of a million.
pub(super) const MAX_TIES: u32 = 32;

/// What `append` did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
#[non_exhaustive]
pub enum AppendOutcome {
    /// The event is new, and stored at its timestamp.
    Stored,
    /// The event is new, and stored with a tie-break: another event of the
    /// entity has the same timestamp.
    StoredWithTieBreak,
    /// The same event was in the table already.
    Duplicate,
}

/// A new item.
#[derive(Debug)]
pub(crate) struct Insert {
    pub(crate) attributes: item::Attributes,
}

/// What became of one insert.
#[derive(Debug, Clone)]
pub(crate) enum Inserted {
    New,
    /// An item with this key exists; nothing was changed.
    KeyTaken,
    /// It may work a little later.
    Again(StoreError),
    /// The whole request was refused, maybe for one of its statements.
    BatchRefused(StoreError),
    Failed(StoreError),
}

/// What appending needs of a table.
pub(crate) trait Table: Sync {
    /// Inserts items with different keys. One outcome each, in order.
    fn insert(&self, inserts: Vec<Insert>) -> impl Future<Output = Vec<Inserted>> + Send;
    /// Who holds a key, read consistently.
    fn identity_at(
        &self,
        id: &str,
        sort_key: &SortKey,
    ) -> impl Future<Output = Result<Option<EventId>, StoreError>> + Send;
    /// Waits before the next try.
    fn sleep(&self, duration: Duration) -> impl Future<Output = ()> + Send;
}

/// How one event stands.
#[derive(Debug)]
struct Progress<'e> {
    envelope: &'e Envelope,
    /// Which of its keys is tried.
    attempt: u32,
    retries: u32,
    /// Goes alone, since a batch with it was refused as a whole.
    alone: bool,
    outcome: Option<Result<AppendOutcome, StoreError>>,
}

/// Something that was waited for.
enum Done {
    Inserted(Vec<(usize, Inserted)>),
    Holder(usize, Result<Option<EventId>, StoreError>),
    Rested(usize),
}

/// Appends `envelopes`, one outcome each, in order. Events whose outcome is not
/// known when `time_is_up` completes may or may not be stored.
pub(crate) async fn append_all<T: Table>(
    table: &T,
    envelopes: &[Envelope],
    stamp: impl Fn(&Envelope) -> Stamp + Send,
    time_is_up: impl Future<Output = ()> + Send,
) -> Vec<Result<AppendOutcome, StoreError>> {
    let mut work = Work {
        events: envelopes
            .iter()
            .map(|envelope| Progress {
                envelope,
                attempt: 0,
                retries: 0,
                alone: false,
                outcome: None,
            })
            .collect(),
        to_insert: (0..envelopes.len()).collect(),
        to_ask: VecDeque::new(),
        claimed: HashMap::new(),
    };
    let mut in_flight: FuturesUnordered<BoxFuture<'_, Done>> = FuturesUnordered::new();
    let mut time_is_up = std::pin::pin!(time_is_up);
    loop {
        while in_flight.len() < MAX_IN_FLIGHT {
            if let Some(index) = work.to_ask.pop_front() {
                let (id, key) = work.key(index);
                in_flight.push(Box::pin(async move {
                    Done::Holder(index, table.identity_at(id, &key).await)
                }));
            } else if let Some((indexes, inserts)) = work.next_batch(&stamp) {
                in_flight.push(Box::pin(async move {
                    let outcomes = table.insert(inserts).await;
                    Done::Inserted(indexes.into_iter().zip(outcomes).collect())
                }));
            } else {
                break;
            }
        }
        let done = tokio::select! {
            biased;
            done = in_flight.next() => done,
            () = &mut time_is_up => None,
        };
        match done {
            None => break,
            Some(Done::Inserted(outcomes)) => {
                for (index, outcome) in outcomes {
                    if let Some(rest) = work.inserted(index, outcome) {
                        in_flight.push(Box::pin(async move {
                            table.sleep(rest).await;
                            Done::Rested(index)
                        }));
                    }
                }
            }
            Some(Done::Holder(index, holder)) => work.holder(index, holder),
            Some(Done::Rested(index)) => work.to_insert.push_back(index),
        }
    }
    let outcome = |event: Progress<'_>| event.outcome.unwrap_or(Err(StoreError::DeadlineExceeded));
    work.events.into_iter().map(outcome).collect()
}

/// Hash key and sort key.
type Key<'e> = (&'e str, SortKey);

/// The decisions; no I/O.
struct Work<'e> {
    events: Vec<Progress<'e>>,
    to_insert: VecDeque<usize>,
    to_ask: VecDeque<usize>,
    /// The keys under which an event is being inserted, or whose holder is being
    /// asked for, and the events that wait to learn who holds them. Without it,
    /// thousands of events of one moment would each ask for themselves.
    claimed: HashMap<Key<'e>, Vec<usize>>,
}

impl<'e> Work<'e> {
    fn key(&self, index: usize) -> Key<'e> {
        let Progress {
            envelope, attempt, ..
        } = &self.events[index];
        (
            envelope.entity_id().as_str(),
            SortKey::new(envelope.timestamp(), envelope.event_id(), *attempt),
        )
    }

    /// As many events as one request takes. DynamoDB refuses a request that
    /// names a key twice, and a key has one holder anyway: the second of two
    /// waits until it is known.
    fn next_batch(
        &mut self,
        stamp: impl Fn(&Envelope) -> Stamp,
    ) -> Option<(Vec<usize>, Vec<Insert>)> {
        let (mut indexes, mut inserts) = (Vec::new(), Vec::new());
        let mut bytes = 0;
        while let Some(index) = self.to_insert.pop_front() {
            let event = &self.events[index];
            let full = indexes.len() == MAX_STATEMENTS || (!indexes.is_empty() && event.alone);
            if full {
                self.to_insert.push_front(index);
                break;
            }
            let key = self.key(index);
            if let Some(waiting) = self.claimed.get_mut(&key) {
                waiting.push(index);
                continue;
            }
            let attributes = item::attributes(event.envelope, &key.1, stamp(event.envelope));
            let size = item::request_bytes(&attributes);
            if !indexes.is_empty() && bytes + size > MAX_REQUEST_BYTES {
                self.to_insert.push_front(index);
                break;
            }
            let alone = event.alone;
            inserts.push(Insert { attributes });
            indexes.push(index);
            self.claimed.insert(key, Vec::new());
            bytes += size;
            if alone {
                break;
            }
        }
        (!indexes.is_empty()).then_some((indexes, inserts))
    }

    /// Gives the key that an event has claimed free, and tells those who wait
    /// for it who holds it, if that is known.
    fn release(&mut self, index: usize, holder: Option<&EventId>) {
        for waiting in self.claimed.remove(&self.key(index)).unwrap_or_default() {
            match holder {
                Some(holder) => self.held(waiting, holder),
                None => self.to_insert.push_back(waiting),
            }
        }
    }

    /// Another event, or the same one, holds the event's key.
    fn held(&mut self, index: usize, holder: &EventId) {
        let event = &mut self.events[index];
        if holder == event.envelope.event_id() {
            event.outcome = Some(Ok(AppendOutcome::Duplicate));
        } else {
            self.next_key(index);
        }
    }

    /// The event's key is another one's.
    fn next_key(&mut self, index: usize) {
        let event = &mut self.events[index];
        if event.attempt == MAX_TIES {
            event.outcome = Some(Err(StoreError::TieBreaksExhausted));
        } else {
            event.attempt += 1;
            self.to_insert.push_back(index);
        }
    }

    /// Takes an outcome; some time if the event is to be tried after it.
    fn inserted(&mut self, index: usize, outcome: Inserted) -> Option<Duration> {
        match &outcome {
            Inserted::KeyTaken => {}
            Inserted::New => {
                let envelope = self.events[index].envelope;
                self.release(index, Some(envelope.event_id()));
            }
            _ => self.release(index, None),
        }
        let event = &mut self.events[index];
        match outcome {
            Inserted::New => {
                event.outcome = Some(Ok(if event.attempt == 0 {
                    AppendOutcome::Stored
                } else {
                    AppendOutcome::StoredWithTieBreak
                }));
            }
            Inserted::KeyTaken => self.to_ask.push_back(index),
            Inserted::Again(error) if event.retries == MAX_RETRIES => {
                event.outcome = Some(Err(error))
            }
            Inserted::Again(_) => {
                event.retries += 1;
                return Some(backoff(event.retries));
            }
            Inserted::BatchRefused(error) if event.alone => event.outcome = Some(Err(error)),
            Inserted::BatchRefused(_) => {
                event.alone = true;
                self.to_insert.push_back(index);
            }
            Inserted::Failed(error) => event.outcome = Some(Err(error)),
        }
        None
    }

    /// Somebody holds the event's key: itself, or another one.
    fn holder(&mut self, index: usize, holder: Result<Option<EventId>, StoreError>) {
        match holder {
            Err(error) => {
                self.release(index, None);
                self.events[index].outcome = Some(Err(error));
            }
            // Who holds it has no identity, so it is another one for everybody.
            Ok(None) => {
                for waiting in self.claimed.remove(&self.key(index)).unwrap_or_default() {
                    self.next_key(waiting);
                }
                self.next_key(index);
            }
            Ok(Some(holder)) => {
                self.release(index, Some(&holder));
                self.held(index, &holder);
            }
        }
    }
}

/// "Full jitter": anywhere up to 50 ms, 100 ms, … 6.4 s.
fn backoff(retry: u32) -> Duration {
    Duration::from_millis(fastrand::u64(1..=50 << (retry - 1).min(7)))
}

#[cfg(test)]
mod tests;
