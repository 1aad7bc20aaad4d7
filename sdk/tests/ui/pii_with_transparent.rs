use domain_events::DomainEvent;
use serde::Serialize;

#[derive(Serialize)]
struct Person {
    name: String,
}

#[derive(Serialize, DomainEvent)]
#[serde(transparent)]
struct CustomerRegistered {
    #[event(id)]
    #[serde(skip)]
    customer_id: u32,
    #[event(pii)]
    person: Person,
}

fn main() {}
