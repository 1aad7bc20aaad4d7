use domain_events::DomainEvent;
use serde::Serialize;

#[derive(Serialize, DomainEvent)]
struct OrderPlaced {
    #[event(id, crate = domain_events)]
    order_id: String,
}

fn main() {}
