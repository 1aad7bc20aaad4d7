use domain_events::DomainEvent;
use serde::Serialize;

#[derive(Serialize, DomainEvent)]
#[event(type = 3)]
struct OrderPlaced {
    #[event(id)]
    order_id: String,
    total_cents: u64,
}

fn main() {}
