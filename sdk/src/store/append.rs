//! Appends events, each exactly once, whatever is repeated or interrupted.
//!
//! The key is the record of what was done. An event is inserted under its first
//! key; if that is taken, whoever holds it is asked for its identity: the same
//! identity means that the event is there already, another one sends the event
//! to its next key. An event's keys are always the same and in the same order,
//! and nothing is ever deleted or rewritten, so every step may be repeated, by
//! anybody, after a stop at any point.

use std::collections::{HashSet, VecDeque};
use std::time::Duration;

use futures::future::BoxFuture;
use futures::stream::{FuturesUnordered, StreamExt};

use super::item::{self, SortKey, Stamp};
use crate::envelope::Envelope;
use crate::error::StoreError;
use crate::event::EventId;

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
pub enum Appended {
    /// The event is new, and stored at its timestamp.
    Stored,
    /// The event is new, and stored with a tie-break: another event of the
    /// entity has the same timestamp.
    Tied,
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
    outcome: Option<Result<Appended, StoreError>>,
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
) -> Vec<Result<Appended, StoreError>> {
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
    };
    let mut in_flight: FuturesUnordered<BoxFuture<'_, Done>> = FuturesUnordered::new();
    let mut time_is_up = std::pin::pin!(time_is_up);
    loop {
        while in_flight.len() < MAX_IN_FLIGHT {
            if let Some(index) = work.to_ask.pop_front() {
                let (id, key) = work.key(index);
                in_flight.push(Box::pin(async move {
                    Done::Holder(index, table.identity_at(&id, &key).await)
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
    let outcome = |event: Progress<'_>| event.outcome.unwrap_or(Err(StoreError::TimeIsUp));
    work.events.into_iter().map(outcome).collect()
}

/// The decisions; no I/O.
struct Work<'e> {
    events: Vec<Progress<'e>>,
    to_insert: VecDeque<usize>,
    to_ask: VecDeque<usize>,
}

impl Work<'_> {
    fn key(&self, index: usize) -> (String, SortKey) {
        let Progress {
            envelope, attempt, ..
        } = &self.events[index];
        (
            envelope.entity_id().to_string(),
            SortKey::new(envelope.timestamp(), envelope.event_id(), *attempt),
        )
    }

    /// As many events as one request takes. DynamoDB refuses a request that
    /// names a key twice, so the second of two stays for the next one.
    fn next_batch(
        &mut self,
        stamp: impl Fn(&Envelope) -> Stamp,
    ) -> Option<(Vec<usize>, Vec<Insert>)> {
        let (mut indexes, mut inserts) = (Vec::new(), Vec::new());
        let (mut keys, mut bytes) = (HashSet::new(), 0);
        let mut left = VecDeque::new();
        while let Some(index) = self.to_insert.pop_front() {
            let event = &self.events[index];
            let full = indexes.len() == MAX_STATEMENTS || (!indexes.is_empty() && event.alone);
            if full {
                left.push_back(index);
                break;
            }
            let (id, key) = self.key(index);
            if keys.contains(&(id.clone(), key.clone())) {
                left.push_back(index);
                continue;
            }
            let attributes = item::attributes(event.envelope, &key, stamp(event.envelope));
            let size = item::request_bytes(&attributes);
            if !indexes.is_empty() && bytes + size > MAX_REQUEST_BYTES {
                left.push_back(index);
                break;
            }
            inserts.push(Insert { attributes });
            indexes.push(index);
            keys.insert((id, key));
            bytes += size;
            if event.alone {
                break;
            }
        }
        while let Some(index) = left.pop_back() {
            self.to_insert.push_front(index);
        }
        (!indexes.is_empty()).then_some((indexes, inserts))
    }

    /// Takes an outcome; some time if the event is to be tried after it.
    fn inserted(&mut self, index: usize, outcome: Inserted) -> Option<Duration> {
        let event = &mut self.events[index];
        match outcome {
            Inserted::New => {
                event.outcome = Some(Ok(if event.attempt == 0 {
                    Appended::Stored
                } else {
                    Appended::Tied
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
        let event = &mut self.events[index];
        match holder {
            Err(error) => event.outcome = Some(Err(error)),
            Ok(Some(id)) if id == *event.envelope.event_id() => {
                event.outcome = Some(Ok(Appended::Duplicate))
            }
            Ok(_) if event.attempt == MAX_TIES => {
                event.outcome = Some(Err(StoreError::TooManyTies))
            }
            Ok(_) => {
                event.attempt += 1;
                self.to_insert.push_back(index);
            }
        }
    }
}

/// "Full jitter": anywhere up to 50 ms, 100 ms, … 6.4 s.
fn backoff(retry: u32) -> Duration {
    Duration::from_millis(fastrand::u64(1..=50 << (retry - 1).min(7)))
}

#[cfg(test)]
#[path = "append_model.rs"]
mod model;
