//! The events of the example, in every version that is in the table.

use domain_events::DomainEvent;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// As the program emitted it last year: the total was a decimal number.
#[derive(Debug, Serialize, Deserialize, JsonSchema, DomainEvent)]
#[event(type = "ORDER_PLACED")]
pub(crate) struct OrderPlacedV1 {
    #[event(id)]
    pub(crate) order: String,
    pub(crate) total: f64,
}

/// As the program emits it today: the total is in cents, with a currency.
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
            // There was only one currency then.
            currency: "EUR".to_owned(),
        }
    }
}
