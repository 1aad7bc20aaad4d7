//! The schema documents that are exported for events. `tests/schema/validate.sh` checks
//! them with third-party validators.

use std::collections::{BTreeMap, BTreeSet};

use domain_events::schema::{Events, SchemaError};
use domain_events::{DomainEvent, EventId, events, wire};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

mod common_types;
mod message;
mod names;

/// A customer placed an order.
#[derive(Debug, Serialize, Deserialize, JsonSchema, DomainEvent)]
#[event(emitter_type = "USER", version = 2, oldest)]
#[serde(rename_all = "camelCase")]
struct OrderPlaced {
    #[event(id)]
    order_id: u64,
    #[event(emitter_id)]
    customer: String,
    #[event(pii)]
    delivery_address: Address,
    #[event(pii)]
    phone: Option<String>,
    lines: Vec<Line>,
    labels: BTreeMap<String, u8>,
    share: Option<f32>,
    pair: (i8, bool),
    tags: BTreeSet<char>,
    #[serde(flatten)]
    payment: Payment,
    #[serde(skip_serializing_if = "Option::is_none")]
    parent: Option<Box<Category>>,
    anything: Value,
}

#[derive(Debug, Serialize, Deserialize, JsonSchema)]
struct Address {
    street: String,
    country: Country,
}

#[derive(Debug, Serialize, Deserialize, JsonSchema)]
enum Country {
    De,
    At,
}

#[derive(Debug, Serialize, Deserialize, JsonSchema)]
struct Line {
    article: String,
    #[schemars(range(min = 2, max = 9))]
    amount: u32,
}

#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "method", rename_all = "snake_case")]
enum Payment {
    CreditCard { last_digits: String },
    Invoice,
}

#[derive(Debug, Serialize, Deserialize, JsonSchema)]
struct Category {
    name: String,
    parent: Option<Box<Category>>,
}

#[derive(Debug, Serialize, Deserialize, JsonSchema, DomainEvent)]
#[event(id = "shop", prefix = "SHOP")]
#[serde(rename_all = "snake_case")]
enum ShopEvent {
    /// The doors are open.
    Opened,
    ClosedEarly {
        by: String,
    },
    Ordered(Box<OrderPlaced>),
    #[serde(skip)]
    #[allow(dead_code)]
    Dreamt,
}

#[derive(Debug, Serialize, Deserialize, JsonSchema, DomainEvent)]
#[event(id = "till", prefix = "TILL")]
#[serde(tag = "kind")]
enum TillEvent {
    Opened { float: u32 },
    Counted,
}

#[derive(Debug, Serialize, Deserialize, JsonSchema, DomainEvent)]
#[event(id = "scale", prefix = "SCALE")]
#[serde(untagged)]
enum ScaleEvent {
    Weighed { grams: u32 },
    Measured { metres: f64 },
}

#[derive(Debug, Serialize, Deserialize, JsonSchema, DomainEvent)]
struct Changed<T> {
    #[event(id)]
    key: String,
    value: T,
}

fn all() -> Events {
    events![
        OrderPlaced,
        ShopEvent,
        TillEvent,
        ScaleEvent,
        Changed<Address>
    ]
}

#[test]
fn example_is_read_by_our_decoder() {
    let schemas = all().json_schemas().unwrap();
    let names: Vec<_> = schemas.iter().map(|s| s.event_type.as_str()).collect();
    let expected = [
        "ORDER_PLACED",
        "SHOP_OPENED",
        "SHOP_CLOSED_EARLY",
        "TILL_OPENED",
        "TILL_COUNTED",
        "SCALE_WEIGHED",
        "SCALE_MEASURED",
        "CHANGED",
    ];
    assert_eq!(names, expected);
    for schema in schemas {
        let example = schema.schema["examples"][0].to_string();
        let id = EventId::from_static("1");
        let envelope = wire::decode(&example, &id)
            .unwrap()
            .remove(0)
            .outcome
            .unwrap();
        assert_eq!(envelope.event_type(), &schema.event_type);
        assert_eq!(envelope.version(), schema.version);
        let read = [
            envelope.decode::<OrderPlaced>().unwrap().is_some(),
            envelope.decode::<ShopEvent>().unwrap().is_some(),
            envelope.decode::<TillEvent>().unwrap().is_some(),
            envelope.decode::<ScaleEvent>().unwrap().is_some(),
            envelope.decode::<Changed<Address>>().unwrap().is_some(),
        ];
        assert!(read.contains(&true), "{example}");
    }
}

#[test]
fn schema_describes_the_whole_message() {
    let schemas = all().json_schemas().unwrap();
    let schema = &schemas[0].schema;
    assert_eq!(
        schema["$schema"],
        "https://json-schema.org/draft/2020-12/schema"
    );
    assert_eq!(schema["$id"], "urn:domain-events:ORDER_PLACED:2");
    assert_eq!(schema["description"], "A customer placed an order.");
    assert_eq!(
        schema["required"],
        json!([
            "Timestamp",
            "EventType",
            "ID",
            "EmitterId",
            "EmitterType",
            "Data",
            "Version"
        ])
    );
    assert_eq!(
        schema["properties"]["EventType"],
        json!({"const": "ORDER_PLACED"})
    );
    assert_eq!(schema["properties"]["Version"], json!({"const": 2}));
    let data = &schema["properties"]["Data"]["properties"];
    assert_eq!(data["orderId"]["format"], "uint64");
    assert_eq!(
        data["deliveryAddress"],
        json!({"allOf": [{"$ref": "#/$defs/Address"}], "x-pii": true})
    );
    assert_eq!(data["phone"]["x-pii"], true);
    assert_eq!(data["customer"].get("x-pii"), None);
    let definitions: Vec<_> = schema["$defs"].as_object().unwrap().keys().collect();
    assert_eq!(definitions, ["Address", "Category", "Country", "Line"]);
}

#[test]
fn variant_schema_describes_its_content() {
    let schemas = all().json_schemas().unwrap();
    let data = |index: usize| &schemas[index].schema["properties"]["Data"];
    assert_eq!(data(1), &json!({"type": "null"}));
    assert_eq!(data(2)["required"], json!(["by"]));
    assert_eq!(data(3)["properties"]["kind"]["const"], "Opened");
    assert_eq!(data(5)["required"], json!(["grams"]));
    assert_eq!(data(6)["required"], json!(["metres"]));
}

#[test]
fn asyncapi_has_a_message_for_each_event() {
    let document = all().asyncapi("Shop", "1.2.3").unwrap();
    assert_eq!(document["asyncapi"], "3.0.0");
    let messages = document["components"]["messages"].as_object().unwrap();
    assert_eq!(messages.len(), 8);
    let order = &messages["ORDER_PLACED_v2"];
    assert_eq!(order["name"], "ORDER_PLACED");
    assert_eq!(order["examples"][0]["payload"]["EventType"], "ORDER_PLACED");
    let phone = &order["payload"]["properties"]["Data"]["properties"]["phone"];
    assert_eq!(phone["x-pii"], true);
}

#[derive(Debug, Serialize, Deserialize, JsonSchema, DomainEvent)]
struct Picky {
    #[event(id)]
    #[serde(deserialize_with = "picky")]
    id: String,
}

fn picky<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    let text = String::deserialize(deserializer)?;
    let length = text.len();
    (length == 333)
        .then_some(text)
        .ok_or_else(|| serde::de::Error::invalid_length(length, &"333 letters"))
}

#[test]
fn type_without_an_example_has_a_remedy() {
    let error: SchemaError = events![Picky].json_schemas().unwrap_err();
    assert_eq!(
        error.to_string(),
        "no example of PICKY (version 1) can be made from its schema: /Data/id: \
         found a length of 7; expected 333 letters; \
         give the type or the field an example with `#[schemars(example = …)]`; \
         or, if `with` or `deserialize_with` changes the form of the field, \
         name a type of that form with `#[schemars(with = \"…\")]`"
    );
}

/// Writes the documents for the validators.
#[test]
#[ignore = "needs the folder EVENTS_SCHEMAS, for tests/schema/validate.sh"]
fn documents_for_the_validators() {
    let folder = std::path::PathBuf::from(std::env::var_os("EVENTS_SCHEMAS").unwrap());
    for schema in all().json_schemas().unwrap() {
        let name = format!("{}.{}.schema.json", schema.event_type, schema.version);
        std::fs::write(folder.join(name), schema.schema.to_string()).unwrap();
    }
    let document = all().asyncapi("Shop", "1.2.3").unwrap();
    std::fs::write(folder.join("asyncapi.json"), document.to_string()).unwrap();
}
