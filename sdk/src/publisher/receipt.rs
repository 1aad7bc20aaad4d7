//! What an emitter tells of events that went well, and of its own end.

use crate::event::envelope::Envelope;
use crate::event::timestamp::Timestamp;
use crate::event::{EntityId, EventId};

/// Proof that an event is in safe hands.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Receipt {
    /// The entity that the event is about; the table's hash key.
    pub entity_id: EntityId,
    /// Identity of the event.
    pub event_id: EventId,
    /// When the event was created; the table's sort key.
    pub timestamp: Timestamp,
    /// Id of the SQS message that carries the event; `None` while it is only
    /// in the spool. Events packed into one message share it.
    pub message_id: Option<String>,
    /// Place in the order of the event's group; FIFO queues only.
    pub sequence_number: Option<String>,
    /// Who has the event now.
    pub durability: Durability,
}

/// Who has an event that was emitted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Durability {
    /// SQS has accepted it.
    Queue,
    /// SQS could not be reached; the event is on this machine's disk, and is
    /// sent from there as soon as SQS can be reached, also after a restart.
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

/// How an emitter ended.
///
/// The counts are of the emitter's whole life, over all its handles.
#[must_use = "it holds the events that were not sent"]
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct ShutdownReport {
    /// Events that SQS has accepted.
    pub accepted: u64,
    /// Events whose `emit` returned an error, those below included.
    pub failed: u64,
    /// Events that wait on disk for the next start.
    pub in_spool: u64,
    /// Damaged records that were found in the spool. They were not sent, and lie in
    /// the spool's folder, in files whose names contain `set-aside`. Records whose
    /// boundaries are destroyed count as one, and so does the header of a file.
    pub damaged_in_spool: u64,
    /// Events that were not sent before the deadline.
    pub unsent: Vec<Envelope>,
    /// Events that were on their way at the deadline: SQS may have accepted
    /// them, or a disk that hangs may yet have them in the spool. Sending them
    /// again is safe, since the store knows an event by its identity.
    pub undetermined: Vec<Envelope>,
}

impl ShutdownReport {
    /// Whether every event had its outcome before the deadline.
    pub fn is_complete(&self) -> bool {
        self.unsent.is_empty() && self.undetermined.is_empty()
    }
}
