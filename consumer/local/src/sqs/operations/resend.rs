//! Sending a corrected dead letter to another queue. SQS has no such operation; the web
//! page uses it.

use std::collections::BTreeMap;

use super::Endpoint;
use super::send::Draft;
use crate::sqs::error::{ErrorCode, SqsError};
use crate::sqs::message::{AttributeValue, Attributes, Seq};
use crate::sqs::protocol::SendEntry;

impl Endpoint {
    /// Sends the message `seq` of `source` to `target` with another body, and removes it
    /// from `source`, in one step.
    ///
    /// The attributes that the consumer added to the message are removed. If a message has
    /// none of these attributes, SQS moved it, and its event may already be stored under the
    /// message id. Such a message keeps its id, so that the event is recognised as a
    /// duplicate.
    ///
    /// # Errors
    ///
    /// `ResourceNotFound` if the message is no longer in `source`, or the errors of
    /// `SendMessage`.
    pub(in crate::sqs) async fn resend(
        &self,
        source: &str,
        seq: Seq,
        target: &str,
        body: String,
    ) -> Result<(), SqsError> {
        let settings = self.queues.read(|account| account.settings(target))?;
        let resent = self.queues.write(|account, now, changes| {
            let queue = account.queue(source, now, changes)?;
            let gone =
                || ErrorCode::ResourceNotFound.error("The message is no longer in the queue.");
            let old = queue.message(seq).ok_or_else(gone)?.clone();
            let (added, attributes): (Attributes, Attributes) = old
                .attributes
                .clone()
                .into_iter()
                .partition(|(name, _)| is_added_by_consumer(name));
            let trace_header = old.trace_header.clone().map(|text| {
                let value = AttributeValue {
                    data_type: "String".to_owned(),
                    string_value: Some(text),
                    ..AttributeValue::default()
                };
                BTreeMap::from([("AWSTraceHeader".to_owned(), value)])
            });
            let deduplication_id = settings.fifo.then(|| uuid::Uuid::new_v4().to_string());
            let entry = SendEntry {
                message_body: Some(body),
                message_attributes: Some(attributes),
                message_system_attributes: trace_header,
                message_group_id: old.group.clone(),
                message_deduplication_id: deduplication_id,
                ..SendEntry::default()
            };
            let mut draft = Draft::new(entry, &settings)?;
            if added.is_empty() {
                draft.keep_message_id(&old);
            }
            draft.send(account, target, now, changes)?;
            account
                .queue(source, now, changes)?
                .discard(seq, now, changes);
            account.wake(target);
            Ok(())
        });
        resent.await
    }
}

fn is_added_by_consumer(name: &str) -> bool {
    name.starts_with("Rejection") || name == "OriginalMessageId"
}
