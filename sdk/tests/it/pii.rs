//! Personal data stays out of everything that the library prints.

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
fn marked_fields_are_redacted_under_the_names_they_have_in_the_data() {
    let told = r#"CUSTOMER_REGISTERED {"customerId": 7, "fullName": <redacted>, "birthday": <redacted>, "country": "GB"}"#;
    assert_eq!(format!("{:?}", Redacted(&ada())), told);
    assert_eq!(
        Redacted(&CustomerEvent::Registered(ada())).to_string(),
        told
    );
    let moved = CustomerEvent::Moved {
        customer_id: 7,
        new_address: vec!["secret".to_owned()],
    };
    let told = "MOVED {\n    \"CUSTOMER_ID\": 7,\n    \"NEW_ADDRESS\": <redacted>,\n}";
    assert_eq!(format!("{:#?}", Redacted(&moved)), told);
    assert_eq!(Redacted(&CustomerEvent::Counted).to_string(), "COUNTED");
}

/// Written by a macro, whose literal comes to the derive in an invisible group.
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
fn a_name_that_a_macro_writes_is_the_name_in_the_data() {
    let event = RegisteredByMacro {
        id: 7,
        name: "Ada".to_owned(),
    };
    let told = r#"REGISTERED_BY_MACRO {"id": 7, "fullName": <redacted>}"#;
    assert_eq!(Redacted(&event).to_string(), told);
}

/// What was refused for its data where one field is personal.
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
fn fields_deeper_in_the_data_are_told_where_none_is_personal() {
    let told = |event: &Nested| Redacted(event).to_string();
    assert_eq!(
        told(&Nested::Counted { id: 7 }),
        r#"COUNTED {"t": "Counted", "c": {"id":7}}"#
    );
    assert_eq!(
        told(&Nested::Opened(Opened { id: 7 })),
        r#"OPENED {"t": "Opened", "c": {"id":7}}"#
    );
}

#[test]
fn an_envelope_prints_no_data() {
    let context = Context::new(Emitter::system("test").unwrap());
    let envelope = Envelope::new(&ada(), &context).unwrap();
    let told = format!(
        "{envelope:?}{envelope:#?}{:?}",
        envelope.decode::<CustomerEvent>().map(|_| ())
    );
    assert!(!told.contains("Ada") && !told.contains("1815"), "{told}");
}

#[test]
fn an_error_of_reading_quotes_no_data() {
    let body = r#"{"Timestamp":1,"EventType":"CUSTOMER_REGISTERED","ID":"7","EmitterId":"x","EmitterType":"USER","Data":{"customerId":7,"fullName":"Ada","birthday":"the tenth of December","country":"GB"}}"#;
    let id = EventId::from_static("1");
    let envelope = wire::decode(body, &id).unwrap().remove(0).outcome.unwrap();
    let Err(error) = envelope.decode::<CustomerRegistered>() else {
        panic!("a text is no year");
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
fn an_error_of_writing_quotes_no_data() {
    let context = Context::new(Emitter::system("test").unwrap());
    let event = Refusing { id: 7, name: "Ada" };
    let error = Envelope::new(&event, &context).unwrap_err();
    assert_eq!(error.pointer(), "/Data/name");
    assert!(!format!("{error}{error:?}").contains("Ada"));
    assert_eq!(Redacted(&event).to_string(), "REFUSING <not serializable>");
}

/// Only ever written: serde has no number for its variant.
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
fn a_lone_variant_that_is_never_read_is_written_and_redacted_as_any_other() {
    let joined = Announced::Joined {
        id: 7,
        name: "Ada".to_owned(),
    };
    let told = format!("{:?}", Redacted(&joined));
    assert!(
        !told.contains("Ada") && told.contains("\"id\": 7"),
        "{told}"
    );
}
