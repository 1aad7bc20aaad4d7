//! The errors of the event store.

use super::cursor::Cursor;
use super::table_error::TableError;
use crate::error::{InvalidEvent, RejectionCode, printable};
use crate::event::{DecodeError, EventId, EventType};

/// Why an event was not appended, or why the outcome is unknown.
///
/// # Examples
///
/// ```no_run
/// # async fn run(store: &domain_events::EventStore, envelope: &domain_events::Envelope) -> Result<(), Box<dyn std::error::Error>> {
/// use domain_events::StoreError;
///
/// match store.append(envelope).await {
///     Ok(outcome) => println!("{outcome:?}"),
///     Err(StoreError::IdentityReused { pointer }) => println!("differs from the stored event at {pointer}"),
///     Err(error) => match error.rejection_code() {
///         Some(code) => println!("never stored: {code}"),
///         None => println!("try again: {error}"),
///     },
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// DynamoDB will never store the item. Only the code is reported, because the
    /// message may quote the event.
    #[error("DynamoDB refuses the item ({code})")]
    Refused {
        /// DynamoDB's error code.
        code: String,
    },
    /// The table contains a different event with the same `ID`, `Timestamp` and `EventId`.
    /// These three fields identify an event, so a producer has used one identity for two
    /// events. The stored event is unchanged.
    #[error(
        "another event with the same ID, Timestamp and EventId is stored and differs{}; give each event a different EventId",
        at(pointer)
    )]
    IdentityReused {
        /// The first field that differs, as a JSON pointer; empty for a field that is not
        /// in the wire format.
        pointer: String,
    },
    /// All sort keys that the event can have are taken by other events.
    #[error("too many events of one entity have the same timestamp and creation time")]
    TieBreaksExhausted,
    /// A request to DynamoDB failed. After
    /// [`TableErrorKind::Unavailable`](super::TableErrorKind::Unavailable), the event may or
    /// may not be stored.
    #[error(transparent)]
    Table(#[from] TableError),
    /// The deadline passed first: the event may or may not be stored.
    #[error("deadline exceeded before DynamoDB responded")]
    DeadlineExceeded,
}

fn at(pointer: &str) -> String {
    match pointer {
        "" => String::new(),
        pointer => format!(" at {pointer}"),
    }
}

impl StoreError {
    /// Whether appending the same event again may succeed, now or after an operator has
    /// repaired the table, its permissions or its capacity. It is false if and only if
    /// [`rejection_code`](Self::rejection_code) returns a code.
    pub fn is_retryable(&self) -> bool {
        self.rejection_code().is_none()
    }

    /// The code with which a consumer rejects the event, if it can never be stored.
    pub fn rejection_code(&self) -> Option<RejectionCode> {
        match self {
            Self::Refused { .. } => Some(RejectionCode::InvalidValue),
            Self::IdentityReused { .. } => Some(RejectionCode::IdentityReused),
            Self::TieBreaksExhausted => Some(RejectionCode::TieBreaksExhausted),
            Self::Table(_) | Self::DeadlineExceeded => None,
        }
    }

    /// The invalid field, as a JSON pointer. The pointer is empty if the whole event is
    /// invalid.
    pub fn pointer(&self) -> &str {
        match self {
            Self::IdentityReused { pointer } => pointer,
            _ => "",
        }
    }
}

/// An item of the table that is not an event.
///
/// # Examples
///
/// ```no_run
/// # async fn run(store: &domain_events::EventStore) -> Result<(), Box<dyn std::error::Error>> {
/// use domain_events::ReadError;
/// use futures::StreamExt;
///
/// let mut history = store.history("order-7");
/// while let Some(event) = history.next().await {
///     match event {
///         Err(ReadError::Corrupt(item)) => println!("skipped {} {}", item.id(), item.timestamp()),
///         event => println!("{}", event?.event_type()),
///     }
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the item with ID {id:?} and Timestamp {timestamp} is not an event: {reason}")]
pub struct CorruptItem {
    pub(crate) id: String,
    pub(crate) timestamp: String,
    /// The identity of the event, if the item has a valid one.
    pub(crate) event_id: Option<EventId>,
    pub(crate) reason: String,
}

impl CorruptItem {
    /// The item's hash key.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The item's sort key, as the text of a number.
    pub fn timestamp(&self) -> &str {
        &self.timestamp
    }

    /// What is wrong with the item. It contains no data of the item.
    pub fn reason(&self) -> &str {
        &self.reason
    }
}

/// Why events could not be read.
///
/// # Examples
///
/// ```no_run
/// # async fn run(store: &domain_events::EventStore) -> Result<(), Box<dyn std::error::Error>> {
/// use futures::StreamExt;
///
/// let mut history = store.history("order-7");
/// while let Some(event) = history.next().await {
///     match event {
///         Ok(event) => println!("{}", event.event_type()),
///         Err(error) if error.is_about_one_event() => println!("skipped: {error}"),
///         Err(error) => return Err(error.into()), // the stream has ended
///     }
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReadError {
    /// A request to DynamoDB failed. The stream ends here, before its actual end.
    #[error(transparent)]
    Table(#[from] TableError),
    /// An item is not an event. The stream continues with the next item.
    #[error(transparent)]
    Corrupt(#[from] CorruptItem),
    /// The data of an event does not match its type. The stream continues with the next
    /// event.
    #[error("the event at {} could not be decoded", printable(&.cursor.to_string()))]
    Decode {
        /// The position of the event.
        cursor: Box<Cursor>,
        /// What does not match.
        source: Box<DecodeError>,
    },
    /// The cursor comes from a stream that cannot contain the events of this one. The
    /// stream ends without an event.
    #[error(
        "the cursor {} is not a position in {stream}; pass a cursor of an event of this stream",
        printable(&.cursor.to_string())
    )]
    ForeignCursor {
        /// The cursor.
        cursor: Box<Cursor>,
        /// A description of the events that the stream reads.
        stream: String,
    },
    /// The id, event type or correlation id to read cannot exist. The stream ends without
    /// an event.
    #[error(transparent)]
    InvalidId(#[from] InvalidEvent),
    /// The index contains events in a shard that this store does not read, so events
    /// would be missing from the stream. The stream ends without an event.
    #[error(
        "the index \"by-type\" of table {table:?} contains {event_type} events in shard {shard}, but this store reads {shards} shards; set EVENT_INDEX_SHARDS (`EventStore::with_index_shards`) to the largest number that the table's writers have used"
    )]
    TooFewShards {
        /// Name of the table.
        table: String,
        /// The event type that was to be read.
        event_type: EventType,
        /// The number of shards that the store reads.
        shards: u16,
        /// A shard that is not empty and would not be read.
        shard: u16,
    },
    /// The store was created without the index by event type.
    #[error(
        "the event store was created without the index by event type; set EVENT_INDEX_SHARDS (`EventStore::with_index_shards`) to the number that the consumer uses"
    )]
    NoIndex,
    /// The deadline passed before DynamoDB responded.
    #[error("deadline exceeded before DynamoDB responded")]
    DeadlineExceeded,
    /// The runtime is shutting down and cancelled the request.
    #[error("the Tokio runtime shut down before the next page arrived")]
    Interrupted,
}

impl ReadError {
    /// Whether the same read may succeed later without a change by an operator.
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Table(error) => error.is_retryable(),
            Self::DeadlineExceeded => true,
            _ => false,
        }
    }

    /// Whether the stream continues after this error.
    pub fn is_about_one_event(&self) -> bool {
        matches!(self, Self::Corrupt(_) | Self::Decode { .. })
    }
}
