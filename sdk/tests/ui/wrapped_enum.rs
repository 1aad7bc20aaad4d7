use domain_events::DomainEvent;
use serde::Serialize;

#[derive(Serialize, DomainEvent)]
enum PaymentEvent {
    Paid {
        #[event(id)]
        order_id: String,
    },
    Refunded {
        #[event(id)]
        order_id: String,
    },
}

#[derive(Serialize, DomainEvent)]
enum OrderEvent {
    Payment(PaymentEvent),
}

fn main() {
    let event = OrderEvent::Payment(PaymentEvent::Paid {
        order_id: "7".to_owned(),
    });
    event.definition();
}
