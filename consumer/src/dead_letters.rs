//! Moves rejected messages to the dead-letter queue, with the reason for the rejection.

use std::borrow::Cow;
use std::collections::HashMap;

use aws_sdk_sqs::Client;
use aws_sdk_sqs::error::BuildError;
use aws_sdk_sqs::types::{
    BatchResultErrorEntry, MessageSystemAttributeNameForSends, MessageSystemAttributeValue,
    SendMessageBatchRequestEntry,
};
use domain_events::__internals::AwsFailure;
use domain_events::wire::MAX_MESSAGE_BYTES;
use tokio::time::Instant;

use self::attributes::{Detail, attribute_bytes, attributes};
use crate::record::Record;
use crate::rejection::Rejection;

mod attributes;

/// The maximum number of entries in a `SendMessageBatch` request (SQS developer guide,
/// "Message quotas").
const MAX_ENTRIES: usize = 10;
/// The message group for a message without one, if the dead-letter queue is a FIFO queue.
const DEFAULT_GROUP: &str = "rejected";

/// A rejected message.
#[derive(Debug)]
pub(crate) struct DeadLetter<'a> {
    pub(crate) record: &'a Record,
    /// The body that is sent: the body of the message, or only its rejected events.
    pub(crate) body: Cow<'a, str>,
    pub(crate) rejection: Rejection,
}

/// Why a message could not be moved to the dead-letter queue.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum MoveError {
    #[error(
        "the dead-letter queue refuses the message of {bytes} bytes even without attributes: {code}; set MaximumMessageSize of the dead-letter queue to the same value as for the event queue"
    )]
    Refused { code: String, bytes: usize },
    #[error("the dead-letter queue failed to accept the message: {code}")]
    Failed { code: String },
    #[error("the response of the dead-letter queue does not mention the message")]
    NoResult,
    #[error("could not send to the dead-letter queue {queue}: {failure}")]
    Request { queue: String, failure: AwsFailure },
    #[error("deadline exceeded before the dead-letter queue accepted the message")]
    DeadlineExceeded,
    #[error("could not build the request to the dead-letter queue")]
    Build,
}

/// The dead-letter queue.
#[derive(Debug, Clone)]
pub struct DeadLetterQueue {
    client: Client,
    url: String,
}

impl DeadLetterQueue {
    /// Creates a handle to the queue with this URL.
    pub fn new(client: Client, url: impl Into<String>) -> Self {
        Self {
            client,
            url: url.into(),
        }
    }

    /// Sends the letters and returns one outcome per letter, in order. A letter without an
    /// outcome at `deadline` gets [`MoveError::DeadlineExceeded`].
    pub(crate) async fn send(
        &self,
        letters: &[DeadLetter<'_>],
        deadline: Option<Instant>,
    ) -> Vec<Result<(), MoveError>> {
        let mut outcomes = vec![Err(MoveError::DeadlineExceeded); letters.len()];
        let send = self.send_into(letters, &mut outcomes);
        match deadline {
            // A letter that was sent before the deadline keeps its outcome.
            Some(deadline) => drop(tokio::time::timeout_at(deadline, send).await),
            None => send.await,
        }
        outcomes
    }

    async fn send_into(&self, letters: &[DeadLetter<'_>], outcomes: &mut [Result<(), MoveError>]) {
        let mut start = 0;
        while start < letters.len() {
            let end = start + batch_len(&letters[start..]);
            let sent = self.send_batch(&letters[start..end], Detail::Full).await;
            outcomes[start..end].clone_from_slice(&sent);
            start = end;
        }
        for (letter, outcome) in letters.iter().zip(outcomes) {
            // SQS may have refused the whole batch because of another entry, so each
            // refused letter is sent again in a separate request.
            for detail in [Detail::Full, Detail::Short, Detail::Code, Detail::None] {
                if !is_refusal(outcome) {
                    break;
                }
                let sent = self.send_batch(std::slice::from_ref(letter), detail).await;
                *outcome = sent.into_iter().next().unwrap_or(Err(MoveError::NoResult));
            }
        }
    }

    async fn send_batch(
        &self,
        batch: &[DeadLetter<'_>],
        detail: Detail,
    ) -> Vec<Result<(), MoveError>> {
        let entries: Result<Vec<_>, BuildError> = batch
            .iter()
            .enumerate()
            .map(|(index, letter)| self.entry(index, letter, detail))
            .collect();
        let Ok(entries) = entries else {
            return vec![Err(MoveError::Build); batch.len()];
        };
        let request = self.client.send_message_batch().queue_url(&self.url);
        let output = match request.set_entries(Some(entries)).send().await {
            Ok(output) => output,
            Err(error) => {
                let failure = AwsFailure::new(&error);
                let refused = |letter: &DeadLetter<'_>| match failure.code() {
                    Some(code) if is_about_the_message(code) => Err(MoveError::Refused {
                        code: code.to_owned(),
                        bytes: letter.body.len(),
                    }),
                    _ => Err(MoveError::Request {
                        queue: self.url.clone(),
                        failure: failure.clone(),
                    }),
                };
                return batch.iter().map(refused).collect();
            }
        };
        // HTTP 200 does not mean success: each entry has its own outcome.
        let failed: HashMap<&str, &BatchResultErrorEntry> =
            output.failed().iter().map(|e| (e.id(), e)).collect();
        let outcome = |(index, letter): (usize, &DeadLetter<'_>)| {
            let id = index.to_string();
            match failed.get(&*id) {
                Some(entry) if is_refused(entry) => Err(MoveError::Refused {
                    code: entry.code().to_owned(),
                    bytes: letter.body.len(),
                }),
                Some(entry) => Err(MoveError::Failed {
                    code: entry.code().to_owned(),
                }),
                None if output.successful().iter().any(|entry| entry.id() == id) => Ok(()),
                None => Err(MoveError::NoResult),
            }
        };
        batch.iter().enumerate().map(outcome).collect()
    }

    fn entry(
        &self,
        index: usize,
        letter: &DeadLetter<'_>,
        detail: Detail,
    ) -> Result<SendMessageBatchRequestEntry, BuildError> {
        let mut entry = SendMessageBatchRequestEntry::builder()
            .id(index.to_string())
            .message_body(letter.body.as_ref());
        for (name, value) in attributes(letter, detail) {
            entry = entry.message_attributes(name, value);
        }
        // A system attribute does not count towards the size of the message.
        if let Some(header) = &letter.record.trace_header {
            let value = MessageSystemAttributeValue::builder()
                .data_type("String")
                .string_value(header)
                .build()?;
            entry = entry.message_system_attributes(
                MessageSystemAttributeNameForSends::AwsTraceHeader,
                value,
            );
        }
        if self.url.ends_with(".fifo") {
            let group = letter.record.group.as_deref().unwrap_or(DEFAULT_GROUP);
            entry = entry
                .message_group_id(group)
                .message_deduplication_id(&letter.record.message_id);
        }
        entry.build()
    }
}

/// Returns true if the letter may be accepted with fewer attributes.
fn is_refusal(outcome: &Result<(), MoveError>) -> bool {
    matches!(outcome, Err(MoveError::Refused { .. }))
}

/// Returns true if the queue refuses this entry because of its content. SQS also sets
/// `SenderFault` for encryption keys and permissions, where a smaller message does not
/// help.
fn is_refused(entry: &BatchResultErrorEntry) -> bool {
    let about_access = ["Kms", "KMS", "AccessDenied", "Throttl"]
        .iter()
        .any(|word| entry.code().contains(word));
    entry.sender_fault() && !about_access
}

/// Returns true if the error code of a whole request is about its messages: their size,
/// their attributes or their characters.
fn is_about_the_message(code: &str) -> bool {
    [
        "BatchRequestTooLong",
        "InvalidParameterValue",
        "InvalidMessageContents",
        "RequestEntityTooLarge",
    ]
    .iter()
    .any(|word| code.contains(word))
}

/// Returns how many of the letters fit into one request. It is at least one: SQS then
/// refuses a letter that is too large without affecting the others.
fn batch_len(letters: &[DeadLetter<'_>]) -> usize {
    let mut bytes = 0;
    let fits = letters.iter().take(MAX_ENTRIES).take_while(|letter| {
        let attributes: usize = attributes(letter, Detail::Full)
            .iter()
            .map(|(name, value)| attribute_bytes(name, value))
            .sum();
        bytes += letter.body.len() + attributes;
        bytes <= MAX_MESSAGE_BYTES
    });
    fits.count().max(1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain_events::RejectionCode;

    pub(super) fn letters(record: &Record, count: usize, size: usize) -> Vec<DeadLetter<'_>> {
        let letter = || DeadLetter {
            record,
            body: "x".repeat(size).into(),
            rejection: Rejection {
                code: RejectionCode::NotJson,
                pointer: String::new(),
                reason: "r".to_owned(),
            },
        };
        (0..count).map(|_| letter()).collect()
    }

    #[test]
    fn batch_respects_entries_and_bytes() {
        let record = Record::new("m", "");
        assert_eq!(batch_len(&letters(&record, 25, 10)), 10);
        assert_eq!(batch_len(&letters(&record, 10, 400_000)), 2);
        assert_eq!(batch_len(&letters(&record, 3, MAX_MESSAGE_BYTES)), 1);
    }
}
