//! The events of the example, in every version that the table contains.

use domain_events::DomainEvent;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Version 1, which an earlier program emitted. The total was a decimal number.
#[derive(Debug, Serialize, Deserialize, JsonSchema, DomainEvent)]
#[event(type = "ORDER_PLACED")]
pub(crate) struct OrderPlacedV1 {
    #[event(id)]
    pub(crate) order: String,
    pub(crate) total: f64,
}

/// Version 2, which the current program emits. The total is in cents, with a currency.
#[derive(Debug, Serialize, Deserialize, JsonSchema, DomainEvent)]
#[event(version = 2, upcast_from = OrderPlacedV1)]
pub(crate) struct OrderPlaced {
    #[event(id)]
    pub(crate) order: String,
    pub(crate) total_cents: u64,
    pub(crate) currency: String,
}

impl From<OrderPlacedV1> for OrderPlaced {
    fn from(old: OrderPlacedV1) -> Self {
        Self {
            order: old.order,
            total_cents: (old.total * 100.0).round() as u64,
            // Version 1 supported only one currency.
            currency: "EUR".to_owned(),
        }
    }
}
