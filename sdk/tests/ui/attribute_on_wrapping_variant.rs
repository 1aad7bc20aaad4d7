use domain_events::DomainEvent;
use serde::Serialize;

#[derive(Serialize, DomainEvent)]
struct OrderPlaced {
    #[event(id)]
    order_id: String,
}

#[derive(Serialize, DomainEvent)]
enum OrderEvent {
    #[event(type = "ORDER_CREATED")]
    Placed(OrderPlaced),
}

fn main() {}
