use domain_events::DomainEvent;
use serde::Serialize;

#[derive(Serialize, DomainEvent)]
struct CustomerMoved {
    #[event(id, pii)]
    name: String,
}

fn main() {}
