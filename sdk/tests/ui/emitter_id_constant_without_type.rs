use domain_events::DomainEvent;
use serde::Serialize;

#[derive(Serialize, DomainEvent)]
#[event(emitter_id = "billing")]
struct OrderPlaced {
    #[event(id)]
    order_id: String,
    total_cents: u64,
}

fn main() {}
