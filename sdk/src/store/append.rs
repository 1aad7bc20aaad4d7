//! Appends events, each exactly once, even if appends are repeated or interrupted.
//!
//! The key is the idempotency record. An event is inserted under its first key. If the
//! key exists, its item is read: if the item has the identity of the event, the event is
//! already stored; otherwise the event is inserted under its next key. The keys of an
//! event are always the same and in the same order, and nothing is ever deleted or
//! rewritten, so every step may be repeated by any process after a stop at any point.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use futures::future::BoxFuture;
use futures::stream::{FuturesUnordered, StreamExt};

use super::error::StoreError;
use super::item::{self, Item, NewItem, StoreAttributes};
use super::sort_key::SortKey;
use crate::backoff::Backoff;
use crate::event::envelope::Envelope;

/// Statements in one `BatchExecuteStatement` (API reference).
const MAX_STATEMENTS: usize = 25;
/// Bytes of the items in one request, as the JSON that is sent. DynamoDB accepts requests
/// of 16 MB. The sizes of the items do not limit this: a number may take 3 bytes in an
/// item and 30 in a request, so a few hostile events could make the whole request too
/// large, including the other events in it.
const MAX_REQUEST_BYTES: usize = 4 * 1024 * 1024;
/// Requests that one call has in flight at a time.
const MAX_IN_FLIGHT: usize = 8;
/// The maximum number of retries of the insert of one event.
const MAX_RETRIES: u32 = 8;
const RETRY_BACKOFF: Backoff = Backoff::new(Duration::from_millis(50), Duration::from_secs(6));
/// The maximum number of tie-break keys that are tried for one event. A tie-break is taken
/// only if another event of the entity has the same timestamp, the same creation time and
/// the same hash (one of a million values).
pub(super) const MAX_TIE_BREAKS: u32 = 32;

/// What an append did.
///
/// # Examples
///
/// ```no_run
/// # async fn run(store: &domain_events::EventStore, envelope: &domain_events::Envelope) -> Result<(), Box<dyn std::error::Error>> {
/// use domain_events::AppendOutcome;
///
/// let is_new = match store.append(envelope).await? {
///     AppendOutcome::Stored | AppendOutcome::StoredWithTieBreak => true,
///     AppendOutcome::Duplicate => false,
///     _ => false,
/// };
/// # let _ = is_new;
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
#[non_exhaustive]
pub enum AppendOutcome {
    /// The event is new, and is stored at its timestamp.
    Stored,
    /// The event is new, and is stored with a tie-break, because another event of the
    /// entity has the same timestamp.
    StoredWithTieBreak,
    /// The table already contains the event.
    Duplicate,
}

/// The outcome of one insert.
#[derive(Debug, Clone)]
pub(crate) enum InsertOutcome {
    Inserted,
    /// An item with this key exists; nothing was changed.
    KeyExists,
    /// The insert may succeed a little later.
    Retryable(StoreError),
    /// DynamoDB refused the whole request, possibly because of one of its statements.
    BatchRefused,
    /// DynamoDB refuses the item, with this code.
    Refused(String),
    Failed(StoreError),
}

/// The table operations that an append uses.
pub(crate) trait Table: Sync {
    /// Inserts items with different keys. Returns one outcome for each, in order.
    fn insert(&self, items: Vec<NewItem>) -> impl Future<Output = Vec<InsertOutcome>> + Send;
    /// Reads the item with a key consistently.
    fn item_at(
        &self,
        id: &str,
        sort_key: &SortKey,
    ) -> impl Future<Output = Result<Option<Item>, StoreError>> + Send;
    /// Waits before a retry.
    fn sleep(&self, duration: Duration) -> impl Future<Output = ()> + Send;
}

/// The progress of one event.
#[derive(Debug)]
struct Progress<'e> {
    envelope: &'e Envelope,
    /// The number of the key under which the event is inserted: 0 for its first key.
    attempt: u32,
    retries: u32,
    /// Whether the event is sent in a separate request, because DynamoDB refused a request
    /// that contained it.
    alone: bool,
    outcome: Option<Result<AppendOutcome, StoreError>>,
}

/// An operation in flight that has completed.
enum Completion {
    Inserted(Vec<(usize, InsertOutcome)>),
    ExistingItem(usize, Result<Option<Item>, StoreError>),
    BackoffElapsed(usize),
}

/// Appends `envelopes` and returns one outcome for each envelope, in order. If `deadline`
/// completes before an event has an outcome, the event may or may not be stored.
pub(crate) async fn append_all<T: Table>(
    table: &T,
    envelopes: &[Envelope],
    store_attributes: impl Fn(&Envelope) -> StoreAttributes + Send,
    deadline: impl Future<Output = ()> + Send,
) -> Vec<Result<AppendOutcome, StoreError>> {
    let mut work = Work::new(envelopes);
    let mut in_flight: FuturesUnordered<BoxFuture<'_, Completion>> = FuturesUnordered::new();
    let mut deadline = std::pin::pin!(deadline);
    loop {
        while in_flight.len() < MAX_IN_FLIGHT {
            if let Some(index) = work.to_look_up.pop_front() {
                let (id, key) = work.key(index);
                in_flight.push(Box::pin(async move {
                    Completion::ExistingItem(index, table.item_at(id, &key).await)
                }));
            } else if let Some((indexes, items)) = work.next_batch(&store_attributes) {
                in_flight.push(Box::pin(async move {
                    let outcomes = table.insert(items).await;
                    Completion::Inserted(indexes.into_iter().zip(outcomes).collect())
                }));
            } else {
                break;
            }
        }
        let completion = tokio::select! {
            biased;
            completion = in_flight.next() => completion,
            () = &mut deadline => None,
        };
        let mut retries = Vec::new();
        match completion {
            None => break,
            Some(Completion::Inserted(outcomes)) => {
                for (index, outcome) in outcomes {
                    retries.extend(work.inserted(index, outcome).map(|delay| (index, delay)));
                }
            }
            Some(Completion::ExistingItem(index, existing)) => {
                retries.extend(work.looked_up(index, existing).map(|delay| (index, delay)));
            }
            Some(Completion::BackoffElapsed(index)) => work.to_insert.push_back(index),
        }
        for (index, delay) in retries {
            in_flight.push(Box::pin(async move {
                table.sleep(delay).await;
                Completion::BackoffElapsed(index)
            }));
        }
    }
    let outcome = |event: Progress<'_>| event.outcome.unwrap_or(Err(StoreError::DeadlineExceeded));
    work.events.into_iter().map(outcome).collect()
}

/// Hash key and sort key.
type Key<'e> = (&'e str, SortKey);

/// The state and the decisions of one append, without I/O.
struct Work<'e> {
    events: Vec<Progress<'e>>,
    to_insert: VecDeque<usize>,
    to_look_up: VecDeque<usize>,
    /// The keys that have a request in flight (an insert or a read), and for each key the
    /// events that wait for the result. Without this map, thousands of events with the same
    /// timestamp would each read the same item.
    claimed: HashMap<Key<'e>, Vec<usize>>,
}

impl<'e> Work<'e> {
    fn new(envelopes: &'e [Envelope]) -> Self {
        let progress = |envelope| Progress {
            envelope,
            attempt: 0,
            retries: 0,
            alone: false,
            outcome: None,
        };
        Self {
            events: envelopes.iter().map(progress).collect(),
            to_insert: (0..envelopes.len()).collect(),
            to_look_up: VecDeque::new(),
            claimed: HashMap::new(),
        }
    }

    fn key(&self, index: usize) -> Key<'e> {
        let Progress {
            envelope, attempt, ..
        } = &self.events[index];
        (
            envelope.entity_id().as_str(),
            SortKey::new(envelope.timestamp(), envelope.event_id(), *attempt),
        )
    }

    /// Takes as many events as one request may contain. DynamoDB refuses a request that
    /// names the same key twice. If two events need the same key, the second event waits
    /// for the outcome of the first.
    fn next_batch(
        &mut self,
        store_attributes: impl Fn(&Envelope) -> StoreAttributes,
    ) -> Option<(Vec<usize>, Vec<NewItem>)> {
        let (mut indexes, mut items) = (Vec::new(), Vec::new());
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
            let own = store_attributes(event.envelope);
            let item = NewItem::new(event.envelope, &key.1, &own);
            let size = item.names.len() + item.parameters.len();
            if !indexes.is_empty() && bytes + size > MAX_REQUEST_BYTES {
                self.to_insert.push_front(index);
                break;
            }
            let alone = event.alone;
            items.push(item);
            indexes.push(index);
            self.claimed.insert(key, Vec::new());
            bytes += size;
            if alone {
                break;
            }
        }
        (!indexes.is_empty()).then_some((indexes, items))
    }

    /// Releases the key that an event has claimed, and returns the events that waited
    /// for it.
    fn release(&mut self, index: usize) -> Vec<usize> {
        self.claimed.remove(&self.key(index)).unwrap_or_default()
    }

    /// Handles the outcome of an insert. Returns a delay if the event is to be inserted
    /// again after it.
    fn inserted(&mut self, index: usize, outcome: InsertOutcome) -> Option<Duration> {
        let waiting = match outcome {
            // The claim is kept until the item is read.
            InsertOutcome::KeyExists => {
                self.to_look_up.push_back(index);
                return None;
            }
            _ => self.release(index),
        };
        if let InsertOutcome::Inserted = outcome {
            for other in waiting {
                self.compare_with_event(other, index);
            }
        } else {
            self.to_insert.extend(waiting);
        }
        let event = &mut self.events[index];
        match outcome {
            InsertOutcome::KeyExists => {}
            InsertOutcome::Inserted => {
                event.outcome = Some(Ok(if event.attempt == 0 {
                    AppendOutcome::Stored
                } else {
                    AppendOutcome::StoredWithTieBreak
                }));
            }
            InsertOutcome::Retryable(error) => {
                let delay = event.next_retry();
                if delay.is_none() {
                    event.outcome = Some(Err(error));
                }
                return delay;
            }
            InsertOutcome::BatchRefused => {
                event.alone = true;
                self.to_insert.push_back(index);
            }
            InsertOutcome::Refused(code) => {
                event.outcome = Some(Err(StoreError::Refused { code }));
            }
            InsertOutcome::Failed(error) => event.outcome = Some(Err(error)),
        }
        None
    }

    /// Handles the item that has the event's key. Returns a delay if the event is to be
    /// inserted again after it.
    fn looked_up(
        &mut self,
        index: usize,
        existing: Result<Option<Item>, StoreError>,
    ) -> Option<Duration> {
        let waiting = self.release(index);
        match existing {
            Ok(Some(item)) => {
                for index in std::iter::once(index).chain(waiting) {
                    self.compare_with_item(index, &item);
                }
            }
            // The item has expired since the insert, so the key can be inserted again.
            Ok(None) => {
                self.to_insert.extend(waiting);
                let delay = self.events[index].next_retry();
                if delay.is_none() {
                    self.try_next_key(index);
                }
                return delay;
            }
            Err(error) => {
                self.to_insert.extend(waiting);
                self.events[index].outcome = Some(Err(error));
            }
        }
        None
    }

    /// Compares an event with the stored item that has the same key, and decides whether the
    /// event is a duplicate.
    fn compare_with_item(&mut self, index: usize, item: &Item) {
        let event = &mut self.events[index];
        if item::identity(item).as_ref() != Some(event.envelope.event_id()) {
            self.try_next_key(index);
            return;
        }
        event.outcome = Some(match item::difference(item, event.envelope) {
            None => Ok(AppendOutcome::Duplicate),
            Some(pointer) => Err(StoreError::IdentityReused { pointer }),
        });
    }

    /// Compares an event with the event `inserted`, which this call has stored under the same
    /// key, and decides whether the event is a duplicate.
    fn compare_with_event(&mut self, index: usize, inserted: usize) {
        let (event, inserted) = (self.events[index].envelope, &self.events[inserted]);
        if event.event_id() != inserted.envelope.event_id() {
            self.try_next_key(index);
            return;
        }
        let inserted = item::of_event(inserted.envelope);
        self.compare_with_item(index, &inserted);
    }

    /// Continues with the next key of the event, because another event has the current one.
    fn try_next_key(&mut self, index: usize) {
        let event = &mut self.events[index];
        if event.attempt == MAX_TIE_BREAKS {
            event.outcome = Some(Err(StoreError::TieBreaksExhausted));
        } else {
            event.attempt += 1;
            self.to_insert.push_back(index);
        }
    }
}

impl Progress<'_> {
    /// Returns the delay before the next retry, if one is left.
    fn next_retry(&mut self) -> Option<Duration> {
        if self.retries == MAX_RETRIES {
            return None;
        }
        self.retries += 1;
        Some(RETRY_BACKOFF.delay(self.retries))
    }
}

#[cfg(test)]
mod tests;
