//! Requests and responses of the AWS JSON 1.0 protocol, field for field.
//!
//! A required parameter is an `Option` here, because its absence has an error
//! of its own (`MissingParameter`), which is no failure to parse.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::error::Refusal;
use super::message::{AttributeValue, Attributes};
use super::settings::Texts;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct CreateQueue {
    pub(super) queue_name: Option<String>,
    pub(super) attributes: Option<Texts>,
    #[serde(rename = "tags", alias = "Tags")]
    pub(super) tags: Option<Texts>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct GetQueueUrl {
    pub(super) queue_name: Option<String>,
}

/// A request that names a queue and nothing else.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct OfQueue {
    pub(super) queue_url: Option<String>,
}

/// A page of queues, of all or of those with one dead-letter queue.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct ListQueues {
    pub(super) queue_name_prefix: Option<String>,
    pub(super) queue_url: Option<String>,
    pub(super) max_results: Option<i64>,
    pub(super) next_token: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct GetQueueAttributes {
    pub(super) queue_url: Option<String>,
    pub(super) attribute_names: Option<Vec<String>>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct SetQueueAttributes {
    pub(super) queue_url: Option<String>,
    pub(super) attributes: Option<Texts>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct TagQueue {
    pub(super) queue_url: Option<String>,
    pub(super) tags: Option<Texts>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct UntagQueue {
    pub(super) queue_url: Option<String>,
    pub(super) tag_keys: Option<Vec<String>>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct SendMessage {
    pub(super) queue_url: Option<String>,
    #[serde(flatten)]
    pub(super) entry: SendEntry,
}

/// What is sent: a message alone, or an entry of a batch.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct SendEntry {
    pub(super) id: Option<String>,
    pub(super) message_body: Option<String>,
    pub(super) delay_seconds: Option<i64>,
    pub(super) message_attributes: Option<Attributes>,
    pub(super) message_system_attributes: Option<BTreeMap<String, AttributeValue>>,
    pub(super) message_group_id: Option<String>,
    pub(super) message_deduplication_id: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct ReceiveMessage {
    pub(super) queue_url: Option<String>,
    pub(super) max_number_of_messages: Option<i64>,
    pub(super) visibility_timeout: Option<i64>,
    pub(super) wait_time_seconds: Option<i64>,
    /// The former name of `message_system_attribute_names`.
    pub(super) attribute_names: Option<Vec<String>>,
    pub(super) message_system_attribute_names: Option<Vec<String>>,
    pub(super) message_attribute_names: Option<Vec<String>>,
    pub(super) receive_request_attempt_id: Option<String>,
}

/// Names a received message, in a request or an entry of a batch: to delete
/// it, or to change its visibility.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Settle {
    pub(super) queue_url: Option<String>,
    pub(super) id: Option<String>,
    pub(super) receipt_handle: Option<String>,
    pub(super) visibility_timeout: Option<i64>,
}

/// A batch request.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Batch<E> {
    pub(super) queue_url: Option<String>,
    pub(super) entries: Option<Vec<E>>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct StartMessageMoveTask {
    pub(super) source_arn: Option<String>,
    pub(super) destination_arn: Option<String>,
    pub(super) max_number_of_messages_per_second: Option<i64>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct ListMessageMoveTasks {
    pub(super) source_arn: Option<String>,
    pub(super) max_results: Option<i64>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct CancelMessageMoveTask {
    pub(super) task_handle: Option<String>,
}

/// The response of an operation that has nothing to say.
#[derive(Debug, Serialize)]
pub(super) struct Done {}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct QueueUrl {
    pub(super) queue_url: String,
}

#[derive(Debug, Serialize)]
pub(super) struct QueueUrls {
    #[serde(rename = "QueueUrls", skip_serializing_if = "Option::is_none")]
    pub(super) all: Option<Vec<String>>,
    /// `ListDeadLetterSourceQueues` spells it in its own way.
    #[serde(rename = "queueUrls", skip_serializing_if = "Option::is_none")]
    pub(super) sources: Option<Vec<String>>,
    #[serde(rename = "NextToken", skip_serializing_if = "Option::is_none")]
    pub(super) next_token: Option<String>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct QueueAttributes {
    #[serde(skip_serializing_if = "Texts::is_empty")]
    pub(super) attributes: Texts,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Tags {
    pub(super) tags: Texts,
}

/// A message that was accepted, alone or in a batch.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Sent {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) id: Option<String>,
    pub(super) message_id: String,
    #[serde(rename = "MD5OfMessageBody")]
    pub(super) md5_of_message_body: String,
    #[serde(
        rename = "MD5OfMessageAttributes",
        skip_serializing_if = "Option::is_none"
    )]
    pub(super) md5_of_message_attributes: Option<String>,
    #[serde(
        rename = "MD5OfMessageSystemAttributes",
        skip_serializing_if = "Option::is_none"
    )]
    pub(super) md5_of_message_system_attributes: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) sequence_number: Option<String>,
}

/// The outcome of a batch, entry by entry.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct BatchOutcome<S> {
    pub(super) successful: Vec<S>,
    pub(super) failed: Vec<Failed>,
}

/// An entry of a batch that was settled.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Settled {
    pub(super) id: String,
}

/// An entry of a batch that was refused.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Failed {
    id: String,
    sender_fault: bool,
    code: &'static str,
    message: String,
}

impl Failed {
    pub(super) fn new(id: String, refusal: Refusal) -> Self {
        Self {
            id,
            sender_fault: refusal.kind.is_senders_fault(),
            code: refusal.kind.query_code(),
            message: refusal.message,
        }
    }
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Received {
    /// Absent when there are none, as SQS has it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) messages: Vec<ReceivedMessage>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct ReceivedMessage {
    pub(super) message_id: String,
    pub(super) receipt_handle: String,
    #[serde(rename = "MD5OfBody")]
    pub(super) md5_of_body: String,
    pub(super) body: String,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub(super) attributes: BTreeMap<&'static str, String>,
    #[serde(
        rename = "MD5OfMessageAttributes",
        skip_serializing_if = "Option::is_none"
    )]
    pub(super) md5_of_message_attributes: Option<String>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub(super) message_attributes: Attributes,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct TaskHandle {
    pub(super) task_handle: String,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct TaskCancelled {
    pub(super) approximate_number_of_messages_moved: usize,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Tasks {
    pub(super) results: Vec<TaskResult>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct TaskResult {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) task_handle: Option<String>,
    pub(super) status: &'static str,
    pub(super) source_arn: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) destination_arn: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) max_number_of_messages_per_second: Option<u32>,
    pub(super) approximate_number_of_messages_moved: usize,
    pub(super) approximate_number_of_messages_to_move: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) failure_reason: Option<&'static str>,
    pub(super) started_timestamp: u64,
}
