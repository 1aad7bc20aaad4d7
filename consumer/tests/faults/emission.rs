//! How the producers emit an event and retry.

use std::time::Duration;

use domain_events::{CausationId, CorrelationId, Durability, EmitError, Receipt, Sdk};

use crate::events::conversation;
use crate::journal::Entry;

/// Returns the handle with which an event is emitted. Every third event has a correlation
/// and a causation.
pub(crate) fn in_context(sdk: &Sdk, producer: &str, number: u64) -> Sdk {
    match conversation(producer, number) {
        None => sdk.clone(),
        Some((correlation, causation)) => sdk
            .with_correlation_id(CorrelationId::new(correlation).unwrap())
            .caused_by(CausationId::new(causation).unwrap()),
    }
}

/// Retries like a careful service: emits the envelope that the error contains.
pub(crate) async fn again(
    sdk: &Sdk,
    mut outcome: Result<Receipt, EmitError>,
    max_tries: u32,
) -> Result<Receipt, u32> {
    for tries in 1.. {
        match outcome {
            Ok(receipt) => return Ok(receipt),
            Err(error) if tries < max_tries && error.is_retryable() => {
                tokio::time::sleep(Duration::from_millis(200)).await;
                outcome = sdk.emit_envelope(error.into_envelope().unwrap()).await;
            }
            Err(_) => return Err(tries),
        }
    }
    unreachable!("the last try returns")
}

/// Returns the journal entry for an outcome.
pub(crate) fn entry(number: u64, outcome: Result<Receipt, u32>) -> Entry {
    match outcome {
        Ok(receipt) => Entry::Accepted {
            number,
            receipt: Some((receipt.event_id.to_string(), receipt.timestamp.to_string())),
            spooled: receipt.durability == Durability::Spool,
        },
        Err(tries) => Entry::Failed { number, tries },
    }
}
