//! All events of one type, through the optional sharded index.

use std::pin::Pin;
use std::task::{Context, Poll};

use futures::{Stream, StreamExt};
use serde::de::DeserializeOwned;

use super::dynamodb::{DynamoDb, Partition};
use super::history::{Decoded, Pages, Range};
use super::{Cursor, StoredEvent};
use crate::error::ReadError;
use crate::event::{DomainEvent, EventType};
use crate::timestamp::Timestamp;

/// All events of one type in the order of their time.
///
/// A stream of `Result<StoredEvent, ReadError>`, merged from the shards of the
/// index `by-type`. An index of DynamoDB follows its table a little later, so
/// the last second's events may be missing. It holds two pages a shard.
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

#[derive(Debug)]
struct Shard {
    pages: Pages,
    head: Option<StoredEvent>,
    ended: bool,
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
        self.range.since = timestamp;
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
                    head: None,
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
        shards: &mut [Shard],
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<StoredEvent, ReadError>>> {
        let mut pending = false;
        for shard in shards.iter_mut() {
            while shard.head.is_none() && !shard.ended {
                match shard.pages.poll_next_unpin(cx) {
                    Poll::Pending => {
                        pending = true;
                        break;
                    }
                    Poll::Ready(None) => shard.ended = true,
                    Poll::Ready(Some(Err(error))) => return Poll::Ready(Some(Err(error))),
                    Poll::Ready(Some(Ok(event))) => {
                        shard.head = Some(event).filter(|event| self.range.admits(event));
                    }
                }
            }
        }
        if pending {
            return Poll::Pending;
        }
        let order = |event: &StoredEvent| event.cursor();
        let heads = shards.iter_mut().filter(|shard| shard.head.is_some());
        let first = if self.range.latest_first {
            heads.max_by_key(|shard| shard.head.as_ref().map(order))
        } else {
            heads.min_by_key(|shard| shard.head.as_ref().map(order))
        };
        Poll::Ready(first.and_then(|shard| shard.head.take()).map(Ok))
    }
}
