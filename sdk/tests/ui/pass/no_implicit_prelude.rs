//! The prelude is not in scope, and the names `Option` and `core` have other meanings.
#![no_implicit_prelude]
#![deny(warnings, clippy::pedantic, clippy::nursery)]
#![allow(unreachable_pub, dead_code)]

mod core {}

struct Option;
struct Some;
struct String;

#[derive(::serde::Serialize, ::domain_events::DomainEvent)]
#[event(alias = "ORDER_CREATED", emitter_type = "USER")]
struct OrderPlaced {
    #[event(id)]
    order_id: u32,
    #[event(emitter_id)]
    customer: u64,
}

#[derive(::serde::Serialize, ::domain_events::DomainEvent)]
#[event(emitter_type = "SYSTEM", emitter_id = "billing")]
enum OrderEvent<T> {
    Placed(OrderPlaced),
    Shipped {
        #[event(id)]
        order_id: T,
    },
}

pub fn main() {
    let event = OrderPlaced {
        order_id: 1,
        customer: 2,
    };
    ::domain_events::DomainEvent::entity_id(&event);
}
