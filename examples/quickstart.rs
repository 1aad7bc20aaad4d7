//! The whole road on this machine, with nothing to install: derive → emit → SQS
//! → consumer → DynamoDB → read back.
//!
//! ```sh
//! cargo run --bin quickstart
//! ```

use std::time::Duration;

use domain_events::{Decoded, DomainEvent, Emitter, Sdk};
use domain_events_consumer::local::{Options, Stack};
use futures::TryStreamExt;
use serde::{Deserialize, Serialize};

#[derive(Debug, Serialize, Deserialize, DomainEvent)]
#[event(emitter_type = "USER")] // its EventType is ORDER_PLACED, from the name
struct OrderPlaced {
    #[event(id)]
    order_id: String,
    #[event(emitter_id)]
    customer: String,
    total_cents: u64,
}

#[derive(Debug, Serialize, Deserialize, DomainEvent)]
struct OrderShipped {
    #[event(id)]
    order_id: String,
    parcels: Vec<String>,
}

/// All that can happen to an order, for reading its history.
#[derive(Debug, Serialize, Deserialize, DomainEvent)]
enum OrderEvent {
    Placed(OrderPlaced),
    Shipped(OrderShipped),
}

/// The contract's own example, as a service in another language sends it.
const FOREIGN: &str = r#"{"Timestamp":1596719980,"EventType":"EVENT_TEST","ID":"53877b2e-e496-11ea-b678-9b42a44d5e59","EmitterId":"6b04fd08-e496-11ea-8176-9f85e075569c","EmitterType":"USER","Data":{"foo":"bar"}}"#;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    // SQS, DynamoDB and the consumer on loopback. In production these are AWS's,
    // and a service needs only `Sdk::from_env().await?`.
    let stack = Stack::start(Options::default()).await?;
    let sqs = stack.sqs_client();
    let sdk = Sdk::builder(stack.queue_url(), Emitter::system("shop")?)
        .sqs_client(sqs.clone())
        .build()
        .await?;

    let order_id = "order-1001".to_owned();
    let placed = OrderPlaced {
        order_id: order_id.clone(),
        customer: "u-42".to_owned(),
        total_cents: 4990,
    };
    let receipt = sdk.emit(placed).await?;
    let parcels = vec!["DHL 00340434".to_owned()];
    let receipt = sdk
        .caused_by(&receipt.event_id)
        .emit(OrderShipped { order_id, parcels })
        .await?;

    let store = stack.store();
    store
        .wait_for(&receipt, Duration::from_secs(10))
        .await?
        .ok_or("the event was not stored")?;
    println!("History of {}:", receipt.entity_id);
    let mut history = store.history(&receipt.entity_id).decode::<OrderEvent>();
    while let Some(event) = history.try_next().await? {
        let envelope = event.stored().envelope();
        let (when, emitter) = (envelope.timestamp().to_datetime(), envelope.emitter());
        println!(
            "  {} by {} {}",
            when.format("%F %T%.6f"),
            emitter.kind(),
            emitter.id()
        );
        match event {
            Decoded::Known(event, _) => println!("    {event:?}"),
            Decoded::Unknown(stored) => println!("    some {}", stored.envelope().event_type()),
        }
    }

    for body in [FOREIGN, r#"{"EventType":"order placed"}"#] {
        sqs.send_message()
            .queue_url(stack.queue_url())
            .message_body(body)
            .send()
            .await?;
    }
    let foreign = "53877b2e-e496-11ea-b678-9b42a44d5e59".parse()?;
    while store.history(&foreign).try_next().await?.is_none() {}
    println!(
        "From another language: {:#?}",
        store
            .history(&foreign)
            .try_next()
            .await?
            .ok_or("none")?
            .envelope()
    );

    let dead_letters = sqs
        .receive_message()
        .queue_url(stack.dead_letter_queue_url())
        .wait_time_seconds(10);
    for letter in dead_letters
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
    let _ = sdk.shutdown(Duration::from_secs(5)).await;
    stack.stop().await;
    Ok(())
}
