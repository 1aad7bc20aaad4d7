//! Checks that the library prints no personal data.

use domain_events::{Context, DomainEvent, Emitter, Envelope, EventId, Redacted, wire};
use serde::{Deserialize, Serialize, Serializer};

#[derive(Serialize, Deserialize, DomainEvent)]
#[serde(rename_all = "camelCase")]
struct CustomerRegistered {
    #[event(id)]
    customer_id: u32,
    #[event(pii)]
    full_name: String,
    #[event(pii)]
    #[serde(rename = "birthday")]
    born: Option<u32>,
    country: String,
}

#[derive(Serialize, Deserialize, DomainEvent)]
#[serde(rename_all_fields = "SCREAMING_SNAKE_CASE")]
enum CustomerEvent {
    Registered(CustomerRegistered),
    Moved {
        #[event(id)]
        customer_id: u32,
        #[event(pii)]
        new_address: Vec<String>,
    },
    #[event(id = "customers")]
    Counted,
}

fn ada() -> CustomerRegistered {
    CustomerRegistered {
        customer_id: 7,
        full_name: "Ada Lovelace".to_owned(),
        born: Some(1815),
        country: "GB".to_owned(),
    }
}

#[test]
fn pii_is_redacted_under_its_serde_name() {
    let printed = r#"CUSTOMER_REGISTERED {"customerId": 7, "fullName": <redacted>, "birthday": <redacted>, "country": "GB"}"#;
    assert_eq!(format!("{:?}", Redacted(&ada())), printed);
    assert_eq!(
        Redacted(&CustomerEvent::Registered(ada())).to_string(),
        printed
    );
    let moved = CustomerEvent::Moved {
        customer_id: 7,
        new_address: vec!["secret".to_owned()],
    };
    let printed = "MOVED {\n    \"CUSTOMER_ID\": 7,\n    \"NEW_ADDRESS\": <redacted>,\n}";
    assert_eq!(format!("{:#?}", Redacted(&moved)), printed);
    assert_eq!(Redacted(&CustomerEvent::Counted).to_string(), "COUNTED");
}

/// Declares an event in a macro. The derive receives the literal in an invisible group.
macro_rules! registered {
    ($event:ident, $text:literal) => {
        #[derive(Serialize, Deserialize, DomainEvent)]
        struct $event {
            #[event(id)]
            id: u32,
            #[event(pii)]
            #[serde(rename = $text, default)]
            name: String,
        }
    };
}
registered!(RegisteredByMacro, "fullName");

#[test]
fn pii_name_from_a_macro_is_redacted() {
    let event = RegisteredByMacro {
        id: 7,
        name: "Ada".to_owned(),
    };
    let printed = r#"REGISTERED_BY_MACRO {"id": 7, "fullName": <redacted>}"#;
    assert_eq!(Redacted(&event).to_string(), printed);
}

/// The derive refuses this representation if a field is marked `pii`.
#[derive(Serialize, DomainEvent)]
#[serde(tag = "t", content = "c")]
enum Nested {
    Counted {
        #[event(id)]
        id: u32,
    },
    Opened(Opened),
}

#[derive(Serialize, DomainEvent)]
struct Opened {
    #[event(id)]
    id: u32,
}

#[test]
fn event_without_pii_is_printed_in_full() {
    let printed = |event: &Nested| Redacted(event).to_string();
    assert_eq!(
        printed(&Nested::Counted { id: 7 }),
        r#"COUNTED {"t": "Counted", "c": {"id":7}}"#
    );
    assert_eq!(
        printed(&Nested::Opened(Opened { id: 7 })),
        r#"OPENED {"t": "Opened", "c": {"id":7}}"#
    );
}

#[test]
fn envelope_prints_no_data() {
    let context = Context::new(Emitter::system("test").unwrap());
    let envelope = Envelope::new(&ada(), &context).unwrap();
    let printed = format!(
        "{envelope:?}{envelope:#?}{:?}",
        envelope.decode::<CustomerEvent>().map(|_| ())
    );
    assert!(
        !printed.contains("Ada") && !printed.contains("1815"),
        "{printed}"
    );
}

#[test]
fn decode_error_quotes_no_data() {
    let body = r#"{"Timestamp":1,"EventType":"CUSTOMER_REGISTERED","ID":"7","EmitterId":"x","EmitterType":"USER","Data":{"customerId":7,"fullName":"Ada","birthday":"the tenth of December","country":"GB"}}"#;
    let id = EventId::from_static("1");
    let envelope = wire::decode(body, &id).unwrap().remove(0).outcome.unwrap();
    let Err(error) = envelope.decode::<CustomerRegistered>() else {
        panic!("a text is not a year");
    };
    assert_eq!(
        error.to_string(),
        "the data of a stored CUSTOMER_REGISTERED (version 1) does not fit its type at \
         /Data/birthday: found a string; expected u32"
    );
    assert!(!format!("{error:?}").contains("December"));
    assert!(std::error::Error::source(&error).is_none());
}

#[derive(Serialize, DomainEvent)]
struct Refusing {
    #[event(id)]
    id: u32,
    #[event(pii)]
    #[serde(serialize_with = "refuse")]
    name: &'static str,
}

fn refuse<S: Serializer>(name: &str, _: S) -> Result<S::Ok, S::Error> {
    Err(serde::ser::Error::custom(format!("`{name}` is refused")))
}

#[test]
fn serialize_error_quotes_no_data() {
    let context = Context::new(Emitter::system("test").unwrap());
    let event = Refusing { id: 7, name: "Ada" };
    let error = Envelope::new(&event, &context).unwrap_err();
    assert_eq!(error.pointer(), "/Data/name");
    assert!(!format!("{error}{error:?}").contains("Ada"));
    assert_eq!(Redacted(&event).to_string(), "REFUSING <not serializable>");
}

/// An enum with a variant that is never read. serde assigns no index to such a variant.
#[derive(Serialize, Deserialize, DomainEvent)]
enum Announced {
    #[serde(skip_deserializing)]
    Joined {
        #[event(id)]
        id: u32,
        #[event(pii)]
        name: String,
    },
}

#[test]
fn write_only_variant_is_redacted() {
    let joined = Announced::Joined {
        id: 7,
        name: "Ada".to_owned(),
    };
    let printed = format!("{:?}", Redacted(&joined));
    assert!(
        !printed.contains("Ada") && printed.contains("\"id\": 7"),
        "{printed}"
    );
}

const CANARY: &str = "CANARY-7d1f93";

/// serde moves or renames the personal field in a way that the derive cannot see.
mod moved {
    use std::collections::BTreeMap;

    use super::*;

    #[derive(Serialize, DomainEvent)]
    pub(super) struct Registered {
        #[event(id)]
        pub(super) id: u32,
        #[event(pii)]
        pub(super) name: &'static str,
    }

    #[derive(Serialize, DomainEvent)]
    pub(super) enum Wrapped {
        Registered(#[serde(serialize_with = "nested")] Registered),
    }

    fn nested<S: Serializer>(event: &Registered, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map([("registered", event)])
    }

    #[derive(Serialize, DomainEvent)]
    pub(super) enum Renamed {
        Registered(#[serde(serialize_with = "renamed")] Registered),
    }

    fn renamed<S: Serializer>(event: &Registered, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map([("n", event.name)])
    }

    #[derive(Serialize, DomainEvent)]
    pub(super) enum Repeated {
        Registered(#[serde(serialize_with = "repeated")] Registered),
    }

    fn repeated<S: Serializer>(event: &Registered, serializer: S) -> Result<S::Ok, S::Error> {
        let inner = BTreeMap::from([("list", [BTreeMap::from([("name", event.name)])])]);
        serializer.collect_map([("name", BTreeMap::new()), ("copy", inner)])
    }

    #[derive(Serialize, DomainEvent)]
    pub(super) struct Newtype {
        #[event(id)]
        pub(super) id: u32,
        #[event(pii)]
        #[serde(rename = "renamed", serialize_with = "wrapped")]
        pub(super) name: &'static str,
        #[serde(flatten)]
        pub(super) more: BTreeMap<&'static str, u8>,
    }

    fn wrapped<S: Serializer>(name: &&str, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map([("deep", name)])
    }

    #[derive(Serialize, DomainEvent)]
    pub(super) struct Optional {
        #[event(id)]
        pub(super) id: u32,
        #[event(pii)]
        #[serde(skip_serializing_if = "Option::is_none")]
        pub(super) name: Option<&'static str>,
    }
}

#[test]
fn moved_pii_is_not_printed() {
    use moved::{Newtype, Optional, Registered, Renamed, Repeated, Wrapped};

    let registered = || Registered {
        id: 7,
        name: CANARY,
    };
    for (printed, expected) in [
        (
            Redacted(&Wrapped::Registered(registered())).to_string(),
            "REGISTERED <redacted>",
        ),
        (
            Redacted(&Renamed::Registered(registered())).to_string(),
            "REGISTERED <redacted>",
        ),
        (
            Redacted(&Repeated::Registered(registered())).to_string(),
            r#"REGISTERED {"name": <redacted>, "copy": {"list":[{"name":<redacted>}]}}"#,
        ),
        (
            Redacted(&Newtype {
                id: 7,
                name: CANARY,
                more: [("a", 1)].into(),
            })
            .to_string(),
            r#"NEWTYPE {"id": 7, "renamed": <redacted>, "a": 1}"#,
        ),
        (
            Redacted(&Optional { id: 7, name: None }).to_string(),
            r#"OPTIONAL {"id": 7}"#,
        ),
        (
            Redacted(&Optional {
                id: 7,
                name: Some(CANARY),
            })
            .to_string(),
            r#"OPTIONAL {"id": 7, "name": <redacted>}"#,
        ),
    ] {
        assert_eq!(printed, expected);
    }
}
