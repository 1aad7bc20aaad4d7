//! Examples are generated for types of common crates, without any input from the user.

use std::net::{IpAddr, SocketAddr, SocketAddrV6};
use std::num::NonZeroU16;
use std::path::PathBuf;
use std::time::Duration;

use domain_events::schema::{Mode, SchemaProblem, check_lock};

use super::*;

#[derive(Debug, Serialize, Deserialize, JsonSchema, DomainEvent)]
#[event(id = "one")]
struct Common {
    price: rust_decimal::Decimal,
    prices: BTreeMap<String, Option<rust_decimal::Decimal>>,
    release: semver::Version,
    address: SocketAddr,
    address_v6: SocketAddrV6,
    ip: IpAddr,
    at: chrono::DateTime<chrono::Utc>,
    local: chrono::NaiveDateTime,
    day: chrono::NaiveDate,
    time: chrono::NaiveTime,
    jiff_at: jiff::Timestamp,
    jiff_day: jiff::civil::Date,
    jiff_span: jiff::Span,
    id: uuid::Uuid,
    by_id: BTreeMap<uuid::Uuid, u8>,
    by_day: BTreeMap<chrono::NaiveDate, u8>,
    by_ip: BTreeMap<IpAddr, u8>,
    link: url::Url,
    links: Vec<url::Url>,
    took: Duration,
    path: PathBuf,
    port: NonZeroU16,
    letter: char,
    big: i128,
    bytes: [u8; 4],
    unit: (),
}

#[test]
fn common_types_have_examples() {
    let events = events![Common];
    let schemas = events.json_schemas().unwrap();
    let validator = jsonschema::validator_for(&schemas[0].schema).unwrap();
    assert!(validator.is_valid(&schemas[0].schema["examples"][0]));
    let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("common.lock");
    let _ = std::fs::remove_file(&path);
    check_lock(&path, &events, Mode::Update).unwrap();
    check_lock(&path, &events, Mode::Locked).unwrap();
}

/// Declares events with one field that accepts fewer values than its Rust type suggests.
macro_rules! picky {
    ($($name:ident: { $(#[$meta:meta])* $ty:ty };)*) => {$(
        #[derive(Debug, Serialize, Deserialize, JsonSchema, DomainEvent)]
        #[event(id = "one")]
        struct $name {
            $(#[$meta])*
            field: $ty,
        }
    )*};
}

picky! {
    Currency: { #[serde(deserialize_with = "three_capitals")] String };
    Article: { #[schemars(regex(pattern = r"^[A-Z]{2}-\d{4}$"))] String };
    Percentage: { #[schemars(range(min = 40, max = 60))] u8 };
    Dozen: { #[schemars(extend("multipleOf" = 12))] u32 };
    Short: { #[schemars(length(min = 2, max = 2))] String };
    Unusual: { #[schemars(regex(pattern = r"^(?=x)x$"))] String };
    WithExample: { #[schemars(regex(pattern = r"^(?=x)x$"), example = &"x")] String };
    WrongExample: { #[schemars(regex(pattern = r"^[A-Z]+$"), example = &"x")] String };
    Several: { #[schemars(length(min = 2))] Vec<u8> };
}

fn three_capitals<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    let text = String::deserialize(deserializer)?;
    let is_code = text.len() == 3 && text.chars().all(|c| c.is_ascii_uppercase());
    is_code
        .then_some(text)
        .ok_or_else(|| serde::de::Error::custom("a currency has three capital letters"))
}

fn example_of(events: &Events) -> Value {
    let schemas = events.json_schemas().unwrap();
    let example = &schemas[0].schema["examples"][0];
    let validator = jsonschema::validator_for(&schemas[0].schema).unwrap();
    assert!(validator.is_valid(example), "{example}");
    example["Data"]["field"].clone()
}

#[test]
fn example_follows_the_rules_of_the_schema() {
    assert_eq!(example_of(&events![Currency]), "EUR");
    assert_eq!(example_of(&events![Article]), "EE-1111");
    assert_eq!(example_of(&events![Percentage]), 40);
    assert_eq!(example_of(&events![Dozen]), 12);
    assert_eq!(example_of(&events![Short]), "DE");
    assert_eq!(example_of(&events![Several]), json!([1, 1]));
    assert_eq!(example_of(&events![WithExample]), "x");
}

#[test]
fn pattern_beyond_this_dialect_takes_any_text() {
    // The type accepts the text, and the pattern cannot be evaluated.
    let schemas = events![Unusual].json_schemas().unwrap();
    assert_eq!(schemas[0].schema["examples"][0]["Data"]["field"], "example");
}

#[test]
fn example_that_violates_its_pattern_is_an_error() {
    let error = events![WrongExample].json_schemas().unwrap_err();
    let [
        SchemaProblem::ContradictsSchema {
            pointer, reason, ..
        },
    ] = &*error.problems
    else {
        panic!("{error}");
    };
    assert_eq!(pointer, "/Data/field");
    assert_eq!(reason, "the value is outside of the schema's pattern");
}

#[derive(Debug, Serialize, Deserialize, JsonSchema, DomainEvent)]
struct Held {
    #[event(id)]
    account: String,
    #[event(pii)]
    amount: rust_decimal::Decimal,
}

#[derive(Debug, Serialize, Deserialize, JsonSchema, DomainEvent)]
#[serde(tag = "type")]
enum Tagged {
    Held(Held),
}

#[derive(Debug, Serialize, Deserialize, JsonSchema, DomainEvent)]
#[serde(tag = "type", content = "value")]
enum Adjacent {
    Held(Plain),
}

#[derive(Debug, Serialize, Deserialize, JsonSchema, DomainEvent)]
#[event(type = "PLAIN_HELD")]
struct Plain {
    #[event(id)]
    account: String,
}

#[test]
fn tagged_enum_around_an_event_has_its_tag() {
    let schemas = events![Tagged, Adjacent].json_schemas().unwrap();
    let data = &schemas[0].schema["properties"]["Data"];
    assert_eq!(data["properties"]["type"]["const"], "Held");
    assert_eq!(data["properties"]["amount"]["x-pii"], true);
    let example = &schemas[0].schema["examples"][0];
    assert_eq!(example["Data"]["type"], "Held");
    assert_eq!(example["Data"]["account"], "example");
    let example = &schemas[1].schema["examples"][0];
    assert_eq!(example["Data"]["value"]["account"], "example");
    let document = events![Tagged, Adjacent].asyncapi("Bank", "1").unwrap();
    let payload = &document["components"]["messages"]["HELD"]["payload"];
    assert_eq!(
        payload["properties"]["Data"]["properties"]["type"]["const"],
        "Held"
    );
    let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("tagged.lock");
    let _ = std::fs::remove_file(&path);
    check_lock(&path, &events![Tagged, Adjacent], Mode::Update).unwrap();
    check_lock(&path, &events![Tagged, Adjacent], Mode::Locked).unwrap();
}
