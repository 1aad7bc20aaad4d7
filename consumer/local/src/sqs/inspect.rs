//! Reads queues without receiving messages, for the web page. SQS does not support this.

use std::sync::Arc;

use super::clock::Millis;
use super::error::SqsError;
use super::message::{Message, QueuedMessage, Seq};
use super::operations::Endpoint;
use super::queues::Queues;

/// The number of messages in a queue, and the age of the oldest message.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct QueueStatistics {
    pub(crate) visible: usize,
    pub(crate) in_flight: usize,
    pub(crate) delayed: usize,
    pub(crate) oldest_millis: Option<Millis>,
}

/// A message in a queue.
#[derive(Debug, Clone)]
pub(crate) struct InspectedMessage {
    pub(crate) seq: Seq,
    message: Arc<Message>,
    pub(crate) receives: u32,
}

impl InspectedMessage {
    pub(crate) fn id(&self) -> &str {
        &self.message.id
    }

    pub(crate) fn body(&self) -> &str {
        &self.message.body
    }

    /// Returns the time at which the message was sent, in milliseconds since 1970.
    pub(crate) fn sent_at(&self) -> Millis {
        self.message.sent_at
    }

    /// Returns the text of a message attribute.
    pub(crate) fn attribute(&self, name: &str) -> Option<&str> {
        self.message.attributes.get(name)?.string_value.as_deref()
    }
}

impl Queues {
    /// Returns the statistics of the queue `name`. All values are zero if the queue does not
    /// exist.
    pub(crate) async fn statistics(&self, name: &str) -> QueueStatistics {
        let statistics = self.write(|account, now, changes| {
            let queue = account.queue(name, now, changes)?;
            let counts = queue.counts();
            Ok(QueueStatistics {
                visible: counts.visible,
                in_flight: counts.in_flight,
                delayed: counts.delayed,
                oldest_millis: queue.oldest().map(|sent_at| now.saturating_sub(sent_at)),
            })
        });
        statistics.await.unwrap_or_default()
    }

    /// Returns up to `max` messages of the queue `name`, in the order in which they arrived.
    pub(crate) async fn inspect(&self, name: &str, max: usize) -> Vec<InspectedMessage> {
        let messages = self.write(|account, now, changes| {
            let queue = account.queue(name, now, changes)?;
            Ok(queue.first_messages(max))
        });
        let messages = messages.await.unwrap_or_default().into_iter();
        messages
            .map(|queued: QueuedMessage| InspectedMessage {
                seq: queued.seq,
                receives: queued.delivery.receives,
                message: queued.message,
            })
            .collect()
    }

    /// Sends a message of `source` to `target` with another body, and removes it from
    /// `source`.
    ///
    /// # Errors
    ///
    /// The error message of SQS if the body cannot be sent, or if the message is no longer in
    /// the queue.
    pub(crate) async fn resend(
        &self,
        source: &str,
        seq: Seq,
        target: &str,
        body: String,
    ) -> Result<(), String> {
        let endpoint = Endpoint::new(self.clone(), String::new(), Default::default());
        let resent = endpoint.resend(source, seq, target, body).await;
        resent.map_err(|error: SqsError| error.message)
    }
}
