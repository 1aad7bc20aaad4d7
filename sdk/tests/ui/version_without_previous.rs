use domain_events::DomainEvent;
use serde::Serialize;

#[derive(Serialize, DomainEvent)]
#[event(version = 3)]
struct OrderPlaced {
    #[event(id)]
    order_id: String,
}

fn main() {}
