use domain_events::DomainEvent;

#[derive(DomainEvent)]
struct Changed<T> {
    #[event(id)]
    id: String,
    to: T,
}

fn emit(event: impl DomainEvent) {
    drop(event);
}

fn main() {
    emit(Changed { id: "1".to_owned(), to: 2 });
}
