//! What a request changed, for the file that outlives the process.

use std::sync::Arc;

use super::clock::Millis;
use super::message::Message;
use super::queue::{Delivery, Seq};
use super::settings::Texts;

/// The changes of one request, in order. They are committed together.
pub(super) type Journal = Vec<Change>;

/// One change.
#[derive(Debug)]
pub(super) enum Change {
    QueueSaved {
        id: u64,
        name: String,
        attributes: Texts,
        tags: Texts,
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
    Delivered {
        seq: Seq,
        delivery: Delivery,
    },
    Removed {
        seq: Seq,
    },
    /// A deduplication id was used.
    Remembered {
        queue: u64,
        key: DeduplicationKey,
        original: Original,
        at: Millis,
    },
    /// The ids used until then are no longer compared.
    Forgotten {
        queue: u64,
        until: Millis,
    },
}

/// What makes two messages of a FIFO queue the same one.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct DeduplicationKey {
    /// Present if ids are compared within a group only.
    pub(super) group: Option<String>,
    pub(super) id: String,
}

/// The message that came first under its deduplication id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Original {
    pub(super) message_id: String,
    pub(super) seq: Seq,
}
