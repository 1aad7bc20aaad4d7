//! Stored events: as they are in the table, and decoded as one of a program's types.

use serde::de::DeserializeOwned;
use serde::ser::{Error as _, SerializeMap};
use serde::{Serialize, Serializer};
use serde_json::value::RawValue;

use super::cursor::Cursor;
use super::error::ReadError;
use super::sort_key::SortKey;
use crate::event::DomainEvent;
use crate::event::envelope::Envelope;
use crate::event::fields::*;
use crate::event::timestamp::Timestamp;

/// An event as it is stored in the table. It dereferences to its [`Envelope`].
///
/// Serialized as JSON, it is the event's wire format followed by `StoredAt` and
/// `ExpiresAt`, with all numbers exact. To send the event again, encode its envelope
/// with [`wire::encode`](crate::wire::encode) instead: producers may not send these two
/// fields.
///
/// # Examples
///
/// ```no_run
/// # async fn run(store: &domain_events::EventStore) -> Result<(), Box<dyn std::error::Error>> {
/// use futures::TryStreamExt;
///
/// let mut history = store.history("order-7");
/// while let Some(event) = history.try_next().await? {
///     println!("{} by {}", event.event_type(), event.emitter().id()); // fields of the envelope
///     println!("stored at {:?}, key {}", event.stored_at(), event.sort_key());
///     println!("{}", serde_json::to_string(&event)?); // one line of JSON, with exact numbers
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct StoredEvent {
    envelope: Envelope,
    sort_key: SortKey,
    stored_at: Option<Timestamp>,
    expires_at: Option<Timestamp>,
}

impl StoredEvent {
    pub(crate) fn new(
        envelope: Envelope,
        sort_key: SortKey,
        stored_at: Option<Timestamp>,
        expires_at: Option<Timestamp>,
    ) -> Self {
        Self {
            envelope,
            sort_key,
            stored_at,
            expires_at,
        }
    }

    /// Returns the event.
    pub fn envelope(&self) -> &Envelope {
        &self.envelope
    }

    /// Returns the event, without the attributes that the store added (`StoredAt`, `ExpiresAt`
    /// and the tie-break).
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # async fn run(store: &domain_events::EventStore, sdk: &domain_events::Sdk) -> Result<(), Box<dyn std::error::Error>> {
    /// # use futures::TryStreamExt;
    /// # let event = store.history("order-7").try_next().await?.ok_or("no event")?;
    /// // Send a stored event to another queue. The copy has the same identity.
    /// sdk.emit_envelope(event.into_envelope()).await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn into_envelope(self) -> Envelope {
        self.envelope
    }

    /// Returns when the event was stored, by the clock of the consumer that stored it, or
    /// `None` if another program wrote the item without `StoredAt`.
    pub fn stored_at(&self) -> Option<Timestamp> {
        self.stored_at
    }

    /// Returns the time from which DynamoDB may delete the event; `None` means never.
    pub fn expires_at(&self) -> Option<Timestamp> {
        self.expires_at
    }

    /// Returns the position directly after this event, in every stream that contains the event.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # async fn run(store: &domain_events::EventStore) -> Result<(), Box<dyn std::error::Error>> {
    /// # use futures::TryStreamExt;
    /// let mut history = store.history("order-7");
    /// let mut position = None;
    /// while let Some(event) = history.try_next().await? {
    ///     position = Some(event.cursor().to_string()); // store it with the effect of the event
    /// }
    /// # let _ = position;
    /// # Ok(())
    /// # }
    /// ```
    pub fn cursor(&self) -> Cursor {
        Cursor::new(
            self.sort_key.clone(),
            self.envelope.entity_id(),
            self.envelope.event_type(),
            self.envelope.correlation_id(),
        )
    }

    /// Returns the sort key of the item, as the text of a number: the timestamp, followed by
    /// tie-break digits below the nanosecond if two events of the entity have the same
    /// timestamp.
    pub fn sort_key(&self) -> &str {
        self.sort_key.as_str()
    }

    pub(crate) fn has_same_sort_key(&self, other: &Self) -> bool {
        self.sort_key == other.sort_key
    }
}

/// A stored event can be used like its envelope.
impl std::ops::Deref for StoredEvent {
    type Target = Envelope;

    fn deref(&self) -> &Envelope {
        &self.envelope
    }
}

impl Serialize for StoredEvent {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        // The JSON text is written unchanged, because parsing a number as a float would
        // round it.
        let raw = |json: String| RawValue::from_string(json).map_err(S::Error::custom);
        let parts = self.envelope.parts();
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry(TIMESTAMP, &raw(parts.timestamp.to_string())?)?;
        map.serialize_entry(EVENT_TYPE, parts.event_type.as_str())?;
        map.serialize_entry(ID, parts.id.as_str())?;
        map.serialize_entry(EMITTER_ID, parts.emitter.id().as_str())?;
        map.serialize_entry(EMITTER_TYPE, parts.emitter.kind().as_str())?;
        if let Some(data) = &parts.data {
            map.serialize_entry(DATA, &raw(data.text.clone())?)?;
        }
        map.serialize_entry(EVENT_ID, parts.event_id.as_str())?;
        if let Some(version) = parts.version {
            map.serialize_entry(VERSION, &version)?;
        }
        if let Some(id) = &parts.correlation_id {
            map.serialize_entry(CORRELATION_ID, id.as_str())?;
        }
        if let Some(id) = &parts.causation_id {
            map.serialize_entry(CAUSATION_ID, id.as_str())?;
        }
        if let Some(trace) = &parts.trace_parent {
            map.serialize_entry(TRACE_PARENT, trace)?;
        }
        for (name, json) in &parts.extra {
            map.serialize_entry(&**name, &raw(json.text.clone())?)?;
        }
        if let Some(at) = self.stored_at {
            map.serialize_entry(STORED_AT, &raw(at.to_string())?)?;
        }
        if let Some(at) = self.expires_at {
            map.serialize_entry(EXPIRES_AT, &raw(at.to_string())?)?;
        }
        map.end()
    }
}

/// A stored event, decoded as one of a program's own types.
///
/// # Examples
///
/// ```no_run
/// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/doc/setup.rs"));
/// # async fn run(store: &domain_events::EventStore) -> Result<(), Box<dyn std::error::Error>> {
/// use domain_events::Decoded;
/// use futures::TryStreamExt;
///
/// let events: Vec<Decoded<OrderPlaced>> = store.history(7).decode().try_collect().await?;
/// for event in &events {
///     match event {
///         Decoded::Known(placed, _) => println!("{} cents", placed.cents),
///         Decoded::Unknown(stored) => println!("unknown: {}", stored.event_type()),
///     }
/// }
/// # Ok(())
/// # }
/// # fn main() {}
/// ```
#[derive(Debug, Clone, PartialEq)]
pub enum Decoded<E> {
    /// An event of a type that `E` knows, and the event as it is stored.
    Known(E, StoredEvent),
    /// An event of a type that `E` does not know.
    Unknown(StoredEvent),
}

impl<E: DomainEvent + DeserializeOwned> Decoded<E> {
    pub(crate) fn new(stored: StoredEvent) -> Result<Self, ReadError> {
        match stored.envelope().decode() {
            Ok(Some(event)) => Ok(Self::Known(event, stored)),
            Ok(None) => Ok(Self::Unknown(stored)),
            Err(source) => Err(ReadError::Decode {
                cursor: Box::new(stored.cursor()),
                source: Box::new(source),
            }),
        }
    }
}

impl<E> Decoded<E> {
    /// Returns the event, if `E` knows its type.
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
    ///     let Some(placed) = event.known() else { continue };
    ///     println!("{} cents", placed.cents);
    /// }
    /// # Ok(())
    /// # }
    /// # fn main() {}
    /// ```
    pub fn known(self) -> Option<E> {
        self.known_with_stored().map(|(event, _)| event)
    }

    /// Returns the event, if `E` knows its type, and the event as it is stored.
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
    ///     let Some((placed, stored)) = event.known_with_stored() else { continue };
    ///     println!("{}: {} cents", stored.timestamp(), placed.cents);
    /// }
    /// # Ok(())
    /// # }
    /// # fn main() {}
    /// ```
    pub fn known_with_stored(self) -> Option<(E, StoredEvent)> {
        match self {
            Self::Known(event, stored) => Some((event, stored)),
            Self::Unknown(_) => None,
        }
    }

    /// Returns the event as it is stored.
    pub fn stored(&self) -> &StoredEvent {
        match self {
            Self::Known(_, stored) | Self::Unknown(stored) => stored,
        }
    }
}
