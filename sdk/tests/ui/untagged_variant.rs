use domain_events::DomainEvent;
use serde::Serialize;

#[derive(Serialize, DomainEvent)]
struct OrderPlaced {
    #[event(id)]
    order_id: String,
}

#[derive(Serialize, DomainEvent)]
enum OrderEvent {
    Shipped {
        #[event(id)]
        order_id: String,
    },
    #[serde(untagged)]
    Placed(OrderPlaced),
}

fn main() {}
