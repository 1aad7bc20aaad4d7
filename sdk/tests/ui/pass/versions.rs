//! Versions, aliases, constants as ids, and personal data.
#![deny(warnings, clippy::pedantic, clippy::nursery)]
#![allow(unreachable_pub, dead_code)]

use std::fmt::Display;
use std::marker::PhantomData;

use domain_events::{DomainEvent, Redacted};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize, DomainEvent)]
#[event(type = "ORDER_PLACED")]
struct OrderPlacedV1 {
    #[event(id)]
    order_id: u32,
}

#[derive(Serialize, Deserialize, DomainEvent)]
#[event(type = "ORDER_PLACED", version = 2, upcast_from = self::OrderPlacedV1)]
struct OrderPlaced {
    #[event(id)]
    order_id: u32,
    #[event(pii)]
    customer: Option<String>,
}

impl From<OrderPlacedV1> for OrderPlaced {
    fn from(old: OrderPlacedV1) -> Self {
        Self {
            order_id: old.order_id,
            customer: None,
        }
    }
}

#[derive(Serialize, Deserialize, DomainEvent)]
#[event(type = "MEASURED")]
struct MeasuredV1<T> {
    #[event(id)]
    sensor: T,
}

/// A generic event with an earlier version that is also generic.
#[derive(Serialize, Deserialize, DomainEvent)]
#[event(version = 2, upcast_from = MeasuredV1<T>)]
struct Measured<T, const N: usize>
where
    T: Clone,
{
    #[event(id)]
    sensor: T,
    #[serde(skip)]
    unit: PhantomData<[(); N]>,
}

impl<T: Clone, const N: usize> From<MeasuredV1<T>> for Measured<T, N> {
    fn from(old: MeasuredV1<T>) -> Self {
        Self {
            sensor: old.sensor,
            unit: PhantomData,
        }
    }
}

#[derive(Serialize, Deserialize, DomainEvent)]
#[event(id = "shop", version = 2, oldest)]
struct ShopOpened;

#[derive(Serialize, Deserialize, DomainEvent)]
#[event(id = "shop", prefix = "SHOP")]
enum ShopEvent {
    Opened,
    #[event(id = "till")]
    Closed {
        #[event(pii)]
        by: String,
    },
    #[event(version = 2, upcast_from = OrderPlacedV1, type = "ORDER_PLACED")]
    Ordered {
        #[event(id)]
        order_id: u32,
    },
    Measured(Box<Measured<u8, 2>>),
}

impl From<OrderPlacedV1> for ShopEvent {
    fn from(old: OrderPlacedV1) -> Self {
        Self::Ordered {
            order_id: old.order_id,
        }
    }
}

domain_events::assert_distinct!(OrderPlacedV1, OrderPlaced, Measured<u8, 2>);
domain_events::assert_distinct!(ShopEvent, Box<Measured<u8, 2>>);

fn id<T: DeserializeOwned + Display + Serialize + Clone>(event: &Measured<T, 2>) -> String {
    event.entity_id().to_string()
}

pub fn main() {
    let measured = Measured {
        sensor: 7,
        unit: PhantomData,
    };
    assert_eq!(id(&measured), "7");
    assert_eq!(ShopEvent::Opened.entity_id().to_string(), "shop");
    let closed = ShopEvent::Closed {
        by: "Ada".to_owned(),
    };
    assert_eq!(closed.entity_id().to_string(), "till");
    let printed = Redacted(&closed).to_string();
    assert_eq!(printed, r#"SHOP_CLOSED {"by": <redacted>}"#);
}
