use domain_events::DomainEvent;
use serde::Serialize;

#[derive(Serialize, DomainEvent)]
#[serde(tag = "t", content = "c")]
enum CustomerEvent {
    Registered {
        #[event(id)]
        customer_id: u32,
        #[event(pii)]
        name: String,
    },
}

fn main() {}
