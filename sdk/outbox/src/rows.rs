//! The rows of an outbox, and the operations that the relay needs from a database.

use std::error::Error;
use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

/// The operations of the relay on the outbox of a database.
///
/// Implement this trait for a database or library that this crate does not support. The service
/// writes the rows in its own transactions; the relay only reads and deletes them.
///
/// The relay may be killed after any call, and several relays may use the same rows at the same
/// time. An implementation nevertheless needs no locks and no leases: a row that two relays
/// read is sent twice, and its event is stored once.
///
/// # Examples
///
/// An outbox in memory, for tests of a service:
///
/// ```
/// use domain_events_outbox::{Backlog, OutboxRows, Page, PageRequest, Row, RowsError};
/// use std::collections::BTreeMap;
/// use std::sync::{Arc, Mutex};
///
/// /// The messages by their `event_id`.
/// #[derive(Clone, Default)]
/// struct MemoryOutbox(Arc<Mutex<BTreeMap<String, String>>>);
///
/// impl OutboxRows for MemoryOutbox {
///     fn name(&self) -> &str {
///         "the outbox in memory"
///     }
///
///     async fn page(&self, _request: PageRequest) -> Result<Page, RowsError> {
///         let rows = self.0.lock().expect("no holder of the lock panics").clone();
///         let rows = rows.into_iter().map(|(event_id, message)| Row { event_id, message });
///         Ok(Page { rows: rows.collect(), next: None }) // one page
///     }
///
///     async fn delete(&self, event_ids: Vec<String>) -> Result<(), RowsError> {
///         let mut rows = self.0.lock().expect("no holder of the lock panics");
///         rows.retain(|event_id, _| !event_ids.contains(event_id));
///         Ok(())
///     }
///
///     async fn backlog(&self) -> Result<Backlog, RowsError> {
///         let rows = self.0.lock().expect("no holder of the lock panics").len();
///         Ok(Backlog { rows: rows as u64, oldest: None })
///     }
/// }
/// # use domain_events::testing::Recorder;
/// # use domain_events::{DomainEvent, Emitter};
/// # use domain_events_outbox::Relay;
/// # #[derive(serde::Serialize, DomainEvent)]
/// # struct OrderPaid { #[event(id)] order_id: u64 }
/// #
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let recorder = Recorder::new();
/// # let sdk = recorder.sdk(Emitter::system("shop")?);
///
/// let outbox = MemoryOutbox::default();
/// let event = sdk.prepare(&OrderPaid { order_id: 7 })?;
/// let row = (event.event_id().to_string(), event.body().to_owned());
/// outbox.0.lock().expect("no holder of the lock panics").extend([row]);
///
/// let report = Relay::builder(sdk, outbox).build().sweep().await;
/// assert_eq!((report.sent, report.deleted), (1, 1));
/// # assert_eq!(recorder.events().len(), 1);
/// # Ok(())
/// # }
/// ```
pub trait OutboxRows: Send + Sync + 'static {
    /// Returns the name of the outbox for logs and errors, for example `the Postgres table
    /// domain_events_outbox`.
    fn name(&self) -> &str;

    /// Reads one page of the rows whose time is at least `request.min_age` in the past, or at
    /// least as far in the future (if a clock was wrong).
    ///
    /// The implementation chooses the order of the rows. The order of the primary key, which
    /// is the identity, is cheap. The order must be the same for all pages of a sweep, and a
    /// sweep must return every row that exists during the whole sweep. A page may be empty
    /// although there are further pages.
    ///
    /// # Errors
    ///
    /// [`RowsError`] if the rows cannot be read. The relay tries again.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future must have no effect.
    fn page(
        &self,
        request: PageRequest,
    ) -> impl Future<Output = Result<Page, RowsError>> + Send + '_;

    /// Deletes the rows with these `event_id`s. A row that does not exist is not an error,
    /// because another relay may have deleted it.
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

    /// Counts all rows and determines the age of the oldest row.
    ///
    /// # Errors
    ///
    /// [`RowsError`] if the rows cannot be read.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future must have no effect.
    fn backlog(&self) -> impl Future<Output = Result<Backlog, RowsError>> + Send + '_;
}

/// One row of an outbox.
#[derive(Clone, PartialEq, Eq)]
pub struct Row {
    /// The key of the row: the identity of the event.
    pub event_id: String,
    /// The body of the message, one JSON object, as
    /// [`Prepared::body`](domain_events::Prepared::body) returns it.
    pub message: String,
}

/// Omits the message, because it contains the data of the event.
impl fmt::Debug for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Row")
            .field("event_id", &self.event_id)
            .field("message_bytes", &self.message.len())
            .finish()
    }
}

/// Selects the rows of a page.
///
/// # Examples
///
/// ```
/// use domain_events_outbox::{Cursor, PageRequest};
/// use std::time::Duration;
///
/// let first = PageRequest::first(1_000, 1024 * 1024).min_age(Duration::from_secs(2));
/// let second = first.clone().after(Cursor("the end of the first page".to_owned()));
/// assert_eq!((second.max_rows, second.min_age), (1_000, Duration::from_secs(2)));
/// ```
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct PageRequest {
    /// The cursor of the previous page. `None` for the first page of a sweep.
    pub after: Option<Cursor>,
    /// The minimum age of a row. Younger rows are sent by the fast path, or were committed
    /// after the sweep began.
    pub min_age: Duration,
    /// The maximum number of rows.
    pub max_rows: usize,
    /// The number of message bytes after which the page ends. The row that exceeds it may be
    /// part of the page, so that every page makes progress.
    pub max_bytes: usize,
}

impl PageRequest {
    /// Requests the first page, with rows of any age.
    pub fn first(max_rows: usize, max_bytes: usize) -> Self {
        Self {
            after: None,
            min_age: Duration::ZERO,
            max_rows,
            max_bytes,
        }
    }

    /// Requests the page after `cursor`, with the same limits.
    #[must_use]
    pub fn after(self, cursor: Cursor) -> Self {
        Self {
            after: Some(cursor),
            ..self
        }
    }

    /// Selects only rows of at least this age.
    #[must_use]
    pub fn min_age(self, min_age: Duration) -> Self {
        Self { min_age, ..self }
    }
}

/// A position between two rows. Only the implementation of [`OutboxRows`] that created the
/// cursor can interpret its text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cursor(pub String);

/// One page of rows.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Page {
    /// The rows.
    pub rows: Vec<Row>,
    /// The position at which the next page begins. `None` after the last page.
    pub next: Option<Cursor>,
}

/// The number of rows in the outbox, and the age of the oldest row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Backlog {
    /// The number of rows.
    pub rows: u64,
    /// The age of the oldest row. `None` if there is no row.
    pub oldest: Option<Duration>,
}

/// Why the rows of an outbox could not be read, counted or deleted.
///
/// # Examples
///
/// ```
/// use domain_events_outbox::RowsError;
///
/// let error = RowsError::new("delete rows of the outbox", "the connection was closed");
/// assert_eq!(error.to_string(), "the database did not delete rows of the outbox");
/// ```
#[derive(Debug, Clone, thiserror::Error)]
#[error("the database did not {action}")]
pub struct RowsError {
    action: &'static str,
    source: Arc<dyn Error + Send + Sync>,
}

impl RowsError {
    /// Creates an error. `action` completes the sentence "the database did not …", for example
    /// `delete rows of the outbox`. The texts of `source` and of its causes are logged, so they
    /// must not contain the data of events.
    pub fn new(action: &'static str, source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self {
            action,
            source: source.into().into(),
        }
    }
}

type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// The object-safe form of [`OutboxRows`]. With it, the relay needs no type parameter.
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
