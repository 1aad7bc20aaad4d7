//! Every value that a type writes is read back equal, from JSON and from an item.

use std::collections::{BTreeMap, HashMap};
use std::fmt::Debug;

use domain_events::{Context, DomainEvent, Emitter, Envelope, EventId, RejectionCode, wire};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

#[derive(Debug, PartialEq, Serialize, Deserialize, DomainEvent)]
#[event(id = "e")]
#[serde(bound(deserialize = "T: DeserializeOwned"))]
struct Holder<T> {
    value: T,
}

fn context() -> Context {
    Context::new(Emitter::system("test").unwrap())
}

fn stored(event_type: &str, data: &str) -> Envelope {
    let body = format!(
        r#"{{"Timestamp":1,"EventType":"{event_type}","ID":"7","EmitterId":"x","EmitterType":"SYSTEM","Data":{data}}}"#
    );
    let id = EventId::from_static("1");
    let mut decoded = wire::decode(&body, &id).unwrap();
    decoded.remove(0).outcome.unwrap()
}

#[track_caller]
fn survives<T: Debug + PartialEq + Serialize + DeserializeOwned>(value: T) {
    let event = Holder { value };
    let sent = Envelope::new(&event, &context()).unwrap();
    let id = EventId::from_static("1");
    let body = wire::encode(&sent).unwrap();
    let received = wire::decode(&body, &id).unwrap().remove(0).outcome.unwrap();
    assert_eq!(received.decode().unwrap().as_ref(), Some(&event));
    #[cfg(feature = "__internals")]
    {
        use domain_events::__internals::{item_of, read_item};
        let read = read_item(item_of(&sent, 1)).unwrap();
        assert_eq!(read.envelope().decode().unwrap(), Some(event));
    }
}

#[test]
fn whole_numbers_are_read_as_they_were_written() {
    survives(-5_000_000_000_000_000_000_000_i128);
    survives(300_000_000_000_000_000_000_000_000_000_000_000_000_u128);
    survives([i64::MIN, i64::MAX]);
    survives([u64::MAX, 0, 10_u64.pow(19)]);
    survives([-(10_i128.pow(37)), 10_i128.pow(37), 10_i128.pow(21)]);
    survives([1e21, 1e22, 1e30, -1e38, 1e100, 0.1 + 0.2, 5e-20, 100.0]);
    survives([1e10_f32, 3e38, 0.1]);
    survives(Some(10_u128.pow(37)));
    survives(HashMap::from([(u128::MAX, 1), (0, 2)]));
    survives(BTreeMap::from([(i64::MIN, 1.5), (7, 1e21)]));
}

#[test]
fn whole_number_is_read_in_any_notation() {
    let read = |text: &str| {
        let data = format!(r#"{{"value":{text}}}"#);
        let decoded = stored("HOLDER", &data).decode::<Holder<i128>>();
        decoded.map(|event| event.unwrap().value).ok()
    };
    assert_eq!(read("-5E21"), Some(-5_000_000_000_000_000_000_000));
    assert_eq!(read("1.0"), Some(1));
    assert_eq!(read("120e-1"), Some(12));
    assert_eq!(read("1.5"), None);
    let small = |text: &str| stored("HOLDER", text).decode::<Holder<u8>>();
    assert!(small(r#"{"value":2.55e2}"#).is_ok());
    assert!(small(r#"{"value":256}"#).is_err());
    assert!(small(r#"{"value":-1}"#).is_err());
}

/// Parts that serde reads through a buffer.
mod buffered {
    use super::*;

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    pub(super) struct Part {
        pub(super) by_number: BTreeMap<u64, f64>,
        pub(super) by_signed: BTreeMap<i8, Option<f32>>,
        pub(super) whole: f64,
    }

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    pub(super) struct Flattened {
        pub(super) name: String,
        #[serde(flatten)]
        pub(super) part: Part,
    }

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    pub(super) struct FlattenedMap {
        pub(super) name: String,
        #[serde(flatten)]
        pub(super) map: HashMap<u32, f64>,
    }

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    pub(super) struct Keys {
        pub(super) numbers: BTreeMap<u64, u8>,
        pub(super) digits: BTreeMap<String, u8>,
        pub(super) switches: BTreeMap<bool, u8>,
        pub(super) initials: BTreeMap<char, u8>,
        pub(super) prices: BTreeMap<Price, Bytes>,
    }

    /// A float as a key.
    #[derive(Debug, Clone, Copy, Serialize, Deserialize)]
    pub(super) struct Price(pub(super) f64);

    impl Ord for Price {
        fn cmp(&self, other: &Self) -> std::cmp::Ordering {
            self.0.total_cmp(&other.0)
        }
    }
    impl PartialOrd for Price {
        fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
            Some(self.cmp(other))
        }
    }
    impl PartialEq for Price {
        fn eq(&self, other: &Self) -> bool {
            self.cmp(other).is_eq()
        }
    }
    impl Eq for Price {}

    /// Bytes as `serde_bytes` writes and reads them.
    #[derive(Debug, PartialEq)]
    pub(super) struct Bytes(pub(super) Vec<u8>);

    impl Serialize for Bytes {
        fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            serializer.serialize_bytes(&self.0)
        }
    }
    impl<'de> Deserialize<'de> for Bytes {
        fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            deserializer.deserialize_byte_buf(BytesVisitor)
        }
    }

    struct BytesVisitor;

    impl<'de> serde::de::Visitor<'de> for BytesVisitor {
        type Value = Bytes;

        fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("bytes")
        }
        fn visit_byte_buf<E>(self, bytes: Vec<u8>) -> Result<Bytes, E> {
            Ok(Bytes(bytes))
        }
        fn visit_seq<A: serde::de::SeqAccess<'de>>(self, mut items: A) -> Result<Bytes, A::Error> {
            let mut bytes = Vec::new();
            while let Some(byte) = items.next_element()? {
                bytes.push(byte);
            }
            Ok(Bytes(bytes))
        }
    }

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    pub(super) struct FlattenedKeys {
        pub(super) by_year: BTreeMap<u16, u8>,
        #[serde(flatten)]
        pub(super) keys: Keys,
    }

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    #[serde(tag = "kind")]
    pub(super) enum Internal {
        Part(Part),
    }

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    #[serde(tag = "t", content = "c")]
    pub(super) enum Adjacent {
        Part(Part),
        Empty,
    }

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    #[serde(untagged)]
    pub(super) enum Untagged {
        Text(String),
        Part(Part),
    }

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    #[serde(tag = "t", content = "c")]
    pub(super) enum Converted {
        Keys(Keys),
    }

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    pub(super) struct FlattenedTexts {
        #[serde(flatten)]
        pub(super) texts: BTreeMap<String, u8>,
    }

    pub(super) fn part() -> Part {
        Part {
            by_number: BTreeMap::from([(u64::MAX, 0.1), (0, 1e21)]),
            by_signed: BTreeMap::from([(-1, Some(0.1)), (1, None)]),
            whole: 1e30,
        }
    }
}

#[test]
fn buffered_parts_are_read_as_they_were_written() {
    use buffered::*;

    survives(Flattened {
        name: "1".to_owned(),
        part: part(),
    });
    survives(FlattenedMap {
        name: "1".to_owned(),
        map: HashMap::from([(1, 1.5), (20, 0.1)]),
    });
    survives(Internal::Part(part()));
    survives(vec![Adjacent::Part(part()), Adjacent::Empty]);
    survives((Untagged::Part(part()), Untagged::Text("1".to_owned())));
}

#[test]
fn buffered_maps_with_different_keys_are_read() {
    use buffered::*;

    let keys = || Keys {
        numbers: BTreeMap::from([(1, 1), (20, 2)]),
        digits: BTreeMap::from([("-7".to_owned(), 1), ("x".to_owned(), 2)]),
        switches: BTreeMap::from([(false, 0), (true, 1)]),
        initials: BTreeMap::from([('1', 1), ('t', 2)]),
        prices: BTreeMap::from([
            (Price(1.0), Bytes(vec![0, 255])),
            (Price(-0.5), Bytes(vec![])),
            (Price(1e21), Bytes(vec![1])),
        ]),
    };
    survives(keys());
    survives(FlattenedKeys {
        by_year: BTreeMap::from([(2026, 1)]),
        keys: keys(),
    });
    survives(vec![Converted::Keys(keys()), Converted::Keys(keys())]);
    // Serialized as text that looks like a number, and read as text.
    survives(FlattenedTexts {
        texts: BTreeMap::from([("1.5".to_owned(), 1), ("true".to_owned(), 2)]),
    });
}

#[test]
fn places_with_similar_keys_are_distinct() {
    type Numbers = BTreeMap<u32, u8>;
    type Texts = BTreeMap<String, u8>;
    #[derive(Debug, Default, PartialEq, Serialize, Deserialize)]
    struct Nested {
        b: Texts,
        #[serde(rename = "*")]
        star: Texts,
    }
    #[derive(Debug, Default, PartialEq, Serialize, Deserialize)]
    struct Parts {
        #[serde(rename = "a/b")]
        slash: Numbers,
        #[serde(rename = "a~1b")]
        escape: Texts,
        #[serde(rename = "a~b")]
        tilde: Numbers,
        #[serde(rename = "a~0b")]
        escaped_tilde: Texts,
        a: Nested,
        #[serde(rename = "~i")]
        items_step: Texts,
        items: Vec<Numbers>,
        #[serde(rename = "~m")]
        member_step: Texts,
        #[serde(rename = "")]
        empty: Texts,
        #[serde(flatten)]
        members: BTreeMap<u32, Numbers>,
    }
    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Flattened {
        #[serde(flatten)]
        parts: Parts,
    }
    let numbers = || BTreeMap::from([(1, 1)]);
    let texts = || BTreeMap::from([("1".to_owned(), 1)]);
    let survives = |parts: Parts| survives(Flattened { parts });
    survives(Parts {
        slash: numbers(),
        escape: texts(),
        a: Nested {
            b: texts(),
            ..Nested::default()
        },
        ..Parts::default()
    });
    survives(Parts {
        tilde: numbers(),
        escaped_tilde: texts(),
        ..Parts::default()
    });
    survives(Parts {
        a: Nested {
            star: texts(),
            ..Nested::default()
        },
        items: vec![numbers()],
        items_step: texts(),
        ..Parts::default()
    });
    survives(Parts {
        members: BTreeMap::from([(7, numbers())]),
        member_step: texts(),
        empty: texts(),
        ..Parts::default()
    });
}

#[test]
fn u128_in_a_buffered_part_says_what_to_do() {
    #[derive(Debug, Serialize, Deserialize)]
    struct Amount {
        cents: u128,
    }
    #[derive(Debug, Serialize, Deserialize)]
    struct Flattened {
        #[serde(flatten)]
        amount: Amount,
    }
    let stored = stored("HOLDER", r#"{"value":{"cents":5}}"#);
    let error = stored.decode::<Holder<Flattened>>().unwrap_err();
    assert!(
        error.to_string().contains("use a smaller integer"),
        "{error}"
    );
    #[derive(Debug, Serialize, Deserialize)]
    #[serde(untagged)]
    enum Untagged {
        Object { cents: u128 },
        List(Vec<i128>),
        Plain(u128),
    }
    for (value, found) in [
        (r#"{"cents":5}"#, "an object"),
        ("[5]", "an array"),
        ("5", "a number"),
        (r#""secret""#, "a string"),
        ("null", "null"),
    ] {
        let stored = self::stored("HOLDER", &format!(r#"{{"value":[{value}]}}"#));
        let error = stored.decode::<Holder<Vec<Untagged>>>().unwrap_err();
        let expected = format!(
            "at /Data/value/0: found {found}; no variant of the untagged enum fits; a variant with an \
             i128 or a u128 never fits, because serde cannot read them there: use a smaller \
             integer or a string"
        );
        assert!(error.to_string().ends_with(&expected), "{error}");
    }
}

#[test]
fn every_kind_of_value_is_read_as_it_was_written() {
    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Unit;
    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Newtype(u8);
    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Pair(u8, String);
    #[derive(Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
    enum Kind {
        Unit,
        Newtype(u8),
        Tuple(u8, u8),
        Struct { a: u8, b: Option<u8> },
    }
    survives((true, 'é', "\"\n".to_owned(), (), Unit, Newtype(1)));
    survives((Pair(1, String::new()), [Some(1), None], Vec::<u8>::new()));
    survives([
        Kind::Unit,
        Kind::Newtype(1),
        Kind::Tuple(1, 2),
        Kind::Struct { a: 1, b: None },
    ]);
    survives(HashMap::from([(Kind::Unit, 1)]));
    survives(HashMap::from([('a', true)]));
    survives(HashMap::from([(true, Some(Newtype(1)))]));
    survives(BTreeMap::from([(String::new(), 1), ("\0".to_owned(), 2)]));
    survives(serde_json::json!({"a": [1, -1, 1.5, null, {"": []}], "b": u64::MAX}));
    survives(std::net::IpAddr::from([127, 0, 0, 1]));
}

/// The types of the standard library that serde supports, alone and in serde's buffer.
#[test]
fn standard_types_are_read_as_they_were_written() {
    use std::borrow::Cow;
    use std::collections::{BTreeSet, HashSet, LinkedList, VecDeque};
    use std::num::{NonZeroI16, NonZeroU64, Saturating, Wrapping};
    use std::time::{Duration, SystemTime};

    #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
    struct Standard {
        duration: Duration,
        time: SystemTime,
        range: std::ops::Range<i64>,
        bound: std::ops::Bound<u8>,
        results: [Result<u8, String>; 2],
        non_zero: (NonZeroU64, NonZeroI16),
        wrapped: (Wrapping<i64>, Saturating<u8>, std::cmp::Reverse<u16>),
        texts: (Box<str>, Cow<'static, str>, std::path::PathBuf),
        sets: (BTreeSet<char>, HashSet<u64>),
        lists: (VecDeque<bool>, LinkedList<i8>),
        nothing: (std::marker::PhantomData<u8>, ()),
        boxes: Option<Box<[Option<u8>]>>,
        floats: [f32; 4],
        doubles: [f64; 5],
        key: BTreeMap<NonZeroU64, Wrapping<i8>>,
    }
    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Flattened {
        #[serde(flatten)]
        standard: Standard,
    }
    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    #[serde(tag = "t", content = "c")]
    enum Adjacent {
        Standard(Vec<Standard>),
    }
    let one = NonZeroU64::MIN;
    let standard = Standard {
        duration: Duration::new(u64::MAX, 999_999_999),
        time: SystemTime::UNIX_EPOCH + Duration::new(1, 1),
        range: -1..i64::MAX,
        bound: std::ops::Bound::Excluded(7),
        results: [Ok(1), Err("1".to_owned())],
        non_zero: (NonZeroU64::MAX, NonZeroI16::MIN),
        wrapped: (Wrapping(i64::MIN), Saturating(255), std::cmp::Reverse(0)),
        texts: ("".into(), "\0é".into(), "/a b/é".into()),
        sets: (
            BTreeSet::from(['0', '\u{10ffff}']),
            HashSet::from([0, u64::MAX]),
        ),
        lists: (VecDeque::from([true, false]), LinkedList::from([-128, 127])),
        nothing: (std::marker::PhantomData, ()),
        boxes: Some(Box::new([None, Some(0)])),
        floats: [0.1, f32::MAX, f32::MIN_POSITIVE, -0.5],
        doubles: [0.1, 1e20, 5.0, -1e-120, 2_f64.powi(64)],
        key: BTreeMap::from([(one, Wrapping(-1)), (NonZeroU64::MAX, Wrapping(1))]),
    };
    survives(standard.clone());
    survives(Flattened {
        standard: standard.clone(),
    });
    survives(Adjacent::Standard(vec![standard.clone(), standard]));
}

#[test]
fn raw_json_is_read_as_it_was_written() {
    #[derive(Debug, Serialize, Deserialize, DomainEvent)]
    #[event(id = "e")]
    struct Raw {
        json: Box<serde_json::value::RawValue>,
        after: u8,
    }
    let data = r#"{"json":{"a": [1.50, "x"]},"after":7}"#;
    let event: Raw = stored("RAW", data).decode().unwrap().unwrap();
    assert_eq!(event.json.get(), r#"{"a": [1.50, "x"]}"#);
    assert_eq!(event.after, 7);
}

#[test]
fn surplus_list_items_are_an_error() {
    let error = |data| {
        stored("HOLDER", data)
            .decode::<Holder<(u8, u8)>>()
            .unwrap_err()
    };
    assert!(
        error(r#"{"value":[1,2,3]}"#)
            .to_string()
            .contains("/Data/value: found more items")
    );
    assert!(
        error(r#"{"value":[1]}"#)
            .to_string()
            .contains("a length of 1")
    );
}

/// An enum that serde converts into another enum.
macro_rules! converted {
    ($event:ident, $wire:ident, $($variant:ident),*) => {
        #[derive(Debug, Clone, PartialEq, Serialize, Deserialize, DomainEvent)]
        #[serde(into = "conversion::Wire", from = "conversion::Wire")]
        #[event(id = "e")]
        enum Event {
            First { a: u8 },
            Second { a: u8 },
        }
        mod conversion {
            use super::*;
            #[derive(Serialize, Deserialize)]
            pub(super) enum Wire {
                $($variant { a: u8 }),*
            }
        }
    };
}

#[test]
fn converted_enum_may_reorder_variants() {
    converted!(Event, Wire, Second, First);
    impl From<Event> for conversion::Wire {
        fn from(event: Event) -> Self {
            match event {
                Event::First { a } => Self::First { a },
                Event::Second { a } => Self::Second { a },
            }
        }
    }
    impl From<conversion::Wire> for Event {
        fn from(wire: conversion::Wire) -> Self {
            match wire {
                conversion::Wire::First { a } => Self::First { a },
                conversion::Wire::Second { a } => Self::Second { a },
            }
        }
    }
    for event in [Event::First { a: 1 }, Event::Second { a: 2 }] {
        let sent = Envelope::new(&event, &context()).unwrap();
        assert_eq!(sent.decode().unwrap(), Some(event));
    }
}

#[test]
fn converted_enum_needs_the_same_names() {
    converted!(Event, Wire, Renamed, Second);
    impl From<Event> for conversion::Wire {
        fn from(event: Event) -> Self {
            match event {
                Event::First { a } => Self::Renamed { a },
                Event::Second { a } => Self::Second { a },
            }
        }
    }
    impl From<conversion::Wire> for Event {
        fn from(wire: conversion::Wire) -> Self {
            match wire {
                conversion::Wire::Renamed { a } => Self::First { a },
                conversion::Wire::Second { a } => Self::Second { a },
            }
        }
    }
    let error = Envelope::new(&Event::First { a: 1 }, &context()).unwrap_err();
    assert_eq!(error.code(), RejectionCode::InvalidValue);
    assert!(error.reason().contains("serde(into)"), "{error}");
    let event = Event::Second { a: 2 };
    let sent = Envelope::new(&event, &context()).unwrap();
    assert_eq!(sent.decode().unwrap(), Some(event));
}
