//! Emits events of twelve types and reads equal values back.

#![deny(warnings, clippy::pedantic)]

use std::borrow::Cow;
use std::error::Error;
use std::fmt::Debug;
use std::time::Duration;

use events::{DomainEvent, EventStore, Redacted, Sdk};
use futures::TryStreamExt as _;
use serde::de::DeserializeOwned;
use uuid::Uuid;

mod bare;
mod shop;

use shop::{
    Address, Change, Counted, CustomerId, CustomerMoved, NightlyReportSent, OrderEvent,
    OrderPlaced, OrderPlacedV1, OrderPlacedV2, Parcel, PriceChanged, ShopOpened,
};

type Failure = Box<dyn Error>;

/// The publisher, the store, and the number of events that were read back equal.
struct Harness {
    sdk: Sdk,
    store: EventStore,
    equal: u32,
}

impl Harness {
    /// Emits an event, reads it back as an `R`, and compares it with `expected`.
    async fn round_trip_as<E, R>(&mut self, event: E, expected: R) -> Result<(), Failure>
    where
        E: DomainEvent,
        R: DomainEvent + DeserializeOwned + Debug + PartialEq,
    {
        let receipt = self.sdk.emit(event).await?;
        self.store
            .wait_for(&receipt, Duration::from_secs(30))
            .await?;
        let history = self.store.history(&receipt.entity_id);
        let events: Vec<_> = history.decode::<R>().try_collect().await?;
        let found = events
            .into_iter()
            .find(|event| *event.stored().envelope().event_id() == receipt.event_id)
            .ok_or("the event is not in its history")?;
        let emitter = found.stored().envelope().emitter().clone();
        let known = found.known().ok_or("the event type is unknown")?;
        if known != expected {
            return Err(format!("{known:?} is not {expected:?}").into());
        }
        self.equal += 1;
        println!("{known:?} by {} {}", emitter.kind(), emitter.id());
        Ok(())
    }

    /// Emits an event, reads it back, and checks that it is equal.
    async fn round_trip<E>(&mut self, event: E) -> Result<(), Failure>
    where
        E: DomainEvent + DeserializeOwned + Debug + Clone + PartialEq,
    {
        self.round_trip_as(event.clone(), event).await
    }
}

#[tokio::main]
async fn main() -> Result<(), Failure> {
    let aws = aws_config::load_defaults(aws_config::BehaviorVersion::latest()).await;
    let client = aws_sdk_dynamodb::Client::new(&aws);
    let mut harness = Harness {
        sdk: Sdk::from_env().await?,
        store: EventStore::new(client, std::env::var("EVENT_TABLE")?),
        equal: 0,
    };

    let moved = CustomerMoved {
        customer_id: Uuid::new_v4(),
        moved_by: CustomerId(7),
        new_address: Address {
            street: "Straße 1 \"b\"\n🦀".to_owned(),
            floor: Some(-2),
        },
        moved_at: "2026-11-22T10:00:00.123456789Z".parse()?,
        cached: None,
    };
    let printed = format!("{:?}", Redacted(&moved));
    if printed.contains("Straße") || !printed.contains("customerId") {
        return Err(printed.into());
    }
    harness.round_trip(moved).await?;

    let order = Uuid::new_v4();
    let placed = |total_cents, currency: &str| OrderPlaced {
        order,
        total_cents,
        currency: currency.to_owned(),
    };
    harness.round_trip_as(
        OrderPlacedV1 {
            order,
            total: 12.34,
        },
        placed(1234, "EUR"),
    )
    .await?;
    harness.round_trip_as(
        OrderPlacedV2 {
            order,
            total_cents: 5,
        },
        placed(5, "EUR"),
    )
    .await?;
    harness.round_trip(placed(u64::MAX, "JPY")).await?;
    harness.round_trip_as(placed(1, "SEK"), OrderEvent::Placed(placed(1, "SEK")))
        .await?;
    harness.round_trip_as(
        OrderPlacedV1 { order, total: 0.5 },
        OrderEvent::Placed(placed(50, "EUR")),
    )
    .await?;
    harness.round_trip(OrderEvent::Placed(placed(2, "NOK"))).await?;
    let parcels = vec![
        Parcel::Post("RR 1".to_owned()),
        Parcel::Courier { van: 9 },
        Parcel::Pickup,
    ];
    harness.round_trip(OrderEvent::Shipped { order, parcels })
        .await?;
    harness.round_trip(OrderEvent::SalesOpened).await?;
    let reasons = [(String::new(), 1), ("holiday".to_owned(), 2)].into();
    harness.round_trip(OrderEvent::SalesClosed { reasons }).await?;

    harness.round_trip(Counted {
        shelf: "shelf-1".to_owned(),
        counts: [1, 0, u32::MAX],
    })
    .await?;
    harness.round_trip(Counted {
        shelf: 4_u64,
        counts: [0; 32],
    })
    .await?;
    harness.round_trip(PriceChanged {
        r#type: "tea".to_owned(),
        r#for: "USER".to_owned(),
        clerk: 3,
        sold: i128::from(u64::MAX) * 1_000,
        change: Change { old: None, new: -1 },
    })
    .await?;
    let title = Cow::Borrowed("Sales of the night");
    harness.round_trip(NightlyReportSent { title, empty: () })
        .await?;
    harness.round_trip(ShopOpened).await?;
    harness.round_trip(bare::Bare { id: 1 }).await?;

    let report = harness.sdk.shutdown(Duration::from_secs(10)).await;
    if !report.is_complete() {
        return Err(format!("{report:?}").into());
    }
    println!("{} events emitted and read back equal", harness.equal);
    Ok(())
}
