use domain_events::DomainEvent;
use serde::Serialize;

#[derive(Serialize, DomainEvent)]
#[event(type = "ORDER_PLACED")]
enum OrderEvent {
    Placed {
        #[event(id)]
        order_id: String,
    },
}

fn main() {}
