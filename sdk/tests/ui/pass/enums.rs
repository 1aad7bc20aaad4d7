//! Enums with lifetimes, with a generic event in a variant, and with skipped variants.
#![deny(warnings, clippy::pedantic, clippy::nursery)]
#![allow(unreachable_pub, dead_code)]

use domain_events::DomainEvent;
use serde::Serialize;

#[derive(Serialize, DomainEvent)]
struct Moved<'a, T> {
    #[event(id)]
    order_id: &'a str,
    to: T,
}

#[derive(Serialize, DomainEvent)]
#[event(prefix = "ORDER", emitter_type = "SYSTEM", emitter_id = "billing")]
enum OrderEvent<'a, T> {
    Moved(Moved<'a, T>),
    MovedAgain(Moved<'a, T>),
    Shipped {
        #[event(id)]
        order_id: u32,
        #[event(emitter_id)]
        clerk: &'a str,
    },
    #[serde(skip)]
    Lost {
        #[event(id)]
        order_id: T,
    },
}

#[derive(Serialize, DomainEvent)]
enum OnlyOne {
    Happened {
        #[event(id)]
        id: u8,
    },
}

pub fn main() {
    let event = OrderEvent::Moved(Moved {
        order_id: "7",
        to: 1,
    });
    assert_eq!(event.entity_id().to_string(), "7");
}
