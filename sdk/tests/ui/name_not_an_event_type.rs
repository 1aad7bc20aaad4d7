use domain_events::DomainEvent;
use serde::Serialize;

#[derive(Serialize, DomainEvent)]
struct Größe {
    #[event(id)]
    id: String,
}

fn main() {}
