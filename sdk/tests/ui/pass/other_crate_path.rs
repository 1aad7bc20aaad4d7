//! The library under the path of a crate that re-exports it.
#![deny(warnings, clippy::pedantic, clippy::nursery)]
#![allow(unreachable_pub, dead_code)]

use serde::Serialize;

mod platform {
    pub mod events {
        pub use domain_events::*;
    }
}

#[derive(Serialize, platform::events::DomainEvent)]
#[event(crate = platform::events, emitter_type = "USER")]
struct OrderPlaced {
    #[event(id, emitter_id)]
    order_id: String,
}

#[derive(Serialize, platform::events::DomainEvent)]
#[event(crate = platform::events, prefix = "ORDER")]
enum OrderEvent<T> {
    Placed(OrderPlaced),
    Shipped {
        #[event(id)]
        order_id: T,
    },
}

pub fn main() {
    let event = OrderEvent::Shipped { order_id: 7 };
    let id = platform::events::DomainEvent::entity_id(&event);
    assert_eq!(id.to_string(), "7");
}
