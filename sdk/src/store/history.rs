//! Reading back, as streams that end only at the end.

use std::collections::VecDeque;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use futures::future::BoxFuture;
use futures::{FutureExt, Stream, StreamExt};
use serde::de::DeserializeOwned;

use super::dynamodb::{DynamoDb, Page, Partition, Query};
use super::item::{self, Item, SortKey};
use super::{Cursor, StoredEvent};
use crate::event::timestamp::Timestamp;
use crate::event::{DomainEvent, EntityId};
use crate::store::error::ReadError;

/// The events of one entity in the order of their time.
///
/// A stream of `Result<StoredEvent, ReadError>`. It follows every page, reads
/// consistently, and holds two pages (of up to 1 MB each) at the most. An item that
/// is no event is an `Err` with its key, after which the stream goes on. An
/// error of DynamoDB ends the stream.
///
/// # Cancel safety
///
/// Dropping it at any point leaves nothing behind. To go on later, keep the
/// [`cursor`](StoredEvent::cursor) of the last event.
#[must_use = "a stream does nothing until it is read"]
#[derive(Debug)]
pub struct History {
    range: Range,
    pages: Option<Pages>,
    limit: Option<u64>,
    table: DynamoDb,
    id: EntityId,
}

/// Which part of a history is read.
#[derive(Debug, Clone)]
pub(crate) struct Range {
    pub(crate) since: Option<Timestamp>,
    pub(crate) until: Option<Timestamp>,
    pub(crate) latest_first: bool,
    pub(crate) after: Option<Cursor>,
}

impl Range {
    pub(crate) fn all() -> Self {
        Self {
            since: None,
            until: None,
            latest_first: false,
            after: None,
        }
    }

    /// The query that gives the range, and the event at the cursor; `None` if
    /// nothing can be in it, which DynamoDB would refuse to be asked.
    pub(crate) fn query(&self, partition: Partition, page_size: Option<i32>) -> Option<Query> {
        let last = match self.until {
            None => None,
            // Exclusive: all that is a nanosecond earlier, with its ties.
            Some(until) => Some(Timestamp::from_nanos(until.as_nanos().checked_sub(1)?).ok()?),
        };
        let mut from = self.since.map(SortKey::first_of);
        let mut to = last.map(SortKey::last_of);
        let cursor = self.after.as_ref().map(|cursor| cursor.sort_key.clone());
        match (self.latest_first, cursor) {
            (_, None) => {}
            (true, Some(cursor)) => to = Some(to.map_or(cursor.clone(), |to| to.min(cursor))),
            // Nothing is less than no bound.
            (false, cursor) => from = from.max(cursor),
        }
        let empty = from
            .as_ref()
            .zip(to.as_ref())
            .is_some_and(|(from, to)| from > to);
        let latest_first = self.latest_first;
        (!empty).then_some(Query {
            partition,
            from,
            to,
            latest_first,
            page_size,
        })
    }

    /// Whether an event lies behind the cursor.
    pub(crate) fn admits(&self, event: &StoredEvent) -> bool {
        self.after
            .as_ref()
            .is_none_or(|cursor| match self.latest_first {
                true => event.cursor() < *cursor,
                false => event.cursor() > *cursor,
            })
    }
}

impl History {
    pub(crate) fn new(table: DynamoDb, id: EntityId) -> Self {
        Self {
            range: Range::all(),
            pages: None,
            limit: None,
            table,
            id,
        }
    }

    /// Only events at `timestamp` or later.
    pub fn since(mut self, timestamp: Timestamp) -> Self {
        self.range.since = Some(timestamp);
        self
    }

    /// Only events before `timestamp`.
    pub fn until(mut self, timestamp: Timestamp) -> Self {
        self.range.until = Some(timestamp);
        self
    }

    /// The latest event first.
    pub fn latest_first(mut self) -> Self {
        self.range.latest_first = true;
        self
    }

    /// At most `limit` events.
    pub fn limit(mut self, limit: u64) -> Self {
        self.limit = Some(limit);
        self
    }

    /// Only what follows the event that `cursor` was taken from, in the
    /// direction of this stream.
    pub fn after(mut self, cursor: Cursor) -> Self {
        self.range.after = Some(cursor);
        self
    }

    /// Reads the events as `E`, which is usually an enum of all that can happen
    /// to the entity.
    pub fn decode<E: DomainEvent + DeserializeOwned>(
        self,
    ) -> impl Stream<Item = Result<Decoded<E>, ReadError>> + Unpin + Send {
        self.map(|event| event.and_then(Decoded::new))
    }

    /// Folds the history, read as `E`, into a state: the way to rebuild an
    /// entity from its events. Events that `E` does not know come as
    /// [`Decoded::Unknown`], to be taken or left on purpose.
    ///
    /// # Errors
    ///
    /// The first [`ReadError`], with which the state so far is lost: a state
    /// that misses an event would be a wrong one.
    ///
    /// # Cancel safety
    ///
    /// Nothing is left behind.
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

    fn start(&self) -> Pages {
        // A short limit needs no full page; one more for the event at the cursor.
        let page_size = self
            .limit
            .and_then(|limit| i32::try_from(limit.saturating_add(1)).ok());
        Pages::new(
            self.table.clone(),
            self.range
                .query(Partition::Entity(self.id.to_string()), page_size),
        )
    }
}

impl Stream for History {
    type Item = Result<StoredEvent, ReadError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if self.limit == Some(0) {
            return Poll::Ready(None);
        }
        let mut pages = match self.pages.take() {
            Some(pages) => pages,
            None => self.start(),
        };
        let next = loop {
            match pages.poll_next_unpin(cx) {
                Poll::Ready(Some(Ok(event))) if !self.range.admits(&event) => {}
                other => break other,
            }
        };
        self.pages = Some(pages);
        let event = ready!(next);
        if let (Some(Ok(_)), Some(limit)) = (&event, &mut self.limit) {
            *limit -= 1;
        }
        Poll::Ready(event)
    }
}

/// An event read as one of a program's own types.
#[derive(Debug, Clone, PartialEq)]
pub enum Decoded<E> {
    /// An event that the type knows, and all that is stored of it.
    Known(E, StoredEvent),
    /// An event of a type that `E` does not have.
    Unknown(StoredEvent),
}

impl<E: DomainEvent + DeserializeOwned> Decoded<E> {
    pub(crate) fn new(stored: StoredEvent) -> Result<Self, ReadError> {
        match stored.envelope().decode() {
            Ok(Some(event)) => Ok(Self::Known(event, stored)),
            Ok(None) => Ok(Self::Unknown(stored)),
            Err(source) => Err(ReadError::Decode {
                cursor: stored.cursor(),
                source: Box::new(source),
            }),
        }
    }
}

impl<E> Decoded<E> {
    /// The event, if its type is known.
    pub fn known(self) -> Option<E> {
        match self {
            Self::Known(event, _) => Some(event),
            Self::Unknown(_) => None,
        }
    }

    /// All that is stored of it.
    pub fn stored(&self) -> &StoredEvent {
        match self {
            Self::Known(_, stored) | Self::Unknown(stored) => stored,
        }
    }
}

/// The pages of one query. The next page is fetched while the one before is
/// being read.
pub(crate) struct Pages {
    table: DynamoDb,
    query: Option<Query>,
    ready: VecDeque<Item>,
    next: Option<BoxFuture<'static, Result<Page, ReadError>>>,
}

impl std::fmt::Debug for Pages {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Pages")
            .field("query", &self.query)
            .field("ready", &self.ready.len())
            .finish_non_exhaustive()
    }
}

impl Pages {
    /// The pages of `query`, or none.
    pub(crate) fn new(table: DynamoDb, query: Option<Query>) -> Self {
        let mut pages = Self {
            table,
            query,
            ready: VecDeque::new(),
            next: None,
        };
        pages.fetch(None);
        pages
    }

    fn fetch(&mut self, start: Option<Item>) {
        let Some(query) = self.query.clone() else {
            return;
        };
        let table = self.table.clone();
        let mut page = tokio::task::JoinSet::new();
        // A task of its own, which goes on while the stream is not polled; the
        // set aborts it when the stream is dropped.
        page.spawn(async move { table.page(&query, start).await });
        self.next = Some(
            async move {
                match page.join_next().await {
                    Some(Ok(page)) => page.map_err(ReadError::Store),
                    _ => Err(ReadError::Interrupted),
                }
            }
            .boxed(),
        );
    }
}

impl Stream for Pages {
    type Item = Result<StoredEvent, ReadError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        loop {
            if let Some(item) = self.ready.pop_front() {
                return Poll::Ready(Some(item::read(item).map_err(ReadError::Corrupt)));
            }
            let Some(next) = &mut self.next else {
                return Poll::Ready(None);
            };
            let page = ready!(next.poll_unpin(cx));
            self.next = None;
            match page {
                Err(error) => return Poll::Ready(Some(Err(error))),
                Ok(page) => {
                    self.ready = page.items.into();
                    // An empty page may be followed by more.
                    if page.next.is_some() {
                        self.fetch(page.next);
                    }
                }
            }
        }
    }
}
