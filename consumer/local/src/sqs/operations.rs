//! The operations of SQS, from request to response.

use std::net::SocketAddr;

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
mod send;

/// The queues, and what the operations must know of the server.
#[derive(Debug)]
pub(super) struct Endpoint {
    queues: Queues,
    /// Where the server listens, for queue URLs.
    address: SocketAddr,
    /// Set when long polls must end.
    stopping: CancellationToken,
}

impl Endpoint {
    pub(super) fn new(queues: Queues, address: SocketAddr, stopping: CancellationToken) -> Self {
        Self {
            queues,
            address,
            stopping,
        }
    }

    /// Carries out one operation: JSON in, JSON out.
    ///
    /// # Errors
    ///
    /// What SQS would refuse, and operations it does not have.
    pub(super) async fn call(&self, operation: &str, body: &[u8]) -> Result<Vec<u8>, SqsError> {
        match operation {
            "CancelMessageMoveTask" => write(&self.cancel_message_move_task(read(body)?).await?),
            "ChangeMessageVisibility" => write(&self.change_message_visibility(read(body)?).await?),
            "ChangeMessageVisibilityBatch" => {
                write(&self.change_message_visibility_batch(read(body)?).await?)
            }
            "CreateQueue" => write(&self.create_queue(read(body)?).await?),
            "DeleteMessage" => write(&self.delete_message(read(body)?).await?),
            "DeleteMessageBatch" => write(&self.delete_message_batch(read(body)?).await?),
            "DeleteQueue" => write(&self.delete_queue(read(body)?).await?),
            "GetQueueAttributes" => write(&self.get_queue_attributes(read(body)?).await?),
            "GetQueueUrl" => write(&self.get_queue_url(read(body)?).await?),
            "ListDeadLetterSourceQueues" => {
                write(&self.list_dead_letter_source_queues(read(body)?).await?)
            }
            "ListMessageMoveTasks" => write(&self.list_message_move_tasks(read(body)?).await?),
            "ListQueueTags" => write(&self.list_queue_tags(read(body)?).await?),
            "ListQueues" => write(&self.list_queues(read(body)?).await?),
            "PurgeQueue" => write(&self.purge_queue(read(body)?).await?),
            "ReceiveMessage" => write(&self.receive_message(read(body)?).await?),
            "SendMessage" => write(&self.send_message(read(body)?).await?),
            "SendMessageBatch" => write(&self.send_message_batch(read(body)?).await?),
            "SetQueueAttributes" => write(&self.set_queue_attributes(read(body)?).await?),
            "StartMessageMoveTask" => write(&self.start_message_move_task(read(body)?).await?),
            "TagQueue" => write(&self.tag_queue(read(body)?).await?),
            "UntagQueue" => write(&self.untag_queue(read(body)?).await?),
            "AddPermission" | "RemovePermission" => {
                Err(ErrorCode::UnsupportedOperation.error(format!(
                    "{operation} is not supported: the local endpoint lets everybody do everything."
                )))
            }
            _ => Err(ErrorCode::UnknownOperation
                .error(format!("Amazon SQS has no operation named {operation}."))),
        }
    }

    fn url(&self, name: &str) -> String {
        arn::queue_url(self.address, name)
    }
}

/// The name of the queue a request is about.
fn queue_name(url: Option<&str>) -> Result<&str, SqsError> {
    url.map(arn::name_in_url).ok_or_else(|| missing("QueueUrl"))
}

fn read<T: DeserializeOwned>(body: &[u8]) -> Result<T, SqsError> {
    serde_json::from_slice(body).map_err(|error| {
        ErrorCode::Serialization.error(format!(
            "The request is not what the operation takes: {error}"
        ))
    })
}

fn write<T: Serialize>(response: &T) -> Result<Vec<u8>, SqsError> {
    serde_json::to_vec(response).map_err(|error| {
        ErrorCode::InternalFailure.error(format!("Cannot write the response: {error}"))
    })
}
