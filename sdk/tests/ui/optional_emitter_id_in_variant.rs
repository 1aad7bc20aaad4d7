use domain_events::DomainEvent;
use serde::Serialize;

#[derive(Serialize, DomainEvent)]
#[event(emitter_type = "USER")]
enum OrderEvent {
    Placed {
        #[event(id)]
        order_id: String,
        #[event(emitter_id)]
        customer: Option<String>,
    },
}

fn main() {}
