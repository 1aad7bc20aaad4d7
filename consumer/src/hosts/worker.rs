//! The long-polling host, for containers and servers.

use std::time::Duration;

use aws_sdk_sqs::Client;
use aws_sdk_sqs::config::timeout::TimeoutConfig;
use aws_sdk_sqs::types::{
    ChangeMessageVisibilityBatchRequestEntry, DeleteMessageBatchRequestEntry, Message,
    MessageSystemAttributeName,
};
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::config::WorkerConfig;
use crate::handler::Handler;
use crate::record::Record;
use crate::{clients, failure};

/// How long received messages are hidden from others, unless told otherwise.
const VISIBILITY: Duration = Duration::from_secs(60);
/// The longest long poll there is (SQS API reference, "ReceiveMessage").
const WAIT: Duration = Duration::from_secs(20);
/// How much longer than a long poll its answer may take, connecting included.
const GRACE: Duration = Duration::from_secs(5);
/// The most attempts of one request to receive, if each of them hangs.
const RECEIVE_ATTEMPTS: u32 = 3;
/// Messages that failed come again after 2, 4, 8 … seconds, up to 2 to this power:
/// 256, so that 20 receives, as many as the Terraform module gives them, are an
/// hour.
const MAX_BACKOFF: u32 = 8;
/// Between two polls when nothing works, at first and at the most.
const FIRST_PAUSE: Duration = Duration::from_millis(500);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);
/// After this a batch is given up, and SQS delivers it again.
const BATCH_TIME: Duration = Duration::from_secs(300);
/// The most messages of one receive, and entries of one batch request.
const MAX_MESSAGES: i32 = 10;

/// Runs the worker that `config` describes until `stop`, then finishes the batches
/// that it has received.
///
/// # Cancel safety
///
/// Dropping the future stops at once; unfinished messages are delivered again.
pub async fn run(config: WorkerConfig, stop: CancellationToken) {
    let aws = clients::load().await;
    let handler = super::handler(&aws, config.config);
    let worker = Worker::new(clients::sqs(&aws), config.queue_url, handler);
    let worker = worker.with_metrics("domain-events-worker");
    worker.run(config.pollers, stop).await;
}

/// Receives messages from a queue and handles them.
#[derive(Debug, Clone)]
pub struct Worker {
    client: Client,
    queue_url: String,
    handler: Handler,
    metrics_for: Option<String>,
    visibility: Duration,
    wait: Duration,
}

impl Worker {
    /// A worker on this queue. Give the client timeouts, as
    /// [`clients::load`](crate::clients::load) does: a request that is never answered
    /// holds up its poller until then. Only polls have one of their own.
    pub fn new(client: Client, queue_url: impl Into<String>, handler: Handler) -> Self {
        Self {
            client,
            queue_url: queue_url.into(),
            handler,
            metrics_for: None,
            visibility: VISIBILITY,
            wait: WAIT,
        }
    }

    /// Prints metrics for a service of this name.
    #[must_use]
    pub fn with_metrics(self, service: impl Into<String>) -> Self {
        Self {
            metrics_for: Some(service.into()),
            ..self
        }
    }

    /// Hides received messages from others for this long, in whole seconds; 60
    /// unless set. It is renewed while a batch takes longer, so it only says how
    /// soon others take over when this process dies.
    #[must_use]
    pub fn with_visibility_timeout(self, visibility: Duration) -> Self {
        let visibility = visibility.max(Duration::from_secs(1));
        Self { visibility, ..self }
    }

    /// Waits for messages for this long in one request, in whole seconds from 1 to
    /// 20; 20 unless set.
    #[must_use]
    pub fn with_long_poll(self, wait: Duration) -> Self {
        let wait = wait.clamp(Duration::from_secs(1), WAIT);
        Self { wait, ..self }
    }

    /// Works with this many pollers until `stop`, then finishes the batches that
    /// were received.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future stops at once; unfinished messages are delivered again.
    pub async fn run(self, pollers: usize, stop: CancellationToken) {
        let mut tasks = JoinSet::new();
        for _ in 0..pollers {
            tasks.spawn(self.clone().poll(stop.clone()));
        }
        while let Some(ended) = tasks.join_next().await {
            if let Err(error) = ended {
                tracing::error!(%error, "a poller ended early");
            }
        }
    }

    async fn poll(self, stop: CancellationToken) {
        let mut pause = FIRST_PAUSE;
        while !stop.is_cancelled() {
            let received = tokio::select! {
                received = self.receive() => received,
                () = stop.cancelled() => return,
            };
            let works = match received {
                Ok(messages) if messages.is_empty() => true,
                // Where everything fails, the next ones would fail as well, and
                // use up the times that they may be received.
                Ok(messages) => self.work(messages).await,
                Err(error) => {
                    tracing::error!(reason = %error, "cannot receive messages");
                    false
                }
            };
            if works {
                pause = FIRST_PAUSE;
                continue;
            }
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                () = stop.cancelled() => return,
            }
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    async fn receive(&self) -> Result<Vec<Message>, String> {
        // A long poll takes longer than the client gives other requests, and must
        // not wait for ever on a connection that is gone.
        let attempt = self.wait + GRACE;
        let timeouts = TimeoutConfig::builder()
            .operation_attempt_timeout(attempt)
            .operation_timeout(attempt * RECEIVE_ATTEMPTS);
        let config = aws_sdk_sqs::config::Config::builder().timeout_config(timeouts.build());
        let output = self
            .client
            .receive_message()
            .queue_url(&self.queue_url)
            .max_number_of_messages(MAX_MESSAGES)
            .wait_time_seconds(self.wait.as_secs() as i32)
            .visibility_timeout(self.visibility.as_secs() as i32)
            .message_system_attribute_names(MessageSystemAttributeName::MessageGroupId)
            .message_system_attribute_names(MessageSystemAttributeName::ApproximateReceiveCount)
            .customize()
            .config_override(config)
            .send()
            .await
            .map_err(|error| failure::text(&error))?;
        Ok(output.messages.unwrap_or_default())
    }

    /// Handles a batch, while the messages are kept from others. False if none of
    /// them could be done.
    async fn work(&self, messages: Vec<Message>) -> bool {
        let fifo = self.queue_url.ends_with(".fifo");
        let records: Vec<Record> = messages
            .iter()
            .map(|message| record(message, fifo))
            .collect();
        let handling = self
            .handler
            .handle(&records, Some(Instant::now() + BATCH_TIME));
        let report = tokio::select! {
            report = handling => report,
            never = self.keep_hidden(&messages) => match never {},
        };
        if let Some(service) = &self.metrics_for {
            for line in report.metrics.lines(service) {
                crate::log::metric(&line);
            }
        }
        let (failed, done): (Vec<&Message>, Vec<&Message>) = messages
            .iter()
            .partition(|message| report.failed.iter().any(|id| id == id_of(message)));
        self.delete(&done).await;
        // Sooner than they would be seen again by themselves; later each time.
        self.hide(&failed, |message| backoff(receive_count(message)))
            .await;
        !done.is_empty()
    }

    async fn keep_hidden(&self, messages: &[Message]) -> std::convert::Infallible {
        let all: Vec<&Message> = messages.iter().collect();
        loop {
            tokio::time::sleep(self.visibility / 3).await;
            self.hide(&all, |_| self.visibility).await;
        }
    }

    async fn hide(&self, messages: &[&Message], time: impl Fn(&Message) -> Duration) {
        let entries: Vec<_> = messages
            .iter()
            .enumerate()
            .filter_map(|(i, message)| {
                ChangeMessageVisibilityBatchRequestEntry::builder()
                    .id(i.to_string())
                    .receipt_handle(message.receipt_handle()?)
                    .visibility_timeout(time(message).as_secs() as i32)
                    .build()
                    .ok()
            })
            .collect();
        if entries.is_empty() {
            return;
        }
        let request = self
            .client
            .change_message_visibility_batch()
            .queue_url(&self.queue_url);
        // Not hidden any longer, they may be handled twice, which changes nothing.
        if let Err(error) = request.set_entries(Some(entries)).send().await {
            tracing::warn!(
                reason = failure::text(&error),
                "cannot change the visibility of messages"
            );
        }
    }

    async fn delete(&self, messages: &[&Message]) {
        let entries: Vec<_> = messages
            .iter()
            .enumerate()
            .filter_map(|(i, message)| {
                let handle = message.receipt_handle()?;
                DeleteMessageBatchRequestEntry::builder()
                    .id(i.to_string())
                    .receipt_handle(handle)
                    .build()
                    .ok()
            })
            .collect();
        if entries.is_empty() {
            return;
        }
        let request = self
            .client
            .delete_message_batch()
            .queue_url(&self.queue_url);
        // What is not deleted comes again, and is then found to be a duplicate.
        match request.set_entries(Some(entries)).send().await {
            Ok(output) => {
                for entry in output.failed() {
                    tracing::warn!(reason = entry.code(), "cannot delete a message");
                }
            }
            Err(error) => {
                tracing::warn!(reason = failure::text(&error), "cannot delete messages")
            }
        }
    }
}

fn record(message: &Message, fifo: bool) -> Record {
    let group = message
        .attributes()
        .and_then(|a| a.get(&MessageSystemAttributeName::MessageGroupId));
    Record {
        message_id: id_of(message).to_owned(),
        body: message.body().unwrap_or_default().to_owned(),
        // On a standard queue a group id asks for fairness, not for order.
        group: group.filter(|_| fifo).cloned(),
    }
}

/// Its id, as its record has it: one without an id has failed, and must not be
/// taken for done.
fn id_of(message: &Message) -> &str {
    message.message_id().unwrap_or_default()
}

/// How long a message that failed is hidden, after so many receives.
fn backoff(receives: u32) -> Duration {
    Duration::from_secs(1 << receives.min(MAX_BACKOFF))
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
    fn twenty_receives_take_most_of_an_hour() {
        let all: Duration = (1..=20).map(backoff).sum();
        assert!((3_000..4_200).contains(&all.as_secs()), "{all:?}");
    }
}
