//! Selects the events of a partition, or of the table, that are read.

use super::cursor::Cursor;
use super::request::{Partition, Query};
use super::sort_key::SortKey;
use super::stored_event::StoredEvent;
use crate::event::timestamp::Timestamp;

/// The bounds of a read.
#[derive(Debug, Clone, Default)]
pub(crate) struct Selection {
    pub(crate) since: Option<Timestamp>,
    pub(crate) until: Option<Timestamp>,
    pub(crate) stored_since: Option<Timestamp>,
    pub(crate) latest_first: bool,
    pub(crate) after: Option<Cursor>,
}

impl Selection {
    /// Returns the first and the last sort key, both included, without regard to the cursor, or
    /// `None` if no key can be between them, which DynamoDB would refuse to query.
    pub(crate) fn bounds(&self) -> Option<(Option<SortKey>, Option<SortKey>)> {
        let last = match self.until {
            None => None,
            // `until` is exclusive: the last timestamp is one nanosecond earlier.
            Some(until) => Some(Timestamp::from_nanos(until.as_nanos().checked_sub(1)?).ok()?),
        };
        let (from, to) = (
            self.since.map(SortKey::first_of),
            last.map(SortKey::last_of),
        );
        is_not_empty(&from, &to).then_some((from, to))
    }

    /// Returns the query that returns the selected events of a partition and the event at the
    /// cursor, or `None` if no event can match.
    pub(crate) fn query(&self, partition: Partition, page_size: Option<i32>) -> Option<Query> {
        let (mut from, mut to) = self.bounds()?;
        let cursor = self.after.as_ref().map(|cursor| cursor.sort_key().clone());
        match (self.latest_first, cursor) {
            (_, None) => {}
            (true, Some(cursor)) => to = Some(to.map_or(cursor.clone(), |to| to.min(cursor))),
            // `None` means no bound, and is less than every key.
            (false, cursor) => from = from.max(cursor),
        }
        is_not_empty(&from, &to).then_some(Query {
            partition,
            from,
            to,
            stored_since: self.stored_since,
            latest_first: self.latest_first,
            page_size,
        })
    }

    /// Returns true if an event comes after the cursor, in the direction of the stream.
    pub(crate) fn is_after_cursor(&self, event: &StoredEvent) -> bool {
        self.after
            .as_ref()
            .is_none_or(|cursor| match self.latest_first {
                true => event.cursor() < *cursor,
                false => event.cursor() > *cursor,
            })
    }
}

fn is_not_empty(from: &Option<SortKey>, to: &Option<SortKey>) -> bool {
    from.as_ref()
        .zip(to.as_ref())
        .is_none_or(|(from, to)| from <= to)
}
