//! A producer in a Lambda function: it receives an order and emits an event.
//! `examples/tests/lambda.rs` runs it on this machine.
//!
//! Lambda freezes the process as soon as an invocation returns its response, and may never
//! resume it. Await every `emit` before you return the response. The publisher then has no
//! work in progress when the process is frozen.

#![forbid(unsafe_code)]

use domain_events::{DomainEvent, Sdk};
use lambda_runtime::{Error, LambdaEvent, service_fn};
use serde::{Deserialize, Serialize};

#[derive(Deserialize)]
struct Order {
    number: String,
    parcels: u8,
}

#[derive(Serialize, DomainEvent)]
struct OrderPlaced {
    #[event(id)]
    order: String,
    parcels: u8,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    // The SDK is created once, before the first invocation.
    let sdk = &Sdk::from_env().await?;

    lambda_runtime::run(service_fn(|order: LambdaEvent<Order>| async move {
        let Order { number, parcels } = order.payload;
        // `emit` returns once SQS has accepted the event. An error fails the invocation, so
        // that the caller can invoke the function again.
        let order = number;
        let receipt = sdk.emit(OrderPlaced { order, parcels }).await?;
        Ok::<_, Error>(receipt.event_id.to_string())
    }))
    .await
}
