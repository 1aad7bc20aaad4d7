use domain_events::DomainEvent;
use serde::Serialize;

#[derive(Serialize, DomainEvent)]
#[event(id)]
struct OrderPlaced {
    order_id: String,
}

fn main() {}
