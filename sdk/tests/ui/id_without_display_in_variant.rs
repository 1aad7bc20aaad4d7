use domain_events::DomainEvent;
use serde::Serialize;

#[derive(Serialize, DomainEvent)]
enum OrderEvent {
    Placed {
        #[event(id)]
        order_id: Vec<u8>,
    },
}

fn main() {}
