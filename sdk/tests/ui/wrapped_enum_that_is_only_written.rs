use domain_events::DomainEvent;
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize, DomainEvent)]
enum PaymentEvent {
    #[serde(skip_deserializing)]
    Paid {
        #[event(id)]
        order_id: String,
    },
    Refunded {
        #[event(id)]
        order_id: String,
    },
}

#[derive(Serialize, Deserialize, DomainEvent)]
enum OrderEvent {
    #[serde(skip_deserializing)]
    Payment(PaymentEvent),
}

fn main() {
    let event = OrderEvent::Payment(PaymentEvent::Refunded {
        order_id: "7".to_owned(),
    });
    event.definition();
}
