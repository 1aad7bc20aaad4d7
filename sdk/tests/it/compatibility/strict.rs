//! The strict mode, and changes that only the stored examples reveal.

use std::collections::{BTreeMap, HashMap, HashSet};

use domain_events::schema::assert_locked;

use super::*;

#[track_caller]
fn out_of_date(before: &Events, after: &Events) -> Vec<String> {
    let path = locked(before);
    check_lock(&path, after, Mode::Check).unwrap();
    let changes = match check_lock(&path, after, Mode::Locked) {
        Err(LockError::OutOfDate { changes, .. }) => changes,
        other => panic!("expected an out-of-date lock, got {other:?}"),
    };
    check_lock(&path, after, Mode::Update).unwrap();
    check_lock(&path, after, Mode::Locked).unwrap();
    changes
}

point_in_time! { more: [first::OrderPlaced, first::ShopEvent, Another]
    #[derive(DomainEvent)]
    pub(crate) struct Another {
        #[event(id)]
        order_id: String,
    }
}
order! { with_default: #[event(alias = "ORDER_MADE")] {
    total: u32,
    payment: first::Payment,
    lines: Vec<first::Line>,
    note: Option<String>,
    #[serde(default)]
    currency: String,
} }
order! { more_aliases: #[event(alias = "ORDER_MADE", alias = "ORDER_DONE")] {
    total: u32,
    payment: first::Payment,
    lines: Vec<first::Line>,
    note: Option<String>,
} }

#[test]
fn strict_check_refuses_unlocked_changes() {
    assert_eq!(
        out_of_date(&first::events(), &more::events()),
        ["ANOTHER is not in the lock"]
    );
    assert_eq!(
        out_of_date(&first::events(), &with_default::events()),
        ["ORDER_PLACED version 1 is written in another form"]
    );
    assert_eq!(
        out_of_date(&first::events(), &more_aliases::events()),
        ["ORDER_PLACED has other aliases"]
    );
}

#[test]
fn assert_locked_panics_with_the_command_to_run() {
    let path = locked(&first::events());
    assert_locked(&path, &first::events());
    let panic = std::panic::catch_unwind(|| assert_locked(&path, &more::events())).unwrap_err();
    let text = panic.downcast_ref::<String>().unwrap();
    assert!(
        text.contains("out of date: ANOTHER is not in the lock"),
        "{text}"
    );
    assert!(text.contains("EVENTS_LOCK=update cargo test"), "{text}");
}

/// Declares one event with one field, of a different type at each point in time.
macro_rules! keyed {
    ($($name:ident: $ty:ty;)*) => {$(
        point_in_time! { $name: [Keyed]
            #[derive(DomainEvent)]
            #[event(id = "one")]
            pub(crate) struct Keyed { by: $ty }
        }
    )*};
}

keyed! {
    u8s: HashMap<u8, bool>;
    u64s: HashMap<u64, bool>;
    i8s: BTreeMap<i8, bool>;
    i16s: BTreeMap<i16, bool>;
    u8s_inside: BTreeMap<String, Vec<HashMap<u8, bool>>>;
    u64s_inside: BTreeMap<String, Vec<HashMap<u64, bool>>>;
    set: HashSet<String>;
    list: Vec<String>;
    now: Now;
}

#[test]
fn map_with_a_narrower_key_breaks() {
    for (wide, narrow) in [
        (u64s::events(), u8s::events()),
        (i16s::events(), i8s::events()),
        (u64s_inside::events(), u8s_inside::events()),
    ] {
        let found = breaks(&wide, &narrow);
        assert!(
            found[0].what.starts_with("a stored example cannot be read"),
            "{found:?}"
        );
    }
}

#[test]
fn wider_key_is_remembered_by_equal_schemas() {
    let path = locked(&u8s::events());
    check_lock(&path, &u8s::events(), Mode::Locked).unwrap();
    match check_lock(&path, &u64s::events(), Mode::Locked) {
        Err(LockError::OutOfDate { changes, .. }) => {
            assert_eq!(
                changes,
                ["KEYED version 1 has examples that the lock does not contain"]
            );
        }
        other => panic!("{other:?}"),
    }
    check_lock(&path, &u64s::events(), Mode::Update).unwrap();
    check_lock(&path, &u8s::events(), Mode::Update).unwrap_err();
}

#[test]
fn list_that_becomes_a_set_is_refused() {
    passes(&set::events(), &list::events());
    let what = "the schema's rule `uniqueItems` is new or changed";
    breaks_once(&list::events(), &set::events(), "/Data/by", what, NEW);
}

/// A type that uses the current time as a default, so that its examples always differ.
#[derive(Serialize, Deserialize, JsonSchema)]
pub(crate) struct Now {
    #[serde(default = "now")]
    nanos: String,
}

fn now() -> String {
    let now = std::time::SystemTime::now();
    format!("{:?}", now.duration_since(std::time::UNIX_EPOCH).unwrap())
}

#[test]
fn changing_example_is_not_a_new_form() {
    for events in [now::events as fn() -> Events, set::events] {
        let path = locked(&events());
        check_lock(&path, &events(), Mode::Locked).unwrap();
    }
}
