//! Reads stored events of every version.

use std::cmp::Ordering;

use serde::de::DeserializeOwned;

use super::decode_error::DecodeError;
use super::domain_event::DomainEvent;
use super::ids::EventType;
use crate::event::definition::EventDefinition;
use crate::event::envelope::Envelope;
use crate::json::document;

/// A stored event of an earlier version, as [`DomainEvent::upcast`] receives it.
///
/// # Examples
///
/// The body of a handwritten [`DomainEvent::upcast`]:
///
/// ```
/// # #[cfg(feature = "derive")] {
/// # use domain_events::DomainEvent;
/// # #[derive(serde::Serialize, serde::Deserialize, DomainEvent)]
/// # #[event(type = "ORDER_PLACED")]
/// # struct OrderPlacedV1 { #[event(id)] order_id: u64, total: f64 }
/// # struct OrderPlaced { order_id: u64, total_cents: u64 }
/// use domain_events::{DecodeError, PastVersion};
///
/// fn upcast(older: PastVersion<'_>) -> Result<OrderPlaced, DecodeError> {
///     let old: OrderPlacedV1 = older.read_as()?;
///     let total_cents = (old.total * 100.0).round() as u64;
///     Ok(OrderPlaced { order_id: old.order_id, total_cents })
/// }
/// # }
/// ```
#[derive(Debug, Clone, Copy)]
pub struct PastVersion<'a> {
    envelope: &'a Envelope,
    index: usize,
    known: u16,
}

impl<'a> PastVersion<'a> {
    /// Reads the event as the previous version `E`. If the stored event is older than `E`,
    /// it is read as the version in which it was written, and upcast step by step.
    ///
    /// # Errors
    ///
    /// [`DecodeError`] if the data does not fit, or if `E` has a later version than the
    /// stored event and defines no upcast from it.
    pub fn read_as<E: DomainEvent + DeserializeOwned>(self) -> Result<E, DecodeError> {
        read(self.envelope, 0)
    }

    /// Reads the data as a type that does not have to be an event.
    ///
    /// # Errors
    ///
    /// [`DecodeError::Data`] if the data does not fit.
    ///
    /// # Examples
    ///
    /// ```
    /// use domain_events::{DecodeError, PastVersion};
    ///
    /// #[derive(serde::Deserialize)]
    /// struct OldData { total: f64 }
    ///
    /// /// Part of `DomainEvent::upcast`.
    /// fn cents(older: PastVersion<'_>) -> Result<u64, DecodeError> {
    ///     let old: OldData = older.data()?;
    ///     Ok((old.total * 100.0).round() as u64)
    /// }
    /// ```
    pub fn data<T: DeserializeOwned>(self) -> Result<T, DecodeError> {
        data_of(self.envelope, None)
    }

    /// Returns the index of the event's definition in
    /// [`DEFINITIONS`](DomainEvent::DEFINITIONS).
    pub fn index(self) -> usize {
        self.index
    }

    /// Returns the same stored event, for the type that a variant holds.
    #[must_use]
    pub fn for_variant(self) -> Self {
        Self { index: 0, ..self }
    }

    /// Returns the version of the stored event.
    pub fn version(self) -> u16 {
        self.envelope.version()
    }

    /// Returns the whole stored event.
    pub fn envelope(self) -> &'a Envelope {
        self.envelope
    }

    /// Returns the error for a version from which no upcast is defined.
    pub fn unreadable(self) -> DecodeError {
        DecodeError::OlderVersion {
            event_type: self.event_type().clone(),
            stored: self.version(),
            known: self.known,
        }
    }

    fn event_type(&self) -> &EventType {
        self.envelope.event_type()
    }
}

/// Reads the event as the definition of `E` with this index.
pub(crate) fn read<E: DomainEvent + DeserializeOwned>(
    envelope: &Envelope,
    index: usize,
) -> Result<E, DecodeError> {
    let definition = &E::DEFINITIONS[index];
    let (stored, known) = (envelope.version(), definition.version());
    match stored.cmp(&known) {
        Ordering::Equal => {
            let event: E = data_of(envelope, definition.variant())?;
            // With `tag`, the data names a variant; with `untagged`, serde takes the first
            // variant that fits.
            if E::DEFINITIONS.len() > 1 && !event.definition().is_named_as(definition) {
                return Err(of_another_variant(envelope, &event.definition()));
            }
            Ok(event)
        }
        Ordering::Less => E::upcast(PastVersion {
            envelope,
            index,
            known,
        }),
        Ordering::Greater => Err(DecodeError::NewerVersion {
            event_type: envelope.event_type().clone(),
            stored,
            known,
        }),
    }
}

fn of_another_variant(envelope: &Envelope, found: &EventDefinition) -> DecodeError {
    let (found, stored) = (found.event_type(), envelope.event_type());
    DecodeError::Data {
        event_type: stored.clone(),
        version: envelope.version(),
        pointer: "/Data".to_owned(),
        reason: format!(
            "serde reads the data as the variant {found}; remove `untagged`, so that the event type selects \
             the variant, or let the data of a variant fit no other variant"
        ),
    }
}

fn data_of<T: DeserializeOwned>(
    envelope: &Envelope,
    variant: Option<(u32, &'static str)>,
) -> Result<T, DecodeError> {
    let text = envelope.data().unwrap_or("null");
    document::decode(text, variant).map_err(|mismatch| DecodeError::Data {
        event_type: envelope.event_type().clone(),
        version: envelope.version(),
        pointer: mismatch.pointer,
        reason: mismatch.reason,
    })
}
