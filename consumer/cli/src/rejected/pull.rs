//! `rejected pull`: moves messages from the dead-letter queue into a folder.

use std::collections::BTreeMap;
use std::path::Path;

use aws_sdk_sqs::types::{Message, MessageSystemAttributeName as System};
use domain_events::__internals::AwsFailure;
use domain_events::EventId;

use super::folder::{Folder, Letter};
use crate::Failure;
use crate::connection::Queue;

/// How long a received letter is hidden from others, in seconds. Writing one takes
/// milliseconds; the rest is for a slow disk.
const VISIBILITY_TIMEOUT: i32 = 120;
/// The number of consecutive empty receives after which the queue counts as empty. One is not
/// enough, because a receive may ask only some of the servers of SQS.
const EMPTY_RECEIVES: u32 = 2;
/// How long a receive waits for a message, in seconds. A receive that waits (long polling) asks
/// all servers of SQS.
const WAIT: i32 = 2;

/// Moves every letter of the queue into `to`. Each letter is written and synced, and only
/// then deleted from the queue. If the process is killed in between, the letter is in both
/// places, and the next pull writes the same files again.
///
/// Returns the number of letters, and the number of messages that stay in the queue
/// because another consumer has received them.
///
/// # Errors
///
/// SQS or the disk fails. The letters that were pulled before the failure are in the folder.
///
/// # Cancel safety
///
/// Dropping the future loses nothing: a letter that was not deleted is visible again after
/// the visibility timeout.
pub async fn pull(
    queue: &Queue,
    to: &Path,
    mut progress: impl FnMut(u64),
) -> Result<(u64, u64), Failure> {
    let folder = Folder::create(to)?;
    let (mut pulled, mut empty) = (0, 0);
    while empty < EMPTY_RECEIVES {
        let received = queue
            .client()
            .receive_message()
            .queue_url(queue.url())
            .max_number_of_messages(10)
            .wait_time_seconds(WAIT)
            .visibility_timeout(VISIBILITY_TIMEOUT)
            .message_attribute_names("All")
            .message_system_attribute_names(System::All)
            .send()
            .await
            .map_err(|e| {
                queue.failed("receiving from", "sqs:ReceiveMessage", &AwsFailure::new(&e))
            })?;
        let messages = received.messages.unwrap_or_default();
        empty = if messages.is_empty() { empty + 1 } else { 0 };
        for message in messages {
            write(&folder, queue.url(), &message)?;
            let Some(handle) = message.receipt_handle() else {
                continue;
            };
            queue
                .client()
                .delete_message()
                .queue_url(queue.url())
                .receipt_handle(handle)
                .send()
                .await
                .map_err(|e| {
                    queue.failed("deleting from", "sqs:DeleteMessage", &AwsFailure::new(&e))
                })?;
            pulled += 1;
            progress(pulled);
        }
    }
    Ok((pulled, hidden(queue).await?))
}

fn write(folder: &Folder, queue_url: &str, message: &Message) -> Result<(), Failure> {
    let system = |name: System| message.attributes()?.get(&name).cloned();
    let id = name_of(message.message_id());
    let attributes: BTreeMap<String, String> = message
        .message_attributes()
        .into_iter()
        .flatten()
        .map(|(name, value)| {
            let text = value.string_value().map(str::to_owned);
            // A letter contains only text: bytes that are not UTF-8 are replaced.
            let binary = || {
                value
                    .binary_value()
                    .map(|b| String::from_utf8_lossy(b.as_ref()).into_owned())
            };
            (name.clone(), text.or_else(binary).unwrap_or_default())
        })
        .collect();
    let letter = Letter {
        identity: id.clone(),
        message_id: id,
        queue_url: queue_url.to_owned(),
        attributes,
        group: system(System::MessageGroupId),
        sent_at: system(System::SentTimestamp),
    };
    folder.write(&letter, message.body().unwrap_or_default())
}

/// Returns the id of a message, which names its files. SQS always returns one. If another endpoint does
/// not, or returns one that is not the name of a file, the letter gets a new id: letters with
/// the same name would overwrite each other.
fn name_of(id: Option<&str>) -> String {
    let is_name = |id: &&str| {
        let is_safe = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_');
        (1..=128).contains(&id.len()) && id.bytes().all(is_safe)
    };
    match id.filter(is_name) {
        Some(id) => id.to_owned(),
        None => format!("without-id-{}", EventId::random()),
    }
}

/// Returns the number of messages that another consumer has received and not deleted.
async fn hidden(queue: &Queue) -> Result<u64, Failure> {
    use aws_sdk_sqs::types::QueueAttributeName as Attribute;
    let attributes = queue
        .client()
        .get_queue_attributes()
        .queue_url(queue.url())
        .attribute_names(Attribute::ApproximateNumberOfMessagesNotVisible)
        .attribute_names(Attribute::ApproximateNumberOfMessages)
        .send()
        .await
        .map_err(|e| {
            queue.failed(
                "reading the attributes of",
                "sqs:GetQueueAttributes",
                &AwsFailure::new(&e),
            )
        })?;
    let count = |name: &Attribute| attributes.attributes()?.get(name)?.parse::<u64>().ok();
    Ok([
        Attribute::ApproximateNumberOfMessagesNotVisible,
        Attribute::ApproximateNumberOfMessages,
    ]
    .iter()
    .filter_map(count)
    .sum::<u64>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn message_without_usable_id_gets_its_own_name() {
        let id = "b94f6b2e-1f10-4ac2-a3a4-e7a55a1a7e0c";
        assert_eq!(name_of(Some(id)), id);
        let long = "x".repeat(129);
        for id in [
            None,
            Some(""),
            Some("../a"),
            Some(".a"),
            Some("a/b"),
            Some("é"),
            Some(&long),
        ] {
            let (one, other) = (name_of(id), name_of(id));
            assert!(one.starts_with("without-id-") && one != other, "{id:?}");
        }
    }
}
