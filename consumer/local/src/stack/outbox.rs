//! The relay of a stack.

use std::time::Duration;

use aws_sdk_dynamodb::Client;
use domain_events::{Emitter, Sdk};
use domain_events_outbox::{AnyOutbox, DynamoDbOutbox, Relay};
use tokio_util::sync::CancellationToken;

use super::{Outbox, Stack, StartError};
use crate::table::create_outbox_table;

pub(super) const TABLE: &str = "events-outbox";

/// How often the relay looks for rows. On AWS, the stream of the table delivers new rows
/// immediately.
const SWEEP_INTERVAL: Duration = Duration::from_millis(200);

/// Opens the outbox, and creates its table if it is in the embedded DynamoDB.
pub(super) async fn open(
    outbox: Option<Outbox>,
    dynamodb: &Client,
) -> Result<Option<AnyOutbox>, StartError> {
    match outbox {
        None => Ok(None),
        Some(Outbox::Other(outbox)) => Ok(Some(outbox)),
        Some(Outbox::DynamoDb) => {
            create_outbox_table(dynamodb, TABLE)
                .await
                .map_err(|source| StartError::Create {
                    object: "the outbox table",
                    source: source.into(),
                })?;
            let outbox = DynamoDbOutbox::new(dynamodb.clone(), TABLE);
            Ok(Some(AnyOutbox::new(outbox)))
        }
    }
}

/// Creates the publisher of the relay.
pub(super) async fn publisher(stack: &Stack) -> Result<Sdk, StartError> {
    let failed = |source: Box<dyn std::error::Error + Send + Sync>| StartError::Create {
        object: "the publisher of the relay",
        source,
    };
    // The SDK requires an emitter, but every row of an outbox contains its own emitter.
    let emitter = Emitter::system("relay").map_err(|error| failed(error.into()))?;
    Sdk::builder(stack.queue_url(), emitter)
        .sqs_client(stack.sqs_client())
        .build()
        .await
        .map_err(|error| failed(error.into()))
}

/// Runs the relay until `stop`.
pub(super) async fn run(sdk: Sdk, outbox: AnyOutbox, stop: CancellationToken) {
    let relay = Relay::builder(sdk.clone(), outbox)
        .sweep_interval(SWEEP_INTERVAL)
        .grace(Duration::ZERO)
        .build();
    let report = relay.run(stop.cancelled_owned()).await;
    tracing::info!(
        sent = report.sent,
        refused = report.refused,
        "the relay has stopped"
    );
    let _ = sdk.shutdown(Duration::from_secs(5)).await;
}
