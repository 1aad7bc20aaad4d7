//! The trait that makes a type an event.

use std::fmt;

use serde::Serialize;

use super::decode_error::DecodeError;
use super::definition::EventDefinition;
use super::upcast::PastVersion;

/// A fact of your domain that is worth keeping.
///
/// Derive it; or write it by hand, which is as good:
///
/// ```
/// use domain_events::{DomainEvent, EventDefinition};
///
/// #[derive(serde::Serialize)]
/// struct OrderPlaced {
///     order_id: String,
///     total_cents: u64,
/// }
///
/// impl DomainEvent for OrderPlaced {
///     const DEFINITIONS: &'static [EventDefinition] = &[EventDefinition::new("ORDER_PLACED")];
///
///     fn entity_id(&self) -> &dyn std::fmt::Display {
///         &self.order_id
///     }
/// }
/// ```
///
/// What the type's own `Serialize` writes becomes the event's `Data`. It has to
/// be a JSON object, or `null` for an event without data. Of an enum with
/// serde's default representation only the variant's content is written: its
/// name is already told by the event type.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a domain event",
    label = "this type does not implement `DomainEvent`",
    note = "add `#[derive(serde::Serialize, domain_events::DomainEvent)]` to `{Self}` and mark the field that holds the entity's id with `#[event(id)]`"
)]
pub trait DomainEvent: Serialize {
    /// Every event type that a value of this type can have: one for a struct,
    /// one per variant for an enum.
    const DEFINITIONS: &'static [EventDefinition];

    /// The definition of this value; one of [`DEFINITIONS`](Self::DEFINITIONS).
    fn definition(&self) -> EventDefinition {
        Self::DEFINITIONS[0]
    }

    /// Id of the entity that the event is about: 1 to 2,048 bytes when displayed.
    fn entity_id(&self) -> &dyn fmt::Display;

    /// Id of the user or system that caused the event, where the event itself
    /// knows it; else the `Sdk` handle's emitter is taken. By itself it is that of
    /// the [`definition`](Self::definition).
    fn emitter_id(&self) -> Option<&dyn fmt::Display> {
        self.definition().emitter_id()
    }

    /// Type of the emitter, where the event itself knows it.
    fn emitter_type(&self) -> Option<&dyn fmt::Display> {
        self.definition().emitter_type()
    }

    /// Reads what an earlier version of the event left behind. The stored event
    /// stays as it is.
    ///
    /// To be written where [`DEFINITIONS`](Self::DEFINITIONS) has a version from
    /// 2 on; it is never called for version 1.
    ///
    /// ```
    /// use domain_events::{DecodeError, DomainEvent, EventDefinition, PastVersion};
    /// # use serde::{Deserialize, Serialize};
    /// # #[derive(Serialize, Deserialize)]
    /// # struct OrderPlacedV1 { order_id: String, total: f64 }
    /// # impl DomainEvent for OrderPlacedV1 {
    /// #     const DEFINITIONS: &'static [EventDefinition] = &[EventDefinition::new("ORDER_PLACED")];
    /// #     fn entity_id(&self) -> &dyn std::fmt::Display { &self.order_id }
    /// # }
    /// # #[derive(Serialize, Deserialize)]
    /// # struct OrderPlaced { order_id: String, total_cents: u64 }
    /// # impl From<OrderPlacedV1> for OrderPlaced {
    /// #     fn from(old: OrderPlacedV1) -> Self {
    /// #         Self { order_id: old.order_id, total_cents: (old.total * 100.0) as u64 }
    /// #     }
    /// # }
    ///
    /// impl DomainEvent for OrderPlaced {
    ///     const DEFINITIONS: &'static [EventDefinition] = &[EventDefinition::new("ORDER_PLACED")
    ///         .with_version(2)
    ///         .upcast_from(OrderPlacedV1::DEFINITIONS)];
    ///
    ///     fn entity_id(&self) -> &dyn std::fmt::Display {
    ///         &self.order_id
    ///     }
    ///
    ///     fn upcast(older: PastVersion<'_>) -> Result<Self, DecodeError> {
    ///         older.read_as::<OrderPlacedV1>().map(Self::from)
    ///     }
    /// }
    /// ```
    ///
    /// # Errors
    ///
    /// [`DecodeError`] if the data does not fit the older version, or if there
    /// is no way up from it.
    fn upcast(older: PastVersion<'_>) -> Result<Self, DecodeError>
    where
        Self: Sized,
    {
        Err(older.unreadable())
    }
}

macro_rules! through_pointer {
    ($pointer:ty $(, $made_by:path)?) => {
        impl<E: DomainEvent> DomainEvent for $pointer {
            const DEFINITIONS: &'static [EventDefinition] = E::DEFINITIONS;

            fn definition(&self) -> EventDefinition {
                (**self).definition()
            }
            fn entity_id(&self) -> &dyn fmt::Display {
                (**self).entity_id()
            }
            fn emitter_id(&self) -> Option<&dyn fmt::Display> {
                (**self).emitter_id()
            }
            fn emitter_type(&self) -> Option<&dyn fmt::Display> {
                (**self).emitter_type()
            }
            $(
                fn upcast(older: PastVersion<'_>) -> Result<Self, DecodeError> {
                    E::upcast(older).map($made_by)
                }
            )?
        }
    };
}

through_pointer!(&E);
through_pointer!(Box<E>, Box::new);
