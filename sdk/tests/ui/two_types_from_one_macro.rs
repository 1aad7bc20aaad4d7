use domain_events::DomainEvent;
use serde::Serialize;

macro_rules! events {
    ($($name:ident),*) => {$(
        #[derive(Serialize, DomainEvent)]
        #[event(type = "ORDER_PLACED")]
        struct $name {
            #[event(id)]
            order_id: String,
        }
    )*};
}
events!(OrderPlaced, BasketPlaced);

domain_events::assert_distinct!(OrderPlaced, BasketPlaced);

fn main() {}
