use domain_events::DomainEvent;
use serde::Serialize;

#[derive(Serialize, DomainEvent)]
#[event(prefix = "ORDER")]
enum OrderEvent {
    #[event(type = "ORDER_PLACED")]
    Placed {
        #[event(id)]
        order_id: String,
    },
}

fn main() {}
