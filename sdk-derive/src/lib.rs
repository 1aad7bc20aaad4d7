//! The derive macro of the [`domain-events`](https://docs.rs/domain-events)
//! crate, which re-exports it: depend on that crate, not on this one.
//!
//! [`DomainEvent`](macro@DomainEvent) is described below, with every attribute.

#![forbid(unsafe_code)]

mod attr;
mod body;
mod check;
mod definition;
mod expand;
mod force;
mod input;
mod item;
mod location;
mod mistakes;
mod model;
mod place;
mod rules;
mod serde_index;
mod serde_name;
#[cfg(test)]
mod tests;

use expand::derive;
use input::Input;
use syn::parse_macro_input;

/// Makes a struct or an enum a domain event.
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
/// This is an `ORDER_PLACED` about the entity `order_id`, caused by the user
/// `customer`. Its data is what `Serialize` writes, so the type has to derive
/// that as well, and `#[serde(...)]` means what it means elsewhere. The derive
/// writes an `impl DomainEvent` as you could write it by hand; where it cannot
/// express what you need, do.
///
/// # On a struct
///
/// | attribute | meaning |
/// |---|---|
/// | `type = "ORDER_PLACED"` | the event type; without it, the struct's name in `SCREAMING_SNAKE_CASE` |
/// | `alias = "ORDER_CREATED"` | a former event type, under which stored events are still read; may be repeated |
/// | `version = 2` | the version of the event's data, from 1 (the default) to 65535 |
/// | `upcast_from = OrderPlacedV1` | the type that is the version before; see [Versions](#versions) |
/// | `oldest` | nothing of an earlier version is stored |
/// | `id = "shop"` | the id of the entity, for events that are always about the same one |
/// | `emitter_type = "SYSTEM"` | the type of the emitter |
/// | `emitter_id = "billing"` | the id of the emitter; needs an emitter type beside it |
/// | `crate = my_crate::domain_events` | where the library is found, for crates that re-export it |
///
/// Names and constants are checked at compile time.
///
/// # On a field
///
/// | attribute | meaning |
/// |---|---|
/// | `id` | holds the id of the entity that the event is about; exactly one field, unless the id is a constant |
/// | `emitter_id` | holds the id of the emitter; needs an emitter type beside it |
/// | `emitter_type` | holds the type of the emitter |
/// | `pii` | tells something about a person: `Redacted` hides it, and exported schemas mark it |
///
/// A field may have several: `#[event(id, emitter_id)]`. Its text is what
/// `Display` prints. The field stays part of the event's data.
///
/// What is `pii` is hidden by its name at the top of the data. `flatten`, `content`,
/// `transparent` and `into` would take it from there, and are refused beside it.
///
/// # The emitter
///
/// Each half of the emitter, id and type, comes from the first of these that
/// has it: a field, a constant on the struct or variant, a constant on the
/// enum, and else the handle that emits the event. To say the same thing twice
/// in one place is an error.
///
/// # Versions
///
/// A field with a default needs no new version; a field that changes its meaning
/// does. The old type stays as it was, for reading, and the new one says how it
/// comes of it:
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
/// Version 3 is then `upcast_from` an `OrderPlacedV2`, which is `upcast_from` the
/// first. A chain with a gap does not compile. Stored events stay as they are:
/// they are made new whenever they are read. In an enum, a variant with fields
/// may have earlier versions as well, of which the enum is made.
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
///     // what `OrderPlaced` is by itself
///     Placed(OrderPlaced),
/// }
/// ```
///
/// | attribute of the enum | meaning |
/// |---|---|
/// | `prefix = "ORDER"` | begins the event type of every variant that has no `type` of its own and holds no other event |
/// | `id`, `emitter_type`, `emitter_id` | as on a struct, for variants that do not say it themselves |
/// | `crate` | as on a struct |
///
/// A variant with named fields, or with none, is described like a struct, and its
/// fields are marked like those of a struct. A variant that holds another event
/// takes everything from that event, so it has no attributes; that event is a
/// struct, not another enum. Tuples are refused, for their fields have no names.
///
/// Two variants may not have one name, former names included: a stored event is
/// read back as the first variant whose name it has. The derive sees the names that
/// are written on the enum, and not those of events that variants hold: list the enum
/// in `assert_distinct!`, or in `events!`, which look at all of them.
///
/// # Type parameters
///
/// A type with type parameters is an event where it can be serialized and where
/// the marked fields can be displayed; there is no need to write these bounds.
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
