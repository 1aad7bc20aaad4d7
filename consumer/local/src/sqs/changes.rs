//! The changes that one request makes to the queues, in the form in which they are written to
//! the file.

use std::sync::Arc;

use super::clock::Millis;
use super::message::{Delivery, Message, Seq};

use super::settings::AttributeMap;

/// The changes of one request, in order. They are committed in one transaction.
pub(super) type ChangeSet = Vec<Change>;

/// One change.
#[derive(Debug)]
pub(super) enum Change {
    QueueSaved {
        id: u64,
        name: String,
        attributes: AttributeMap,
        tags: AttributeMap,
        created_at: Millis,
        modified_at: Millis,
    },
    QueueDeleted {
        id: u64,
    },
    Purged {
        queue: u64,
    },
    Added {
        queue: u64,
        seq: Seq,
        message: Arc<Message>,
        delivery: Delivery,
    },
    DeliveryChanged {
        seq: Seq,
        delivery: Delivery,
    },
    Removed {
        seq: Seq,
    },
    /// A deduplication id was used.
    DeduplicationIdUsed {
        queue: u64,
        key: DeduplicationKey,
        original: Original,
        at: Millis,
    },
    /// The deduplication ids used up to `until` have expired.
    DeduplicationIdsExpired {
        queue: u64,
        until: Millis,
    },
}

/// The key of the deduplication: two messages of a FIFO queue with the same key are
/// duplicates.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct DeduplicationKey {
    /// The message group, if deduplication ids are compared only within a message group.
    pub(super) group: Option<String>,
    pub(super) id: String,
}

/// The first message that was sent with a deduplication id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Original {
    pub(super) message_id: String,
    pub(super) seq: Seq,
}
