use domain_events::DomainEvent;
use serde::Serialize;

#[derive(Serialize, DomainEvent)]
#[event(typ = "ORDER_PLACED", version = "2")]
struct OrderPlaced {
    #[event(id)]
    order_id: String,
    #[event(id)]
    basket_id: String,
    #[event(emitter_idd, alias = "X")]
    customer: String,
}

fn main() {}
