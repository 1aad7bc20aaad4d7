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
fn that_is_gone_breaks() {
    let error = gate(&first::events(), &gone::events()).unwrap_err();
    let told = error.to_string();
    let (_, told) = told.split_once("\n\n").unwrap();
    assert_eq!(
        told,
        "ORDER_PLACED version 1: the event is gone\n  \
           breaks: new readers, stored history\n  \
           instead: keep it for reading; or, if it has another name now, write `#[event(alias = \"ORDER_PLACED\")]` there\n\n\
         If events of a kind were never stored nor sent, take them out of the file by hand"
    );
}

#[test]
fn that_is_renamed_breaks_without_an_alias_and_passes_with_one() {
    breaks_once(
        &first::events(),
        &renamed::events(),
        "",
        "the event is gone",
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
fn that_loses_a_former_name_breaks() {
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
fn that_is_new_passes() {
    let notes = passes(&first::events(), &more::events());
    assert_eq!(notes, ["ANOTHER is new to the lock"]);
}

#[test]
fn that_did_not_change_passes() {
    assert_eq!(passes(&first::events(), &first::events()), [""; 0]);
}
