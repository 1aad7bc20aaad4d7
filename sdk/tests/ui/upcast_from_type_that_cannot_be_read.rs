use domain_events::DomainEvent;
use serde::{Deserialize, Serialize};

#[derive(Serialize, DomainEvent)]
#[event(type = "ORDER_PLACED")]
struct OrderPlacedV1 {
    #[event(id)]
    order_id: String,
}

#[derive(Serialize, Deserialize, DomainEvent)]
#[event(version = 2, upcast_from = OrderPlacedV1)]
struct OrderPlaced {
    #[event(id)]
    order_id: String,
}

impl From<OrderPlacedV1> for OrderPlaced {
    fn from(old: OrderPlacedV1) -> Self {
        Self {
            order_id: old.order_id,
        }
    }
}

fn main() {}
