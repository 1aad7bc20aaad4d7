use domain_events::DomainEvent;
use serde::Serialize;

#[derive(Serialize, DomainEvent)]
#[event(type = "ORDER_PLACED")]
struct Placed {
    #[event(id)]
    order_id: String,
}

#[derive(Serialize, DomainEvent)]
#[event(type = "ORDER_PLACED")]
struct PlacedAgain {
    #[event(id)]
    order_id: String,
}

#[derive(Serialize, DomainEvent)]
enum OrderEvent {
    Placed(Placed),
    PlacedAgain(PlacedAgain),
}

domain_events::assert_distinct!(OrderEvent);

fn main() {}
