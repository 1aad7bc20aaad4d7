//! Rejected messages → the dead-letter queue, with the reason.

use std::collections::HashSet;

use aws_sdk_sqs::Client;
use aws_sdk_sqs::types::{MessageAttributeValue, SendMessageBatchRequestEntry};

use crate::failure;
use crate::record::Rejection;

/// Entries and bytes of one `SendMessageBatch` (SQS developer guide, "Message
/// quotas"); attributes count.
const MAX_ENTRIES: usize = 10;
const MAX_BYTES: usize = 1_048_576;
/// What is kept of a place or a reason. A pointer may hold keys of any length.
const MAX_ATTRIBUTE_BYTES: usize = 1024;

/// A rejected text, and where it came from.
#[derive(Debug)]
pub(crate) struct DeadLetter<'a> {
    pub(crate) body: std::borrow::Cow<'a, str>,
    pub(crate) rejection: std::borrow::Cow<'a, Rejection>,
    pub(crate) message_id: &'a str,
    pub(crate) group: Option<&'a str>,
}

/// The dead-letter queue.
#[derive(Debug, Clone)]
pub struct DeadLetterQueue {
    client: Client,
    url: String,
}

impl DeadLetterQueue {
    /// The queue behind this URL.
    pub fn new(client: Client, url: impl Into<String>) -> Self {
        Self {
            client,
            url: url.into(),
        }
    }

    /// Sends the letters; tells for each whether the queue has it, or why not.
    pub(crate) async fn send(&self, letters: &[DeadLetter<'_>]) -> Vec<Result<(), String>> {
        let mut outcomes: Vec<Result<(), String>> = Vec::with_capacity(letters.len());
        let mut rest = letters;
        while !rest.is_empty() {
            let fitting = fitting(rest);
            let (batch, later) = rest.split_at(fitting);
            outcomes.extend(self.send_batch(batch).await);
            rest = later;
        }
        outcomes
    }

    async fn send_batch(&self, batch: &[DeadLetter<'_>]) -> Vec<Result<(), String>> {
        let entries: Result<Vec<_>, _> = batch
            .iter()
            .enumerate()
            .map(|(i, letter)| self.entry(i, letter))
            .collect();
        let request = self.client.send_message_batch().queue_url(&self.url);
        let sent = match entries {
            Ok(entries) => request
                .set_entries(Some(entries))
                .send()
                .await
                .map_err(|e| format!("sending to the dead-letter queue: {}", failure::text(&e))),
            Err(error) => Err(error.to_string()),
        };
        let output = match sent {
            Ok(output) => output,
            Err(error) => return vec![Err(error); batch.len()],
        };
        // 200 is not success: each entry has its own outcome.
        let accepted: HashSet<&str> = output.successful().iter().map(|entry| entry.id()).collect();
        (0..batch.len())
            .map(|i| {
                let id = i.to_string();
                if accepted.contains(&*id) {
                    return Ok(());
                }
                let failure = output.failed().iter().find(|entry| entry.id() == id);
                Err(failure.map_or(
                    "the dead-letter queue told nothing of the message".to_owned(),
                    |entry| {
                        format!(
                            "the dead-letter queue refuses the message: {}",
                            entry.code()
                        )
                    },
                ))
            })
            .collect()
    }

    fn entry(
        &self,
        index: usize,
        letter: &DeadLetter<'_>,
    ) -> Result<SendMessageBatchRequestEntry, aws_sdk_sqs::error::BuildError> {
        let mut entry = SendMessageBatchRequestEntry::builder()
            .id(index.to_string())
            .message_body(letter.body.as_ref());
        for (name, value) in attributes(letter) {
            let value = MessageAttributeValue::builder()
                .data_type("String")
                .string_value(value)
                .build()?;
            entry = entry.message_attributes(name, value);
        }
        if self.url.ends_with(".fifo") {
            entry = entry
                .message_group_id(letter.group.unwrap_or("rejected"))
                .message_deduplication_id(letter.message_id);
        }
        entry.build()
    }
}

/// What a letter says of itself, the most needed first; less where its body leaves
/// no room for it. Better an unexplained letter than none: the log has the reason.
fn attributes(letter: &DeadLetter<'_>) -> Vec<(&'static str, String)> {
    let mut attributes = vec![
        ("RejectionCode", letter.rejection.code.as_str().to_owned()),
        ("OriginalMessageId", letter.message_id.to_owned()),
        ("RejectionReason", acceptable(&letter.rejection.reason)),
    ];
    if !letter.rejection.pointer.is_empty() {
        attributes.push(("RejectionPointer", acceptable(&letter.rejection.pointer)));
    }
    let mut bytes = letter.body.len();
    let fits = attributes.iter().take_while(|(name, value)| {
        bytes += attribute_bytes(name, value);
        bytes <= MAX_BYTES
    });
    let fitting = fits.count();
    attributes.truncate(fitting);
    attributes
}

/// An attribute counts with its name, its type and its value.
fn attribute_bytes(name: &str, value: &str) -> usize {
    name.len() + "String".len() + value.len()
}

/// The beginning of a text, without the characters that SQS refuses.
fn acceptable(text: &str) -> String {
    let end = text.floor_char_boundary(MAX_ATTRIBUTE_BYTES);
    let refused = |c: char| matches!(c, '\0'..='\x08' | '\x0b' | '\x0c' | '\x0e'..='\x1f' | '\u{fffe}' | '\u{ffff}');
    text[..end].replace(refused, "\u{fffd}")
}

/// How many of the letters go into one request; at least one, which is refused
/// by itself if it is too large.
fn fitting(letters: &[DeadLetter<'_>]) -> usize {
    let mut bytes = 0;
    let fits = letters.iter().take(MAX_ENTRIES).take_while(|letter| {
        let attributes = attributes(letter)
            .iter()
            .map(|(name, value)| attribute_bytes(name, value))
            .sum::<usize>();
        bytes += letter.body.len() + attributes;
        bytes <= MAX_BYTES
    });
    fits.count().max(1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain_events::RejectionCode;

    #[test]
    fn what_sqs_refuses_does_not_reach_an_attribute() {
        assert_eq!(acceptable("/a\0b\u{ffff}\n"), "/a\u{fffd}b\u{fffd}\n");
        assert_eq!(acceptable(&"é".repeat(600)).len(), 1024);
    }

    #[test]
    fn batches_respect_entries_and_bytes() {
        let rejection = Rejection {
            code: RejectionCode::NotJson,
            pointer: String::new(),
            reason: "r".to_owned(),
        };
        let letters = |count: usize, size: usize| -> Vec<DeadLetter<'_>> {
            let letter = || DeadLetter {
                body: "x".repeat(size).into(),
                rejection: std::borrow::Cow::Borrowed(&rejection),
                message_id: "m",
                group: None,
            };
            (0..count).map(|_| letter()).collect()
        };
        assert_eq!(fitting(&letters(25, 10)), 10);
        assert_eq!(fitting(&letters(10, 400_000)), 2);
        assert_eq!(fitting(&letters(3, 1_048_576)), 1);
        // As much of the explanation as there is room for.
        let names = |size: usize| -> Vec<&str> {
            let letters = letters(1, MAX_BYTES - size);
            attributes(&letters[0])
                .iter()
                .map(|(name, _)| *name)
                .collect()
        };
        let all = ["RejectionCode", "OriginalMessageId", "RejectionReason"];
        assert_eq!(names(0), [""; 0]);
        assert_eq!(names(27), all[..1]);
        assert_eq!(names(26), all[..0]);
        assert_eq!(names(27 + 24), all[..2]);
        assert_eq!(names(27 + 24 + 22), all);
    }
}
