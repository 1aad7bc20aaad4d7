use domain_events::DomainEvent;
use serde::Serialize;

#[derive(Serialize, DomainEvent)]
enum OrderEvent {
    #[event(type = "order_placed")]
    Placed {
        #[event(id)]
        order_id: String,
    },
}

fn main() {}
