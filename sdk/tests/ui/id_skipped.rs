use domain_events::DomainEvent;
use serde::Serialize;

#[derive(Serialize, DomainEvent)]
struct OrderPlaced {
    #[event(id)]
    #[serde(skip)]
    order_id: String,
}

fn main() {}
