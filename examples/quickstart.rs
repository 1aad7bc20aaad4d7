//! The whole road on this machine, with nothing to install: derive → emit → SQS
//! → consumer → DynamoDB → read back. `cargo run --bin quickstart`

#![forbid(unsafe_code)]

use std::{error::Error, time::Duration};

use domain_events::{DomainEvent, Emitter, Sdk};
use domain_events_local::{Options, Stack};
use futures::TryStreamExt;
use serde::{Deserialize, Serialize};

#[derive(Debug, Serialize, Deserialize, DomainEvent)]
#[event(prefix = "ORDER", emitter_type = "USER")]
enum OrderEvent {
    Placed {
        #[event(id)]
        order: u64,
        #[event(emitter_id)]
        customer: u64,
    }, // its EventType is ORDER_PLACED
    #[event(emitter_type = "SYSTEM", emitter_id = "warehouse")]
    Shipped {
        #[event(id)]
        order: u64,
        parcels: u8,
    },
}

/// An event as a service in another language sends it, and one that is invalid.
const FOREIGN: &str = r#"{"Timestamp":1596719980,"EventType":"EVENT_TEST","ID":"53877b2e-e496-11ea-b678-9b42a44d5e59","EmitterId":"6b04fd08-e496-11ea-8176-9f85e075569c","EmitterType":"USER","Data":{"foo":"bar"}}"#;
const INVALID: &str = r#"{"Timestamp":1596719980,"EventType":"order placed"}"#;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    // SQS, DynamoDB and the consumer, on loopback. In production these are in
    // AWS, and a service needs only `Sdk::from_env().await?`.
    let stack = Stack::start(Options::default()).await?;
    let (sqs, store) = (stack.sqs_client(), stack.store());
    let sdk = Sdk::builder(stack.queue_url(), Emitter::system("shop")?);
    let sdk = sdk.sqs_client(sqs.clone()).build().await?;

    let (order, customer, parcels) = (1001, 42, 2);
    let placed = OrderEvent::Placed { order, customer };
    let receipt = sdk.emit(placed).await?;
    let shipped = OrderEvent::Shipped { order, parcels };
    let receipt = sdk.caused_by(&receipt.event_id).emit(shipped).await?;

    store.wait_for(&receipt, Duration::from_secs(10)).await?;
    println!("History of {}:", receipt.entity_id);
    let mut history = store.history(&receipt.entity_id).decode::<OrderEvent>();
    while let Some(event) = history.try_next().await? {
        let (when, who) = (event.stored().timestamp(), event.stored().emitter());
        println!("  {} by {} {}", when.to_datetime(), who.kind(), who.id());
        println!("    {:?}", event.known());
    }

    for body in [FOREIGN, INVALID] {
        let message = sqs.send_message().queue_url(stack.queue_url());
        message.message_body(body).send().await?;
    }
    let foreign = "53877b2e-e496-11ea-b678-9b42a44d5e59".parse()?;
    stack.wait_until_drained().await;
    let mut history = store.history(&foreign);
    println!("From another language: {:#?}", history.try_next().await?);

    let letters = sqs.receive_message();
    let letters = letters.queue_url(stack.dead_letter_queue_url());
    for letter in letters
        .message_attribute_names("All")
        .send()
        .await?
        .messages()
    {
        println!("Rejected: {}", letter.body().unwrap_or_default());
        for (name, value) in letter.message_attributes().into_iter().flatten() {
            println!("  {name}: {}", value.string_value().unwrap_or_default());
        }
    }
    stack.stop().await;
    Ok(())
}
