use domain_events::DomainEvent;
use serde::Serialize;

#[derive(Serialize, DomainEvent)]
struct Changed<T> {
    #[event(id)]
    id: String,
    value: T,
}

domain_events::assert_distinct!(Changed<u8>, Changed<i8>);

fn main() {}
