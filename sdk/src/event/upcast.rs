//! Reading stored events, whatever version wrote them.

use std::cmp::Ordering;

use serde::de::DeserializeOwned;

use super::decode_error::DecodeError;
use super::domain_event::DomainEvent;
use super::ids::EventType;
use crate::event::definition::EventDefinition;
use crate::event::envelope::Envelope;
use crate::json::document as data;

/// A stored event of an earlier version, on its way to
/// [`DomainEvent::upcast`].
#[derive(Debug, Clone, Copy)]
pub struct PastVersion<'a> {
    envelope: &'a Envelope,
    index: usize,
    known: u16,
}

impl<'a> PastVersion<'a> {
    /// Reads it as the version before, or as the one before that, which is then
    /// made the version before, and so on.
    ///
    /// # Errors
    ///
    /// [`DecodeError`] if the data does not fit, or if `E` is of a later version
    /// than the stored event and has no way up from it.
    pub fn read_as<E: DomainEvent + DeserializeOwned>(self) -> Result<E, DecodeError> {
        read(self.envelope, 0)
    }

    /// Reads its data as any type, if that is no event by itself.
    ///
    /// # Errors
    ///
    /// [`DecodeError::Data`] if it does not fit.
    pub fn data<T: DeserializeOwned>(self) -> Result<T, DecodeError> {
        data_of(self.envelope, None)
    }

    /// Which of the [`DEFINITIONS`](DomainEvent::DEFINITIONS) it belongs to.
    pub fn index(self) -> usize {
        self.index
    }

    /// The same for the event that a variant holds.
    #[must_use]
    pub fn for_variant(self) -> Self {
        Self { index: 0, ..self }
    }

    /// Version that it was stored with.
    pub fn version(self) -> u16 {
        self.envelope.version()
    }

    /// All that is stored of it.
    pub fn envelope(self) -> &'a Envelope {
        self.envelope
    }

    /// The error that says that there is no way up from this version.
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

/// Reads the event as the `index`th of the definitions of `E`.
pub(crate) fn read<E: DomainEvent + DeserializeOwned>(
    envelope: &Envelope,
    index: usize,
) -> Result<E, DecodeError> {
    let definition = &E::DEFINITIONS[index];
    let (stored, known) = (envelope.version(), definition.version());
    match stored.cmp(&known) {
        Ordering::Equal => {
            let variant = definition.variant().map(|(index, _)| index);
            let event: E = data_of(envelope, variant)?;
            // The data itself may name a variant, or serde find the first that fits.
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
            "serde, which looks at the data alone, takes it for a {found}; let the enum be told by \
             the event type, without `untagged`, or let no variant's fields fit another's data"
        ),
    }
}

fn data_of<T: DeserializeOwned>(
    envelope: &Envelope,
    variant: Option<u32>,
) -> Result<T, DecodeError> {
    let text = envelope.data().unwrap_or("null");
    data::decode(text, variant).map_err(|misfit| DecodeError::Data {
        event_type: envelope.event_type().clone(),
        version: envelope.version(),
        pointer: misfit.pointer,
        reason: misfit.reason,
    })
}
