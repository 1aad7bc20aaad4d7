//! The whole pipeline on this machine: derive → emit → SQS → consumer → DynamoDB →
//! read back. `cargo run --bin quickstart`

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
    }, // the EventType is ORDER_PLACED
    #[event(emitter_type = "SYSTEM", emitter_id = "warehouse")]
    Shipped {
        #[event(id)]
        order: u64,
        parcels: u8,
    },
}

/// A valid event, as a producer in another language sends it. The invalid one is below.
const FOREIGN: &str = r#"{"Timestamp":1596719980,"EventType":"EVENT_TEST","ID":"53877b2e-e496-11ea-b678-9b42a44d5e59","EmitterId":"6b04fd08-e496-11ea-8176-9f85e075569c","EmitterType":"USER","Data":{"foo":"bar"}}"#;
const INVALID: &str = r#"{"Timestamp":1596719980,"EventType":"order placed"}"#;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    // SQS, DynamoDB and the consumer on loopback. In production they run in AWS, and a
    // service needs only `Sdk::from_env().await?`.
    let stack = Stack::start(Options::default()).await?;
    let (sqs, store) = (stack.sqs_client(), stack.store());
    let sdk = Sdk::builder(stack.queue_url(), Emitter::system("shop")?);
    let sdk = sdk.sqs_client(sqs.clone()).build().await?;

    println!("Emit two events of order 1001:");
    let (order, customer, parcels) = (1001, 42, 2);
    let placed = sdk.emit(OrderEvent::Placed { order, customer }).await?;
    println!("  SQS accepted {}", placed.event_id);
    let shipped = sdk
        .caused_by(&placed.event_id)
        .emit(OrderEvent::Shipped { order, parcels })
        .await?;
    println!("  SQS accepted {}", shipped.event_id);
    for receipt in [&placed, &shipped] {
        store.wait_for(receipt, Duration::from_secs(10)).await?;
    }

    println!("\nRead the history of order 1001:");
    let mut history = store.history(&shipped.entity_id).decode::<OrderEvent>();
    while let Some(event) = history.try_next().await? {
        let stored = event.stored();
        let (when, who) = (stored.timestamp().to_datetime(), stored.emitter().clone());
        let what = match event.known() {
            Some(OrderEvent::Placed { customer, .. }) => format!("placed by customer {customer}"),
            Some(OrderEvent::Shipped { parcels, .. }) => format!("shipped in {parcels} parcels"),
            None => "of a type that this program does not know".to_owned(),
        };
        println!("  {when}  {} {}: {what}", who.kind(), who.id());
    }

    println!("\nSend a valid and an invalid message from another language:");
    for body in [FOREIGN, INVALID] {
        let message = sqs.send_message().queue_url(stack.queue_url());
        message.message_body(body).send().await?;
    }
    stack.wait_until_drained().await;
    let foreign = "53877b2e-e496-11ea-b678-9b42a44d5e59";
    let stored: Vec<_> = store.history(foreign).try_collect().await?;
    for event in stored {
        let data = event.data().unwrap_or("no data");
        println!("  stored   {} {data}", event.event_type());
    }
    let letters = sqs
        .receive_message()
        .queue_url(stack.dead_letter_queue_url())
        .message_attribute_names("All");
    for letter in letters.send().await?.messages() {
        let attribute = |name| {
            let value = letter.message_attributes()?.get(name)?;
            value.string_value()
        };
        println!("  rejected {}", letter.body().unwrap_or_default());
        for name in ["RejectionCode", "RejectionPointer", "RejectionReason"] {
            println!("    {name}: {}", attribute(name).unwrap_or("-"));
        }
    }
    stack.stop().await;
    Ok(())
}
