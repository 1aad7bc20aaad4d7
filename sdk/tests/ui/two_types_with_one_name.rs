use domain_events::DomainEvent;
use serde::Serialize;

#[derive(Serialize, DomainEvent)]
struct OrderPlaced {
    #[event(id)]
    order_id: String,
}

#[derive(Serialize, DomainEvent)]
#[event(prefix = "ORDER")]
enum BasketEvent {
    Placed {
        #[event(id)]
        basket_id: String,
    },
}

domain_events::assert_distinct!(OrderPlaced, BasketEvent);

fn main() {}
