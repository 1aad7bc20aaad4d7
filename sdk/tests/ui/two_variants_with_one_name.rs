use domain_events::DomainEvent;
use serde::Serialize;

#[derive(Serialize, DomainEvent)]
enum OrderEvent {
    Placed {
        #[event(id)]
        order_id: String,
    },
    #[event(type = "PLACED")]
    PlacedAgain {
        #[event(id)]
        order_id: String,
    },
}

fn main() {}
