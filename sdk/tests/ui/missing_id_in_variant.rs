use domain_events::DomainEvent;
use serde::Serialize;

#[derive(Serialize, DomainEvent)]
enum OrderEvent {
    Placed {
        order_id: String,
    },
    Shipped {
        #[event(id)]
        order_id: String,
    },
}

fn main() {}
