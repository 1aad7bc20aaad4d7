//! Reads one partition of a stream, in the order of the stream.

use std::collections::VecDeque;
use std::task::{Context, Poll, ready};

use futures::StreamExt;

use super::error::ReadError;
use super::pages::Pages;
use super::selection::Selection;
use super::stored_event::StoredEvent;

/// Reads the events of one partition.
///
/// An index may return the events of one sort key in any order, because the API reference
/// ("Query") does not define one, but a cursor needs a fixed order. Therefore all events of
/// one sort key are read and sorted before the first of them is returned.
#[derive(Debug)]
pub(crate) struct PartitionReader {
    pages: Pages,
    is_index: bool,
    /// Events of one sort key, in the order of the stream.
    same_sort_key: VecDeque<StoredEvent>,
    /// The events of the next sort key that have been read so far.
    incomplete: Vec<StoredEvent>,
    ended: bool,
}

impl PartitionReader {
    pub(crate) fn new(pages: Pages, is_index: bool) -> Self {
        Self {
            pages,
            is_index,
            same_sort_key: VecDeque::new(),
            incomplete: Vec::new(),
            ended: false,
        }
    }

    pub(crate) fn head(&self) -> Option<&StoredEvent> {
        self.same_sort_key.front()
    }

    pub(crate) fn take_head(&mut self) -> Option<StoredEvent> {
        self.same_sort_key.pop_front()
    }

    /// Reads until the next event is available, or the partition has ended.
    pub(crate) fn poll_head(
        &mut self,
        selection: &Selection,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), ReadError>> {
        while self.same_sort_key.is_empty() && !self.ended {
            let Some(event) = ready!(self.pages.poll_next_unpin(cx)).transpose()? else {
                self.complete(selection);
                self.ended = true;
                continue;
            };
            let first = self.incomplete.first();
            if first.is_some_and(|first| !first.has_same_sort_key(&event)) {
                self.complete(selection);
            }
            self.incomplete.push(event);
            // In the table itself (not an index), each sort key has exactly one event.
            if !self.is_index {
                self.complete(selection);
            }
        }
        Poll::Ready(Ok(()))
    }

    /// Called after the last event of a sort key has been read. Sorts the events of the sort
    /// key, and drops those that are not after the cursor.
    fn complete(&mut self, selection: &Selection) {
        let mut events = std::mem::take(&mut self.incomplete);
        events.retain(|event| selection.is_after_cursor(event));
        events.sort_by_cached_key(StoredEvent::cursor);
        if selection.latest_first {
            events.reverse();
        }
        self.same_sort_key.extend(events);
    }
}
