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

/// The handle and the store, and how many events came back.
struct Road {
    sdk: Sdk,
    store: EventStore,
    equal: u32,
}

impl Road {
    /// Emits an event and reads it back as `expected`, by the type of that.
    async fn travel<E, R>(&mut self, event: E, expected: R) -> Result<(), Failure>
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
        let known = found.known().ok_or("the type is not known")?;
        if known != expected {
            return Err(format!("{known:?} is not {expected:?}").into());
        }
        self.equal += 1;
        println!("{known:?} by {} {}", emitter.kind(), emitter.id());
        Ok(())
    }

    /// Emits an event and reads the same back.
    async fn and_back<E>(&mut self, event: E) -> Result<(), Failure>
    where
        E: DomainEvent + DeserializeOwned + Debug + Clone + PartialEq,
    {
        self.travel(event.clone(), event).await
    }
}

#[tokio::main]
async fn main() -> Result<(), Failure> {
    let aws = aws_config::load_defaults(aws_config::BehaviorVersion::latest()).await;
    let client = aws_sdk_dynamodb::Client::new(&aws);
    let mut road = Road {
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
    let told = format!("{:?}", Redacted(&moved));
    if told.contains("Straße") || !told.contains("customerId") {
        return Err(told.into());
    }
    road.and_back(moved).await?;

    let order = Uuid::new_v4();
    let placed = |total_cents, currency: &str| OrderPlaced {
        order,
        total_cents,
        currency: currency.to_owned(),
    };
    road.travel(
        OrderPlacedV1 {
            order,
            total: 12.34,
        },
        placed(1234, "EUR"),
    )
    .await?;
    road.travel(
        OrderPlacedV2 {
            order,
            total_cents: 5,
        },
        placed(5, "EUR"),
    )
    .await?;
    road.and_back(placed(u64::MAX, "JPY")).await?;
    road.travel(placed(1, "SEK"), OrderEvent::Placed(placed(1, "SEK")))
        .await?;
    road.travel(
        OrderPlacedV1 { order, total: 0.5 },
        OrderEvent::Placed(placed(50, "EUR")),
    )
    .await?;
    road.and_back(OrderEvent::Placed(placed(2, "NOK"))).await?;
    let parcels = vec![
        Parcel::Post("RR 1".to_owned()),
        Parcel::Courier { van: 9 },
        Parcel::Pickup,
    ];
    road.and_back(OrderEvent::Shipped { order, parcels })
        .await?;
    road.and_back(OrderEvent::SalesOpened).await?;
    let reasons = [(String::new(), 1), ("holiday".to_owned(), 2)].into();
    road.and_back(OrderEvent::SalesClosed { reasons }).await?;

    road.and_back(Counted {
        shelf: "shelf-1".to_owned(),
        counts: [1, 0, u32::MAX],
    })
    .await?;
    road.and_back(Counted {
        shelf: 4_u64,
        counts: [0; 32],
    })
    .await?;
    road.and_back(PriceChanged {
        r#type: "tea".to_owned(),
        r#for: "USER".to_owned(),
        clerk: 3,
        sold: i128::from(u64::MAX) * 1_000,
        change: Change { old: None, new: -1 },
    })
    .await?;
    let title = Cow::Borrowed("Sales of the night");
    road.and_back(NightlyReportSent { title, empty: () })
        .await?;
    road.and_back(ShopOpened).await?;
    road.and_back(bare::Bare { id: 1 }).await?;

    let report = road.sdk.shutdown(Duration::from_secs(10)).await;
    if !report.is_complete() {
        return Err(format!("{report:?}").into());
    }
    println!("{} events emitted and read back equal", road.equal);
    Ok(())
}
