use domain_events::DomainEvent;
use serde::Serialize;

#[derive(Serialize)]
struct OrderPlaced {
    order_id: String,
}

#[derive(Serialize, DomainEvent)]
enum OrderEvent {
    Placed(OrderPlaced),
}

fn main() {}
