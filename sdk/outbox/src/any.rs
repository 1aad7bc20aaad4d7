//! An outbox whose database is chosen at run time.

use std::fmt;
use std::sync::Arc;

use crate::rows::{Backlog, DynRows, OutboxRows, Page, PageRequest, RowsError};

/// An outbox in any database. This is a cheap handle.
///
/// # Examples
///
/// ```
/// use domain_events_outbox::{AnyOutbox, OutboxRows};
///
/// fn choose(remote: impl OutboxRows, local: impl OutboxRows, is_local: bool) -> AnyOutbox {
///     if is_local { AnyOutbox::new(local) } else { AnyOutbox::new(remote) }
/// }
/// ```
#[derive(Clone)]
pub struct AnyOutbox(Arc<dyn DynRows>);

impl AnyOutbox {
    /// Wraps the outbox of one database.
    pub fn new(rows: impl OutboxRows) -> Self {
        Self(Arc::new(rows))
    }
}

impl OutboxRows for AnyOutbox {
    fn name(&self) -> &str {
        self.0.name()
    }

    async fn page(&self, request: PageRequest) -> Result<Page, RowsError> {
        self.0.page(request).await
    }

    async fn delete(&self, event_ids: Vec<String>) -> Result<(), RowsError> {
        self.0.delete(event_ids).await
    }

    async fn backlog(&self) -> Result<Backlog, RowsError> {
        self.0.backlog().await
    }
}

impl fmt::Debug for AnyOutbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("AnyOutbox").field(&self.0.name()).finish()
    }
}
