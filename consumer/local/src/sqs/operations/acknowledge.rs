//! DeleteMessage and ChangeMessageVisibility, alone and in batches.

use super::{Endpoint, queue_name};
use crate::sqs::changes::ChangeSet;
use crate::sqs::clock::Millis;
use crate::sqs::error::{SqsError, missing};
use crate::sqs::limits::{check_batch, check_range};
use crate::sqs::protocol::{Acknowledge, AcknowledgedEntry, Batch, BatchOutcome, Empty, Failed};
use crate::sqs::queue::Queue;
use crate::sqs::receipt_handle::ReceiptHandle;
use crate::sqs::settings::MAX_VISIBILITY_TIMEOUT;

/// Deletes one message or changes its visibility timeout.
type Act = fn(&mut Queue, &Acknowledge, Millis, &mut ChangeSet) -> Result<(), SqsError>;

impl Endpoint {
    pub(super) async fn delete_message(&self, request: Acknowledge) -> Result<Empty, SqsError> {
        self.acknowledge(request, delete).await
    }

    pub(super) async fn delete_message_batch(
        &self,
        request: Batch<Acknowledge>,
    ) -> Result<BatchOutcome<AcknowledgedEntry>, SqsError> {
        self.acknowledge_batch("DeleteMessageBatch", request, delete)
            .await
    }

    pub(super) async fn change_message_visibility(
        &self,
        request: Acknowledge,
    ) -> Result<Empty, SqsError> {
        self.acknowledge(request, change_visibility).await
    }

    pub(super) async fn change_message_visibility_batch(
        &self,
        request: Batch<Acknowledge>,
    ) -> Result<BatchOutcome<AcknowledgedEntry>, SqsError> {
        self.acknowledge_batch("ChangeMessageVisibilityBatch", request, change_visibility)
            .await
    }

    async fn acknowledge(&self, request: Acknowledge, act: Act) -> Result<Empty, SqsError> {
        let name = queue_name(request.queue_url.as_deref())?;
        let done = self.queues.write(|account, now, changes| {
            act(account.queue(name, now, changes)?, &request, now, changes)?;
            // After the operation, a message group may be free, or a message may be visible
            // sooner, so waiting receives must check the queue again.
            account.wake(name);
            Ok(Empty {})
        });
        done.await
    }

    async fn acknowledge_batch(
        &self,
        operation: &str,
        request: Batch<Acknowledge>,
        act: Act,
    ) -> Result<BatchOutcome<AcknowledgedEntry>, SqsError> {
        let name = queue_name(request.queue_url.as_deref())?;
        let entries = request.entries.unwrap_or_default();
        let outcome = self.queues.write(|account, now, changes| {
            let queue = account.queue(name, now, changes)?;
            check_batch(operation, entries.iter().map(|entry| entry.id.as_deref()))?;
            let mut outcome = BatchOutcome {
                successful: Vec::new(),
                failed: Vec::new(),
            };
            for entry in entries {
                let acted = act(queue, &entry, now, changes);
                let id = entry.id.unwrap_or_default();
                match acted {
                    Ok(()) => outcome.successful.push(AcknowledgedEntry { id }),
                    Err(error) => outcome.failed.push(Failed::new(id, error)),
                }
            }
            account.wake(name);
            Ok(outcome)
        });
        outcome.await
    }
}

fn delete(
    queue: &mut Queue,
    request: &Acknowledge,
    now: Millis,
    changes: &mut ChangeSet,
) -> Result<(), SqsError> {
    queue.delete(now, receipt(queue, request)?, changes)
}

fn change_visibility(
    queue: &mut Queue,
    request: &Acknowledge,
    now: Millis,
    changes: &mut ChangeSet,
) -> Result<(), SqsError> {
    let timeout = check_range(
        "VisibilityTimeout",
        request.visibility_timeout,
        0..=MAX_VISIBILITY_TIMEOUT,
    )?;
    let timeout = timeout.ok_or_else(|| missing("VisibilityTimeout"))? * 1_000;
    queue.change_visibility(now, receipt(queue, request)?, timeout, changes)
}

fn receipt(queue: &Queue, request: &Acknowledge) -> Result<ReceiptHandle, SqsError> {
    let handle = request.receipt_handle.as_deref();
    ReceiptHandle::decode(handle.ok_or_else(|| missing("ReceiptHandle"))?, queue.id)
}
