//! The outcome of sending one row.

use domain_events::{Durability, EmitError, Envelope, EventId, Receipt, wire};
use futures::future::join_all;

use super::Shared;
use crate::rows::{Row, RowsError};

/// The outcome of one row: see [`Relay::deliver`](crate::Relay::deliver).
#[derive(Debug)]
#[non_exhaustive]
#[must_use = "a delivery may have failed"]
pub struct Delivery {
    /// The key of the row.
    pub event_id: String,
    /// `Ok` if SQS has accepted the message and the row is deleted.
    pub outcome: Result<(), DeliveryError>,
}

/// Why a row may still be in the outbox.
///
/// Neither `Display` nor `Debug` contains the event's data.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DeliveryError {
    /// The message of the row is not a valid event.
    #[error("the message of the row is not a valid event: {reason}")]
    InvalidMessage {
        /// The rule that the message violates, and the position in the message.
        reason: String,
    },
    /// The publisher did not send the message.
    #[error(transparent)]
    Emit(#[from] EmitError),
    /// SQS was unavailable, and the publisher has written the event to its spool. The row
    /// stays until SQS has accepted the event.
    #[error("SQS is unavailable; the event is in the publisher's spool and in the outbox")]
    Spooled,
    /// SQS has accepted the message, but the row could not be deleted. If it still exists, it
    /// is sent again.
    #[error(transparent)]
    Undeleted(#[from] RowsError),
}

impl DeliveryError {
    /// Returns true if the row may be sent later without a change by an operator.
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::InvalidMessage { .. } => false,
            Self::Emit(error) => error.is_retryable(),
            Self::Spooled | Self::Undeleted(_) => true,
        }
    }

    /// Returns true if the row is the cause of the error, so that SQS may accept other rows.
    pub fn is_refused(&self) -> bool {
        match self {
            Self::InvalidMessage { .. } => true,
            Self::Emit(error) => matches!(
                error,
                EmitError::Invalid(_)
                    | EmitError::TooLargeForQueue { .. }
                    | EmitError::Refused { .. }
            ),
            Self::Spooled | Self::Undeleted(_) => false,
        }
    }

    /// Returns true if other rows would fail, too, because SQS or the publisher is unavailable.
    pub(super) fn is_outage(&self) -> bool {
        match self {
            // SQS responded to the request and refused only this entry.
            Self::Emit(EmitError::RetriesExhausted { .. }) => false,
            Self::Emit(_) => !self.is_refused(),
            Self::Spooled => true,
            Self::InvalidMessage { .. } | Self::Undeleted(_) => false,
        }
    }
}

/// Decodes the event of a row. A message without an `EventId` gets the key of the row.
///
/// The publisher encodes the event again and gets the same bytes, because the wire format keeps
/// the text of `Data` and of numbers. The group and the deduplication id of a FIFO queue are
/// derived from the event, so a row can still be sent after the type of the queue has changed.
pub(super) fn event_of(row: &Row) -> Result<Envelope, DeliveryError> {
    let invalid = |reason: String| DeliveryError::InvalidMessage { reason };
    let key = EventId::new(row.event_id.clone())
        .map_err(|error| invalid(format!("event_id: {}", error.reason())))?;
    let mut events = wire::decode(&row.message, &key)
        .map_err(|error| invalid(error.to_string()))?
        .into_iter();
    match (events.next(), events.next()) {
        (Some(event), None) => event.outcome.map_err(|error| invalid(error.to_string())),
        _ => Err(invalid(
            "found an array; a row must contain one event".into(),
        )),
    }
}

/// Converts the result of the publisher to the outcome of the row.
pub(super) fn outcome_of(sent: Result<Receipt, EmitError>) -> Result<(), DeliveryError> {
    match sent?.durability {
        Durability::Queue => Ok(()),
        // A later version of the SDK may add another `Durability`, which may not outlive the
        // process, so the row is kept in this case, too.
        _ => Err(DeliveryError::Spooled),
    }
}

pub(super) async fn deliver(shared: &Shared, rows: Vec<Row>) -> Vec<Delivery> {
    let mut deliveries = join_all(rows.into_iter().map(|row| async move {
        let outcome = match event_of(&row) {
            Ok(event) => outcome_of(shared.sdk.emit_envelope(event).await),
            Err(error) => Err(error),
        };
        let event_id = row.event_id;
        Delivery { event_id, outcome }
    }))
    .await;
    let accepted: Vec<String> = deliveries
        .iter()
        .filter(|delivery| delivery.outcome.is_ok())
        .map(|delivery| delivery.event_id.clone())
        .collect();
    if !accepted.is_empty()
        && let Err(error) = shared.delete(accepted).await
    {
        tracing::warn!(
            outbox = shared.rows.name(),
            error = %domain_events::__internals::with_causes(&error),
            "rows were sent and are not deleted; they will be sent again"
        );
        for delivery in deliveries.iter_mut().filter(|d| d.outcome.is_ok()) {
            delivery.outcome = Err(DeliveryError::Undeleted(error.clone()));
        }
    }
    deliveries
}
