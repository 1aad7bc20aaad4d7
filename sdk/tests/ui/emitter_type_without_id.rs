use domain_events::DomainEvent;
use serde::Serialize;

#[derive(Serialize, DomainEvent)]
#[event(emitter_type = "SYSTEM")]
struct OrderPlaced {
    #[event(id)]
    order_id: String,
}

fn main() {}
