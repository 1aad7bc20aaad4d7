use domain_events::DomainEvent;
use serde::Serialize;

#[derive(Serialize, DomainEvent)]
struct OrderPlaced {
    #[event(id, type = "ORDER_PLACED")]
    order_id: String,
}

fn main() {}
