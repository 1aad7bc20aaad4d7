//! ReceiveMessage, including long polling.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::time::{Instant, sleep_until};

use super::send::sequence_number;
use super::{Endpoint, queue_name};
use crate::sqs::error::{ErrorCode, SqsError};
use crate::sqs::limits::{check_range, check_token};
use crate::sqs::message::QueuedMessage;
use crate::sqs::message::{Attributes, md5_of_attributes};
use crate::sqs::protocol::{ReceiveMessage, Received, ReceivedMessage};
use crate::sqs::queue::Receive;
use crate::sqs::receipt_handle::ReceiptHandle;
use crate::sqs::settings::{MAX_VISIBILITY_TIMEOUT, MAX_WAIT};

/// The `SenderId` of every message, because the endpoint does not authenticate clients.
const SENDER: &str = "AIDA0LOCAL0LOCAL0LOCAL";

impl Endpoint {
    pub(super) async fn receive_message(
        &self,
        request: ReceiveMessage,
    ) -> Result<Received, SqsError> {
        let name = queue_name(request.queue_url.as_deref())?;
        let max = check_range(
            "MaxNumberOfMessages",
            request.max_number_of_messages,
            1..=10,
        )?;
        let visibility = check_range(
            "VisibilityTimeout",
            request.visibility_timeout,
            0..=MAX_VISIBILITY_TIMEOUT,
        )?;
        let wait = check_range("WaitTimeSeconds", request.wait_time_seconds, 0..=MAX_WAIT)?;
        let attempt = request.receive_request_attempt_id;
        if let Some(attempt) = &attempt {
            check_token("ReceiveRequestAttemptId", attempt)?;
        }
        let wanted = RequestedAttributes::new(
            [
                request.message_system_attribute_names,
                request.attribute_names,
            ],
            request.message_attribute_names,
        )?;
        let receive = Receive {
            max: max.and_then(|max| usize::try_from(max).ok()).unwrap_or(1),
            visibility: visibility.map(|seconds| seconds * 1_000),
            attempt,
        };
        let wait = match wait {
            Some(seconds) => seconds * 1_000,
            None => self.queues.read(|account| account.settings(name))?.wait,
        };
        let (queue, messages) = self
            .poll(name, &receive, Duration::from_millis(wait))
            .await?;
        let messages = messages
            .into_iter()
            .map(|queued| wanted.message(queued, queue));
        Ok(Received {
            messages: messages.collect(),
        })
    }

    /// Receives as soon as a message is available, or returns no messages after `wait`.
    /// Also returns the id of the queue.
    async fn poll(
        &self,
        name: &str,
        receive: &Receive,
        wait: Duration,
    ) -> Result<(u64, Vec<QueuedMessage>), SqsError> {
        let deadline = Instant::now() + wait;
        loop {
            let last = Instant::now() >= deadline || self.stopping.is_cancelled();
            let attempt = self.queues.write(|account, now, changes| {
                let messages = match account.receive(name, receive, now, changes) {
                    // SQS returns this error only to short polls. A long poll waits.
                    Err(error) if error.code == ErrorCode::OverLimit && !wait.is_zero() => {
                        Vec::new()
                    }
                    outcome => outcome?,
                };
                if receive.visibility == Some(0) && !messages.is_empty() {
                    account.wake(name);
                }
                let queue = account.queue(name, now, changes)?;
                let (id, due) = (queue.id, queue.next_due());
                let due = due.map(|due| Duration::from_millis(due.saturating_sub(now)));
                // The subscription is created under the lock, so that no later message is
                // missed.
                Ok((id, messages, due, account.woken(name)?))
            });
            let (queue, messages, due, woken) = attempt.await?;
            if last || !messages.is_empty() {
                return Ok((queue, messages));
            }
            let until = due.map_or(deadline, |due| deadline.min(Instant::now() + due));
            tokio::select! {
                biased;
                () = woken => {}
                () = sleep_until(until) => {}
                () = self.stopping.cancelled() => {}
            }
        }
    }
}

/// The attributes that a receive request names.
struct RequestedAttributes {
    system: Vec<String>,
    message: Vec<String>,
}

impl RequestedAttributes {
    /// Combines the names in a request. System attributes have two parameters, an older
    /// and a newer one.
    fn new(
        system: [Option<Vec<String>>; 2],
        message: Option<Vec<String>>,
    ) -> Result<Self, SqsError> {
        const KNOWN: [&str; 11] = [
            "All",
            "AWSTraceHeader",
            "ApproximateFirstReceiveTimestamp",
            "ApproximateReceiveCount",
            "DeadLetterQueueSourceArn",
            "MessageDeduplicationId",
            "MessageGroupId",
            "SenderId",
            "SentTimestamp",
            "SequenceNumber",
            "SqsManagedSseEnabled",
        ];
        let system: Vec<String> = system.into_iter().flatten().flatten().collect();
        match system.iter().find(|name| !KNOWN.contains(&name.as_str())) {
            Some(name) => {
                Err(ErrorCode::InvalidAttributeName.error(format!("Unknown Attribute {name}.")))
            }
            None => Ok(Self {
                system,
                message: message.unwrap_or_default(),
            }),
        }
    }

    fn has_system(&self, name: &str) -> bool {
        self.system
            .iter()
            .any(|requested| requested == "All" || requested == name)
    }

    fn has_message(&self, name: &str) -> bool {
        self.message
            .iter()
            .any(|requested| match requested.strip_suffix('*') {
                _ if requested == "All" || requested == ".*" => true,
                Some(prefix) if prefix.ends_with('.') => name.starts_with(prefix),
                _ => requested == name,
            })
    }

    fn message(&self, queued: QueuedMessage, queue: u64) -> ReceivedMessage {
        let receipt = ReceiptHandle {
            queue,
            seq: queued.seq,
            receive: queued.delivery.receives,
        };
        let message = &queued.message;
        let wanted = message
            .attributes
            .iter()
            .filter(|(name, _)| self.has_message(name));
        let attributes: Attributes = wanted
            .map(|(name, value)| (name.clone(), value.clone()))
            .collect();
        ReceivedMessage {
            message_id: message.id.clone(),
            receipt_handle: receipt.encode(),
            md5_of_body: message.md5_of_body.clone(),
            body: message.body.clone(),
            attributes: self.system_attributes(&queued),
            // The MD5 covers the returned attributes, so that a receiver can check it.
            md5_of_message_attributes: md5_of_attributes(&attributes),
            message_attributes: attributes,
        }
    }

    fn system_attributes(&self, queued: &QueuedMessage) -> BTreeMap<&'static str, String> {
        let (message, delivery) = (&queued.message, &queued.delivery);
        let deduplicated = message.deduplication_id.is_some();
        let all = [
            ("SenderId", Some(SENDER.to_owned())),
            ("SentTimestamp", Some(message.sent_at.to_string())),
            (
                "ApproximateReceiveCount",
                Some(delivery.receives.to_string()),
            ),
            (
                "ApproximateFirstReceiveTimestamp",
                delivery.first_received_at.map(|at| at.to_string()),
            ),
            ("AWSTraceHeader", message.trace_header.clone()),
            ("MessageGroupId", message.group.clone()),
            ("MessageDeduplicationId", message.deduplication_id.clone()),
            (
                "SequenceNumber",
                deduplicated.then(|| sequence_number(queued.seq)),
            ),
            (
                "DeadLetterQueueSourceArn",
                message.dead_letter_source.clone(),
            ),
        ];
        let wanted = all.into_iter().filter(|(name, _)| self.has_system(name));
        wanted
            .filter_map(|(name, value)| Some((name, value?)))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attributes_are_selected_by_name_or_prefix() {
        for (asked, name, expected) in [
            ("a.one", "a.one", true),
            ("a.one", "a.two", false),
            ("a.*", "a.one", true),
            ("a.*", "ab", false),
            ("a*", "ab", false),
            (".*", "b", true),
            ("All", "b", true),
        ] {
            let wanted =
                RequestedAttributes::new([None, None], Some(vec![asked.to_owned()])).unwrap();
            assert_eq!(wanted.has_message(name), expected, "{asked} {name}");
        }
    }

    #[test]
    fn unknown_system_attribute_is_refused() {
        let names = Some(vec!["SentTimestamp".to_owned(), "Colour".to_owned()]);
        let error = RequestedAttributes::new([names, None], None).err().unwrap();
        assert_eq!(error.code, ErrorCode::InvalidAttributeName);
    }
}
