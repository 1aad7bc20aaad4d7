//! What can go wrong in the event store.

use crate::event::DecodeError;

/// An event that was not appended, or of which that is not known.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// DynamoDB will never take it. Only the code is told: the message may
    /// quote the event.
    #[error("DynamoDB refuses the item ({code})")]
    Refused {
        /// DynamoDB's code of the refusal.
        code: String,
    },
    /// The table is written faster than it may be.
    #[error("DynamoDB throttles the table: {message}")]
    Throttled {
        /// What DynamoDB said.
        message: String,
    },
    /// The table cannot be used: it is missing, or a permission is.
    #[error("the table cannot be used: {message}")]
    Unavailable {
        /// What DynamoDB said.
        message: String,
    },
    /// No answer, or one that tells nothing: the event may be stored.
    #[error("no clear answer from DynamoDB: {message}")]
    Unknown {
        /// What happened.
        message: String,
    },
    /// The deadline passed first: the event may be stored.
    #[error("the time was up before DynamoDB had answered")]
    DeadlineExceeded,
    /// All keys that the event may have are held by other events.
    #[error("too many events of one entity share one timestamp and creation time")]
    TieBreaksExhausted,
}

impl StoreError {
    /// Whether appending the same event again may succeed.
    pub fn is_retryable(&self) -> bool {
        !matches!(self, Self::Refused { .. })
    }
}

/// An item of the table that is no event.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the item with ID {id:?} and Timestamp {timestamp} is no event: {reason}")]
pub struct CorruptItem {
    pub(crate) id: String,
    pub(crate) timestamp: String,
    pub(crate) reason: String,
}

impl CorruptItem {
    /// The item's hash key.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The item's sort key, as the number's text.
    pub fn timestamp(&self) -> &str {
        &self.timestamp
    }
}

/// A stream of events that could not go on, or one event that could not be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReadError {
    /// The table could not be read; the stream ends here, not at its end.
    #[error("could not read the table")]
    Store(#[source] StoreError),
    /// An item is no event. The stream goes on behind it.
    #[error("found a corrupt item")]
    Corrupt(#[source] CorruptItem),
    /// An event's data is not what its type expects. The stream goes on behind it.
    #[error("could not read the event at {cursor} as its type")]
    Decode {
        /// The place of the event.
        cursor: crate::store::Cursor,
        /// What does not fit.
        source: Box<DecodeError>,
    },
    /// The program is shutting down: the runtime stopped the request.
    #[error("the runtime stopped the request for the next page")]
    Interrupted,
    /// The store has no index by event type.
    #[error(
        "the store was made without an index by event type; see `EventStore::with_index_shards`"
    )]
    NoIndex,
}
