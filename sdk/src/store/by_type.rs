//! All events of one type, through the optional sharded index.

use std::collections::VecDeque;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use futures::{Stream, StreamExt};
use serde::de::DeserializeOwned;

use super::dynamodb::{DynamoDb, Partition};
use super::history::{Decoded, Pages, Range};
use super::{Cursor, StoredEvent};
use crate::event::timestamp::Timestamp;
use crate::event::{DomainEvent, EventType};
use crate::store::error::ReadError;

/// All events of one type in the order of their time.
///
/// A stream of `Result<StoredEvent, ReadError>`, merged from the shards of the
/// index `by-type`. An index of DynamoDB follows its table a little later, so
/// the last second's events may be missing. It holds two pages a shard, and the
/// events of one moment. An error of DynamoDB ends the stream; an item that is no
/// event is an `Err`, after which it goes on.
#[must_use = "a stream does nothing until it is read"]
#[derive(Debug)]
pub struct ByType {
    table: DynamoDb,
    event_type: EventType,
    shards: u16,
    range: Range,
    limit: Option<u64>,
    open: Option<Vec<Shard>>,
}

/// One shard of the index. It gives the events of one sort key in any order (API
/// reference, "Query", promises none), and a cursor needs one: they are all
/// read before the first of them is given.
#[derive(Debug)]
struct Shard {
    pages: Pages,
    /// Events of one sort key, in the order of the stream.
    moment: VecDeque<StoredEvent>,
    /// Those of the next one, as far as they have been read.
    next: Vec<StoredEvent>,
    ended: bool,
}

impl Shard {
    /// Reads until there is an event to give, or nothing any more.
    fn poll_moment(&mut self, range: &Range, cx: &mut Context<'_>) -> Poll<Result<(), ReadError>> {
        while self.moment.is_empty() && !self.ended {
            match ready!(self.pages.poll_next_unpin(cx)).transpose()? {
                Some(event) => {
                    let first = self.next.first();
                    if first.is_some_and(|first| first.sort_key != event.sort_key) {
                        self.complete(range);
                    }
                    self.next.push(event);
                }
                None => {
                    self.complete(range);
                    self.ended = true;
                }
            }
        }
        Poll::Ready(Ok(()))
    }

    fn complete(&mut self, range: &Range) {
        let mut moment = std::mem::take(&mut self.next);
        moment.retain(|event| range.admits(event));
        moment.sort_by_cached_key(StoredEvent::cursor);
        if range.latest_first {
            moment.reverse();
        }
        self.moment = moment.into();
    }
}

impl ByType {
    pub(crate) fn new(table: DynamoDb, event_type: EventType, shards: u16) -> Self {
        Self {
            table,
            event_type,
            shards,
            range: Range::all(),
            limit: None,
            open: None,
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

    /// Reads the events as `E`.
    pub fn decode<E: DomainEvent + DeserializeOwned>(
        self,
    ) -> impl Stream<Item = Result<Decoded<E>, ReadError>> + Unpin + Send {
        self.map(|event| event.and_then(Decoded::new))
    }

    fn start(&self) -> Vec<Shard> {
        (0..self.shards)
            .map(|shard| {
                let partition = Partition::IndexShard(index_key(&self.event_type, shard));
                let pages = Pages::new(self.table.clone(), self.range.query(partition, None));
                Shard {
                    pages,
                    moment: VecDeque::new(),
                    next: Vec::new(),
                    ended: false,
                }
            })
            .collect()
    }
}

/// The hash key of one shard of the index.
pub(crate) fn index_key(event_type: &EventType, shard: u16) -> String {
    format!("{event_type}#{shard}")
}

impl Stream for ByType {
    type Item = Result<StoredEvent, ReadError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if self.limit == Some(0) {
            return Poll::Ready(None);
        }
        let mut shards = match self.open.take() {
            Some(shards) => shards,
            None => self.start(),
        };
        let next = self.poll_shards(&mut shards, cx);
        self.open = Some(shards);
        if let (Poll::Ready(Some(Ok(_))), Some(limit)) = (&next, &mut self.limit) {
            *limit -= 1;
        }
        next
    }
}

impl ByType {
    /// The first of all shards' heads, once each has one or has ended.
    fn poll_shards(
        &self,
        shards: &mut Vec<Shard>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<StoredEvent, ReadError>>> {
        let mut pending = false;
        let mut failed = None;
        for shard in shards.iter_mut() {
            match shard.poll_moment(&self.range, cx) {
                Poll::Pending => pending = true,
                Poll::Ready(Ok(())) => {}
                Poll::Ready(Err(error)) => {
                    failed = Some(error);
                    break;
                }
            }
        }
        if let Some(error) = failed {
            // Without one of its shards the rest would look like all there is.
            if !matches!(error, ReadError::Corrupt(_)) {
                shards.clear();
            }
            return Poll::Ready(Some(Err(error)));
        }
        if pending {
            return Poll::Pending;
        }
        let heads = shards.iter_mut().filter(|shard| !shard.moment.is_empty());
        let head = |shard: &&mut Shard| shard.moment.front().map(StoredEvent::cursor);
        let first = if self.range.latest_first {
            heads.max_by_key(head)
        } else {
            heads.min_by_key(head)
        };
        Poll::Ready(first.and_then(|shard| shard.moment.pop_front()).map(Ok))
    }
}
