//! The event store: a DynamoDB table that is only ever added to.

use std::cmp::Ordering;
use std::fmt;
use std::str::FromStr;
#[cfg(feature = "sqs")]
use std::time::Duration;

use tokio::time::Instant;

use crate::event::envelope::Envelope;
use crate::event::timestamp::Timestamp;
use crate::event::{EntityId, EventId, EventType};

mod append;
mod by_type;
mod dynamodb;
mod error;
mod history;
mod item;
mod retention;

pub use append::AppendOutcome;
pub use by_type::ByType;
pub use error::{CorruptItem, ReadError, StoreError};
pub use history::{Decoded, History};
pub use retention::{InvalidRetention, Retention};

use self::dynamodb::{DynamoDb, Query};
use self::item::{SortKey, Stamp};

/// How long the last look of [`EventStore::wait_for`] may take.
#[cfg(feature = "sqs")]
const LAST_LOOK: Duration = Duration::from_secs(1);

/// Appends events to a DynamoDB table and reads them back.
///
/// A cheap handle: clones share the client's connections.
///
/// The table's hash key is `ID` (a string), its sort key `Timestamp` (a
/// number). Appending needs the permissions `dynamodb:PartiQLInsert` and
/// `dynamodb:GetItem`, reading `dynamodb:Query`; no more.
#[derive(Debug, Clone)]
pub struct EventStore {
    table: DynamoDb,
    retention: Retention,
    index_shards: Option<u16>,
}

impl EventStore {
    /// A store in the table of this name.
    pub fn new(client: aws_sdk_dynamodb::Client, table: impl Into<String>) -> Self {
        Self {
            table: DynamoDb::new(client, table.into()),
            retention: Retention::default(),
            index_shards: None,
        }
    }

    /// Sets how long appended events are kept.
    #[must_use]
    pub fn with_retention(self, retention: Retention) -> Self {
        Self { retention, ..self }
    }

    /// Writes and reads the index `by-type` with this many shards. Readers need
    /// the number that the writer has, or had when it was largest.
    #[must_use]
    pub fn with_index_shards(self, shards: std::num::NonZeroU16) -> Self {
        Self {
            index_shards: Some(shards.get()),
            ..self
        }
    }

    /// Name of the table.
    pub fn table(&self) -> &str {
        self.table.table()
    }

    /// Appends one event.
    ///
    /// # Errors
    ///
    /// [`StoreError`]. Only [`StoreError::Refused`] and
    /// [`StoreError::TieBreaksExhausted`] mean that the event is certainly not in the table.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future leaves the event stored or not, never half. Appending
    /// it again is always right: the same event is stored once.
    pub async fn append(&self, envelope: &Envelope) -> Result<AppendOutcome, StoreError> {
        let outcomes = self.append_all(std::slice::from_ref(envelope), None).await;
        outcomes
            .into_iter()
            .next()
            .unwrap_or(Err(StoreError::DeadlineExceeded))
    }

    /// Appends many events, 25 to a request and several requests at a time. One
    /// outcome each, in order. At `deadline` it gives up waiting, and the
    /// outcomes not known yet are [`StoreError::DeadlineExceeded`].
    ///
    /// # Cancel safety
    ///
    /// As [`append`](Self::append).
    pub async fn append_all(
        &self,
        envelopes: &[Envelope],
        deadline: Option<Instant>,
    ) -> Vec<Result<AppendOutcome, StoreError>> {
        let time_is_up = async {
            match deadline {
                Some(deadline) => tokio::time::sleep_until(deadline).await,
                None => std::future::pending().await,
            }
        };
        append::append_all(
            &self.table,
            envelopes,
            |envelope| self.stamp(envelope),
            time_is_up,
        )
        .await
    }

    /// The item of an event, as `append` writes it. Only for the benches: an
    /// item that is written in any other way may overwrite another.
    #[doc(hidden)]
    pub fn item_for_benches(envelope: &Envelope) -> impl Sized + use<> {
        let stamp = Stamp {
            stored_at: envelope.timestamp(),
            expires_at: None,
            index_key: None,
        };
        item::attributes(envelope, &SortKey::first_of(envelope.timestamp()), stamp)
    }

    /// The item that `append` writes at its `attempt`-th try. Only to prove what
    /// the table holds: an item that is written in any other way may overwrite
    /// another.
    #[doc(hidden)]
    pub fn item_for_proof(
        envelope: &Envelope,
        attempt: u32,
    ) -> std::collections::HashMap<String, aws_sdk_dynamodb::types::AttributeValue> {
        let stamp = Stamp {
            stored_at: envelope.timestamp(),
            expires_at: Some(Timestamp::MAX.as_secs()),
            index_key: Some(by_type::index_key(envelope.event_type(), u16::MAX)),
        };
        let key = SortKey::new(envelope.timestamp(), envelope.event_id(), attempt);
        item::attributes(envelope, &key, stamp)
            .into_iter()
            .map(|(name, value)| (name.into_owned(), value))
            .collect()
    }

    /// What a reader makes of an item.
    ///
    /// # Errors
    ///
    /// [`CorruptItem`] if it holds no event.
    #[doc(hidden)]
    pub fn read_for_proof(
        item: std::collections::HashMap<String, aws_sdk_dynamodb::types::AttributeValue>,
    ) -> Result<StoredEvent, CorruptItem> {
        item::read(item)
    }

    /// What the store itself writes into an item. `StoredAt` is the time of the
    /// attempt that succeeded.
    fn stamp(&self, envelope: &Envelope) -> Stamp {
        let shard =
            |shards: u16| (item::stable_hash(envelope.event_id(), 0) % u64::from(shards)) as u16;
        let stored_at = Timestamp::now();
        Stamp {
            stored_at,
            expires_at: self.retention.expires_at(envelope, stored_at),
            index_key: self
                .index_shards
                .map(|shards| by_type::index_key(envelope.event_type(), shard(shards))),
        }
    }

    /// The events of one entity, in the order of their time.
    pub fn history(&self, id: &EntityId) -> History {
        History::new(self.table.clone(), id.clone())
    }

    /// All events of one type, in the order of their time.
    ///
    /// # Errors
    ///
    /// [`ReadError::NoIndex`] if the store was not made
    /// [`with_index_shards`](Self::with_index_shards).
    pub fn by_type(&self, event_type: &EventType) -> Result<ByType, ReadError> {
        let shards = self.index_shards.ok_or(ReadError::NoIndex)?;
        Ok(ByType::new(self.table.clone(), event_type.clone(), shards))
    }

    /// The stored event of a receipt, once it is there: to read one's own
    /// writes. `None` if it is not stored when `timeout` has passed: then it looks
    /// a last time.
    ///
    /// # Errors
    ///
    /// [`ReadError`] if the table cannot be read, or does not answer within a
    /// second of that last look.
    ///
    /// # Cancel safety
    ///
    /// Nothing is left behind.
    #[cfg(feature = "sqs")]
    pub async fn wait_for(
        &self,
        receipt: &crate::Receipt,
        timeout: Duration,
    ) -> Result<Option<StoredEvent>, ReadError> {
        // So far away that it cannot be told is never.
        let deadline = Instant::now().checked_add(timeout);
        let end = deadline.and_then(|deadline| deadline.checked_add(LAST_LOOK));
        let mut pause = Duration::from_millis(10);
        loop {
            let last = deadline.is_some_and(|deadline| Instant::now() >= deadline);
            let look = self.get(&receipt.entity_id, receipt.timestamp, &receipt.event_id);
            let found = match end {
                Some(end) => tokio::time::timeout_at(end, look)
                    .await
                    .unwrap_or(Err(ReadError::Store(StoreError::DeadlineExceeded)))?,
                None => look.await?,
            };
            if found.is_some() || last {
                return Ok(found);
            }
            let next = Instant::now() + pause;
            tokio::time::sleep_until(deadline.map_or(next, |deadline| next.min(deadline))).await;
            pause = (pause * 2).min(Duration::from_secs(1));
        }
    }

    /// The stored event of an identity, if it is there.
    ///
    /// # Errors
    ///
    /// [`ReadError`] if the table cannot be read.
    ///
    /// # Cancel safety
    ///
    /// Nothing is left behind.
    pub async fn get(
        &self,
        entity_id: &EntityId,
        timestamp: Timestamp,
        event_id: &EventId,
    ) -> Result<Option<StoredEvent>, ReadError> {
        // All keys that it can have, and not one after the other: one of them may
        // have expired since.
        let query = Query::of_moment(entity_id, timestamp);
        let mut start = None;
        loop {
            let page = self.table.page(&query, start).await;
            let page = page.map_err(ReadError::Store)?;
            for item in page.items {
                if item::is_of(&item, event_id) {
                    return item::read(item).map(Some).map_err(ReadError::Corrupt);
                }
            }
            start = page.next;
            if start.is_none() {
                return Ok(None);
            }
        }
    }
}

/// An event as it stands in the table.
#[derive(Debug, Clone, PartialEq)]
pub struct StoredEvent {
    envelope: Envelope,
    sort_key: SortKey,
    stored_at: Option<Timestamp>,
    expires_at: Option<Timestamp>,
}

impl StoredEvent {
    /// The event itself.
    pub fn envelope(&self) -> &Envelope {
        &self.envelope
    }

    /// The event itself.
    pub fn into_envelope(self) -> Envelope {
        self.envelope
    }

    /// When the store took it; `None` if another writer left it out.
    pub fn stored_at(&self) -> Option<Timestamp> {
        self.stored_at
    }

    /// From when on DynamoDB may delete it; `None` means never.
    pub fn expires_at(&self) -> Option<Timestamp> {
        self.expires_at
    }

    /// The place of the event in any stream it comes from.
    pub fn cursor(&self) -> Cursor {
        Cursor {
            sort_key: self.sort_key.clone(),
            id: self.envelope.entity_id().to_string(),
        }
    }
}

/// A stored event reads like the event itself.
impl std::ops::Deref for StoredEvent {
    type Target = Envelope;

    fn deref(&self) -> &Envelope {
        &self.envelope
    }
}

/// A place in a stream of events, behind one event. As text it can be kept, and
/// reading be resumed with it by another process.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Cursor {
    sort_key: SortKey,
    id: String,
}

impl Ord for Cursor {
    fn cmp(&self, other: &Self) -> Ordering {
        self.sort_key
            .cmp(&other.sort_key)
            .then_with(|| self.id.cmp(&other.id))
    }
}

impl PartialOrd for Cursor {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.sort_key.as_str(), self.id)
    }
}

/// A text that is no cursor.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a cursor is a sort key, a colon and an entity's id, as its `Display` wrote it")]
pub struct InvalidCursor;

impl FromStr for Cursor {
    type Err = InvalidCursor;

    fn from_str(text: &str) -> Result<Self, InvalidCursor> {
        let (sort_key, id) = text.split_once(':').ok_or(InvalidCursor)?;
        let sort_key = SortKey::from_text(sort_key).ok_or(InvalidCursor)?;
        if id.is_empty() {
            return Err(InvalidCursor);
        }
        Ok(Self {
            sort_key,
            id: id.to_owned(),
        })
    }
}

/// The names of the table's keys, for those who create one.
pub mod table {
    use crate::event::fields;

    /// The hash key, a string.
    pub const HASH_KEY: &str = fields::ID;
    /// The sort key, a number.
    pub const SORT_KEY: &str = fields::TIMESTAMP;
    /// Name of the optional index; its sort key is the table's.
    pub const INDEX_NAME: &str = super::dynamodb::INDEX_NAME;
    /// The hash key of the optional index, a string.
    pub const INDEX_KEY: &str = fields::INDEX_KEY;
    /// The attribute for DynamoDB's time to live.
    pub const EXPIRES_AT: &str = fields::EXPIRES_AT;
}
