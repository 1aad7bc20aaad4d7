use domain_events::DomainEvent;
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize, DomainEvent)]
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

fn main() {}
