//! Maps, lists and flattened fields.

use std::collections::BTreeMap;

use super::*;

/// Declares one event with one field, of a different type at each point in time.
macro_rules! counted {
    ($($name:ident: $ty:ty;)*) => {$(
        point_in_time! { $name: [Counted]
            #[derive(DomainEvent)]
            #[event(id = "shop")]
            pub(crate) struct Counted { by: $ty }
        }
    )*};
}

#[derive(Serialize, Deserialize, JsonSchema)]
struct Known {
    a: Option<u8>,
}

#[derive(Serialize, Deserialize, JsonSchema)]
struct Amount {
    cents: u8,
}

mod wide {
    use super::*;
    #[derive(Serialize, Deserialize, JsonSchema)]
    pub(super) struct Amount {
        cents: u16,
    }
}

counted! {
    anything: BTreeMap<String, serde_json::Value>;
    small: BTreeMap<String, u8>;
    texts: BTreeMap<String, String>;
    known: Known;
    small_by_number: BTreeMap<u32, u8>;
    wide_by_number: BTreeMap<u32, u16>;
    small_by_signed: BTreeMap<i64, u8>;
    amounts_by_number: BTreeMap<u32, Amount>;
    wide_amounts_by_number: BTreeMap<u32, wide::Amount>;
    pair: (u8, u16);
    numbers: Vec<u16>;
    narrow_numbers: Vec<u8>;
    open: Open<serde_json::Value>;
    open_for_numbers: Open<u8>;
    known_and_open: KnownAndOpen<serde_json::Value>;
    known_and_open_for_numbers: KnownAndOpen<u8>;
}

#[derive(Serialize, Deserialize, JsonSchema)]
struct Open<T> {
    #[serde(flatten)]
    more: BTreeMap<String, T>,
}

#[derive(Serialize, Deserialize, JsonSchema)]
struct KnownAndOpen<T> {
    a: Option<String>,
    #[serde(flatten)]
    more: BTreeMap<String, T>,
}

#[test]
fn named_field_beside_open_map_passes() {
    passes(&open::events(), &known_and_open::events());
    passes(&known_and_open::events(), &known_and_open::events());
    let what = "the type was integer (uint8) and is string or null now";
    breaks_once(
        &open_for_numbers::events(),
        &known_and_open_for_numbers::events(),
        "/Data/by/a",
        what,
        NEW_AND_OLD,
    );
}

#[test]
fn map_of_anything_to_map_of_numbers_breaks() {
    let what = "the type was anything and is integer (uint8) now";
    let (before, after) = (anything::events(), small::events());
    breaks_once(&before, &after, "/Data/by/*", what, NEW);
    assert_eq!(passes(&after, &before).len(), 1);
}

#[test]
fn number_keyed_map_is_compared_by_values() {
    let (small, wide) = (small_by_number::events(), wide_by_number::events());
    assert_eq!(passes(&small, &wide).len(), 1);
    let what = "the range is narrower now";
    breaks_once(&wide, &small, "/Data/by/*", what, NEW);
    let (small, wide) = (
        amounts_by_number::events(),
        wide_amounts_by_number::events(),
    );
    assert_eq!(passes(&small, &wide).len(), 1);
    breaks_once(&wide, &small, "/Data/by/*/cents", what, NEW);
}

#[test]
fn number_keyed_map_may_only_gain_keys() {
    let number = small_by_number::events();
    for more in [small_by_signed::events(), small::events()] {
        assert_eq!(passes(&number, &more).len(), 1);
        let what = "the set of names is narrower now";
        breaks_once(&more, &number, "/Data/by", what, NEW);
    }
}

#[test]
fn map_to_struct_breaks() {
    let what = "the field was removed";
    let audiences = &[Audience::NewReaders];
    let known = known::events();
    breaks_once(&small::events(), &known, "/Data/by/*", what, audiences);
    let texts = breaks(&texts::events(), &known);
    let pointers: Vec<_> = texts.iter().map(|one| &*one.pointer).collect();
    assert_eq!(pointers, ["/Data/by/*", "/Data/by/a"]);
}

#[test]
fn tuple_to_list_passes_if_items_fit() {
    let pair = pair::events();
    passes(&pair, &numbers::events());
    let what = "the range is narrower now";
    breaks_once(&pair, &narrow_numbers::events(), "/Data/by/1", what, NEW);
    let what = "the number of items is narrower now";
    let narrow = breaks(&numbers::events(), &pair);
    assert!(narrow.iter().any(|one| one.what == what));
}

point_in_time! { two_enums: [Paid]
    #[derive(DomainEvent)]
    #[event(id = "shop")]
    pub(crate) struct Paid {
        #[serde(flatten)]
        way: Way,
        #[serde(flatten)]
        pointer: Place,
    }
    pub(crate) enum Way { Card { number: u8 }, Cash { coins: u8 } }
    pub(crate) enum Place { Shop { till: u8 }, Online { url: String } }
}
point_in_time! { less_of_the_first: [Paid]
    #[derive(DomainEvent)]
    #[event(id = "shop")]
    pub(crate) struct Paid {
        #[serde(flatten)]
        way: Way,
        #[serde(flatten)]
        pointer: two_enums::Place,
    }
    pub(crate) enum Way { Card { number: u8 } }
}
point_in_time! { less_of_the_second: [Paid]
    #[derive(DomainEvent)]
    #[event(id = "shop")]
    pub(crate) struct Paid {
        #[serde(flatten)]
        way: two_enums::Way,
        #[serde(flatten)]
        pointer: Place,
    }
    pub(crate) enum Place { Shop { till: u8 } }
}

#[test]
fn flattened_enum_losing_a_variant_breaks() {
    let both = two_enums::events();
    assert_eq!(passes(&both, &two_enums::events()), [""; 0]);
    assert!(!breaks(&both, &less_of_the_first::events()).is_empty());
    assert!(!breaks(&both, &less_of_the_second::events()).is_empty());
    assert_eq!(passes(&less_of_the_first::events(), &both).len(), 1);
    assert_eq!(passes(&less_of_the_second::events(), &both).len(), 1);
}
