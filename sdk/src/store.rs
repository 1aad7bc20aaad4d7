//! The event store: a DynamoDB table to which events are only ever added.

use std::fmt::{self, Write as _};
use std::num::NonZeroU16;
#[cfg(feature = "sqs")]
use std::time::Duration;

use tokio::time::Instant;

use crate::error::InvalidEvent;
use crate::event::envelope::Envelope;
use crate::event::timestamp::Timestamp;
use crate::event::{CorrelationId, EntityId, EventId, EventType};

mod append;
mod attribute;
mod attribute_json;
mod causation;
pub(crate) mod config;
mod cursor;
mod dynamodb;
mod error;
mod events;
#[cfg(feature = "__internals")]
pub(crate) mod internals;
mod item;
mod item_reader;
mod page;
mod pages;
mod partition;
mod request;
mod retention;
mod scan;
mod selection;
mod sort_key;
mod stored_event;
pub mod table;
mod table_error;

pub use append::AppendOutcome;
pub use causation::{CausationNode, causation_tree};
pub use config::StoreConfigError;
pub use cursor::{Cursor, InvalidCursor};
pub use error::{CorruptItem, ReadError, StoreError};
pub use events::Events;
pub use retention::{InvalidRetention, Retention};
pub use scan::{InvalidScanCursor, Scan, ScanCursor};
pub use stored_event::{Decoded, StoredEvent};
pub use table_error::{TableError, TableErrorKind};

use self::config::StoreConfig;
use self::dynamodb::DynamoDb;
use self::events::{Source, index_key};
use self::item::StoreAttributes;
use self::request::{PageRequest, Query};
use self::sort_key::stable_hash;

/// How long the last read of [`EventStore::wait_for`] may take.
#[cfg(feature = "sqs")]
const LAST_READ_TIMEOUT: Duration = Duration::from_secs(1);

/// Appends events to a DynamoDB table and reads them back.
///
/// A store is a cheap handle: clones share the connections of the client.
///
/// The table's hash key is `ID` (a string), and its sort key is `Timestamp` (a number).
/// [`table`] contains these names and those of the optional indexes.
///
/// | to | permissions |
/// |---|---|
/// | append | `dynamodb:PartiQLInsert`, `dynamodb:GetItem` |
/// | read | `dynamodb:Query`, on the indexes too (`/index/*`) |
/// | [`scan`](Self::scan) | `dynamodb:Scan` |
/// | [`check_table`](Self::check_table) | `dynamodb:DescribeTable`, if it is to check the index |
///
/// # Panics
///
/// Like the AWS SDK, the futures and streams of a store need a Tokio runtime with I/O and time
/// enabled, and panic outside of such a runtime.
///
/// # Examples
///
/// ```no_run
/// use domain_events::EventStore;
/// use futures::TryStreamExt;
///
/// # async fn run() -> Result<(), Box<dyn std::error::Error>> {
/// let store = EventStore::from_env().await?; // EVENT_TABLE
/// let mut history = store.history("order-1001");
/// while let Some(event) = history.try_next().await? {
///     println!("{} {}", event.timestamp(), event.event_type());
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct EventStore {
    table: DynamoDb,
    retention: Retention,
    index_shards: Option<u16>,
    /// The source of `StoredAt`.
    clock: fn() -> Timestamp,
}

impl EventStore {
    /// Creates a store in the table `EVENT_TABLE`, with `EVENT_INDEX_SHARDS` shards of the
    /// index by event type (without the index, if this is not set). Region, credentials and
    /// endpoint are found in the environment as by every AWS SDK.
    ///
    /// # Errors
    ///
    /// [`StoreConfigError`] with every variable that is missing or malformed. Nothing is
    /// sent: use [`check_table`](Self::check_table) to check the table.
    ///
    /// # Cancel safety
    ///
    /// The future may be dropped at any point; nothing remains.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # async fn run() -> Result<(), Box<dyn std::error::Error>> {
    /// use domain_events::EventStore;
    ///
    /// let store = EventStore::from_env().await?; // EVENT_TABLE, EVENT_INDEX_SHARDS, AWS_REGION
    /// store.check_table().await?;
    /// # Ok(())
    /// # }
    /// ```
    pub async fn from_env() -> Result<Self, StoreConfigError> {
        let aws = aws_config::defaults(crate::aws::behavior_version())
            .timeout_config(crate::aws::timeouts())
            .load()
            .await;
        let config = StoreConfig::read(|name| std::env::var(name).ok(), aws.region().is_some())?;
        let mut store = Self::new(aws_sdk_dynamodb::Client::new(&aws), config.table);
        if let Some(shards) = config.index_shards {
            store = store.with_index_shards(shards);
        }
        Ok(store)
    }

    /// Creates a store in the table with this name or ARN.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # async fn run(dynamodb: aws_sdk_dynamodb::Client) -> Result<(), Box<dyn std::error::Error>> {
    /// use domain_events::EventStore;
    ///
    /// // `dynamodb` is the client that your program has already configured.
    /// let store = EventStore::new(dynamodb, "events");
    /// # let _ = store;
    /// # Ok(())
    /// # }
    /// ```
    pub fn new(client: aws_sdk_dynamodb::Client, table: impl Into<String>) -> Self {
        Self {
            table: DynamoDb::new(client, table.into()),
            retention: Retention::default(),
            index_shards: None,
            clock: Timestamp::now,
        }
    }

    /// Takes `StoredAt` from `clock`, for runs that can be repeated exactly.
    #[cfg(feature = "__internals")]
    #[doc(hidden)]
    #[must_use]
    pub fn with_clock(self, clock: fn() -> Timestamp) -> Self {
        Self { clock, ..self }
    }

    /// Sets how long appended events are kept.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # async fn run(store: domain_events::EventStore) -> Result<(), Box<dyn std::error::Error>> {
    /// let store = store.with_retention("SESSION_PINGED=30d,*=never".parse()?);
    /// # let _ = store;
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn with_retention(self, retention: Retention) -> Self {
        Self { retention, ..self }
    }

    /// Writes and reads the index by event type with this number of shards. A reader
    /// needs the largest number that the table's writers have used.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # async fn run(store: domain_events::EventStore) -> Result<(), Box<dyn std::error::Error>> {
    /// use std::num::NonZeroU16;
    ///
    /// const SHARDS: NonZeroU16 = NonZeroU16::new(4).unwrap(); // the output EVENT_INDEX_SHARDS
    /// let store = store.with_index_shards(SHARDS);
    /// # let _ = store;
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn with_index_shards(self, shards: NonZeroU16) -> Self {
        Self {
            index_shards: Some(shards.get()),
            ..self
        }
    }

    /// Returns the name of the table.
    pub fn table(&self) -> &str {
        self.table.table()
    }

    /// Checks that the table can be used, before the first event depends on it: that the
    /// table exists, that its keys are those of an event store, and, if this store has
    /// index shards, that the index by event type exists.
    ///
    /// The check describes the table. If the credentials do not permit this, it reads a
    /// key that no event has, which checks the keys but not the index.
    ///
    /// # Errors
    ///
    /// [`TableError`]; its [`kind`](TableError::kind) says what is wrong. A writer can
    /// work in spite of [`TableErrorKind::IndexNotFound`].
    ///
    /// # Cancel safety
    ///
    /// The future may be dropped at any point; nothing was changed.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # async fn run(store: &domain_events::EventStore) -> Result<(), Box<dyn std::error::Error>> {
    /// use domain_events::store::TableErrorKind;
    ///
    /// match store.check_table().await {
    ///     Ok(()) => {}
    ///     Err(error) if error.kind() == TableErrorKind::IndexNotFound => eprintln!("{error}"),
    ///     Err(error) => return Err(error.into()), // at the start, and not at the first event
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub async fn check_table(&self) -> Result<(), TableError> {
        self.table.check(self.index_shards.is_some()).await
    }

    /// Appends one event.
    ///
    /// Events are deduplicated: events with the same `ID`, `Timestamp` and `EventId` are
    /// one event, and are stored once.
    ///
    /// # Errors
    ///
    /// [`StoreError`]. If [`is_retryable`](StoreError::is_retryable) is false, the event
    /// is not in the table and never will be. Otherwise it may be, and appending it again
    /// is safe.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped, the event is stored or not, but never in part.
    /// Appending it again is safe: the event is stored once.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # async fn run(store: &domain_events::EventStore) -> Result<(), Box<dyn std::error::Error>> {
    /// use domain_events::{AppendOutcome, Emitter, Envelope};
    ///
    /// let emitter = Emitter::system("import")?;
    /// let envelope = Envelope::builder("ORDER_PLACED".parse()?, "order-7".parse()?, emitter)
    ///     .timestamp("1596719980".parse()?)
    ///     .event_id("legacy-4711".parse()?)
    ///     .build()?;
    /// match store.append(&envelope).await? {
    ///     AppendOutcome::Duplicate => println!("the import was interrupted after this event"),
    ///     outcome => println!("{outcome:?}"),
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub async fn append(&self, envelope: &Envelope) -> Result<AppendOutcome, StoreError> {
        let outcomes = self.append_all(std::slice::from_ref(envelope), None).await;
        outcomes
            .into_iter()
            .next()
            .unwrap_or(Err(StoreError::DeadlineExceeded))
    }

    /// Appends many events, with 25 events in a request and several requests in flight.
    /// Returns one outcome for each event, in order. At `deadline` it stops waiting: an
    /// outcome that is not known by then is [`StoreError::DeadlineExceeded`].
    ///
    /// # Errors
    ///
    /// Each event has its own outcome, as for [`append`](Self::append). An event that fails does
    /// not affect the others.
    ///
    /// # Cancel safety
    ///
    /// As [`append`](Self::append).
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # async fn run(store: &domain_events::EventStore, envelopes: &[domain_events::Envelope]) -> Result<(), Box<dyn std::error::Error>> {
    /// use std::time::Duration;
    /// use tokio::time::Instant;
    ///
    /// let deadline = Instant::now() + Duration::from_secs(20);
    /// let outcomes = store.append_all(envelopes, Some(deadline)).await;
    /// for (envelope, outcome) in envelopes.iter().zip(outcomes) {
    ///     if let Err(error) = outcome {
    ///         println!("{}: {error}; retryable: {}", envelope.event_id(), error.is_retryable());
    ///     }
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub async fn append_all(
        &self,
        envelopes: &[Envelope],
        deadline: Option<Instant>,
    ) -> Vec<Result<AppendOutcome, StoreError>> {
        let deadline = async {
            match deadline {
                Some(deadline) => tokio::time::sleep_until(deadline).await,
                None => std::future::pending().await,
            }
        };
        append::append_all(
            &self.table,
            envelopes,
            |envelope| self.store_attributes(envelope),
            deadline,
        )
        .await
    }

    /// Returns what the store itself writes into an item. `StoredAt` is the time of the attempt
    /// that succeeded.
    fn store_attributes(&self, envelope: &Envelope) -> StoreAttributes {
        let shard = |shards: u16| (stable_hash(envelope.event_id(), 0) % u64::from(shards)) as u16;
        let stored_at = (self.clock)();
        StoreAttributes {
            stored_at,
            expires_at: self.retention.expires_at(envelope, stored_at),
            index_key: self
                .index_shards
                .map(|shards| index_key(envelope.event_type(), shard(shards))),
        }
    }

    /// Returns the events of one entity, in the order of their timestamps, read consistently.
    ///
    /// `id` is anything that displays as the entity's id, such as an [`EntityId`], a
    /// string, a number or a UUID. An id that no entity can have is a
    /// [`ReadError::InvalidId`] of the stream.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/doc/setup.rs"));
    /// # async fn run(store: &domain_events::EventStore) -> Result<(), Box<dyn std::error::Error>> {
    /// use futures::TryStreamExt;
    ///
    /// let mut history = store.history(7).decode::<OrderPlaced>();
    /// while let Some(event) = history.try_next().await? {
    ///     let stored_at = event.stored().stored_at();
    ///     match event.known() {
    ///         Some(placed) => println!("{} cents, stored at {stored_at:?}", placed.cents),
    ///         None => println!("an event of another type"),
    ///     }
    /// }
    /// # Ok(())
    /// # }
    /// # fn main() {}
    /// ```
    pub fn history(&self, id: impl fmt::Display) -> Events {
        let mut text = String::new();
        let source = match write!(text, "{id}").map(|()| EntityId::new(text)) {
            Ok(Ok(id)) => Source::Entity(id),
            Ok(Err(error)) => Source::Invalid(error),
            Err(fmt::Error) => Source::Invalid(InvalidEvent::new(
                crate::RejectionCode::InvalidValue,
                "/ID",
                "the Display of the id returned an error",
            )),
        };
        Events::new(self.table.clone(), source)
    }

    /// Returns the events of one type, in the order of their timestamps, merged from all shards
    /// of the index by event type.
    ///
    /// An index of DynamoDB follows its table a little later, so events of the last second
    /// may be missing. The index contains only events that were stored while their
    /// consumer had `EVENT_INDEX_SHARDS` set.
    ///
    /// If the next shard behind those that this store reads contains events of the type,
    /// the stream is a [`ReadError::TooFewShards`], because events would be missing. This
    /// detects a writer with more shards, except one that has stored so few events of the
    /// type that none of them is in that shard.
    ///
    /// # Errors
    ///
    /// [`ReadError::NoIndex`] if the store was created without the index.
    /// [`ReadError::InvalidId`] if no event can have this type.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # async fn run(store: &domain_events::EventStore) -> Result<(), Box<dyn std::error::Error>> {
    /// use futures::TryStreamExt;
    ///
    /// let mut latest = store.by_type("ORDER_PLACED")?.latest_first().limit(20);
    /// while let Some(event) = latest.try_next().await? {
    ///     println!("{} {}", event.timestamp(), event.entity_id());
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn by_type(&self, event_type: impl AsRef<str>) -> Result<Events, ReadError> {
        let event_type: EventType = event_type.as_ref().parse()?;
        let shards = self.index_shards.ok_or(ReadError::NoIndex)?;
        let source = Source::Type { event_type, shards };
        Ok(Events::new(self.table.clone(), source))
    }

    /// Returns the events of one conversation, which are those with this `CorrelationId`, in
    /// the order of their timestamps. [`causation_tree`] arranges them by their causes.
    ///
    /// It reads the optional index by conversation
    /// ([`table::CORRELATION_INDEX_NAME`]), which DynamoDB also fills with events that
    /// were stored before the index was created. The index follows its table a little
    /// later, so events of the last second may be missing. Without the index, the stream
    /// is an error of the kind [`TableErrorKind::IndexNotFound`].
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # async fn run(store: &domain_events::EventStore) -> Result<(), Box<dyn std::error::Error>> {
    /// use domain_events::store::causation_tree;
    /// use futures::TryStreamExt;
    ///
    /// let events = store.conversation("request-9f2c").try_collect().await?;
    /// for node in causation_tree(events) {
    ///     println!("{:width$}{}", "", node.event.event_type(), width = 2 * node.depth);
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn conversation(&self, id: impl AsRef<str>) -> Events {
        let source = match id.as_ref().parse::<CorrelationId>() {
            Ok(id) => Source::Conversation(id),
            Err(error) => Source::Invalid(error),
        };
        Events::new(self.table.clone(), source)
    }

    /// Returns all events of the table, in no particular order.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # async fn run(store: &domain_events::EventStore) -> Result<(), Box<dyn std::error::Error>> {
    /// use futures::TryStreamExt;
    /// use std::num::NonZeroU16;
    ///
    /// const SEGMENTS: NonZeroU16 = NonZeroU16::new(4).unwrap(); // read in parallel
    /// let mut events = store.scan().segments(SEGMENTS);
    /// while let Some(event) = events.try_next().await? {
    ///     println!("{}", serde_json::to_string(&event)?);
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn scan(&self) -> Scan {
        Scan::new(self.table.clone())
    }

    /// Waits until the event of a receipt is stored, and returns it. Use it to read your own
    /// writes. Returns `None` if the event is not stored when `timeout` has passed, after one
    /// last read.
    ///
    /// # Errors
    ///
    /// [`ReadError`] if the table cannot be read, or does not respond within a second of
    /// the last read.
    ///
    /// # Cancel safety
    ///
    /// The future may be dropped at any point; nothing remains.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/doc/setup.rs"));
    /// # async fn run(store: &domain_events::EventStore, sdk: &domain_events::Sdk) -> Result<(), Box<dyn std::error::Error>> {
    /// use std::time::Duration;
    ///
    /// let receipt = sdk.emit(OrderPlaced { order_id: 7, cents: 4990 }).await?;
    /// match store.wait_for(&receipt, Duration::from_secs(5)).await? {
    ///     Some(event) => println!("stored at {:?}", event.stored_at()),
    ///     None => println!("SQS has the event, and it is not in the table yet"),
    /// }
    /// # Ok(())
    /// # }
    /// # fn main() {}
    /// ```
    #[cfg(feature = "sqs")]
    pub async fn wait_for(
        &self,
        receipt: &crate::Receipt,
        timeout: Duration,
    ) -> Result<Option<StoredEvent>, ReadError> {
        // A timeout that is too long to be represented never ends.
        let deadline = Instant::now().checked_add(timeout);
        let end = deadline.and_then(|deadline| deadline.checked_add(LAST_READ_TIMEOUT));
        let mut pause = Duration::from_millis(10);
        loop {
            let is_last = deadline.is_some_and(|deadline| Instant::now() >= deadline);
            let read = self.get(&receipt.entity_id, receipt.timestamp, &receipt.event_id);
            let found = match end {
                Some(end) => tokio::time::timeout_at(end, read)
                    .await
                    .unwrap_or(Err(ReadError::DeadlineExceeded))?,
                None => read.await?,
            };
            if found.is_some() || is_last {
                return Ok(found);
            }
            let next = Instant::now() + pause;
            tokio::time::sleep_until(deadline.map_or(next, |deadline| next.min(deadline))).await;
            pause = (pause * 2).min(Duration::from_secs(1));
        }
    }

    /// Returns the stored event with this identity, read consistently, or `None` if it is not
    /// in the table.
    ///
    /// All three values are needed, as an emission's receipt contains them. The table has
    /// no index by `EventId`, so an event cannot be found by its `EventId` alone.
    ///
    /// # Errors
    ///
    /// [`ReadError`] if the table cannot be read, or if the item is not an event.
    ///
    /// # Cancel safety
    ///
    /// The future may be dropped at any point; nothing remains.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # async fn run(store: &domain_events::EventStore) -> Result<(), Box<dyn std::error::Error>> {
    /// # let (id, at) = ("7".parse()?, "1596719980.5".parse()?);
    /// # let event_id = "0198f0c2-7b5e-7c3a-9d2e-5a1f0c9b8d7e".parse()?;
    /// // The three values come from the event's receipt.
    /// if let Some(event) = store.get(&id, at, &event_id).await? {
    ///     println!("{}", event.event_type());
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub async fn get(
        &self,
        entity_id: &EntityId,
        timestamp: Timestamp,
        event_id: &EventId,
    ) -> Result<Option<StoredEvent>, ReadError> {
        // All keys that the event can have, not one after the other: an event with an
        // earlier key may have expired since.
        let query = PageRequest::Query(Query::at_timestamp(entity_id.as_str(), timestamp));
        let mut start = None;
        loop {
            let page = self.table.page(&query, start).await?;
            for event in page.events {
                let identity = match &event {
                    Ok(event) => Some(event.event_id()),
                    Err(corrupt) => corrupt.event_id.as_ref(),
                };
                if identity == Some(event_id) {
                    return Ok(Some(event?));
                }
            }
            start = page.next;
            if start.is_none() {
                return Ok(None);
            }
        }
    }
}
