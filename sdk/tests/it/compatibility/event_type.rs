use super::*;

point_in_time! { gone: [first::ShopEvent] }
point_in_time! { renamed: [OrderCreated, first::ShopEvent]
    #[derive(DomainEvent)]
    #[event(alias = "ORDER_MADE")]
    pub(crate) struct OrderCreated {
        #[event(id)]
        order_id: String,
        total: u32,
        payment: first::Payment,
        lines: Vec<first::Line>,
        note: Option<String>,
    }
}
point_in_time! { renamed_with_alias: [OrderCreated, first::ShopEvent]
    #[derive(DomainEvent)]
    #[event(alias = "ORDER_MADE", alias = "ORDER_PLACED")]
    pub(crate) struct OrderCreated {
        #[event(id)]
        order_id: String,
        total: u32,
        payment: first::Payment,
        lines: Vec<first::Line>,
        note: Option<String>,
    }
}
order! { without_former_name: {
    total: u32,
    payment: first::Payment,
    lines: Vec<first::Line>,
    note: Option<String>,
} }
point_in_time! { more: [first::OrderPlaced, first::ShopEvent, Another]
    #[derive(DomainEvent)]
    pub(crate) struct Another {
        #[event(id)]
        order_id: String,
    }
}

#[test]
fn removed_event_breaks() {
    let error = check(&first::events(), &gone::events()).unwrap_err();
    let text = error.to_string();
    let (_, text) = text.split_once("\n\n").unwrap();
    assert_eq!(
        text,
        "ORDER_PLACED version 1: the event was removed\n  \
           breaks: new readers, stored history\n  \
           instead: keep its type for reading; or, if the event has another name now, write `#[event(alias = \"ORDER_PLACED\")]` there\n\n\
         If an event was never stored nor sent, delete its entry from the file by hand"
    );
}

#[test]
fn renamed_event_passes_only_with_an_alias() {
    breaks_once(
        &first::events(),
        &renamed::events(),
        "",
        "the event was removed",
        NEW,
    );
    let notes = passes(&first::events(), &renamed_with_alias::events());
    assert_eq!(
        notes,
        [
            "ORDER_PLACED is written as ORDER_CREATED now, which old readers do not know: release the readers first",
            "ORDER_CREATED is new to the lock",
        ]
    );
}

#[test]
fn event_without_its_former_alias_breaks() {
    let what = "its former name ORDER_MADE is not read any more";
    breaks_once(
        &first::events(),
        &without_former_name::events(),
        "",
        what,
        NEW,
    );
}

#[test]
fn new_event_passes() {
    let notes = passes(&first::events(), &more::events());
    assert_eq!(notes, ["ANOTHER is new to the lock"]);
}

#[test]
fn unchanged_event_passes() {
    assert_eq!(passes(&first::events(), &first::events()), [""; 0]);
}
