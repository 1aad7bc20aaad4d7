//! The results of the publisher: one receipt per event, and a report at the end.

use crate::event::envelope::Envelope;
use crate::event::timestamp::Timestamp;
use crate::event::{EntityId, EventId};

/// Proof that an event is durable.
///
/// Serialized, it is an object with the names of the fields, for example
/// `{"entity_id":"7","event_id":"…","timestamp":"1596719980.5","message_id":"…",`
/// `"sequence_number":null,"durability":"queue"}`. The timestamp is a string, so that no reader
/// rounds it.
///
/// # Examples
///
/// ```
/// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/doc/setup.rs"));
/// # example!(fn main(sdk, recorder) {
/// use domain_events::Durability;
///
/// let receipt = sdk.emit(OrderPlaced { order_id: 7, cents: 4990 }).await?;
/// assert_eq!(receipt.durability, Durability::Queue);
/// // Everything that finds the event again, for a log or an HTTP response:
/// println!("{}", serde_json::to_string(&receipt)?);
/// # });
/// ```
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
#[non_exhaustive]
pub struct Receipt {
    /// The entity that the event is about. It is the hash key of the table.
    pub entity_id: EntityId,
    /// Identity of the event.
    pub event_id: EventId,
    /// The time at which the event was created. It determines the sort key of the table.
    pub timestamp: Timestamp,
    /// Id of the SQS message that contains the event. `None` if the event is only in the
    /// spool. Events that are packed into one message have the same id.
    pub message_id: Option<String>,
    /// Position in the order of the event's message group, on FIFO queues only.
    pub sequence_number: Option<String>,
    /// The place at which the event is durable.
    pub durability: Durability,
}

/// The place at which an emitted event is durable.
///
/// # Examples
///
/// ```
/// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/doc/setup.rs"));
/// # example!(fn main(sdk, recorder) {
/// use domain_events::Durability;
///
/// let receipt = sdk.emit(OrderPlaced { order_id: 7, cents: 4990 }).await?;
/// match receipt.durability {
///     Durability::Queue => println!("SQS message {}", receipt.message_id.unwrap_or_default()),
///     Durability::Spool => println!("on the disk of this machine"),
///     other => println!("{other:?}"),
/// }
/// # });
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Durability {
    /// SQS has accepted it.
    Queue,
    /// SQS was unavailable. The event is on the disk of this machine. It is sent when SQS is
    /// available again, even after a restart.
    Spool,
}

impl Receipt {
    pub(crate) fn queued(
        envelope: &Envelope,
        message_id: String,
        sequence_number: Option<String>,
    ) -> Self {
        Self {
            entity_id: envelope.entity_id().clone(),
            event_id: envelope.event_id().clone(),
            timestamp: envelope.timestamp(),
            message_id: Some(message_id),
            sequence_number,
            durability: Durability::Queue,
        }
    }

    #[cfg(feature = "spool")]
    pub(crate) fn spooled(envelope: &Envelope) -> Self {
        Self {
            entity_id: envelope.entity_id().clone(),
            event_id: envelope.event_id().clone(),
            timestamp: envelope.timestamp(),
            message_id: None,
            sequence_number: None,
            durability: Durability::Spool,
        }
    }
}

/// The report of a shutdown.
///
/// The counts include all handles of the publisher, since it was built.
///
/// # Examples
///
/// ```
/// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/doc/setup.rs"));
/// # example!(fn main(sdk, recorder) {
/// use std::time::Duration;
///
/// sdk.emit(OrderPlaced { order_id: 7, cents: 4990 }).await?;
/// let report = sdk.shutdown(Duration::from_secs(10)).await;
/// assert_eq!((report.accepted, report.failed), (1, 0));
/// if !report.is_complete() {
///     let kept = report.unsent.iter().chain(&report.undetermined);
///     println!("{} events need to be sent again", kept.count());
/// }
/// # });
/// ```
#[must_use = "it contains the events that were not sent"]
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct ShutdownReport {
    /// Events that SQS has accepted.
    pub accepted: u64,
    /// Events that failed: `emit` or an [`EmitFuture`](crate::EmitFuture) returned an
    /// error, or `try_emit` refused the event as invalid. Includes invalid events and
    /// the events in `unsent` and `undetermined`.
    pub failed: u64,
    /// Events that were never submitted, because the future that `emit` returned was
    /// dropped before the publisher took the event.
    pub dropped: u64,
    /// Events on disk, which the next start sends.
    pub in_spool: u64,
    /// Damaged records that were found in the spool. They were not sent, and are in the folder
    /// of the spool, in files whose names contain `set-aside`. Adjacent records whose
    /// boundaries are destroyed count as one record. A damaged file header also counts as one.
    pub damaged_in_spool: u64,
    /// Events that were not sent before the deadline.
    pub unsent: Vec<Envelope>,
    /// Events whose outcome was unknown at the deadline. SQS may have accepted them, or a disk
    /// that hangs may still write them to the spool. It is safe to send them again, because the
    /// store deduplicates events by their identity.
    pub undetermined: Vec<Envelope>,
}

impl ShutdownReport {
    /// Returns true if every event had an outcome before the deadline.
    pub fn is_complete(&self) -> bool {
        self.unsent.is_empty() && self.undetermined.is_empty()
    }
}
