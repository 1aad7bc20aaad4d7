//! An event without an outcome. It reports exactly one outcome to its caller.

use std::sync::Arc;

use tokio::sync::oneshot;
use tokio::time::Instant;

use crate::error::InvalidEvent;
use crate::event::EntityId;
use crate::event::envelope::Envelope;
use crate::publisher::error::EmitError;
use crate::publisher::receipt::Receipt;
use crate::wire;

/// The outcome of one event, which its caller gets.
pub(crate) type Outcome = Result<Receipt, EmitError>;

/// An event that the publisher has taken and that has no outcome yet.
///
/// If the value is dropped without an outcome, the caller gets an error that contains the event.
#[derive(Debug)]
pub(crate) struct Pending {
    envelope: Envelope,
    /// The encoded event. It is moved into the request, and the event is encoded again for
    /// another attempt.
    body: String,
    bytes: usize,
    group: Option<Arc<str>>,
    reply: Option<oneshot::Sender<Outcome>>,
    pub(crate) attempts: u32,
    /// Its flush generation.
    pub(crate) generation: u64,
    /// The order in which the sender took the events.
    pub(crate) sequence: u64,
    pub(crate) enqueued_at: Instant,
    /// The event was read from the spool, and stays there if it fails.
    pub(crate) from_spool: bool,
}

/// A valid event that is too large for a message, because its text is longer after escaping.
#[derive(Debug)]
pub(crate) struct EncodeFailed {
    envelope: Envelope,
    pub(crate) source: InvalidEvent,
}

impl EncodeFailed {
    pub(crate) fn into_error(self, queue: &Arc<str>) -> EmitError {
        EmitError::TooLargeForQueue {
            queue: queue.clone(),
            message_bytes: wire::encode_unbounded(&self.envelope).len(),
            reason: self.source.reason().to_owned(),
            envelope: self.envelope,
        }
    }
}

impl Pending {
    pub(crate) fn new(envelope: Envelope, group: Option<Arc<str>>) -> Result<Self, EncodeFailed> {
        let body = match wire::encode(&envelope) {
            Ok(body) => body,
            Err(source) => return Err(EncodeFailed { envelope, source }),
        };
        Ok(Self {
            bytes: body.len(),
            envelope,
            body,
            group,
            reply: None,
            attempts: 0,
            generation: 0,
            sequence: 0,
            enqueued_at: Instant::now(),
            from_spool: false,
        })
    }

    /// Creates the channel for the outcome.
    pub(crate) fn subscribe(&mut self) -> oneshot::Receiver<Outcome> {
        let (reply, outcome) = oneshot::channel();
        self.reply = Some(reply);
        outcome
    }

    pub(crate) fn envelope(&self) -> &Envelope {
        &self.envelope
    }

    /// Size of the encoded event.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Returns the message group, on FIFO queues and for tenants of fair queues.
    pub(crate) fn group(&self) -> Option<&Arc<str>> {
        self.group.as_ref()
    }

    /// Returns the encoded event. It is empty while the body is in a request.
    pub(crate) fn body(&self) -> &str {
        &self.body
    }

    pub(crate) fn take_body(&mut self) -> String {
        std::mem::take(&mut self.body)
    }

    /// Encodes the event again, for another attempt.
    pub(crate) fn restore_body(&mut self) -> Result<(), InvalidEvent> {
        if self.body.is_empty() {
            self.body = wire::encode(&self.envelope)?;
        }
        Ok(())
    }

    pub(crate) fn accepted(mut self, message_id: &str, sequence_number: Option<&str>) {
        let receipt = Receipt::queued(
            &self.envelope,
            message_id.to_owned(),
            sequence_number.map(str::to_owned),
        );
        self.complete(Ok(receipt));
    }

    #[cfg(feature = "spool")]
    pub(crate) fn spooled(mut self) {
        let receipt = Receipt::spooled(&self.envelope);
        self.complete(Ok(receipt));
    }

    pub(crate) fn failed(mut self, error: impl FnOnce(Envelope) -> EmitError) {
        let error = error(self.envelope.clone());
        self.complete(Err(error));
    }

    /// Returns the error for the caller of an event that the sender did not take, because the
    /// publisher is shut down.
    pub(crate) fn into_shut_down_error(mut self) -> EmitError {
        self.reply = None;
        EmitError::ShutDown {
            envelope: self.envelope.clone(),
        }
    }

    fn complete(&mut self, outcome: Outcome) {
        let Some(reply) = self.reply.take() else {
            return;
        };
        if let Err(Err(error)) = reply.send(outcome) {
            // The caller dropped its future, so the error can only be logged.
            tracing::error!(
                event_id = %self.envelope.event_id(),
                error = &error as &dyn std::error::Error,
                "an event was not emitted, and its caller has dropped the future"
            );
        }
    }
}

impl Drop for Pending {
    fn drop(&mut self) {
        if self.reply.is_some() {
            let envelope = self.envelope.clone();
            self.complete(Err(EmitError::Interrupted { envelope }));
        }
    }
}

/// Returns the message group of an entity: its id if SQS accepts it as a group, and otherwise a
/// UUID of the id (version 5, in the namespace for object ids).
pub(crate) fn group_of(id: &EntityId) -> Arc<str> {
    group_name(id.as_str())
}

/// Returns `name` if SQS accepts it as a message group, and otherwise its hash.
pub fn group_name(name: &str) -> Arc<str> {
    if is_group(name) {
        name.into()
    } else {
        hashed(name).into()
    }
}

/// Returns the deduplication id of a message: the `EventId` if SQS accepts it, and otherwise its
/// hash. For several events, it is a hash of all their ids.
pub(crate) fn deduplication_id(events: &[Pending]) -> String {
    match events {
        [one] => {
            let id = one.envelope.event_id().as_str();
            if is_group(id) {
                id.to_owned()
            } else {
                hashed(id)
            }
        }
        // A line break within an id could make two lists equal. This has an effect only if SQS
        // receives both messages within its deduplication interval.
        many => {
            let ids: Vec<&str> = many
                .iter()
                .map(|p| p.envelope.event_id().as_str())
                .collect();
            hashed(&ids.join("\n"))
        }
    }
}

/// SQS API reference, "SendMessage", `MessageGroupId` and
/// `MessageDeduplicationId`: up to 128 alphanumeric characters and punctuation.
fn is_group(text: &str) -> bool {
    (1..=128).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_graphic())
}

fn hashed(text: &str) -> String {
    uuid::Uuid::new_v5(&uuid::Uuid::NAMESPACE_OID, text.as_bytes()).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn group_is_the_id_if_sqs_accepts_it() {
        for id in ["a", "order-1", "a#b/c~!", &"x".repeat(128)] {
            assert_eq!(&*group_name(id), id);
        }
        let mut hashes = std::collections::HashSet::new();
        for id in ["order 1", "Ünï", "a\nb", &"x".repeat(129), "emoji 🦀"] {
            let group = group_name(id);
            assert!(is_group(&group) && &*group != id, "{id}");
            assert_eq!(group, group_name(id), "the same id, the same group");
            assert!(hashes.insert(group));
        }
    }
}
