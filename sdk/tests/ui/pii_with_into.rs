use domain_events::DomainEvent;
use serde::Serialize;

#[derive(Serialize)]
struct Raw {
    person: String,
}

#[derive(Clone, Serialize, DomainEvent)]
#[serde(into = "Raw")]
struct CustomerRegistered {
    #[event(id)]
    customer_id: u32,
    #[event(pii)]
    name: String,
}

impl From<CustomerRegistered> for Raw {
    fn from(event: CustomerRegistered) -> Self {
        Self { person: event.name }
    }
}

fn main() {}
