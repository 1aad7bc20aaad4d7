//! The rows of an outbox: what the relay needs from a database.

use std::error::Error;
use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

/// The outbox of a database, as the relay uses it.
///
/// Implement it for a database or library that this crate does not support; the relay does
/// the rest. The rows themselves are written by the service, in its own transactions.
///
/// The relay may be killed after any call, and several relays may use the same rows at the
/// same time. An implementation needs no locks and no leases for that: a row that two
/// relays read is sent twice, and the event is stored once.
pub trait OutboxRows: Send + Sync + 'static {
    /// The outbox as logs and errors name it, for example `the Postgres table
    /// domain_events_outbox`.
    fn name(&self) -> &str;

    /// Reads one page of the rows that are at least `request.min_age` old, or whose time
    /// lies as far in the future.
    ///
    /// The order is the implementation's choice; the order of the identities is cheap,
    /// because it is the order of the primary key. It must be the same for all pages of a
    /// sweep, and a sweep must reach every row that exists during the whole sweep. A page
    /// may be empty although there are further pages.
    ///
    /// # Errors
    ///
    /// [`RowsError`] if the rows cannot be read. The relay tries again.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future must change nothing.
    fn page(
        &self,
        request: PageRequest,
    ) -> impl Future<Output = Result<Page, RowsError>> + Send + '_;

    /// Deletes the rows with these `event_id`s. A row that does not exist is not an error:
    /// another relay has deleted it.
    ///
    /// # Errors
    ///
    /// [`RowsError`] if it is unknown whether all rows were deleted. The relay tries again.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped, any of the rows may or may not have been deleted.
    fn delete(
        &self,
        event_ids: Vec<String>,
    ) -> impl Future<Output = Result<(), RowsError>> + Send + '_;

    /// Counts all rows and finds the age of the oldest one.
    ///
    /// # Errors
    ///
    /// [`RowsError`] if the rows cannot be read.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future must change nothing.
    fn backlog(&self) -> impl Future<Output = Result<Backlog, RowsError>> + Send + '_;
}

/// One row: a message that SQS has not accepted yet, or whose row is not deleted yet.
#[derive(Clone, PartialEq, Eq)]
pub struct Row {
    /// The key of the row: the identity of the event.
    pub event_id: String,
    /// The body of the message, one JSON object, as
    /// [`Prepared::body`](domain_events::Prepared::body) returns it.
    pub message: String,
}

/// Without the message, which contains the event's data.
impl fmt::Debug for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Row")
            .field("event_id", &self.event_id)
            .field("message_bytes", &self.message.len())
            .finish()
    }
}

/// Which rows a page contains.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct PageRequest {
    /// The cursor of the page before; `None` for the first page of a sweep.
    pub after: Option<Cursor>,
    /// Leave out younger rows: the fast path is sending them, or they were committed after
    /// the sweep began.
    pub min_age: Duration,
    /// The largest number of rows.
    pub max_rows: usize,
    /// The number of bytes of messages after which the page ends. The row that exceeds it
    /// may be part of the page, so that every page makes progress.
    pub max_bytes: usize,
}

impl PageRequest {
    /// The first page, of all rows.
    pub fn first(max_rows: usize, max_bytes: usize) -> Self {
        Self {
            after: None,
            min_age: Duration::ZERO,
            max_rows,
            max_bytes,
        }
    }

    /// The page after `cursor`, with the same limits.
    #[must_use]
    pub fn after(self, cursor: Cursor) -> Self {
        Self {
            after: Some(cursor),
            ..self
        }
    }

    /// Only rows of at least this age.
    #[must_use]
    pub fn min_age(self, min_age: Duration) -> Self {
        Self { min_age, ..self }
    }
}

/// A place between two rows. Its text means something only to the implementation of
/// [`OutboxRows`] that made it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cursor(pub String);

/// A part of the rows.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Page {
    /// The rows.
    pub rows: Vec<Row>,
    /// Where the next page begins; `None` after the last page.
    pub next: Option<Cursor>,
}

/// How many rows wait, and for how long.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Backlog {
    /// The number of rows.
    pub rows: u64,
    /// The age of the oldest row. `None` if there is no row.
    pub oldest: Option<Duration>,
}

/// Why the rows of an outbox could not be read or deleted.
#[derive(Debug, Clone, thiserror::Error)]
#[error("the database did not {action}")]
pub struct RowsError {
    action: &'static str,
    source: Arc<dyn Error + Send + Sync>,
}

impl RowsError {
    /// `action` completes the sentence "the database did not …", for example `delete rows
    /// of the outbox`. The texts of `source` and its causes are logged, so they must not
    /// contain the data of events.
    pub fn new(action: &'static str, source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self {
            action,
            source: source.into().into(),
        }
    }
}

type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// [`OutboxRows`] as a trait object, so that the relay has no type parameter.
pub(crate) trait DynRows: Send + Sync {
    fn name(&self) -> &str;
    fn page(&self, request: PageRequest) -> BoxFuture<'_, Result<Page, RowsError>>;
    fn delete(&self, event_ids: Vec<String>) -> BoxFuture<'_, Result<(), RowsError>>;
    fn backlog(&self) -> BoxFuture<'_, Result<Backlog, RowsError>>;
}

impl<R: OutboxRows> DynRows for R {
    fn name(&self) -> &str {
        OutboxRows::name(self)
    }

    fn page(&self, request: PageRequest) -> BoxFuture<'_, Result<Page, RowsError>> {
        Box::pin(OutboxRows::page(self, request))
    }

    fn delete(&self, event_ids: Vec<String>) -> BoxFuture<'_, Result<(), RowsError>> {
        Box::pin(OutboxRows::delete(self, event_ids))
    }

    fn backlog(&self) -> BoxFuture<'_, Result<Backlog, RowsError>> {
        Box::pin(OutboxRows::backlog(self))
    }
}
