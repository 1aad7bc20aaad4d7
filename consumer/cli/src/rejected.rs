//! `rejected`: the dead-letter queue as a folder.
//!
//! SQS has no peek operation: each look at a message is a receive that hides it, and on a
//! FIFO queue a receive blocks the message group. So rejected messages are pulled into a
//! folder, inspected and corrected there, and pushed back to the queue.
//!
//! A letter is two files: `ID.body`, the body of the message to the byte, and `ID.json`,
//! everything else. Both are on disk before the message is deleted from the queue. After
//! a push, both are moved into the subfolder `pushed`.
//!
//! # Identity
//!
//! An event without an `EventId` is identified by its SQS message id, and a message that is
//! sent again has a new one. So each letter keeps an identity for such events:
//!
//! - A letter that SQS moved has no `RejectionCode`. Its event may have been stored before,
//!   under the id of this message, which SQS keeps when it moves a message. The letter
//!   keeps that id, so that the event is found to be a duplicate.
//! - A letter that the consumer sent was never stored. It gets the id that it has in the
//!   dead-letter queue.

pub mod edit;
mod faults;
pub mod folder;
mod pull;
mod push;
mod show;

pub use pull::pull;
pub use push::push;
pub use show::{list, set, set_all, show};
