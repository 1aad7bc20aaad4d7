use domain_events::DomainEvent;

#[derive(DomainEvent)]
enum OrderEvent {
    Placed {
        #[event(id)]
        order_id: String,
    },
}

fn main() {}
