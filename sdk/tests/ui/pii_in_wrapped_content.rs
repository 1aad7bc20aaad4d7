use domain_events::DomainEvent;
use serde::Serialize;

#[derive(Serialize, DomainEvent)]
struct CustomerRegistered {
    #[event(id)]
    customer_id: u32,
    #[event(pii)]
    name: String,
}

#[derive(Serialize, DomainEvent)]
#[serde(tag = "t", content = "c")]
enum CustomerEvent {
    Registered(CustomerRegistered),
}

fn main() {
    let event = CustomerEvent::Registered(CustomerRegistered {
        customer_id: 7,
        name: "Ada".to_owned(),
    });
    event.definition();
}
