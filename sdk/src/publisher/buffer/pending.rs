//! An event on its way, which answers its caller exactly once.

use std::sync::Arc;

use tokio::sync::oneshot;
use tokio::time::Instant;

use crate::error::InvalidEvent;
use crate::event::EntityId;
use crate::event::envelope::Envelope;
use crate::publisher::error::EmitError;
use crate::publisher::receipt::Receipt;
use crate::wire;

/// What becomes of one event.
pub(crate) type Outcome = Result<Receipt, EmitError>;

/// An event that the emitter has taken and that has no outcome yet.
///
/// However it is dropped, its caller gets an answer with the event in it.
#[derive(Debug)]
pub(crate) struct Pending {
    envelope: Envelope,
    /// Moves into the request; written again for another attempt.
    body: String,
    bytes: usize,
    group: Option<Arc<str>>,
    reply: Option<oneshot::Sender<Outcome>>,
    pub(crate) attempts: u32,
    pub(crate) epoch: u64,
    /// Its place among all that were given.
    pub(crate) number: u64,
    pub(crate) since: Instant,
    /// It lies in the spool already, so its failure leaves it there.
    pub(crate) from_spool: bool,
}

/// A valid event that no message can carry: escapes blow up its text.
#[derive(Debug)]
pub(crate) struct NoMessage {
    envelope: Envelope,
    pub(crate) source: InvalidEvent,
}

/// The event was taken, so it goes back.
impl From<NoMessage> for EmitError {
    fn from(NoMessage { envelope, source }: NoMessage) -> Self {
        Self::TooLargeForQueue {
            message_bytes: wire::written(&envelope).len(),
            reason: source.reason().to_owned(),
            envelope,
        }
    }
}

impl Pending {
    pub(crate) fn new(envelope: Envelope, group: Option<Arc<str>>) -> Result<Self, NoMessage> {
        let body = match wire::encode(&envelope) {
            Ok(body) => body,
            Err(source) => return Err(NoMessage { envelope, source }),
        };
        Ok(Self {
            bytes: body.len(),
            envelope,
            body,
            group,
            reply: None,
            attempts: 0,
            epoch: 0,
            number: 0,
            since: Instant::now(),
            from_spool: false,
        })
    }

    /// Where the outcome will come.
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

    /// The message group, on FIFO queues and for tenants of fair queues.
    pub(crate) fn group(&self) -> Option<&Arc<str>> {
        self.group.as_ref()
    }

    pub(crate) fn take_body(&mut self) -> String {
        std::mem::take(&mut self.body)
    }

    /// Makes the event ready to be sent once more.
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
        self.answer(Ok(receipt));
    }

    #[cfg(feature = "spool")]
    pub(crate) fn spooled(mut self) {
        let receipt = Receipt::spooled(&self.envelope);
        self.answer(Ok(receipt));
    }

    pub(crate) fn failed(mut self, error: impl FnOnce(Envelope) -> EmitError) {
        let error = error(self.envelope.clone());
        self.answer(Err(error));
    }

    /// Takes the event back from the sender before its caller waits for it.
    pub(crate) fn refused(mut self) -> EmitError {
        self.reply = None;
        EmitError::ShutDown {
            envelope: self.envelope.clone(),
        }
    }

    fn answer(&mut self, outcome: Outcome) {
        let Some(reply) = self.reply.take() else {
            return;
        };
        if let Err(Err(error)) = reply.send(outcome) {
            // Nobody waits for the error, so that this is the one place to tell it.
            tracing::error!(
                event_id = %self.envelope.event_id(),
                error = &error as &dyn std::error::Error,
                "an event whose caller has gone was not emitted"
            );
        }
    }
}

impl Drop for Pending {
    fn drop(&mut self) {
        if self.reply.is_some() {
            let envelope = self.envelope.clone();
            self.answer(Err(EmitError::Interrupted { envelope }));
        }
    }
}

/// The message group of an entity: its id where SQS can take it, else a UUID
/// (version 5, of the namespace for object ids) of it.
pub(crate) fn group_of(id: &EntityId) -> Arc<str> {
    group_name(id.as_str())
}

/// `name` where SQS can take it as a message group, else its hash.
pub fn group_name(name: &str) -> Arc<str> {
    if is_group(name) {
        name.into()
    } else {
        hashed(name).into()
    }
}

/// The deduplication id of a message: its event's identity where SQS can take
/// it, else a hash; of several events a hash of them all.
pub(crate) fn deduplication_of(events: &[Pending]) -> String {
    match events {
        [one] => {
            let id = one.envelope.event_id().as_str();
            if is_group(id) {
                id.to_owned()
            } else {
                hashed(id)
            }
        }
        // No identity holds a line break where it matters: a hash decides
        // nothing but whether SQS takes two messages for one.
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
    fn a_group_is_the_id_where_sqs_can_take_it() {
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
