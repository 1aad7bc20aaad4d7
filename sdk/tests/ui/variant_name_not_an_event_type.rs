use domain_events::DomainEvent;
use serde::Serialize;

#[derive(Serialize, DomainEvent)]
#[event(prefix = "ORDER")]
enum OrderEvent {
    Größe {
        #[event(id)]
        order_id: String,
    },
    Shipped {
        #[event(id)]
        order_id: String,
    },
}

fn main() {}
