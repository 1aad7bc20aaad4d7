//! The output of a type's `Serialize` becomes `Data`: the text that serde_json would write,
//! checked against the contract.

use std::collections::BTreeMap;
use std::fmt;
use std::net::Ipv4Addr;

use domain_events::{
    Context, DomainEvent, Emitter, Envelope, EventType, InvalidEvent, Redacted, RejectionCode, wire,
};
use serde::ser::SerializeMap;
use serde::{Deserialize, Serialize, Serializer};
use serde_json::value::RawValue;

fn envelope<T: Serialize + ?Sized>(data: &T) -> Result<Envelope, InvalidEvent> {
    Envelope::builder(
        EventType::from_static("ANYTHING"),
        "e-1".parse().unwrap(),
        Emitter::system("test").unwrap(),
    )
    .build_with(data)
}

/// Checks that `data` is written as serde_json writes it, and that the consumer measures
/// the same size.
#[track_caller]
fn same<T: Serialize + ?Sized>(data: &T) {
    let sent = envelope(data).unwrap();
    assert_eq!(sent.data().unwrap(), serde_json::to_string(data).unwrap());
    let body = wire::encode(&sent).unwrap();
    let id = "message".parse().unwrap();
    let received = wire::decode(&body, &id).unwrap().remove(0).outcome;
    assert_eq!(received.unwrap(), sent);
}

#[track_caller]
fn refused<T: Serialize + ?Sized>(data: &T) -> (RejectionCode, String) {
    let error = envelope(data).unwrap_err();
    (error.code(), error.pointer().to_owned())
}

#[derive(Serialize)]
struct Field<T> {
    value: T,
}

#[derive(Serialize)]
struct Unit;
#[derive(Serialize)]
struct Newtype(u8);
#[derive(Serialize)]
struct Pair(u8, &'static str);
#[derive(Serialize, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    Unit,
    Newtype(u8),
    Tuple(u8, u8),
    Struct { a: u8, b: Option<u8> },
}

struct Bytes;
impl Serialize for Bytes {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(&[0, 10, 255])
    }
}

#[test]
fn values_are_written_like_serde_json() {
    same(&Field { value: true });
    same(&Field {
        value: [i8::MIN, -1, 0],
    });
    same(&Field {
        value: [i16::MIN, 10],
    });
    same(&Field {
        value: [i32::MIN, 100],
    });
    same(&Field {
        value: [i64::MIN, i64::MAX],
    });
    same(&Field {
        value: [i128::from(i64::MIN) - 1, 7, -70],
    });
    same(&Field {
        value: [0, u8::MAX],
    });
    same(&Field { value: u16::MAX });
    same(&Field { value: u32::MAX });
    same(&Field {
        value: [u64::MAX, 1_000_000],
    });
    same(&Field {
        value: [u128::from(u64::MAX) + 1],
    });
    same(&Field {
        value: [0.0, -0.0, 1.5, 1e-7, 1e21, 0.1 + 0.2],
    });
    same(&Field {
        value: [0.1_f32, 16_777_216.0, 1e-20],
    });
    same(&Field {
        value: ['a', '"', 'é', '\n'],
    });
    same(&Field {
        value: ["", "text", "\u{8}\u{c}\r\t\u{1b}\\/ \u{7f} é€😀"],
    });
    same(&Field { value: Bytes });
    same(&Field {
        value: (Some(1), None::<u8>, (), Unit, Newtype(3), Pair(4, "five")),
    });
    same(&Field {
        value: [Kind::Unit, Kind::Newtype(1), Kind::Tuple(2, 3)],
    });
    same(&Field {
        value: Kind::Struct { a: 1, b: None },
    });
    same(&Field {
        value: Ipv4Addr::LOCALHOST,
    });
    same(&Field {
        value: (
            Vec::<u8>::new(),
            BTreeMap::<u8, u8>::new(),
            [[[0; 2]; 2]; 2],
        ),
    });
    same(&serde_json::Value::Null);
    same(&Some(Field { value: 1 }));
}

#[test]
fn keys_are_written_like_serde_json() {
    fn map<K: Ord>(keys: impl IntoIterator<Item = K>) -> BTreeMap<K, u8> {
        keys.into_iter().map(|key| (key, 0)).collect()
    }
    same(&map([true, false]));
    same(&map([i8::MIN, 0]));
    same(&map([i64::MIN, i64::MAX]));
    same(&map([u64::MAX, 0]));
    same(&map([u128::MAX, 0]));
    same(&map(['a', '"']));
    same(&map(["", "a", "\0", "\0\0", "\u{1}\"", "é€😀"]));
    same(&map([Kind::Unit]));
    same(&map([Some("a"), Some("b")]));
    same(&map([Ipv4Addr::LOCALHOST]));
    same(&Members(vec![(1.5, 0), (1e21, 0), (0.0, 0)]));
    same(&Members(vec![(1.5_f32, 0)]));
}

#[test]
fn value_that_cannot_be_a_key_is_refused() {
    let at = |pointer: &str| (RejectionCode::InvalidValue, pointer.to_owned());
    assert_eq!(refused(&Members(vec![((), 0)])), at("/Data"));
    assert_eq!(refused(&Members(vec![(None::<u8>, 0)])), at("/Data"));
    assert_eq!(refused(&Members(vec![([1, 2], 0)])), at("/Data"));
    assert_eq!(refused(&Members(vec![(f64::NAN, 0)])), at("/Data"));
    let inside = Field {
        value: Members(vec![(Kind::Newtype(1), 0)]),
    };
    assert_eq!(refused(&inside), at("/Data/value"));
}

#[test]
fn enum_event_is_written_without_variant_name() {
    let text = |kind| envelope(&kind).map(|e| e.data().unwrap().to_owned());
    assert_eq!(text(Kind::Unit).unwrap(), "null");
    assert_eq!(
        text(Kind::Struct { a: 1, b: None }).unwrap(),
        r#"{"a":1,"b":null}"#
    );
    assert_eq!(refused(&Kind::Newtype(1)).0, RejectionCode::WrongType);
    #[derive(Serialize)]
    enum Event {
        Wrapped(Field<Kind>),
    }
    let event = Event::Wrapped(Field {
        value: Kind::Struct { a: 1, b: Some(2) },
    });
    assert_eq!(
        envelope(&event).unwrap().data().unwrap(),
        r#"{"value":{"Struct":{"a":1,"b":2}}}"#
    );
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
enum Change {
    Repriced { cents: u32 },
    Renamed(Name),
    Cleared,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Name {
    name: String,
}

/// A struct event that serializes as an enum.
#[derive(Debug, PartialEq, Serialize, Deserialize, DomainEvent)]
#[serde(transparent)]
#[event(id = "shop")]
struct CatalogueChanged {
    change: Change,
}

#[derive(Debug, PartialEq, Serialize, Deserialize, DomainEvent)]
enum ShopEvent {
    Catalogue(CatalogueChanged),
}

#[test]
fn enum_inside_an_event_keeps_variant_name() {
    let context = Context::new(Emitter::system("test").unwrap());
    let renamed = Change::Renamed(Name {
        name: "mug".to_owned(),
    });
    for (change, data) in [
        (Change::Repriced { cents: 5 }, r#"{"Repriced":{"cents":5}}"#),
        (renamed, r#"{"Renamed":{"name":"mug"}}"#),
    ] {
        let event = CatalogueChanged { change };
        let printed = format!("CATALOGUE_CHANGED {data}");
        let printed = printed.replacen("\":", "\": ", 1);
        assert_eq!(Redacted(&event).to_string(), printed);
        let envelope = Envelope::new(&event, &context).unwrap();
        assert_eq!(envelope.data(), Some(data));
        assert_eq!(envelope.decode().unwrap(), Some(event));
        let event = ShopEvent::Catalogue(envelope.decode().unwrap().unwrap());
        let envelope = Envelope::new(&event, &context).unwrap();
        assert_eq!(envelope.data(), Some(data));
        assert_eq!(envelope.decode().unwrap(), Some(event));
    }
    // A variant without content is written as its name, which is not an object.
    let cleared = CatalogueChanged {
        change: Change::Cleared,
    };
    let error = Envelope::new(&cleared, &context).unwrap_err();
    assert_eq!(error.code(), RejectionCode::WrongType);
}

/// A map whose keys may have any order and may repeat.
struct Members<K, V>(Vec<(K, V)>);

impl<K: Serialize, V: Serialize> Serialize for Members<K, V> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (key, value) in &self.0 {
            map.serialize_entry(key, value)?;
        }
        map.end()
    }
}

#[test]
fn duplicate_key_is_refused_at_any_map_size() {
    for count in [1, 2, 15, 16, 17, 18, 300] {
        let names: Vec<String> = (0..count)
            .map(|i| format!("a_rather_long_key_{i}"))
            .collect();
        let mut members: Vec<(&str, u8)> = names.iter().map(|name| (&**name, 0)).collect();
        same(&Members(members.clone()));
        for twice in [0, count - 1] {
            members.push((&names[twice], 1));
            // The key of a map is data, so the pointer ends at the map.
            let duplicate = (RejectionCode::DuplicateKey, "/Data".to_owned());
            assert_eq!(refused(&Members(members.clone())), duplicate);
            members.pop();
        }
    }
    let duplicate = (RejectionCode::DuplicateKey, "/Data".to_owned());
    #[derive(Serialize)]
    #[serde(untagged)]
    enum Key {
        Number(u8),
        Text(&'static str),
    }
    assert_eq!(
        refused(&Members(vec![(Key::Number(1), 0), (Key::Text("1"), 0)])),
        duplicate
    );
    #[derive(Serialize)]
    struct Flat {
        #[serde(rename = "1")]
        own: u8,
        #[serde(flatten)]
        more: BTreeMap<u8, u8>,
    }
    let flat = Flat {
        own: 0,
        more: BTreeMap::from([(1, 1)]),
    };
    assert_eq!(refused(&flat), duplicate);
    // Two objects may have the same key.
    same(&Field {
        value: Field {
            value: [Field { value: 1 }, Field { value: 2 }],
        },
    });
}

#[test]
fn raw_json_is_checked() {
    let raw = |json: &str| Field {
        value: RawValue::from_string(json.to_owned()).unwrap(),
    };
    same(&raw(r#"{"a": [1.50, "x"], "b":null}"#));
    let pointer = |pointer: &str| pointer.to_owned();
    assert_eq!(
        refused(&raw(r#"{"a":1,"\u0061":2}"#)),
        (RejectionCode::DuplicateKey, pointer("/Data/value"))
    );
    assert_eq!(
        refused(&raw("[1e200]")),
        (RejectionCode::NumberNotStorable, pointer("/Data/value/0"))
    );
    let sent = envelope(&raw("\"\u{FFFE}\u{FFFF}\"")).unwrap();
    assert_eq!(sent.data().unwrap(), r#"{"value":"\ufffe\uffff"}"#);
    // serde_json's numbers with the feature `arbitrary_precision`.
    #[derive(Serialize)]
    #[serde(rename = "$serde_json::private::Number")]
    struct Number {
        #[serde(rename = "$serde_json::private::Number")]
        digits: &'static str,
    }
    let number = |digits| Field {
        value: Number { digits },
    };
    assert_eq!(
        envelope(&number("1.50")).unwrap().data().unwrap(),
        r#"{"value":1.50}"#
    );
    assert_eq!(
        refused(&number("1e200")),
        (RejectionCode::NumberNotStorable, pointer("/Data/value"))
    );
}

#[test]
fn level_33_is_refused_in_every_container() {
    struct Nested(usize);
    impl Serialize for Nested {
        fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            match (self.0, self.0 % 2) {
                (0, _) => serializer.serialize_unit(),
                (_, 0) => serializer.collect_seq([Nested(self.0 - 1)]),
                _ => serializer.collect_map([("a", Nested(self.0 - 1))]),
            }
        }
    }
    same(&Nested(31));
    assert_eq!(
        refused(&Nested(33)),
        (RejectionCode::TooDeep, String::new())
    );
    assert_eq!(refused(&Nested(10_001)).0, RejectionCode::TooDeep);
}

#[test]
fn display_in_several_pieces_is_one_string() {
    struct Pieces;
    impl fmt::Display for Pieces {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            write!(f, "a\"{}\u{FFFF}\t!", 7)
        }
    }
    impl Serialize for Pieces {
        fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            serializer.collect_str(self)
        }
    }
    let sent = envelope(&Members(vec![("key", Pieces)])).unwrap();
    assert_eq!(sent.data().unwrap(), r#"{"key":"a\"7\uffff\t!"}"#);
    let sent = envelope(&Members(vec![(Pieces, 1)])).unwrap();
    assert_eq!(sent.data().unwrap(), r#"{"a\"7\uffff\t!":1}"#);
}

/// Types whose `Serialize` violates the rules of serde.
enum Careless {
    GoesOnAfterAnError,
    GoesOnAfterNan,
    KeyAlone,
    ValueAlone,
    TwoKeys,
    KeyThatCannotBeShown,
}

struct Fails;
impl Serialize for Fails {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("half", &1)?;
        Err(serde::ser::Error::custom("no more"))
    }
}
impl fmt::Display for Fails {
    fn fmt(&self, _: &mut fmt::Formatter<'_>) -> fmt::Result {
        Err(fmt::Error)
    }
}

struct Shown<T>(T);
impl<T: fmt::Display> Serialize for Shown<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

impl Serialize for Careless {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        match self {
            Self::GoesOnAfterAnError => assert!(map.serialize_entry("a", &Fails).is_err()),
            Self::GoesOnAfterNan => assert!(map.serialize_entry("a", &f64::NAN).is_err()),
            Self::KeyAlone => map.serialize_key("a")?,
            Self::ValueAlone => map.serialize_value(&1)?,
            Self::TwoKeys => {
                map.serialize_key("a")?;
                map.serialize_key("b")?;
                map.serialize_value(&1)?;
            }
            Self::KeyThatCannotBeShown => map.serialize_entry(&Shown(Fails), &1)?,
        }
        map.end()
    }
}

#[test]
fn serialize_that_writes_no_json_is_refused() {
    for careless in [
        Careless::GoesOnAfterAnError,
        Careless::GoesOnAfterNan,
        Careless::KeyAlone,
        Careless::ValueAlone,
        Careless::TwoKeys,
        Careless::KeyThatCannotBeShown,
    ] {
        assert_eq!(refused(&careless).0, RejectionCode::InvalidValue);
        assert_eq!(
            refused(&Field { value: careless }).0,
            RejectionCode::InvalidValue
        );
    }
}

#[test]
fn ignored_depth_error_is_still_refused() {
    /// A map inside this many lists. It ignores that its key is too deep.
    struct Deep(usize);
    impl Serialize for Deep {
        fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            match self.0 {
                0 => {
                    let mut map = serializer.serialize_map(None)?;
                    let _ = map.serialize_key("k");
                    map.serialize_value(&5)?;
                    map.end()
                }
                lists => serializer.collect_seq([Deep(lists - 1)]),
            }
        }
    }
    // `Data` is the first level, and the map is level 31 or 32.
    same(&Field { value: Deep(29) });
    let refusal = refused(&Field { value: Deep(30) });
    assert_eq!(refusal.0, RejectionCode::TooDeep);
}
