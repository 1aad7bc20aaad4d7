//! Twelve event types of a shop. Together they use almost every shape that the derive
//! supports.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt::{self, Debug, Display};

use chrono::{DateTime, Utc};
use events::DomainEvent;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// An id type of the application.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct CustomerId(pub u64);

impl Display for CustomerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "customer-{}", self.0)
    }
}

/// 1. A UUID as entity id, an emitter id from a field, and personal data.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, DomainEvent)]
#[event(crate = events, emitter_type = "USER")]
#[serde(rename_all = "camelCase")]
pub struct CustomerMoved {
    #[event(id)]
    pub customer_id: Uuid,
    #[event(emitter_id)]
    pub moved_by: CustomerId,
    #[event(pii)]
    pub new_address: Address,
    pub moved_at: DateTime<Utc>,
    #[serde(skip)]
    pub cached: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Address {
    pub street: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub floor: Option<i8>,
}

/// 2. to 4. One event in three versions, with an alias.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, DomainEvent)]
#[event(crate = events, type = "ORDER_CREATED")]
pub struct OrderPlacedV1 {
    #[event(id)]
    pub order: Uuid,
    pub total: f64,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, DomainEvent)]
#[event(crate = events, type = "ORDER_PLACED", alias = "ORDER_CREATED", version = 2, upcast_from = OrderPlacedV1)]
pub struct OrderPlacedV2 {
    #[event(id)]
    pub order: Uuid,
    pub total_cents: u64,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, DomainEvent)]
#[event(crate = events, alias = "ORDER_CREATED", version = 3, upcast_from = OrderPlacedV2)]
pub struct OrderPlaced {
    #[event(id)]
    pub order: Uuid,
    pub total_cents: u64,
    pub currency: String,
}

impl From<OrderPlacedV1> for OrderPlacedV2 {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "the old totals were small, and none was negative"
    )]
    fn from(old: OrderPlacedV1) -> Self {
        Self {
            order: old.order,
            total_cents: (old.total * 100.0).round() as u64,
        }
    }
}

impl From<OrderPlacedV2> for OrderPlaced {
    fn from(old: OrderPlacedV2) -> Self {
        Self {
            order: old.order,
            total_cents: old.total_cents,
            currency: "EUR".to_owned(),
        }
    }
}

/// 5. to 8. An enum with every kind of variant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, DomainEvent)]
#[event(crate = events, prefix = "ORDER", emitter_type = "USER", emitter_id = "clerk")]
pub enum OrderEvent {
    Placed(OrderPlaced),
    #[event(emitter_type = "SYSTEM", emitter_id = "warehouse")]
    Shipped {
        #[event(id)]
        order: Uuid,
        parcels: Vec<Parcel>,
    },
    #[event(id = "all orders")]
    SalesOpened,
    #[event(type = "ORDERS_CLOSED", id = "all orders")]
    SalesClosed {
        reasons: BTreeMap<String, u32>,
    },
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "by", content = "number")]
pub enum Parcel {
    Post(String),
    Courier { van: u16 },
    Pickup,
}

/// 9. A generic event with a `where` clause and an array whose length is a const parameter.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, DomainEvent)]
#[event(crate = events, type = "STOCK_COUNTED", emitter_type = "SYSTEM", emitter_id = "warehouse")]
pub struct Counted<K, const N: usize>
where
    K: Debug + Clone,
    [u32; N]: Serialize + for<'a> Deserialize<'a>,
{
    #[event(id)]
    pub shelf: K,
    pub counts: [u32; N],
}

/// 10. Raw identifiers, and a flattened struct.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, DomainEvent)]
#[event(crate = events)]
pub struct PriceChanged {
    #[event(id)]
    pub r#type: String,
    #[event(emitter_type)]
    pub r#for: String,
    #[event(emitter_id)]
    pub clerk: u8,
    pub sold: i128,
    #[serde(flatten)]
    pub change: Change,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    pub old: Option<i64>,
    pub new: i64,
}

/// 11. Borrowed data, and a constant entity id.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, DomainEvent)]
#[event(crate = events, id = "shop", emitter_type = "SYSTEM", emitter_id = "scheduler")]
pub struct NightlyReportSent<'a> {
    pub title: Cow<'a, str>,
    pub empty: (),
}

/// 12. An event without data.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, DomainEvent)]
#[event(crate = events, id = "shop")]
pub struct ShopOpened;
