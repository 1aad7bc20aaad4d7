//! `rejected`: the dead-letter queue as a folder.
//!
//! SQS cannot show a message without receiving it. A receive hides the message, and on a
//! FIFO queue it blocks the message group. Therefore, rejected messages are pulled into a
//! folder, inspected and corrected there, and pushed back to the queue.
//!
//! A message in the folder is called a letter. It consists of two files: `ID.body` contains
//! the exact bytes of the message body, and `ID.json` contains everything else. Both files
//! are on disk before the message is deleted from the queue. After a push, both are moved
//! into the subfolder `pushed`.
//!
//! # Identity
//!
//! An event without an `EventId` is identified by its SQS message id, but a message that is
//! sent again has a new id. Therefore, each letter contains an identity for such events:
//!
//! - If SQS moved the message to the dead-letter queue, it has no `RejectionCode`, and its
//!   event may already be stored under the message id. SQS keeps the message id when it moves
//!   a message. The letter uses this id, so that the consumer recognises a duplicate.
//! - If the consumer sent the message to the dead-letter queue, its event was never stored.
//!   The letter uses the message id in the dead-letter queue.

pub mod edit;
mod faults;
pub mod folder;
mod pull;
mod push;
mod show;

pub use pull::pull;
pub use push::push;
pub use show::{list, set, set_all, show};
