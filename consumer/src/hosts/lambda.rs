//! The Lambda host: an SQS event → the handler → a partial batch response.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use aws_lambda_events::event::sqs::{BatchItemFailure, SqsBatchResponse, SqsEvent, SqsMessage};
use lambda_runtime::{Error, LambdaEvent, service_fn};
use tokio::time::Instant;

use crate::clients;
use crate::config::Config;
use crate::handler::Handler;
use crate::record::Record;

/// Kept back of the invocation's time for moving rejected messages and for
/// answering. What is not done by then is reported as failed, while an
/// invocation that runs into its timeout is failed as a whole.
const RESERVE: Duration = Duration::from_millis(500);

/// A message that failed has no id to report it by, so that the whole batch has
/// to be delivered again: an empty id in the response would mean the same.
#[derive(Debug, thiserror::Error)]
#[error("a failed message has no id, so the whole batch has to be delivered again")]
pub struct NoMessageId;

/// Handles the invocations of this function until Lambda ends the process.
///
/// # Errors
///
/// The Runtime API cannot be reached.
///
/// # Cancel safety
///
/// Dropping the future answers nothing; Lambda delivers the batch again.
pub async fn run(config: Config) -> Result<(), Error> {
    let aws = clients::load().await;
    let handler = Arc::new(super::handler(&aws, config));
    lambda_runtime::run(service_fn(|event: LambdaEvent<_>| {
        let handler = Arc::clone(&handler);
        // Boxed: the compiler would otherwise compute the layout of the whole runtime's
        // future, with the store's in it, and exceed its limit of nested queries.
        Box::pin(async move { invoke(&handler, event).await.map_err(Error::from) })
    }))
    .await
}

/// Handles one invocation.
///
/// # Errors
///
/// [`NoMessageId`]; Lambda then treats the whole batch as failed.
///
/// # Cancel safety
///
/// Dropping the future answers nothing, so that the whole batch is delivered
/// again; what was stored until then is found to be a duplicate.
pub async fn invoke(
    handler: &Handler,
    event: LambdaEvent<SqsEvent>,
) -> Result<SqsBatchResponse, NoMessageId> {
    let deadline = deadline(event.context.deadline(), SystemTime::now());
    let records = records(event.payload);
    let report = handler.handle(&records, Some(deadline)).await;
    for line in report
        .metrics
        .lines(&event.context.env_config.function_name)
    {
        crate::log::metric(&line);
    }
    let mut response = SqsBatchResponse::default();
    for id in report.failed {
        if id.is_empty() {
            return Err(NoMessageId);
        }
        let mut failure = BatchItemFailure::default();
        failure.item_identifier = id;
        response.batch_item_failures.push(failure);
    }
    Ok(response)
}

fn deadline(ends: SystemTime, now: SystemTime) -> Instant {
    let left = ends.duration_since(now).unwrap_or_default();
    // Of a very short timeout, half.
    Instant::now() + left.saturating_sub(RESERVE.min(left / 2))
}

/// The records of an invocation's payload, in their order.
pub fn records(event: SqsEvent) -> Vec<Record> {
    event.records.into_iter().map(record).collect()
}

// A record of which something is missing is judged like any other: a body that
// is not there is an empty one.
fn record(message: SqsMessage) -> Record {
    let fifo = message
        .event_source_arn
        .is_some_and(|arn| arn.ends_with(".fifo"));
    // On a standard queue a group id asks for fairness, not for order.
    let group = message
        .attributes
        .get("MessageGroupId")
        .filter(|_| fifo)
        .cloned();
    Record {
        message_id: message.message_id.unwrap_or_default(),
        body: message.body.unwrap_or_default(),
        group,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn time_is_kept_back_for_the_answer() {
        let now = SystemTime::now();
        let left = |millis: u64| {
            let start = Instant::now();
            let deadline = deadline(now + Duration::from_millis(millis), now) - start;
            deadline.as_millis()
        };
        assert!((29_400..=29_600).contains(&left(30_000)));
        assert!((190..=300).contains(&left(400)));
        assert!(left(0) <= 50);
    }
}
