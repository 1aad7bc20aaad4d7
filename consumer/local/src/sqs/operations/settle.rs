//! DeleteMessage and ChangeMessageVisibility, alone and in batches.

use super::{Endpoint, queue_name};
use crate::sqs::clock::Millis;
use crate::sqs::error::{Refusal, missing};
use crate::sqs::journal::Journal;
use crate::sqs::limits::{check_batch, check_range};
use crate::sqs::protocol::{Batch, BatchOutcome, Done, Failed, Settle, Settled};
use crate::sqs::queue::Queue;
use crate::sqs::receipt::Receipt;
use crate::sqs::settings::LONGEST_VISIBILITY;

/// What is done to one message.
type Act = fn(&mut Queue, &Settle, Millis, &mut Journal) -> Result<(), Refusal>;

impl Endpoint {
    pub(super) async fn delete_message(&self, request: Settle) -> Result<Done, Refusal> {
        self.settle(request, delete).await
    }

    pub(super) async fn delete_message_batch(
        &self,
        request: Batch<Settle>,
    ) -> Result<BatchOutcome<Settled>, Refusal> {
        self.settle_batch("DeleteMessageBatch", request, delete)
            .await
    }

    pub(super) async fn change_message_visibility(&self, request: Settle) -> Result<Done, Refusal> {
        self.settle(request, change_visibility).await
    }

    pub(super) async fn change_message_visibility_batch(
        &self,
        request: Batch<Settle>,
    ) -> Result<BatchOutcome<Settled>, Refusal> {
        self.settle_batch("ChangeMessageVisibilityBatch", request, change_visibility)
            .await
    }

    async fn settle(&self, request: Settle, act: Act) -> Result<Done, Refusal> {
        let name = queue_name(request.queue_url.as_deref())?;
        let done = self.queues.apply(|state, now, journal| {
            act(state.queue(name, now, journal)?, &request, now, journal)?;
            // A FIFO group may be free now, or a message visible sooner.
            state.wake(name);
            Ok(Done {})
        });
        done.await
    }

    async fn settle_batch(
        &self,
        operation: &str,
        request: Batch<Settle>,
        act: Act,
    ) -> Result<BatchOutcome<Settled>, Refusal> {
        let name = queue_name(request.queue_url.as_deref())?;
        let entries = request.entries.unwrap_or_default();
        let outcome = self.queues.apply(|state, now, journal| {
            let queue = state.queue(name, now, journal)?;
            check_batch(operation, entries.iter().map(|entry| entry.id.as_deref()))?;
            let mut outcome = BatchOutcome {
                successful: Vec::new(),
                failed: Vec::new(),
            };
            for entry in entries {
                let acted = act(queue, &entry, now, journal);
                let id = entry.id.unwrap_or_default();
                match acted {
                    Ok(()) => outcome.successful.push(Settled { id }),
                    Err(refusal) => outcome.failed.push(Failed::new(id, refusal)),
                }
            }
            state.wake(name);
            Ok(outcome)
        });
        outcome.await
    }
}

fn delete(
    queue: &mut Queue,
    request: &Settle,
    now: Millis,
    journal: &mut Journal,
) -> Result<(), Refusal> {
    queue.delete(now, receipt(queue, request)?, journal)
}

fn change_visibility(
    queue: &mut Queue,
    request: &Settle,
    now: Millis,
    journal: &mut Journal,
) -> Result<(), Refusal> {
    let timeout = check_range(
        "VisibilityTimeout",
        request.visibility_timeout,
        0..=LONGEST_VISIBILITY,
    )?;
    let timeout = timeout.ok_or_else(|| missing("VisibilityTimeout"))? * 1_000;
    queue.change_visibility(now, receipt(queue, request)?, timeout, journal)
}

fn receipt(queue: &Queue, request: &Settle) -> Result<Receipt, Refusal> {
    let handle = request.receipt_handle.as_deref();
    Receipt::decode(handle.ok_or_else(|| missing("ReceiptHandle"))?, queue.id)
}
