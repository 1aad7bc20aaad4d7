//! The gate: each change that breaks somebody, beside one that does not.

use std::fs;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};

use domain_events::schema::{
    Break, Events, LockError, Mode, Reader, Report, check_document, check_lock,
};
use domain_events::{DomainEvent, events};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

const NEW_AND_OLD: &[Reader] = &[
    Reader::OldReaders,
    Reader::NewReaders,
    Reader::StoredHistory,
];
const NEW: &[Reader] = &[Reader::NewReaders, Reader::StoredHistory];

/// Declares the events of one point in time.
macro_rules! point_in_time {
    ($name:ident: [$($listed:ty),*] $($item:item)*) => {
        mod $name {
            #[allow(unused_imports)]
            use super::*;
            $(
                #[derive(Serialize, Deserialize, JsonSchema)]
                $item
            )*
            pub(super) fn events() -> Events {
                events![$($listed),*]
            }
        }
    };
}

/// A lock in a folder of its own.
fn lock_path() -> PathBuf {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let name = format!(
        "{}-{}",
        std::process::id(),
        NEXT.fetch_add(1, Ordering::Relaxed)
    );
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
    fs::create_dir_all(&folder).unwrap();
    folder.join("events.lock")
}

fn locked(events: &Events) -> PathBuf {
    let path = lock_path();
    check_lock(&path, events, Mode::Update).unwrap();
    path
}

fn gate(before: &Events, after: &Events) -> Result<Report, LockError> {
    check_lock(locked(before), after, Mode::Check)
}

#[track_caller]
fn breaks(before: &Events, after: &Events) -> Vec<Break> {
    match gate(before, after) {
        Err(LockError::Broken { report, .. }) => report.breaks,
        other => panic!("this breaks nothing: {other:?}"),
    }
}

/// The one thing that breaks.
#[track_caller]
fn breaks_once(before: &Events, after: &Events, place: &str, what: &str, readers: &[Reader]) {
    let found = breaks(before, after);
    let told: Vec<_> = found
        .iter()
        .map(|one| (&*one.place, &*one.what, &*one.readers))
        .collect();
    assert_eq!(told, [(place, what, readers)]);
    assert!(!found[0].ways_out.is_empty());
}

/// What passes, also as what a command sees, and can be locked.
#[track_caller]
fn passes(before: &Events, after: &Events) -> Vec<String> {
    let path = locked(before);
    let report = check_lock(&path, after, Mode::Check).unwrap();
    check_lock(&path, after, Mode::Update).unwrap();
    let again = check_lock(&path, after, Mode::Check).unwrap();
    assert_eq!(again.notes, Vec::<String>::new());
    report.notes
}

point_in_time! { first: [OrderPlaced, ShopEvent]
    #[derive(DomainEvent)]
    #[event(alias = "ORDER_MADE")]
    pub(crate) struct OrderPlaced {
        #[event(id)]
        order_id: String,
        total: u32,
        payment: Payment,
        lines: Vec<Line>,
        note: Option<String>,
    }
    pub(crate) struct Line {
        article: String,
        amount: u32,
    }
    pub(crate) enum Payment { Card, Invoice, Voucher { code: String } }
    #[derive(DomainEvent)]
    #[event(id = "shop", prefix = "SHOP")]
    pub(crate) enum ShopEvent {
        Opened,
        Closed { by: String },
    }
}

/// The first order with one thing changed.
macro_rules! order {
    ($name:ident: $(#[$event:meta])* { $($fields:tt)* } $($item:item)*) => {
        point_in_time! { $name: [OrderPlaced, first::ShopEvent]
            #[derive(DomainEvent)]
            $(#[$event])*
            pub(crate) struct OrderPlaced {
                #[event(id)]
                order_id: String,
                $($fields)*
            }
            $($item)*
        }
    };
}

mod a_type {
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
}

mod a_field {
    use super::*;

    order! { removed: #[event(alias = "ORDER_MADE")] {
        payment: first::Payment,
        lines: Vec<first::Line>,
        note: Option<String>,
    } }
    order! { renamed: #[event(alias = "ORDER_MADE")] {
        total: u32,
        payment: first::Payment,
        lines: Vec<first::Line>,
        remark: Option<String>,
    } }
    order! { renamed_in_rust_only: #[event(alias = "ORDER_MADE")] {
        #[serde(rename = "total")]
        cents: u32,
        payment: first::Payment,
        lines: Vec<first::Line>,
        note: Option<String>,
    } }
    order! { newly_required: #[event(alias = "ORDER_MADE")] {
        total: u32,
        currency: String,
        payment: first::Payment,
        lines: Vec<first::Line>,
        note: Option<String>,
    } }
    order! { with_defaults: #[event(alias = "ORDER_MADE")] {
        total: u32,
        #[serde(default)]
        currency: String,
        #[serde(skip_serializing_if = "Option::is_none")]
        country: Option<String>,
        payment: first::Payment,
        lines: Vec<first::Line>,
        note: Option<String>,
    } }
    order! { of_another_type: #[event(alias = "ORDER_MADE")] {
        total: String,
        payment: first::Payment,
        lines: Vec<first::Line>,
        note: Option<String>,
    } }
    order! { narrower: #[event(alias = "ORDER_MADE")] {
        total: u8,
        payment: first::Payment,
        lines: Vec<first::Line>,
        note: Option<String>,
    } }
    order! { wider: #[event(alias = "ORDER_MADE")] {
        total: i64,
        payment: first::Payment,
        lines: Vec<first::Line>,
        note: Option<String>,
    } }
    order! { changed_inside: #[event(alias = "ORDER_MADE")] {
        total: u32,
        payment: first::Payment,
        lines: Vec<Line>,
        note: Option<String>,
    }
    pub(crate) struct Line { article: u32, amount: u32, unit: String } }

    #[test]
    fn that_is_removed_breaks() {
        let removed = removed::events();
        let what = "the field was removed";
        let readers = &[Reader::OldReaders, Reader::NewReaders];
        breaks_once(&first::events(), &removed, "/Data/total", what, readers);
    }

    #[test]
    fn that_is_renamed_breaks_unless_it_keeps_its_name_in_the_data() {
        let what = "the field was removed";
        let renamed = breaks(&first::events(), &renamed::events());
        assert_eq!(renamed.len(), 1);
        assert_eq!(renamed[0].place, "/Data/note");
        assert_eq!(renamed[0].what, what);
        assert_eq!(
            renamed[0].ways_out,
            [
                "keep the field; if it has another name now, write `#[serde(rename = \"note\")]`",
                "make it `#[event(version = 2, upcast_from = …)]`, and keep the type of version 1 for reading",
            ]
        );
        passes(&first::events(), &renamed_in_rust_only::events());
    }

    #[test]
    fn that_is_newly_required_breaks_and_one_with_a_default_passes() {
        let what = "the field is required now";
        breaks_once(
            &first::events(),
            &newly_required::events(),
            "/Data/currency",
            what,
            NEW,
        );
        assert_eq!(passes(&first::events(), &with_defaults::events()), [""; 0]);
    }

    #[test]
    fn that_changes_its_type_breaks() {
        let what = "the type was integer (uint32) and is string now";
        breaks_once(
            &first::events(),
            &of_another_type::events(),
            "/Data/total",
            what,
            NEW_AND_OLD,
        );
    }

    #[test]
    fn that_takes_less_breaks_and_one_that_takes_more_passes() {
        let what = "the range is narrower now";
        breaks_once(
            &first::events(),
            &narrower::events(),
            "/Data/total",
            what,
            NEW,
        );
        let notes = passes(&first::events(), &wider::events());
        assert_eq!(
            notes,
            [
                "ORDER_PLACED version 1, at /Data/total: old readers do not know all that is written there now: release the readers first"
            ]
        );
    }

    #[test]
    fn of_a_type_inside_breaks_at_its_place() {
        let found = breaks(&first::events(), &changed_inside::events());
        let places: Vec<_> = found.iter().map(|one| &*one.place).collect();
        assert_eq!(places, ["/Data/lines/*/unit", "/Data/lines/*/article"]);
    }
}

mod an_enum {
    use super::*;

    order! { narrower: #[event(alias = "ORDER_MADE")] {
        total: u32,
        payment: Payment,
        lines: Vec<first::Line>,
        note: Option<String>,
    }
    pub(crate) enum Payment { Card, Voucher { code: String } } }
    order! { without_content: #[event(alias = "ORDER_MADE")] {
        total: u32,
        payment: Payment,
        lines: Vec<first::Line>,
        note: Option<String>,
    }
    pub(crate) enum Payment { Card, Invoice } }
    order! { wider: #[event(alias = "ORDER_MADE")] {
        total: u32,
        payment: Payment,
        lines: Vec<first::Line>,
        note: Option<String>,
    }
    pub(crate) enum Payment { Card, Invoice, Voucher { code: String }, Cash, Crypto { coin: String } } }
    point_in_time! { of_events_without_one: [first::OrderPlaced, ShopEvent]
        #[derive(DomainEvent)]
        #[event(id = "shop", prefix = "SHOP")]
        pub(crate) enum ShopEvent {
            Opened,
        }
    }
    point_in_time! { of_events_with_another: [first::OrderPlaced, ShopEvent]
        #[derive(DomainEvent)]
        #[event(id = "shop", prefix = "SHOP")]
        #[serde(rename_all = "lowercase")]
        pub(crate) enum ShopEvent {
            Cleaned,
            Opened,
            Shut(ShopClosed),
        }
        #[derive(DomainEvent)]
        #[event(id = "shop")]
        pub(crate) struct ShopClosed { by: String }
    }

    #[test]
    fn that_is_narrower_breaks_and_one_that_is_wider_passes() {
        let what = "\"Invoice\" is no longer one of the values";
        breaks_once(
            &first::events(),
            &narrower::events(),
            "/Data/payment",
            what,
            NEW,
        );
        let what = "\"Voucher\" is no longer one of the values";
        breaks_once(
            &first::events(),
            &without_content::events(),
            "/Data/payment",
            what,
            NEW,
        );
        assert_eq!(passes(&first::events(), &wider::events()).len(), 1);
    }

    #[test]
    fn of_events_may_gain_one_and_move_one_into_a_type_of_its_own() {
        breaks_once(
            &first::events(),
            &of_events_without_one::events(),
            "",
            "the event is gone",
            NEW,
        );
        let notes = passes(&first::events(), &of_events_with_another::events());
        assert_eq!(notes, ["SHOP_CLEANED is new to the lock"]);
    }
}

mod a_version {
    use super::*;

    point_in_time! { second: [Measured]
        #[derive(DomainEvent)]
        #[event(version = 2, upcast_from = first_of_two::Measured)]
        pub(crate) struct Measured {
            #[event(id)]
            pub(super) sensor: String,
            pub(super) celsius: f64,
        }
    }
    point_in_time! { first_of_two: [Measured]
        #[derive(DomainEvent)]
        pub(crate) struct Measured {
            #[event(id)]
            pub(super) sensor: String,
            pub(super) fahrenheit: f64,
        }
    }
    point_in_time! { without_a_way_up: [Measured]
        #[derive(DomainEvent)]
        #[event(version = 2, oldest)]
        pub(crate) struct Measured {
            #[event(id)]
            sensor: String,
            celsius: f64,
        }
    }
    point_in_time! { renamed: [first_of_two::Measured, TemperatureMeasured]
        #[derive(DomainEvent)]
        #[event(alias = "MEASURED", version = 2, upcast_from = first_of_two::Measured)]
        pub(crate) struct TemperatureMeasured {
            #[event(id)]
            sensor: String,
        }
    }
    impl From<first_of_two::Measured> for renamed::TemperatureMeasured {
        fn from(old: first_of_two::Measured) -> Self {
            serde_json::from_value(serde_json::json!({"sensor": old.sensor})).unwrap()
        }
    }
    point_in_time! { both: [first_of_two::Measured, second::Measured] }

    impl From<first_of_two::Measured> for second::Measured {
        fn from(old: first_of_two::Measured) -> Self {
            Self {
                sensor: old.sensor,
                celsius: (old.fahrenheit - 32.0) / 1.8,
            }
        }
    }

    #[test]
    fn that_is_new_passes_with_a_way_up_and_breaks_without_one() {
        let notes = passes(&first_of_two::events(), &second::events());
        assert_eq!(notes.len(), 2, "{notes:?}");
        let what = "the stored example cannot be read: a stored MEASURED has version 1, \
                    and this program has no way up from it to version 2";
        breaks_once(
            &first_of_two::events(),
            &without_a_way_up::events(),
            "",
            what,
            NEW,
        );
    }

    #[test]
    fn that_comes_with_another_name_passes() {
        let notes = passes(&first_of_two::events(), &renamed::events());
        let expected = "MEASURED is written as TEMPERATURE_MEASURED now, which old readers do not know: \
                        release the readers first";
        assert_eq!(notes[0], expected);
        assert_eq!(passes(&renamed::events(), &renamed::events()), [""; 0]);
    }

    #[test]
    fn that_is_lowered_breaks() {
        let what = "the version was 2 and is 1 now";
        breaks_once(&both::events(), &first_of_two::events(), "", what, NEW);
    }

    #[test]
    fn keeps_its_example_when_the_next_one_comes() {
        let path = locked(&first_of_two::events());
        let before = fs::read_to_string(&path).unwrap();
        check_lock(&path, &second::events(), Mode::Update).unwrap();
        let lock: serde_json::Value =
            serde_json::from_str(&fs::read_to_string(&path).unwrap()).unwrap();
        let before: serde_json::Value = serde_json::from_str(&before).unwrap();
        let version = |lock: &serde_json::Value, version: &str| {
            lock["events"]["MEASURED"]["versions"][version].clone()
        };
        assert_eq!(version(&lock, "1"), version(&before, "1"));
        assert_eq!(version(&lock, "2")["sample"]["Version"], 2);
    }

    #[test]
    fn without_an_example_breaks_until_its_type_is_listed() {
        let path = lock_path();
        let error = check_lock(&path, &second::events(), Mode::Update).unwrap_err();
        let told = "MEASURED version 1: there is no stored example of it";
        assert!(error.to_string().contains(told), "{error}");
        check_lock(&path, &both::events(), Mode::Update).unwrap();
        check_lock(&path, &second::events(), Mode::Check).unwrap();
    }
}

mod an_example {
    use super::*;

    point_in_time! { before: [Weighed]
        #[derive(DomainEvent)]
        pub(crate) struct Weighed {
            #[event(id)]
            parcel: String,
            grams: u32,
        }
    }
    point_in_time! { stricter: [Weighed]
        #[derive(DomainEvent)]
        pub(crate) struct Weighed {
            #[event(id)]
            parcel: String,
            #[serde(deserialize_with = "at_least_ten")]
            #[schemars(example = 10)]
            grams: u32,
        }
    }

    fn at_least_ten<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<u32, D::Error> {
        match u32::deserialize(deserializer)? {
            0..10 => Err(serde::de::Error::custom("too light")),
            grams => Ok(grams),
        }
    }

    #[test]
    fn that_is_not_read_any_more_breaks_though_no_schema_tells_it() {
        let what = "the stored example cannot be read: the data of a stored WEIGHED (version 1) \
                    does not fit its type at /Data/grams: the type's own Deserialize refused it";
        breaks_once(&before::events(), &stricter::events(), "", what, NEW);
        passes(&before::events(), &before::events());
    }
}

mod a_lock {
    use super::*;

    #[test]
    fn that_is_missing_says_how_to_write_it() {
        let error = check_lock(lock_path(), &first::events(), Mode::Check).unwrap_err();
        let told = format!("{error:?}");
        assert!(told.contains("EVENTS_LOCK=update cargo test"), "{told}");
    }

    #[test]
    fn that_is_none_is_refused() {
        let path = lock_path();
        for text in ["", "{}", r#"{"format":2,"events":{}}"#] {
            fs::write(&path, text).unwrap();
            let error = check_lock(&path, &first::events(), Mode::Update).unwrap_err();
            assert!(matches!(error, LockError::Malformed { .. }), "{error}");
        }
        let error = check_document("[]", locked(&first::events()), Mode::Check).unwrap_err();
        assert!(matches!(error, LockError::Malformed { .. }), "{error}");
    }

    #[test]
    fn is_not_written_over_something_that_breaks() {
        let path = locked(&first::events());
        let before = fs::read_to_string(&path).unwrap();
        let nothing = events![];
        check_lock(&path, &nothing, Mode::Update).unwrap_err();
        assert_eq!(fs::read_to_string(&path).unwrap(), before);
    }

    #[test]
    fn is_kept_by_the_test_helper() {
        let path = locked(&first::events());
        domain_events::schema::assert_lock(&path, &first::events());
        let panic = std::panic::catch_unwind(|| {
            domain_events::schema::assert_lock(&path, &events![]);
        });
        let told = panic.unwrap_err();
        let told = told.downcast_ref::<String>().unwrap();
        assert!(
            told.contains("SHOP_OPENED version 1: the event is gone"),
            "{told}"
        );
    }
}
