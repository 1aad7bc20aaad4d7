//! The derive macro of the [`domain-events`](https://docs.rs/domain-events)
//! crate, which re-exports it. Depend on `domain-events` and not on this crate.
//!
//! [`DomainEvent`](macro@DomainEvent) documents every attribute.

#![forbid(unsafe_code)]

mod attr;
mod body;
mod check;
mod const_checks;
mod definition;
mod emitter_rules;
mod errors;
mod event_names;
mod expand;
mod input;
mod location;
mod meta_entry;
mod model;
mod rules;
mod serde_index;
mod serde_name;
mod target;
#[cfg(test)]
mod tests;

use expand::derive;
use input::Input;
use syn::parse_macro_input;

/// Implements `DomainEvent` for a struct or an enum.
///
/// ```ignore
/// use domain_events::DomainEvent;
/// use serde::Serialize;
///
/// #[derive(Serialize, DomainEvent)]
/// #[event(emitter_type = "USER")]
/// struct OrderPlaced {
///     #[event(id)]
///     order_id: Uuid,
///     #[event(emitter_id)]
///     customer: CustomerId,
///     total_cents: u64,
/// }
/// ```
///
/// This is the event `ORDER_PLACED` about the entity `order_id`, caused by the user
/// `customer`. Its data is the output of `Serialize`, so the type must derive `Serialize`, too.
/// `#[serde(...)]` attributes have their usual meaning. If the derive cannot express what
/// you need, implement `DomainEvent` by hand: the derive generates only such an `impl`.
///
/// # On a struct
///
/// | attribute | meaning |
/// |---|---|
/// | `type = "ORDER_PLACED"` | the event type; the default is the struct's name in `SCREAMING_SNAKE_CASE` |
/// | `alias = "ORDER_CREATED"` | a former event type; events that are stored with it are still read; may be repeated |
/// | `version = 2` | the version of the event's data, from 1 (the default) to 65535 |
/// | `upcast_from = OrderPlacedV1` | the type of the previous version; see [Versions](#versions) |
/// | `oldest` | no event of an earlier version is stored |
/// | `id = "shop"` | the id of the entity, if all events are about the same entity |
/// | `emitter_type = "SYSTEM"` | the type of the emitter; needs an emitter id |
/// | `emitter_id = "billing"` | the id of the emitter; needs an emitter type |
/// | `crate = my_crate::domain_events` | the path of the library, for crates that re-export it |
///
/// Names and constants are checked at compile time.
///
/// # On a field
///
/// | attribute | meaning |
/// |---|---|
/// | `id` | the id of the entity that the event is about; exactly one field, unless the id is a constant |
/// | `emitter_id` | the id of the emitter; needs an emitter type |
/// | `emitter_type` | the type of the emitter; needs an emitter id |
/// | `pii` | personal data: `Redacted` hides the field, and exported schemas mark it |
///
/// A field may have several marks: `#[event(id, emitter_id)]`. An id or type is the text that
/// the field's `Display` prints. The field also remains part of the event's data, so
/// `#[serde(skip)]` is an error on it.
///
/// # Personal data
///
/// A `pii` field is found by its name at the top level of the data. serde's `flatten`,
/// `content`, `transparent` and `into` move the field to another place, so they cannot be
/// combined with `pii`. The fields of a nested type cannot be marked. Mark the field of the
/// event that contains the nested type, which hides the whole value.
///
/// ```ignore
/// #[derive(Serialize)]
/// struct Address { street: String, city: String } // not an event: no derive, no marks
///
/// #[derive(Serialize, DomainEvent)]
/// struct CustomerMoved {
///     #[event(id)]
///     customer_id: Uuid,
///     #[event(pii)]
///     address: Address,
/// }
/// ```
///
/// # The emitter
///
/// An event states both the id and the type of its emitter, or neither. The id and the type
/// can each come from a field, from a constant on the struct or variant, or from a constant
/// on the enum; the first of these sources applies. If the event states neither, the emitter
/// of the handle is used. An id without a type, or a type without an id, is an error, because
/// they would then belong to different emitters.
///
/// # Versions
///
/// A new field with a default needs no new version. If a field changes its meaning, increase
/// the version. Keep the old type for reading, and define how it is converted to the new type:
///
/// ```ignore
/// #[derive(Serialize, Deserialize, DomainEvent)]
/// #[event(type = "ORDER_PLACED")]
/// struct OrderPlacedV1 {
///     #[event(id)]
///     order_id: Uuid,
///     total: f64,
/// }
///
/// #[derive(Serialize, Deserialize, DomainEvent)]
/// #[event(version = 2, upcast_from = OrderPlacedV1)]
/// struct OrderPlaced {
///     #[event(id)]
///     order_id: Uuid,
///     total_cents: u64,
/// }
///
/// impl From<OrderPlacedV1> for OrderPlaced { /* ... */ }
/// ```
///
/// Version 3 is then `upcast_from` an `OrderPlacedV2`, which is `upcast_from` the first
/// version. A chain with a gap does not compile. Stored events do not change; they are
/// converted each time they are read. A variant with fields may also have earlier versions;
/// in this case, implement `From` for the enum.
///
/// # Enums
///
/// Each variant is an event of its own type, named after the variant:
///
/// ```ignore
/// #[derive(Serialize, DomainEvent)]
/// #[event(prefix = "ORDER", emitter_type = "USER")]
/// enum OrderEvent {
///     // ORDER_SHIPPED
///     Shipped {
///         #[event(id)]
///         order_id: Uuid,
///         #[event(emitter_id)]
///         clerk: ClerkId,
///     },
///     // ORDER_EXPIRED, caused by the system
///     #[event(emitter_type = "SYSTEM", emitter_id = "billing", version = 2)]
///     Expired {
///         #[event(id)]
///         order_id: Uuid,
///     },
///     // ORDER_PLACED, as `OrderPlaced` defines it
///     Placed(OrderPlaced),
/// }
/// ```
///
/// | attribute of the enum | meaning |
/// |---|---|
/// | `prefix = "ORDER"` | begins the event type of every variant with fields that has no `type` |
/// | `id`, `emitter_type`, `emitter_id` | as on a struct, for variants that do not state their own |
/// | `crate` | as on a struct |
///
/// A variant with named fields, or without fields, has the attributes of a struct, and its
/// fields have the marks of a struct's fields. A variant that holds another event has no
/// attributes, because all attributes are taken from that event. The event must be a struct,
/// not another enum. If it states no emitter, it uses the `emitter_id` and the `emitter_type`
/// of the enum, if the enum has both. Tuple variants with several fields are errors, because
/// their fields have no names.
///
/// Two variants must not have the same name, including former names, because a stored event
/// is read as the variant that has its name. The derive checks the names that are written on
/// the enum, but it does not know the names of events that variants hold. To check all names,
/// list the enum in `assert_distinct!` or in `events!`.
///
/// # Type parameters
///
/// A type with type parameters is an event if it can be serialized and its marked fields can
/// be displayed. The derive adds these bounds.
///
/// ```ignore
/// #[derive(Serialize, DomainEvent)]
/// #[event(type = "SETTING_CHANGED")]
/// struct Changed<K, V> {
///     #[event(id)]
///     key: K, // must be `Display` to be emitted
///     value: V,
/// }
/// ```
#[proc_macro_derive(DomainEvent, attributes(event))]
pub fn derive_domain_event(input: proc_macro::TokenStream) -> proc_macro::TokenStream {
    let Input(input) = parse_macro_input!(input as Input);
    derive(&input).into()
}
