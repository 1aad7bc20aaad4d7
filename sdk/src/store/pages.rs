//! The pages of one query or scan segment, as a stream of events.

use std::collections::VecDeque;
use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use futures::future::BoxFuture;
use futures::{FutureExt, Stream};

use super::dynamodb::DynamoDb;
use super::error::{CorruptItem, ReadError};
use super::item::Item;
use super::page::Page;
use super::request::PageRequest;
use super::stored_event::StoredEvent;

/// The events of all pages. The next page is requested while the current one is read.
pub(crate) struct Pages {
    table: DynamoDb,
    request: PageRequest,
    /// Whether the next page is requested before it is needed.
    prefetch: bool,
    events: VecDeque<Result<StoredEvent, CorruptItem>>,
    /// The key after which the next page starts, if that page has not been requested.
    next_start: Option<Item>,
    next_page: Option<BoxFuture<'static, Result<Page, ReadError>>>,
}

impl fmt::Debug for Pages {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pages")
            .field("request", &self.request)
            .field("events", &self.events.len())
            .finish_non_exhaustive()
    }
}

impl Pages {
    /// Returns the pages of `request`, from its start or after the key `start`. Requests the
    /// first page.
    pub(crate) fn new(table: DynamoDb, request: PageRequest, start: Option<Item>) -> Self {
        // A caller that limits the page size usually needs one page only.
        let prefetch = !matches!(&request, PageRequest::Query(query) if query.page_size.is_some());
        let mut pages = Self {
            table,
            request,
            prefetch,
            events: VecDeque::new(),
            next_start: None,
            next_page: None,
        };
        pages.fetch(start);
        pages
    }

    fn fetch(&mut self, start: Option<Item>) {
        let (request, table) = (self.request.clone(), self.table.clone());
        let mut page = tokio::task::JoinSet::new();
        // A task makes progress even while the stream is not polled. The `JoinSet` aborts
        // the task when the stream is dropped.
        page.spawn(async move { table.page(&request, start).await });
        self.next_page = Some(
            async move {
                match page.join_next().await {
                    Some(Ok(page)) => page.map_err(ReadError::Table),
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
            if let Some(event) = self.events.pop_front() {
                return Poll::Ready(Some(event.map_err(ReadError::Corrupt)));
            }
            if let Some(start) = self.next_start.take() {
                self.fetch(Some(start));
            }
            let Some(page) = &mut self.next_page else {
                return Poll::Ready(None);
            };
            let page = ready!(page.poll_unpin(cx));
            self.next_page = None;
            match page {
                Err(error) => return Poll::Ready(Some(Err(error))),
                Ok(page) => {
                    self.events = page.events.into();
                    // Only a page without a key is the last one: an empty page may be
                    // followed by others.
                    self.next_start = page.next;
                    if self.prefetch
                        && let Some(start) = self.next_start.take()
                    {
                        self.fetch(Some(start));
                    }
                }
            }
        }
    }
}
