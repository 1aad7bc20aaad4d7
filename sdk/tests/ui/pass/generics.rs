//! Generic events with bounds, defaults, const parameters and `where` clauses. None of them
//! needs a bound for the derive.
#![deny(warnings, clippy::pedantic, clippy::nursery)]
#![allow(unreachable_pub, dead_code)]

use std::fmt::Display;
use std::marker::PhantomData;

use domain_events::DomainEvent;
use serde::Serialize;

#[derive(Serialize, DomainEvent)]
struct Changed<K, V> {
    #[event(id)]
    key: K,
    value: V,
}

trait Entity {
    type Id;
}

#[derive(Serialize, DomainEvent)]
#[serde(bound = "E::Id: Serialize")]
#[event(emitter_type = "USER")]
struct Deleted<E: Entity> {
    #[event(id)]
    entity: E::Id,
    #[event(emitter_id)]
    by: E::Id,
    #[serde(skip)]
    kind: PhantomData<E>,
}

#[derive(Serialize, DomainEvent)]
struct Measured<'a, T, U: Clone = u8, const N: usize = 2>
where
    T: Copy + 'a,
    &'a T: Display,
{
    #[event(id)]
    sensor: &'a T,
    #[serde(skip)]
    values: [u8; N],
    unit: U,
}

#[derive(Serialize, DomainEvent)]
struct Borrowed<'a, const N: usize> {
    #[event(id)]
    id: &'a str,
    #[serde(skip)]
    rest: [u8; N],
}

struct Order;

impl Entity for Order {
    type Id = u32;
}

/// Needs no other bound, because `Changed<K, V>: DomainEvent` implies the bounds of `K`
/// and `V`.
fn id<K, V>(event: &Changed<K, V>) -> String
where
    Changed<K, V>: DomainEvent,
{
    event.entity_id().to_string()
}

pub fn main() {
    assert_eq!(id(&Changed { key: 7, value: "x" }), "7");
    let deleted = Deleted::<Order> {
        entity: 8,
        by: 9,
        kind: PhantomData,
    };
    assert_eq!(deleted.entity_id().to_string(), "8");
}
