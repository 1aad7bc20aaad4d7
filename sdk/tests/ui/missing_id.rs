use domain_events::DomainEvent;
use serde::Serialize;

#[derive(Serialize, DomainEvent)]
struct OrderPlaced {
    order_id: String,
    total_cents: u64,
}

fn main() {}
