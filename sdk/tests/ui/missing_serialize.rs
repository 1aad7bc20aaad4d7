use domain_events::DomainEvent;

#[derive(DomainEvent)]
struct OrderPlaced {
    #[event(id)]
    order_id: String,
}

fn main() {}
