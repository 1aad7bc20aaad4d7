//! The long-polling host, for containers and servers.

use std::time::Duration;

use aws_sdk_sqs::Client;
use aws_sdk_sqs::error::DisplayErrorContext;
use aws_sdk_sqs::types::{
    ChangeMessageVisibilityBatchRequestEntry, DeleteMessageBatchRequestEntry, Message,
    MessageSystemAttributeName,
};
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::handler::Handler;
use crate::verdict::Record;

/// How long received messages are hidden from others, unless told otherwise.
const VISIBILITY: Duration = Duration::from_secs(60);
/// The longest long poll there is (SQS API reference, "ReceiveMessage").
const WAIT: Duration = Duration::from_secs(20);
/// After this a batch is given up, and SQS delivers it again.
const BATCH_TIME: Duration = Duration::from_secs(300);
/// The most messages of one receive, and entries of one batch request.
const MAX_MESSAGES: i32 = 10;

/// Takes messages from a queue until it is told to stop.
#[derive(Debug, Clone)]
pub struct Worker {
    client: Client,
    queue_url: String,
    handler: Handler,
    metrics_for: Option<String>,
    visibility: Duration,
}

impl Worker {
    /// A worker on this queue.
    pub fn new(client: Client, queue_url: impl Into<String>, handler: Handler) -> Self {
        Self {
            client,
            queue_url: queue_url.into(),
            handler,
            metrics_for: None,
            visibility: VISIBILITY,
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
        let mut pause = Duration::from_millis(500);
        while !stop.is_cancelled() {
            let received = tokio::select! {
                received = self.receive() => received,
                () = stop.cancelled() => return,
            };
            match received {
                Ok(messages) if messages.is_empty() => {}
                Ok(messages) => self.work(messages).await,
                Err(error) => {
                    tracing::error!(reason = %error, "cannot receive messages");
                    tokio::select! {
                        () = tokio::time::sleep(pause) => {}
                        () = stop.cancelled() => return,
                    }
                    pause = (pause * 2).min(Duration::from_secs(30));
                    continue;
                }
            }
            pause = Duration::from_millis(500);
        }
    }

    async fn receive(&self) -> Result<Vec<Message>, String> {
        let output = self
            .client
            .receive_message()
            .queue_url(&self.queue_url)
            .max_number_of_messages(MAX_MESSAGES)
            .wait_time_seconds(WAIT.as_secs() as i32)
            .visibility_timeout(self.visibility.as_secs() as i32)
            .message_system_attribute_names(MessageSystemAttributeName::MessageGroupId)
            .message_system_attribute_names(MessageSystemAttributeName::ApproximateReceiveCount)
            .send()
            .await
            .map_err(|e| DisplayErrorContext(e).to_string())?;
        Ok(output.messages.unwrap_or_default())
    }

    /// Handles a batch, while the messages are kept from others.
    async fn work(&self, messages: Vec<Message>) {
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
            .partition(|m| report.failed.iter().any(|id| Some(&**id) == m.message_id()));
        self.delete(&done).await;
        // Sooner than they would be seen again by themselves; later each time.
        self.hide(&failed, |message| {
            Duration::from_secs(1 << receive_count(message).min(5))
        })
        .await;
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
            tracing::warn!(reason = %DisplayErrorContext(error), "cannot change the visibility of messages");
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
                tracing::warn!(reason = %DisplayErrorContext(error), "cannot delete messages")
            }
        }
    }
}

fn record(message: &Message, fifo: bool) -> Record {
    let group = message
        .attributes()
        .and_then(|a| a.get(&MessageSystemAttributeName::MessageGroupId));
    Record {
        message_id: message.message_id().unwrap_or_default().to_owned(),
        body: message.body().unwrap_or_default().to_owned(),
        // On a standard queue a group id asks for fairness, not for order.
        group: group.filter(|_| fifo).cloned(),
    }
}

fn receive_count(message: &Message) -> u32 {
    let count = message
        .attributes()
        .and_then(|a| a.get(&MessageSystemAttributeName::ApproximateReceiveCount));
    count.and_then(|count| count.parse().ok()).unwrap_or(1)
}
