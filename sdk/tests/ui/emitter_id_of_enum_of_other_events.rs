use domain_events::DomainEvent;
use serde::Serialize;

#[derive(Serialize, DomainEvent)]
struct OrderPlaced {
    #[event(id)]
    order_id: String,
}

#[derive(Serialize, DomainEvent)]
#[event(emitter_id = "billing")]
enum OrderEvent {
    Placed(OrderPlaced),
}

fn main() {}
