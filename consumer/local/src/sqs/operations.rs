//! The operations of SQS. Each operation takes a JSON request and returns a JSON response.

use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio_util::sync::CancellationToken;

use super::arn;
use super::error::{ErrorCode, SqsError, missing};
use super::queues::Queues;

mod acknowledge;
mod queues;
mod receive;
mod redrive;
mod resend;
mod send;

/// The queues, and the settings of the server that the operations need.
#[derive(Debug)]
pub(super) struct Endpoint {
    queues: Queues,
    /// The start of every queue URL, such as `http://127.0.0.1:9324`.
    base_url: String,
    /// Cancelled when long polls must end.
    stopping: CancellationToken,
}

impl Endpoint {
    pub(super) fn new(queues: Queues, base_url: String, stopping: CancellationToken) -> Self {
        Self {
            queues,
            base_url,
            stopping,
        }
    }

    /// Runs one operation.
    ///
    /// # Errors
    ///
    /// The error that SQS returns for this request, or `UnknownOperation`.
    pub(super) async fn call(&self, operation: &str, body: &[u8]) -> Result<Vec<u8>, SqsError> {
        match operation {
            "CancelMessageMoveTask" => encode(&self.cancel_message_move_task(decode(body)?).await?),
            "ChangeMessageVisibility" => {
                encode(&self.change_message_visibility(decode(body)?).await?)
            }
            "ChangeMessageVisibilityBatch" => {
                encode(&self.change_message_visibility_batch(decode(body)?).await?)
            }
            "CreateQueue" => encode(&self.create_queue(decode(body)?).await?),
            "DeleteMessage" => encode(&self.delete_message(decode(body)?).await?),
            "DeleteMessageBatch" => encode(&self.delete_message_batch(decode(body)?).await?),
            "DeleteQueue" => encode(&self.delete_queue(decode(body)?).await?),
            "GetQueueAttributes" => encode(&self.get_queue_attributes(decode(body)?).await?),
            "GetQueueUrl" => encode(&self.get_queue_url(decode(body)?).await?),
            "ListDeadLetterSourceQueues" => {
                encode(&self.list_dead_letter_source_queues(decode(body)?).await?)
            }
            "ListMessageMoveTasks" => encode(&self.list_message_move_tasks(decode(body)?).await?),
            "ListQueueTags" => encode(&self.list_queue_tags(decode(body)?).await?),
            "ListQueues" => encode(&self.list_queues(decode(body)?).await?),
            "PurgeQueue" => encode(&self.purge_queue(decode(body)?).await?),
            "ReceiveMessage" => encode(&self.receive_message(decode(body)?).await?),
            "SendMessage" => encode(&self.send_message(decode(body)?).await?),
            "SendMessageBatch" => encode(&self.send_message_batch(decode(body)?).await?),
            "SetQueueAttributes" => encode(&self.set_queue_attributes(decode(body)?).await?),
            "StartMessageMoveTask" => encode(&self.start_message_move_task(decode(body)?).await?),
            "TagQueue" => encode(&self.tag_queue(decode(body)?).await?),
            "UntagQueue" => encode(&self.untag_queue(decode(body)?).await?),
            "AddPermission" | "RemovePermission" => {
                Err(ErrorCode::UnsupportedOperation.error(format!(
                    "{operation} is not supported: the local endpoint does not check permissions."
                )))
            }
            _ => Err(ErrorCode::UnknownOperation
                .error(format!("Amazon SQS has no operation named {operation}."))),
        }
    }

    fn url(&self, name: &str) -> String {
        arn::url(&self.base_url, name)
    }
}

/// Returns the name of the queue in a request.
fn queue_name(url: Option<&str>) -> Result<&str, SqsError> {
    url.map(arn::name_in_url).ok_or_else(|| missing("QueueUrl"))
}

fn decode<T: DeserializeOwned>(body: &[u8]) -> Result<T, SqsError> {
    serde_json::from_slice(body).map_err(|error| {
        ErrorCode::Serialization.error(format!("The request does not match the operation: {error}"))
    })
}

fn encode<T: Serialize>(response: &T) -> Result<Vec<u8>, SqsError> {
    serde_json::to_vec(response).map_err(|error| {
        ErrorCode::InternalFailure.error(format!("Cannot serialize the response: {error}"))
    })
}
