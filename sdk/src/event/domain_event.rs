//! The trait that makes a type an event.

use std::borrow::Cow;
use std::fmt;
use std::rc::Rc;
use std::sync::Arc;

use serde::Serialize;

use super::decode_error::DecodeError;
use super::definition::EventDefinition;
use super::upcast::PastVersion;

/// An event of your domain.
///
/// Derive the trait. An enum has one event type for each variant:
///
/// ```
/// # #[cfg(feature = "derive")] {
/// use domain_events::DomainEvent;
/// use serde::{Deserialize, Serialize};
///
/// #[derive(Serialize, Deserialize, DomainEvent)]
/// #[event(prefix = "ORDER")] // ORDER_PLACED and ORDER_SHIPPED
/// enum OrderEvent {
///     #[event(emitter_type = "USER")]
///     Placed {
///         #[event(id)]
///         order_id: u64,
///         #[event(emitter_id)]
///         customer: u64,
///     },
///     #[event(emitter_type = "SYSTEM", emitter_id = "warehouse")]
///     Shipped {
///         #[event(id)]
///         order_id: u64,
///     },
/// }
///
/// let shipped = OrderEvent::Shipped { order_id: 7 };
/// assert_eq!(shipped.definition().event_type(), "ORDER_SHIPPED");
/// assert_eq!(shipped.entity_id().to_string(), "7");
/// # }
/// ```
///
/// Or implement it by hand:
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
/// The output of the type's own `Serialize` becomes the event's `Data`. It must be a JSON
/// object, or `null` for an event without data. For an enum with serde's default
/// representation, only the content of the variant is written, because the event type
/// implies the variant.
///
/// # Types of fields
///
/// A type should be able to read its own output. serde cannot read `i128` and `u128`
/// inside `flatten`, `tag`, `content` and `untagged`. It cannot read a field that
/// `skip_serializing_if` omitted, unless the field has a `default`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a domain event",
    label = "this type does not implement `DomainEvent`",
    note = "add `#[derive(serde::Serialize, domain_events::DomainEvent)]` to `{Self}` and mark the field that holds the entity's id with `#[event(id)]`"
)]
pub trait DomainEvent: Serialize {
    /// The event types that values of this type can have: one for a struct, and one for
    /// each variant of an enum.
    const DEFINITIONS: &'static [EventDefinition];

    /// Returns the definition of this value, which is one of
    /// [`DEFINITIONS`](Self::DEFINITIONS).
    fn definition(&self) -> EventDefinition {
        Self::DEFINITIONS[0]
    }

    /// Returns the id of the entity that the event is about: 1 to 2,048 bytes when displayed.
    fn entity_id(&self) -> &dyn fmt::Display;

    /// Returns the id of the user or system that caused the event. The default is the constant
    /// of the [`definition`](Self::definition).
    ///
    /// An event has both the id and the type of its emitter, or neither. If it has neither,
    /// the emitter of the `Sdk` handle is used. An event with only one of them is invalid,
    /// because the id and the type would then belong to different emitters.
    fn emitter_id(&self) -> Option<&dyn fmt::Display> {
        self.definition().emitter_id()
    }

    /// Returns the type of the emitter. See [`emitter_id`](Self::emitter_id).
    fn emitter_type(&self) -> Option<&dyn fmt::Display> {
        self.definition().emitter_type()
    }

    /// Reads a stored event of an earlier version. The stored event does not change.
    ///
    /// Implement this method if [`DEFINITIONS`](Self::DEFINITIONS) has a version of 2 or
    /// more. It is never called for version 1.
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
    /// [`DecodeError`] if the data does not fit the older version, or if no upcast from it
    /// is defined.
    fn upcast(older: PastVersion<'_>) -> Result<Self, DecodeError>
    where
        Self: Sized,
    {
        Err(older.unreadable())
    }
}

macro_rules! through_pointer {
    ($(($($lifetime:lifetime)?) $pointer:ty where $bound:ident $(: $owned:path)?;)*) => {$(
        impl<$($lifetime,)? E: DomainEvent + $bound> DomainEvent for $pointer {
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
                    E::upcast(older).map($owned)
                }
            )?
        }
    )*};
}

through_pointer! {
    () &E where DomainEvent;
    () Box<E> where DomainEvent: Box::new;
    () Rc<E> where DomainEvent: Rc::new;
    () Arc<E> where DomainEvent: Arc::new;
    ('a) Cow<'a, E> where Clone: Cow::Owned;
}

/// A type whose values can be ids and emitter types: every type that implements `Display`.
/// The derive calls [`display`](Self::display) for marked fields.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be an id, because it does not implement `Display`",
    label = "the text of a field that is marked `id`, `emitter_id` or `emitter_type` comes from `Display`",
    note = "implement `std::fmt::Display` for `{Self}`, or mark a field whose type implements it"
)]
pub trait MarkedField {
    /// Returns the value as `&dyn Display`.
    fn display(&self) -> &dyn fmt::Display;
}

// Without this attribute, the compiler would report the missing `Display` alone.
#[diagnostic::do_not_recommend]
impl<T: fmt::Display> MarkedField for T {
    fn display(&self) -> &dyn fmt::Display {
        self
    }
}
