//! An event type whose fields change. `cargo run --bin versions`
//!
//! Stored events are never rewritten. Instead, a new version of the program upcasts them when
//! it reads them. The test in `examples/tests/compatibility.rs` fails if a change would make
//! stored events unreadable.

#![forbid(unsafe_code)]

use std::error::Error;

use domain_events::{Emitter, Sdk};
use domain_events_local::{Options, Stack};
use futures::TryStreamExt;

mod events;

use events::{OrderPlaced, OrderPlacedV1};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let stack = Stack::start(Options::default()).await?;
    let sdk = Sdk::builder(stack.queue_url(), Emitter::system("shop")?);
    let sdk = sdk.sqs_client(stack.sqs_client()).build().await?;

    let order = || "order-7".to_owned();
    let old = OrderPlacedV1 {
        order: order(),
        total: 49.90,
    };
    sdk.emit(old).await?;
    let new = OrderPlaced {
        order: order(),
        total_cents: 1250,
        currency: "USD".to_owned(),
    };
    sdk.emit(new).await?;
    stack.wait_until_drained().await;

    let mut history = stack.store().history(order()).decode::<OrderPlaced>();
    while let Some(event) = history.try_next().await? {
        let version = event.stored().version();
        if let Some(OrderPlaced {
            order,
            total_cents,
            currency,
        }) = event.known()
        {
            println!("stored as version {version}: {order}, {total_cents} cents, {currency}");
        }
    }
    stack.stop().await;
    Ok(())
}
