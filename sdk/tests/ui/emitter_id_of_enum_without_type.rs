use domain_events::DomainEvent;
use serde::Serialize;

#[derive(Serialize, DomainEvent)]
#[event(emitter_id = "billing")]
enum OrderEvent {
    Placed {
        #[event(id)]
        order_id: String,
    },
    Shipped {
        #[event(id)]
        order_id: String,
    },
}

fn main() {}
