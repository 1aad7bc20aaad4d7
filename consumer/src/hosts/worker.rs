//! The long-polling host, for containers and servers.

use std::time::Duration;

use aws_sdk_sqs::Client;
use aws_sdk_sqs::config::timeout::TimeoutConfig;
use aws_sdk_sqs::error::BuildError;
use aws_sdk_sqs::types::{
    BatchResultErrorEntry, ChangeMessageVisibilityBatchRequestEntry,
    DeleteMessageBatchRequestEntry, Message, MessageSystemAttributeName,
};
use domain_events::__internals::{AwsFailure, Backoff};
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::aws;
use crate::config::WorkerConfig;
use crate::handler::Handler;
use crate::hosts::StartError;
use crate::record::Record;

/// The default visibility timeout of received messages.
const VISIBILITY_TIMEOUT: Duration = Duration::from_secs(60);
/// How long a receive waits for messages by default. A worker that stops waits for the
/// receive in progress, and a container usually has 30 seconds to stop.
const LONG_POLL: Duration = Duration::from_secs(10);
/// The longest long poll (SQS API reference, "ReceiveMessage").
const MAX_LONG_POLL: Duration = Duration::from_secs(20);
/// How much longer than its long poll a receive may take, including the time to connect.
const RECEIVE_GRACE: Duration = Duration::from_secs(5);
/// The maximum number of attempts of a receive, if each attempt times out.
const RECEIVE_ATTEMPTS: u32 = 3;
/// Failed messages become visible again after 2, 4, 8, … seconds, at most 256. The
/// Terraform module allows 20 receives, which then take about an hour.
const REDELIVERY: Backoff = Backoff::new(Duration::from_secs(2), Duration::from_secs(256));
/// The pause between two receives while every message fails.
const PAUSE: Backoff = Backoff::new(Duration::from_millis(500), Duration::from_secs(30));
/// How long the handler may take for a batch. SQS delivers unfinished messages again.
const BATCH_TIMEOUT: Duration = Duration::from_secs(300);
/// The maximum number of messages per receive, and of entries per batch request.
const MAX_MESSAGES: i32 = 10;

/// Runs the worker that `config` describes until `stop` is cancelled.
///
/// # Errors
///
/// [`StartError`] if a queue or the table does not exist, the table has other keys, or
/// the credentials or the endpoint cannot be used.
///
/// # Cancel safety
///
/// Dropping the future stops the worker at once. SQS delivers unfinished messages again.
pub async fn run(config: WorkerConfig, stop: CancellationToken) -> Result<(), StartError> {
    let aws = aws::load().await;
    super::startup::check(&aws, &config).await?;
    let handler = super::handler(&aws, config.config);
    let url = &config.queue_url;
    let worker = Worker::new(aws::sqs(&aws, url), url.as_str(), handler);
    let worker = worker.with_metrics("domain-events-worker");
    worker.run(config.pollers, stop).await;
    Ok(())
}

/// Receives messages from a queue and handles them.
#[derive(Debug, Clone)]
pub struct Worker {
    client: Client,
    queue_url: String,
    handler: Handler,
    service: Option<String>,
    visibility_timeout: Duration,
    long_poll: Duration,
}

impl Worker {
    /// Creates a worker for the queue with this URL.
    ///
    /// Configure timeouts on the client, because a request without a response blocks its
    /// poller. The worker sets a timeout only for receives.
    pub fn new(client: Client, queue_url: impl Into<String>, handler: Handler) -> Self {
        Self {
            client,
            queue_url: queue_url.into(),
            handler,
            service: None,
            visibility_timeout: VISIBILITY_TIMEOUT,
            long_poll: LONG_POLL,
        }
    }

    /// Prints metrics on standard output, for a service with this name.
    #[must_use]
    pub fn with_metrics(self, service: impl Into<String>) -> Self {
        let service = Some(service.into());
        Self { service, ..self }
    }

    /// Sets the visibility timeout of received messages, in whole seconds. The default is
    /// 60 seconds. The worker renews it while it handles a batch, so it only determines how
    /// soon another worker receives the messages if this process ends.
    #[must_use]
    pub fn with_visibility_timeout(self, timeout: Duration) -> Self {
        Self {
            visibility_timeout: timeout.max(Duration::from_secs(1)),
            ..self
        }
    }

    /// Sets how long a receive waits for messages, in whole seconds from 1 to 20. The
    /// default is 10 seconds. An idle worker takes up to this time to stop.
    #[must_use]
    pub fn with_long_poll(self, long_poll: Duration) -> Self {
        Self {
            long_poll: long_poll.clamp(Duration::from_secs(1), MAX_LONG_POLL),
            ..self
        }
    }

    /// Runs `pollers` pollers until `stop` is cancelled.
    ///
    /// When `stop` is cancelled, each poller finishes the receive in progress, because SQS
    /// may already have hidden messages for it, and the batch that it received.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future stops the pollers at once. SQS delivers unfinished messages
    /// again after their visibility timeout.
    pub async fn run(self, pollers: usize, stop: CancellationToken) {
        let mut tasks = JoinSet::new();
        for _ in 0..pollers {
            tasks.spawn(self.clone().poll(stop.clone()));
        }
        while let Some(ended) = tasks.join_next().await {
            if let Err(error) = ended {
                let panicked = error.is_panic();
                tracing::error!(panicked, "a poller ended early");
            }
        }
    }

    async fn poll(self, stop: CancellationToken) {
        let mut failures = 0;
        while !stop.is_cancelled() {
            let succeeds = match self.receive_until(&stop).await {
                Ok(messages) if messages.is_empty() => true,
                // If all messages failed, the next messages would probably fail, too, and
                // the redrive policy limits the number of receives of each message.
                Ok(messages) => self.work(messages).await,
                Err(failure) => {
                    tracing::error!(
                        queue = self.queue_url,
                        reason = %failure,
                        "could not receive messages"
                    );
                    false
                }
            };
            if succeeds {
                failures = 0;
                continue;
            }
            failures += 1;
            tokio::select! {
                biased;
                () = stop.cancelled() => return,
                () = tokio::time::sleep(PAUSE.delay(failures)) => {}
            }
        }
    }

    /// Receives messages. After `stop`, it still waits for the response to a receive in
    /// progress.
    async fn receive_until(&self, stop: &CancellationToken) -> Result<Vec<Message>, AwsFailure> {
        let receive = self.receive();
        tokio::pin!(receive);
        tokio::select! {
            biased;
            received = &mut receive => received,
            () = stop.cancelled() => {
                let limit = self.long_poll + RECEIVE_GRACE;
                let received = tokio::time::timeout(limit, receive).await;
                received.unwrap_or(Err(AwsFailure::Timeout))
            }
        }
    }

    async fn receive(&self) -> Result<Vec<Message>, AwsFailure> {
        // A long poll needs a longer timeout than other requests, but it must not wait
        // forever on a broken connection.
        let attempt = self.long_poll + RECEIVE_GRACE;
        let timeouts = TimeoutConfig::builder()
            .operation_attempt_timeout(attempt)
            .operation_timeout(attempt * RECEIVE_ATTEMPTS);
        let config = aws_sdk_sqs::config::Config::builder().timeout_config(timeouts.build());
        let output = self
            .client
            .receive_message()
            .queue_url(&self.queue_url)
            .max_number_of_messages(MAX_MESSAGES)
            .wait_time_seconds(self.long_poll.as_secs() as i32)
            .visibility_timeout(self.visibility_timeout.as_secs() as i32)
            .message_system_attribute_names(MessageSystemAttributeName::MessageGroupId)
            .message_system_attribute_names(MessageSystemAttributeName::ApproximateReceiveCount)
            .message_system_attribute_names(MessageSystemAttributeName::AwsTraceHeader)
            .message_attribute_names("All")
            .customize()
            .config_override(config)
            .send()
            .await
            .map_err(|error| AwsFailure::new(&error))?;
        Ok(output.messages.unwrap_or_default())
    }

    /// Handles a batch, and keeps its messages hidden from other workers in the meantime.
    /// Returns false if every message failed.
    async fn work(&self, mut messages: Vec<Message>) -> bool {
        let records: Vec<Record> = messages
            .iter_mut()
            .map(|message| take_record(message, &self.queue_url))
            .collect();
        let deadline = Instant::now() + BATCH_TIMEOUT;
        let handling = self.handler.handle(&records, Some(deadline));
        let report = tokio::select! {
            biased;
            report = handling => report,
            never = self.keep_hidden(&messages) => match never {},
        };
        if let Some(service) = &self.service {
            for line in report.metrics.lines(service) {
                crate::log::metric(&line);
            }
        }
        // A message without an id is reported with an empty id.
        let id = |message: &Message| message.message_id.clone().unwrap_or_default();
        let (failed, done): (Vec<&Message>, Vec<&Message>) = messages
            .iter()
            .partition(|message| report.failed.contains(&id(message)));
        self.delete(&done).await;
        // The pause is shorter than the visibility timeout at first, and grows with each
        // receive.
        self.change_visibility(&failed, |message| {
            REDELIVERY.without_jitter(receive_count(message))
        })
        .await;
        !done.is_empty()
    }

    async fn keep_hidden(&self, messages: &[Message]) -> std::convert::Infallible {
        let all: Vec<&Message> = messages.iter().collect();
        loop {
            tokio::time::sleep(self.visibility_timeout / 3).await;
            self.change_visibility(&all, |_| self.visibility_timeout)
                .await;
        }
    }

    async fn change_visibility(
        &self,
        messages: &[&Message],
        timeout: impl Fn(&Message) -> Duration,
    ) {
        let entries = entries(messages, |id, receipt_handle, message| {
            ChangeMessageVisibilityBatchRequestEntry::builder()
                .id(id)
                .receipt_handle(receipt_handle)
                .visibility_timeout(timeout(message).as_secs() as i32)
                .build()
        });
        if entries.is_empty() {
            return;
        }
        let request = self
            .client
            .change_message_visibility_batch()
            .queue_url(&self.queue_url);
        // After a failure, a message becomes visible too early and is handled twice. The
        // second append is a duplicate and stores nothing.
        let result = request.set_entries(Some(entries)).send().await;
        let failed = result
            .map(|output| output.failed)
            .map_err(|error| AwsFailure::new(&error));
        self.log_failures("could not change the visibility of a message", failed);
    }

    async fn delete(&self, messages: &[&Message]) {
        let entries = entries(messages, |id, receipt_handle, _| {
            DeleteMessageBatchRequestEntry::builder()
                .id(id)
                .receipt_handle(receipt_handle)
                .build()
        });
        if entries.is_empty() {
            return;
        }
        let request = self
            .client
            .delete_message_batch()
            .queue_url(&self.queue_url);
        // A message that is not deleted is delivered again, and its events are then
        // duplicates.
        let result = request.set_entries(Some(entries)).send().await;
        let failed = result
            .map(|output| output.failed)
            .map_err(|error| AwsFailure::new(&error));
        self.log_failures("could not delete a message", failed);
    }

    /// Logs the failure of a batch request, or of each of its failed entries.
    fn log_failures(&self, what: &str, result: Result<Vec<BatchResultErrorEntry>, AwsFailure>) {
        let queue = &self.queue_url;
        match result {
            Ok(failed) => {
                for entry in failed {
                    tracing::warn!(queue, reason = entry.code, "{what}");
                }
            }
            Err(failure) => tracing::warn!(queue, reason = %failure, "{what}"),
        }
    }
}

/// Builds one entry of a batch request per message, from an entry id, the receipt handle and
/// the message. A message without a receipt handle has no entry.
fn entries<E>(
    messages: &[&Message],
    build: impl Fn(String, &str, &Message) -> Result<E, BuildError>,
) -> Vec<E> {
    let numbered = messages.iter().enumerate();
    numbered
        .filter_map(|(index, message)| {
            build(index.to_string(), message.receipt_handle()?, message).ok()
        })
        .collect()
}

/// Converts a message into a record. It moves the body and the attributes out of the
/// message; the message keeps its id and its receipt handle for the later requests.
fn take_record(message: &mut Message, queue_url: &str) -> Record {
    let body = message.body.take();
    let attributes = message.message_attributes.take().unwrap_or_default();
    let system_attributes = message.attributes.as_ref();
    Record::received(
        queue_url,
        message.message_id.clone(),
        body,
        attributes,
        |name| system_attributes?.get(&name.into()).cloned(),
    )
}

fn receive_count(message: &Message) -> u32 {
    let count = message
        .attributes()
        .and_then(|a| a.get(&MessageSystemAttributeName::ApproximateReceiveCount));
    count.and_then(|count| count.parse().ok()).unwrap_or(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn twenty_receives_take_about_an_hour() {
        let all: Duration = (1..=20)
            .map(|receives| REDELIVERY.without_jitter(receives))
            .sum();
        assert!((3_000..4_200).contains(&all.as_secs()), "{all:?}");
    }
}
