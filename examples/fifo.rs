//! A FIFO queue: the events of one entity are also delivered in order.
//! `cargo run --bin fifo`
//!
//! A history is also in order with a standard queue, because it is ordered by timestamp.
//! Choose a FIFO queue only if another consumer of the queue depends on the order.

#![forbid(unsafe_code)]

use std::error::Error;

use domain_events::{DomainEvent, Emitter, Sdk};
use domain_events_local::{Options, Stack};
use futures::TryStreamExt;
use serde::{Deserialize, Serialize};

#[derive(Debug, Serialize, Deserialize, DomainEvent)]
struct ParcelScanned {
    #[event(id)]
    parcel: String,
    station: u32,
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let options = Options {
        fifo: true,
        ..Options::default()
    };
    let stack = Stack::start(options).await?;
    let queue_url = stack.queue_url();
    println!(
        "queue: {}",
        queue_url.rsplit('/').next().unwrap_or_default()
    );
    // The SDK recognises a FIFO queue by the suffix of its URL. The message group is the
    // id of the entity, and the deduplication id is the id of the event.
    let sdk = Sdk::builder(queue_url, Emitter::system("depot")?);
    let sdk = sdk.sqs_client(stack.sqs_client()).build().await?;

    let scans = (1..=5).map(|station| ParcelScanned {
        parcel: "parcel-1".to_owned(),
        station,
    });
    for receipt in sdk.emit_all(scans).await {
        let receipt = receipt?;
        let number = receipt.sequence_number.unwrap_or_default();
        println!("accepted with sequence number {number}");
    }
    stack.wait_until_drained().await;

    let mut history = stack.store().history("parcel-1").decode::<ParcelScanned>();
    while let Some(event) = history.try_next().await? {
        if let Some(ParcelScanned { parcel, station }) = event.known() {
            println!("{parcel} was scanned at station {station}");
        }
    }
    stack.stop().await;
    Ok(())
}
