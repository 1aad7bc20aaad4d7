//! Reads events whose types have changed since they were stored: renamed events, earlier
//! versions, and enums of them.

use std::collections::BTreeMap;

use domain_events::{
    Context, DecodeError, DomainEvent, Emitter, Envelope, EventId, PastVersion, wire,
};
use serde::{Deserialize, Serialize};

#[derive(Debug, PartialEq, Serialize, Deserialize, DomainEvent)]
#[event(type = "ORDER_CREATED")]
struct OrderPlacedV1 {
    #[event(id)]
    order_id: String,
    total: String,
}

#[derive(Debug, PartialEq, Serialize, Deserialize, DomainEvent)]
#[event(type = "ORDER_PLACED", alias = "ORDER_CREATED", version = 2, upcast_from = OrderPlacedV1)]
struct OrderPlacedV2 {
    #[event(id)]
    order_id: String,
    total_cents: u64,
}

#[derive(Debug, PartialEq, Serialize, Deserialize, DomainEvent)]
#[event(alias = "ORDER_CREATED", version = 3, upcast_from = OrderPlacedV2)]
struct OrderPlaced {
    #[event(id)]
    order_id: String,
    total: Money,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Money {
    cents: u64,
    currency: String,
}

impl From<OrderPlacedV1> for OrderPlacedV2 {
    fn from(old: OrderPlacedV1) -> Self {
        Self {
            order_id: old.order_id,
            total_cents: old.total.replace('.', "").parse().unwrap_or(0),
        }
    }
}

impl From<OrderPlacedV2> for OrderPlaced {
    fn from(old: OrderPlacedV2) -> Self {
        Self {
            order_id: old.order_id,
            total: Money {
                cents: old.total_cents,
                currency: "EUR".to_owned(),
            },
        }
    }
}

#[derive(Debug, PartialEq, Serialize, Deserialize, DomainEvent)]
#[event(type = "ORDER_SHIPPED")]
struct ShippedV1 {
    #[event(id)]
    order_id: String,
    parcel: String,
}

#[derive(Debug, PartialEq, Serialize, Deserialize, DomainEvent)]
#[event(prefix = "ORDER", id = "shop")]
#[serde(rename_all = "snake_case")]
enum OrderEvent {
    #[serde(skip)]
    #[allow(dead_code)]
    Draft,
    Placed(Box<OrderPlaced>),
    #[event(version = 2, upcast_from = ShippedV1, alias = "PARCEL_SENT")]
    Shipped {
        #[event(id)]
        order_id: String,
        parcels: Vec<String>,
    },
    SalesOpened,
    #[event(id = "till", alias = "TILL_CLOSED")]
    SalesClosed {},
}

impl From<ShippedV1> for OrderEvent {
    fn from(old: ShippedV1) -> Self {
        Self::Shipped {
            order_id: old.order_id,
            parcels: vec![old.parcel],
        }
    }
}

fn stored(event_type: &str, version: u16, data: &str) -> Envelope {
    let body = format!(
        r#"{{"Timestamp":1,"EventType":"{event_type}","ID":"7","EmitterId":"x","EmitterType":"SYSTEM","Data":{data},"Version":{version}}}"#
    );
    let id = EventId::from_static("1");
    let mut decoded = wire::decode(&body, &id).unwrap();
    decoded.remove(0).outcome.unwrap()
}

fn placed(cents: u64) -> OrderPlaced {
    OrderPlaced {
        order_id: "7".to_owned(),
        total: Money {
            cents,
            currency: "EUR".to_owned(),
        },
    }
}

fn shipped(parcels: &[&str]) -> OrderEvent {
    OrderEvent::Shipped {
        order_id: "7".to_owned(),
        parcels: parcels.iter().map(ToString::to_string).collect(),
    }
}

const V1: &str = r#"{"order_id":"7","total":"12.50"}"#;
const V2: &str = r#"{"order_id":"7","total_cents":1250}"#;
const V3: &str = r#"{"order_id":"7","total":{"cents":1250,"currency":"EUR"}}"#;

#[test]
fn every_version_is_read_as_the_latest() {
    for (name, version, data) in [
        ("ORDER_CREATED", 1, V1),
        ("ORDER_PLACED", 1, V1),
        ("ORDER_PLACED", 2, V2),
        ("ORDER_CREATED", 2, V2),
        ("ORDER_PLACED", 3, V3),
    ] {
        let envelope = stored(name, version, data);
        assert_eq!(
            envelope.decode::<OrderPlaced>().unwrap(),
            Some(placed(1250))
        );
        let boxed = OrderEvent::Placed(Box::new(placed(1250)));
        assert_eq!(envelope.decode::<OrderEvent>().unwrap(), Some(boxed));
        // The stored event does not change.
        assert_eq!(envelope.version(), version);
        assert_eq!(envelope.data(), Some(data));
    }
}

#[test]
fn variant_has_its_own_versions() {
    let old = stored("ORDER_SHIPPED", 1, r#"{"order_id":"7","parcel":"a"}"#);
    assert_eq!(old.decode().unwrap(), Some(shipped(&["a"])));
    let new = r#"{"order_id":"7","parcels":["a","b"]}"#;
    for name in ["ORDER_SHIPPED", "PARCEL_SENT"] {
        let new = stored(name, 2, new);
        assert_eq!(new.decode().unwrap(), Some(shipped(&["a", "b"])));
    }
}

#[test]
fn every_variant_survives_a_round_trip() {
    let context = Context::new(Emitter::system("test").unwrap());
    for (event, id, data) in [
        (
            OrderEvent::Placed(Box::new(placed(1))),
            "7",
            r#"{"order_id":"7","total":{"cents":1,"currency":"EUR"}}"#,
        ),
        (shipped(&[]), "7", r#"{"order_id":"7","parcels":[]}"#),
        (OrderEvent::SalesOpened, "shop", "null"),
        (OrderEvent::SalesClosed {}, "till", "{}"),
    ] {
        let envelope = Envelope::new(&event, &context).unwrap();
        assert_eq!(envelope.entity_id().as_str(), id);
        assert_eq!(envelope.data(), Some(data));
        assert_eq!(envelope.decode().unwrap(), Some(event));
    }
}

#[test]
fn alias_is_read_and_unknown_type_is_none() {
    let closed = stored("TILL_CLOSED", 1, "{}");
    assert_eq!(closed.decode().unwrap(), Some(OrderEvent::SalesClosed {}));
    assert_eq!(
        stored("SALES_CLOSED", 1, "{}")
            .decode::<OrderEvent>()
            .unwrap(),
        None
    );
    assert_eq!(closed.decode::<OrderPlaced>().unwrap(), None);
}

#[test]
fn newer_version_is_an_error() {
    for error in [
        stored("ORDER_PLACED", 4, V3)
            .decode::<OrderPlaced>()
            .unwrap_err(),
        stored("ORDER_PLACED", 4, V3)
            .decode::<OrderEvent>()
            .unwrap_err(),
    ] {
        assert_eq!(
            error.to_string(),
            "a stored ORDER_PLACED has version 4, and this program reads versions up to 3"
        );
    }
}

#[derive(Debug, PartialEq, Serialize, Deserialize, DomainEvent)]
#[event(version = 3, oldest)]
struct Measured {
    #[event(id)]
    id: String,
}

#[test]
fn older_version_without_upcast_is_an_error() {
    let error = stored("MEASURED", 2, r#"{"id":"7"}"#)
        .decode::<Measured>()
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        "a stored MEASURED has version 2, and no upcast from version 2 to 3 is defined"
    );
    let error = stored("SALES_OPENED", 1, "null");
    assert!(error.decode::<OrderEvent>().unwrap().is_none());
}

#[test]
fn mismatch_names_the_stored_version() {
    let error =
        stored("ORDER_CREATED", 1, r#"{"order_id":"7","total":12.50}"#).decode::<OrderEvent>();
    assert_eq!(
        error.unwrap_err().to_string(),
        "the data of a stored ORDER_CREATED (version 1) does not fit its type at /Data/total: \
         found a number; expected a string"
    );
}

/// An event implemented by hand. Its version 1 is read with a type that is not an event.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct ByHand {
    id: u32,
    names: Vec<String>,
}

impl DomainEvent for ByHand {
    const DEFINITIONS: &'static [domain_events::EventDefinition] =
        &[domain_events::EventDefinition::new("BY_HAND").with_version(2)];

    fn entity_id(&self) -> &dyn std::fmt::Display {
        &self.id
    }

    fn upcast(older: PastVersion<'_>) -> Result<Self, DecodeError> {
        let mut names = older.data::<BTreeMap<String, u32>>()?;
        let id = names.remove("id").unwrap_or_default();
        Ok(Self {
            id,
            names: names.into_keys().collect(),
        })
    }
}

#[test]
fn upcast_can_be_written_by_hand() {
    let read = |version, data| stored("BY_HAND", version, data).decode::<ByHand>().unwrap();
    let expected = ByHand {
        id: 7,
        names: vec!["a".to_owned()],
    };
    assert_eq!(read(1, r#"{"id":7,"a":1}"#).as_ref(), Some(&expected));
    assert_eq!(read(2, r#"{"id":7,"names":["a"]}"#), Some(expected));
}

#[derive(Debug, PartialEq, Serialize, Deserialize, DomainEvent)]
#[event(id = "scale", prefix = "SCALE")]
#[serde(untagged)]
enum ScaleEvent {
    Weighed {
        grams: u32,
    },
    #[event(alias = "SCALE_READ")]
    Measured {
        grams: u32,
        metres: f64,
    },
}

#[derive(Debug, PartialEq, Serialize, Deserialize, DomainEvent)]
#[event(id = "till", prefix = "TILL")]
#[serde(tag = "kind")]
enum TillEvent {
    Opened,
    Closed,
}

#[test]
fn event_decoded_as_other_variant_is_an_error() {
    let weighed = stored("SCALE_WEIGHED", 1, r#"{"grams":5}"#);
    let event = ScaleEvent::Weighed { grams: 5 };
    assert_eq!(weighed.decode().unwrap(), Some(event));
    for name in ["SCALE_MEASURED", "SCALE_READ"] {
        let measured = stored(name, 1, r#"{"grams":5,"metres":1.5}"#);
        assert_eq!(
            measured.decode::<ScaleEvent>().unwrap_err().to_string(),
            format!(
                "the data of a stored {name} (version 1) does not fit its type at /Data: serde reads the \
                 data as the variant SCALE_WEIGHED; remove `untagged`, so that the event type selects the \
                 variant, or let the data of a variant fit no other variant"
            )
        );
    }
    let opened = stored("TILL_OPENED", 1, r#"{"kind":"Opened"}"#);
    assert_eq!(opened.decode().unwrap(), Some(TillEvent::Opened));
    let opened = stored("TILL_OPENED", 1, r#"{"kind":"Closed"}"#);
    assert!(opened.decode::<TillEvent>().is_err());
}
