//! A canary value is sent through every failure of writing and reading an event. No error
//! may contain it.

use domain_events::{Context, DomainEvent, Emitter, Envelope, EventId, Redacted, wire};
use serde::{Deserialize, Serialize, Serializer};

const CANARY: &str = "CANARY-7d1f93";

/// Values that cannot be written. They contain the canary at every position that an error could
/// quote.
mod unwritable {
    use std::collections::BTreeMap;
    use std::fmt;

    use serde_json::value::RawValue;

    use super::*;

    #[derive(Serialize, DomainEvent)]
    pub(super) struct Scores<V> {
        #[event(id)]
        pub(super) id: u32,
        #[event(pii)]
        pub(super) scores: BTreeMap<String, V>,
    }

    pub(super) fn scores<V>(value: V) -> Scores<V> {
        Scores {
            id: 7,
            scores: BTreeMap::from([(CANARY.to_owned(), value)]),
        }
    }

    pub(super) struct Failing;
    impl Serialize for Failing {
        fn serialize<S: Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
            Err(serde::ser::Error::custom(CANARY))
        }
    }

    pub(super) struct Twice;
    impl Serialize for Twice {
        fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            serializer.collect_map([(CANARY, 1), (CANARY, 2)])
        }
    }

    pub(super) struct Deep(pub(super) usize);
    impl Serialize for Deep {
        fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            match self.0 {
                0 => serializer.serialize_str(CANARY),
                depth => serializer.collect_map([(CANARY, Deep(depth - 1))]),
            }
        }
    }

    pub(super) fn raw(json: &str) -> Box<RawValue> {
        RawValue::from_string(json.replace('$', CANARY)).unwrap()
    }

    #[derive(Serialize, DomainEvent)]
    pub(super) struct Identified<I: fmt::Display> {
        #[event(id)]
        pub(super) id: I,
    }

    #[derive(Serialize)]
    pub(super) struct FailingDisplay;
    impl fmt::Display for FailingDisplay {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str(CANARY)?;
            Err(fmt::Error)
        }
    }
}

#[test]
fn unwritable_values_are_not_in_errors() {
    use unwritable::{Deep, Failing, FailingDisplay, Identified, Twice, raw, scores};

    fn check<E: DomainEvent>(event: &E, pointer: &str) {
        let context = Context::new(Emitter::system("test").unwrap());
        let error = Envelope::new(event, &context).unwrap_err();
        // `Redacted` prints the entity id.
        let redacted = match pointer {
            "/ID" => String::new(),
            _ => Redacted(event).to_string(),
        };
        let printed = format!("{error} {error:?} {error:#?} {redacted}");
        assert!(!printed.contains(CANARY), "{printed}");
        assert!(std::error::Error::source(&error).is_none());
        assert_eq!(error.pointer(), pointer, "{error}");
    }
    check(&scores(f64::NAN), "/Data/scores");
    check(&scores([1.0, f64::INFINITY]), "/Data/scores");
    check(&scores(1e200), "/Data/scores");
    check(&scores(u128::MAX), "/Data/scores");
    check(&scores(Failing), "/Data/scores");
    check(&scores(Twice), "/Data/scores");
    check(&scores(Deep(40)), "");
    check(&scores(raw(r#"{"$":1,"$":2}"#)), "/Data/scores");
    check(&scores(raw(r#"{"$":[1e200]}"#)), "/Data/scores");
    check(&scores(CANARY.repeat(40_000)), "");
    check(&Identified { id: FailingDisplay }, "/ID");
    check(
        &Identified {
            id: CANARY.repeat(200),
        },
        "/ID",
    );
}

/// Types that fail to deserialize a stored value, with every kind of serde error that can
/// quote the value.
mod unreadable {
    use std::collections::BTreeMap;
    use std::fmt;

    use serde::de::{Deserializer, Error, Unexpected, Visitor};

    use super::*;

    #[derive(Debug, Serialize, Deserialize, DomainEvent)]
    #[serde(bound(deserialize = "V: serde::de::DeserializeOwned"))]
    pub(super) struct Scores<V> {
        #[event(id)]
        pub(super) id: u32,
        #[event(pii)]
        pub(super) scores: BTreeMap<String, V>,
    }

    #[derive(Debug, Serialize, Deserialize)]
    pub(super) enum Kind {
        Known,
    }

    #[derive(Debug, Serialize, Deserialize)]
    #[serde(deny_unknown_fields)]
    pub(super) struct Strict {}

    #[derive(Debug, Serialize, Deserialize)]
    #[serde(untagged)]
    pub(super) enum Untagged {
        Number(u8),
    }

    #[derive(Debug, Serialize, Deserialize)]
    #[serde(tag = "t")]
    pub(super) enum Tagged {
        Known,
    }

    macro_rules! rejecting {
        ($($name:ident: |$text:ident| $error:expr),*) => {$(
            #[derive(Debug, Serialize)]
            pub(super) struct $name;
            impl<'de> Deserialize<'de> for $name {
                fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                    let $text = String::deserialize(deserializer)?;
                    Err($error)
                }
            }
        )*};
    }
    rejecting! {
        Custom: |text| Error::custom(format!("not {text}")),
        Disguised: |text| Error::custom(format!("data did not match any variant of untagged enum {text}")),
        Quoting: |text| Error::invalid_value(Unexpected::Str(&text), &&*format!("not {text}")),
        Other: |text| Error::invalid_type(Unexpected::Other(&text), &"a number"),
        Unknown: |text| Error::unknown_field(&text, &["a"])
    }

    #[derive(Debug, Serialize)]
    pub(super) struct Expecting;
    impl<'de> Deserialize<'de> for Expecting {
        fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            struct Quotes(String);
            impl Visitor<'_> for Quotes {
                type Value = ();
                fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                    write!(f, "another text than {}", self.0)
                }
            }
            let text = String::deserialize(deserializer)?;
            let quotes = Quotes(text);
            Err(Error::invalid_type(Unexpected::Unit, &quotes))
        }
    }
}

#[test]
fn unreadable_values_are_not_in_errors() {
    use unreadable::*;

    #[track_caller]
    fn check<V>(json: &str)
    where
        V: std::fmt::Debug + Serialize + serde::de::DeserializeOwned,
    {
        let json = json.replace('$', CANARY);
        let data = format!(r#"{{"id":7,"scores":{{"{CANARY}":{json}}}}}"#);
        let body = format!(
            r#"{{"Timestamp":1,"EventType":"SCORES","ID":"7","EmitterId":"x","EmitterType":"USER","Data":{data}}}"#
        );
        let id = EventId::from_static("1");
        let envelope = wire::decode(&body, &id).unwrap().remove(0).outcome.unwrap();
        let error = envelope.decode::<Scores<V>>().unwrap_err();
        let printed = format!("{error} {error:?} {error:#?}");
        assert!(!printed.contains(CANARY), "{printed}");
        assert!(printed.contains("/Data/scores"), "{printed}");
        assert!(std::error::Error::source(&error).is_none());
    }
    check::<u8>(r#""$""#);
    check::<u8>("9999");
    check::<Vec<u8>>(r#"[1,"$"]"#);
    check::<Kind>(r#""$""#);
    check::<Kind>(r#"{"$":1}"#);
    check::<Strict>(r#"{"$":1}"#);
    check::<Untagged>(r#""$""#);
    check::<Tagged>(r#"{"t":"$"}"#);
    check::<std::collections::BTreeMap<u8, u8>>(r#"{"$":1}"#);
    check::<std::net::IpAddr>(r#""$""#);
    check::<domain_events::EventType>(r#""$""#);
    check::<domain_events::Timestamp>(r#""$""#);
    check::<Custom>(r#""$""#);
    check::<Disguised>(r#""$""#);
    check::<Quoting>(r#""$""#);
    check::<Other>(r#""$""#);
    check::<Unknown>(r#""$""#);
    check::<Expecting>(r#""$""#);
}
