//! Reads events in the order of their timestamps: one query builder for histories, event
//! types and conversations.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use futures::{Stream, StreamExt};
use serde::de::DeserializeOwned;

use super::cursor::Cursor;
use super::dynamodb::DynamoDb;
use super::error::ReadError;
use super::pages::Pages;
use super::partition::PartitionReader;
use super::request::{PageRequest, Partition, Query};
use super::selection::Selection;
use super::stored_event::{Decoded, StoredEvent};
use crate::error::InvalidEvent;
use crate::event::timestamp::Timestamp;
use crate::event::{CorrelationId, DomainEvent, EntityId, EventType};

/// Stored events in the order of their timestamps.
///
/// It is a stream of `Result<StoredEvent, ReadError>`, which
/// [`EventStore::history`](super::EventStore::history),
/// [`EventStore::by_type`](super::EventStore::by_type) and
/// [`EventStore::conversation`](super::EventStore::conversation) return. Its methods
/// narrow it before it is read. It follows all pages and ends only at the end of the
/// events or with an error:
///
/// - After an error of DynamoDB, the stream ends. To continue later, keep the
///   [`cursor`](StoredEvent::cursor) of the last event.
/// - An item that is not an event is an `Err` with its key, and the stream continues.
///
/// The stream holds at most two pages (of up to 1 MB each) of each partition: one
/// partition for a history or a conversation, one for each shard of the index by type.
///
/// # Cancel safety
///
/// The stream may be dropped at any point; no request remains.
///
/// # Examples
///
/// ```no_run
/// # async fn run(store: &domain_events::EventStore) -> Result<(), Box<dyn std::error::Error>> {
/// use futures::TryStreamExt;
///
/// let last_week = store
///     .history("order-7")
///     .since("1596067200".parse()?)
///     .until("1596672000".parse()?)
///     .latest_first()
///     .limit(100);
/// let events: Vec<_> = last_week.try_collect().await?;
/// println!("{} events", events.len());
/// # Ok(())
/// # }
/// ```
#[must_use = "a stream does nothing until it is polled"]
#[derive(Debug)]
pub struct Events {
    table: DynamoDb,
    source: Source,
    selection: Selection,
    limit: Option<u64>,
    state: State,
}

/// The events that a stream can contain.
#[derive(Debug)]
pub(crate) enum Source {
    Entity(EntityId),
    Type {
        event_type: EventType,
        shards: u16,
    },
    Conversation(CorrelationId),
    /// The id that was passed cannot exist.
    Invalid(InvalidEvent),
}

impl Source {
    /// Returns true if the stream can contain the event of a cursor.
    fn contains(&self, cursor: &Cursor) -> bool {
        match self {
            Self::Entity(id) => cursor.entity_id() == id.as_str(),
            Self::Type { event_type, .. } => cursor.event_type() == event_type.as_str(),
            Self::Conversation(id) => cursor.correlation_id() == Some(id.as_str()),
            Self::Invalid(_) => true,
        }
    }

    fn partitions(&self) -> Vec<Partition> {
        match self {
            Self::Entity(id) => vec![Partition::Entity(id.to_string())],
            Self::Type { event_type, shards } => (0..*shards)
                .map(|shard| Partition::TypeShard(index_key(event_type, shard)))
                .collect(),
            Self::Conversation(id) => vec![Partition::Conversation(id.to_string())],
            Self::Invalid(_) => Vec::new(),
        }
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Entity(id) => write!(f, "the history of {:?}", id.as_str()),
            Self::Type { event_type, .. } => write!(f, "the events of type {event_type}"),
            Self::Conversation(id) => write!(f, "the conversation {:?}", id.as_str()),
            Self::Invalid(_) => f.write_str("a stream without a valid id"),
        }
    }
}

/// Returns the hash key of one shard of the index by event type.
pub(crate) fn index_key(event_type: &EventType, shard: u16) -> String {
    format!("{event_type}#{shard}")
}

#[derive(Debug)]
enum State {
    Unread,
    /// First, one shard more than the store reads is checked to be empty.
    Checking {
        next_shard: Box<Pages>,
        partitions: Vec<PartitionReader>,
    },
    Reading(Vec<PartitionReader>),
    Ended,
}

impl Events {
    pub(crate) fn new(table: DynamoDb, source: Source) -> Self {
        Self {
            table,
            source,
            selection: Selection::default(),
            limit: None,
            state: State::Unread,
        }
    }

    /// Selects only events with a timestamp of `timestamp` or later.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # async fn run(store: &domain_events::EventStore) -> Result<(), Box<dyn std::error::Error>> {
    /// let events = store.history("order-7").since("1596067200".parse()?); // seconds since 1970
    /// # let _ = events;
    /// # Ok(())
    /// # }
    /// ```
    pub fn since(mut self, timestamp: Timestamp) -> Self {
        self.selection.since = Some(timestamp);
        self
    }

    /// Selects only events with a timestamp before `timestamp`.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # async fn run(store: &domain_events::EventStore) -> Result<(), Box<dyn std::error::Error>> {
    /// use domain_events::Timestamp;
    ///
    /// let until_now = store.history("order-7").until(Timestamp::now());
    /// # let _ = until_now;
    /// # Ok(())
    /// # }
    /// ```
    pub fn until(mut self, timestamp: Timestamp) -> Self {
        self.selection.until = Some(timestamp);
        self
    }

    /// Selects only events that were *stored* at `time` or later, in the order of their
    /// timestamps. This finds late events, which a [`Cursor`] skips, and is not affected by
    /// events whose timestamp is far in the future.
    ///
    /// To read repeatedly without missing an event, pass the greatest
    /// [`stored_at`](StoredEvent::stored_at) of the last read minus five minutes, and skip
    /// the events whose `EventId` is known from the last read. The five minutes allow for
    /// consumers whose clocks differ, and for the delay between the time at which a consumer
    /// sets `StoredAt` and the time at which the item is in the table.
    ///
    /// DynamoDB reads, and bills, all events of the range, and returns only those that
    /// match. An item without a `StoredAt` always matches.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # async fn run(store: &domain_events::EventStore) -> Result<(), Box<dyn std::error::Error>> {
    /// use std::collections::HashSet;
    /// use domain_events::{EventId, Timestamp};
    /// use futures::TryStreamExt;
    ///
    /// let mut seen: HashSet<EventId> = HashSet::new(); // of the last read
    /// let mut from = Timestamp::MIN;
    /// let mut events = store.by_type("ORDER_PLACED")?.stored_since(from);
    /// let mut greatest = from;
    /// while let Some(event) = events.try_next().await? {
    ///     if seen.insert(event.event_id().clone()) {
    ///         println!("{}", event.entity_id());
    ///     }
    ///     greatest = greatest.max(event.stored_at().unwrap_or(greatest));
    /// }
    /// // The next read begins five minutes earlier.
    /// from = Timestamp::from_nanos(greatest.as_nanos().saturating_sub(300_000_000_000))?;
    /// # let _ = from;
    /// # Ok(())
    /// # }
    /// ```
    pub fn stored_since(mut self, time: Timestamp) -> Self {
        self.selection.stored_since = Some(time);
        self
    }

    /// Returns the latest event first.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # async fn run(store: &domain_events::EventStore) -> Result<(), Box<dyn std::error::Error>> {
    /// use futures::TryStreamExt;
    ///
    /// let last = store.history("order-7").latest_first().limit(1).try_next().await?;
    /// println!("{:?}", last.map(|event| event.event_type().to_string()));
    /// # Ok(())
    /// # }
    /// ```
    pub fn latest_first(mut self) -> Self {
        self.selection.latest_first = true;
        self
    }

    /// Returns at most `limit` events.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # async fn run(store: &domain_events::EventStore) -> Result<(), Box<dyn std::error::Error>> {
    /// let first_page = store.history("order-7").limit(50);
    /// # let _ = first_page;
    /// # Ok(())
    /// # }
    /// ```
    pub fn limit(mut self, limit: u64) -> Self {
        self.limit = Some(limit);
        self
    }

    /// Selects only events that follow the event of `cursor`, in the direction of this stream.
    ///
    /// A cursor is a position in the order of timestamps: an event that is stored later
    /// with an earlier timestamp is skipped, see [`Cursor`]. The cursor of an event that
    /// this stream cannot contain is a [`ReadError::ForeignCursor`].
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # async fn run(store: &domain_events::EventStore) -> Result<(), Box<dyn std::error::Error>> {
    /// use futures::TryStreamExt;
    ///
    /// let page: Vec<_> = store.history("order-7").limit(50).try_collect().await?;
    /// if let Some(last) = page.last() {
    ///     let next_page = store.history("order-7").after(last.cursor()).limit(50);
    ///     # let _ = next_page;
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn after(mut self, cursor: Cursor) -> Self {
        self.selection.after = Some(cursor);
        self
    }

    /// Decodes the events as `E`, which is usually an enum with one variant for each event
    /// type of the entity.
    ///
    /// # Errors
    ///
    /// The errors of the stream, and [`ReadError::Decode`] for an event whose data does not fit
    /// its type in `E`. The stream continues after it.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/doc/setup.rs"));
    /// # async fn run(store: &domain_events::EventStore) -> Result<(), Box<dyn std::error::Error>> {
    /// use domain_events::Decoded;
    /// use futures::TryStreamExt;
    ///
    /// let mut history = store.history(7).decode::<OrderPlaced>();
    /// while let Some(event) = history.try_next().await? {
    ///     match event {
    ///         Decoded::Known(placed, stored) => println!("{} {}", stored.timestamp(), placed.cents),
    ///         Decoded::Unknown(stored) => println!("{} {}", stored.timestamp(), stored.event_type()),
    ///     }
    /// }
    /// # Ok(())
    /// # }
    /// # fn main() {}
    /// ```
    pub fn decode<E: DomainEvent + DeserializeOwned>(
        self,
    ) -> impl Stream<Item = Result<Decoded<E>, ReadError>> + Unpin + Send {
        self.map(|event| event.and_then(Decoded::new))
    }

    /// Decodes the events as `E` and folds them into a state: the current state of an
    /// entity, for display or for a projection. Events that `E` does not know are passed
    /// as [`Decoded::Unknown`], so that `apply` ignores them on purpose.
    ///
    /// # Decisions
    ///
    /// Do not use the state for a decision that must be made only once, such as accepting
    /// a payment. A history is read after the fact: concurrent requests that fold the same
    /// history see the same past, and all of them may act on it. There is no append with
    /// an expected version. For such a decision, keep a state item or row of your own with
    /// its own condition (a conditional write, or a row lock), and record the event when
    /// that write has succeeded.
    ///
    /// # Errors
    ///
    /// The first [`ReadError`]. The state so far is dropped, because a state that misses
    /// an event would be wrong.
    ///
    /// # Cancel safety
    ///
    /// The future may be dropped at any point; no request remains.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/doc/setup.rs"));
    /// # async fn run(store: &domain_events::EventStore) -> Result<(), Box<dyn std::error::Error>> {
    /// use domain_events::Decoded;
    ///
    /// let total: u64 = store
    ///     .history(7)
    ///     .fold(0, |sum, event: Decoded<OrderPlaced>| {
    ///         sum + event.known().map_or(0, |placed| placed.cents)
    ///     })
    ///     .await?;
    /// println!("{total} cents");
    /// # Ok(())
    /// # }
    /// # fn main() {}
    /// ```
    pub async fn fold<E, S>(
        self,
        initial: S,
        mut apply: impl FnMut(S, Decoded<E>) -> S,
    ) -> Result<S, ReadError>
    where
        E: DomainEvent + DeserializeOwned,
    {
        let mut events = self.decode::<E>();
        let mut state = initial;
        while let Some(event) = events.next().await {
            state = apply(state, event?);
        }
        Ok(state)
    }

    /// Checks the request and sends the first queries.
    fn start(&self) -> Result<State, ReadError> {
        if let Source::Invalid(error) = &self.source {
            return Err(ReadError::InvalidId(error.clone()));
        }
        if let Some(cursor) = &self.selection.after
            && !self.source.contains(cursor)
        {
            return Err(ReadError::ForeignCursor {
                cursor: Box::new(cursor.clone()),
                stream: self.source.to_string(),
            });
        }
        let is_history = matches!(self.source, Source::Entity(_));
        // With a small limit, a full page would be wasteful. The page has one event more,
        // because the query also returns the event at the cursor. With a filter, the number
        // of events that the filter drops is unknown, so the page is not limited.
        let page_size = match self.limit {
            Some(limit) if is_history && self.selection.stored_since.is_none() => {
                i32::try_from(limit.saturating_add(1)).ok()
            }
            _ => None,
        };
        let mut partitions = Vec::new();
        for partition in self.source.partitions() {
            if let Some(query) = self.selection.query(partition, page_size) {
                let pages = Pages::new(self.table.clone(), PageRequest::Query(query), None);
                partitions.push(PartitionReader::new(pages, !is_history));
            }
        }
        let Source::Type { event_type, shards } = &self.source else {
            return Ok(State::Reading(partitions));
        };
        let query = Query {
            partition: Partition::TypeShard(index_key(event_type, *shards)),
            from: None,
            to: None,
            stored_since: None,
            latest_first: false,
            page_size: Some(1),
        };
        Ok(State::Checking {
            next_shard: Box::new(Pages::new(
                self.table.clone(),
                PageRequest::Query(query),
                None,
            )),
            partitions,
        })
    }

    /// Checks that the shard after the last shard of this store is empty.
    fn check_shard(&self, found: Option<Result<StoredEvent, ReadError>>) -> Result<(), ReadError> {
        let Source::Type { event_type, shards } = &self.source else {
            return Ok(());
        };
        match found {
            None => Ok(()),
            Some(Ok(_) | Err(ReadError::Corrupt(_))) => Err(ReadError::TooFewShards {
                table: self.table.table().to_owned(),
                event_type: event_type.clone(),
                shards: *shards,
                shard: *shards,
            }),
            Some(Err(error)) => Err(error),
        }
    }

    /// Returns the next event across all partitions. It is known only when each partition has
    /// an event ready or has ended.
    fn poll_partitions(
        selection: &Selection,
        partitions: &mut [PartitionReader],
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<StoredEvent, ReadError>>> {
        let mut pending = false;
        for partition in partitions.iter_mut() {
            match partition.poll_head(selection, cx) {
                Poll::Pending => pending = true,
                Poll::Ready(Ok(())) => {}
                Poll::Ready(Err(error)) => return Poll::Ready(Some(Err(error))),
            }
        }
        if pending {
            return Poll::Pending;
        }
        let heads = partitions.iter_mut().filter(|p| p.head().is_some());
        let cursor = |p: &&mut PartitionReader| p.head().map(StoredEvent::cursor);
        let first = if selection.latest_first {
            heads.max_by_key(cursor)
        } else {
            heads.min_by_key(cursor)
        };
        Poll::Ready(first.and_then(PartitionReader::take_head).map(Ok))
    }
}

impl Stream for Events {
    type Item = Result<StoredEvent, ReadError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if self.limit == Some(0) {
            self.state = State::Ended;
        }
        let this = &mut *self;
        loop {
            match &mut this.state {
                State::Ended => return Poll::Ready(None),
                State::Unread => match this.start() {
                    Ok(state) => this.state = state,
                    Err(error) => {
                        this.state = State::Ended;
                        return Poll::Ready(Some(Err(error)));
                    }
                },
                State::Checking { next_shard, .. } => {
                    let found = ready!(next_shard.poll_next_unpin(cx));
                    let checked = this.check_shard(found);
                    let State::Checking { partitions, .. } =
                        std::mem::replace(&mut this.state, State::Ended)
                    else {
                        return Poll::Ready(None);
                    };
                    match checked {
                        Ok(()) => this.state = State::Reading(partitions),
                        Err(error) => return Poll::Ready(Some(Err(error))),
                    }
                }
                State::Reading(partitions) => {
                    let next = ready!(Self::poll_partitions(&this.selection, partitions, cx));
                    match &next {
                        Some(Ok(_)) => {
                            if let Some(limit) = &mut this.limit {
                                *limit -= 1;
                            }
                        }
                        Some(Err(error)) if error.is_about_one_event() => {}
                        // If one partition fails, the stream ends. The events of the other
                        // partitions alone would look like a complete result.
                        None | Some(Err(_)) => this.state = State::Ended,
                    }
                    return Poll::Ready(next);
                }
            }
        }
    }
}
