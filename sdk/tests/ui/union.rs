use domain_events::DomainEvent;

#[derive(DomainEvent)]
union OrderPlaced {
    order_id: u64,
}

fn main() {}
