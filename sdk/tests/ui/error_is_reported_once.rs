use domain_events::DomainEvent;
use serde::Serialize;

#[derive(Serialize, DomainEvent)]
struct OrderPlaced {
    order_id: String,
}

#[derive(Serialize, DomainEvent)]
enum OrderEvent {
    Placed(OrderPlaced),
}

fn event() -> impl DomainEvent {
    OrderEvent::Placed(OrderPlaced {
        order_id: String::new(),
    })
}

fn main() {}
