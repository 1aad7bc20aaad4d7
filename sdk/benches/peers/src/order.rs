//! The event that every case sends, stores or reads: about 350 bytes of JSON.

use domain_events::{Context, DomainEvent, Emitter, Envelope};
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, DomainEvent)]
#[event(emitter_type = "USER")]
pub struct OrderPlaced {
    #[event(id)]
    pub order_id: String,
    #[event(emitter_id)]
    customer: String,
    total_cents: u64,
    currency: String,
    lines: Vec<Line>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Line {
    sku: String,
    quantity: u32,
    cents: u64,
}

pub fn order(order_id: String) -> OrderPlaced {
    let line = |n: u32| Line {
        sku: format!("B0CHX1W1X{n}"),
        quantity: n + 1,
        cents: 4995,
    };
    OrderPlaced {
        order_id,
        customer: "6b04fd08-e496-11ea-8176-9f85e075569c".to_owned(),
        total_cents: 12_995,
        currency: "EUR".to_owned(),
        lines: (0..5).map(line).collect(),
    }
}

/// Orders of different entities.
pub fn orders(count: usize) -> Vec<OrderPlaced> {
    (0..count).map(|n| order(format!("order-{n:08}"))).collect()
}

/// Orders of one entity.
pub fn history(count: usize) -> Vec<OrderPlaced> {
    (0..count).map(|_| order(ENTITY.to_owned())).collect()
}

pub const ENTITY: &str = "order-of-history";

pub fn envelopes(events: &[OrderPlaced]) -> Vec<Envelope> {
    let context = Context::new(Emitter::system("shop").unwrap());
    events
        .iter()
        .map(|event| Envelope::new(event, &context).unwrap())
        .collect()
}
