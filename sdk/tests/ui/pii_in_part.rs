use domain_events::DomainEvent;
use serde::Serialize;

#[derive(Serialize, DomainEvent)]
struct Address {
    #[event(pii)]
    street: String,
}

fn main() {}
