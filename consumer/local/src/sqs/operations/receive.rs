//! ReceiveMessage, with its long poll.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::time::{Instant, sleep_until};

use super::send::sequence_number;
use super::{Endpoint, queue_name};
use crate::sqs::error::{Kind, Refusal};
use crate::sqs::limits::{check_range, check_token};
use crate::sqs::message::{Attributes, md5_of_attributes};
use crate::sqs::protocol::{ReceiveMessage, Received, ReceivedMessage};
use crate::sqs::queue::{Receive, Slot};
use crate::sqs::receipt::Receipt;
use crate::sqs::settings::{LONGEST_VISIBILITY, LONGEST_WAIT};

/// Who sent every message, as far as this endpoint can know.
const SENDER: &str = "AIDA0LOCAL0LOCAL0LOCAL";

impl Endpoint {
    pub(super) async fn receive_message(
        &self,
        request: ReceiveMessage,
    ) -> Result<Received, Refusal> {
        let name = queue_name(request.queue_url.as_deref())?;
        let most = check_range(
            "MaxNumberOfMessages",
            request.max_number_of_messages,
            1..=10,
        )?;
        let visibility = check_range(
            "VisibilityTimeout",
            request.visibility_timeout,
            0..=LONGEST_VISIBILITY,
        )?;
        let wait = check_range(
            "WaitTimeSeconds",
            request.wait_time_seconds,
            0..=LONGEST_WAIT,
        )?;
        let attempt = request.receive_request_attempt_id;
        if let Some(attempt) = &attempt {
            check_token("ReceiveRequestAttemptId", attempt)?;
        }
        let wanted = Wanted::new(
            [
                request.message_system_attribute_names,
                request.attribute_names,
            ],
            request.message_attribute_names,
        )?;
        let receive = Receive {
            most: most
                .and_then(|most| usize::try_from(most).ok())
                .unwrap_or(1),
            visibility: visibility.map(|seconds| seconds * 1_000),
            attempt,
        };
        let wait = match wait {
            Some(seconds) => seconds * 1_000,
            None => self.queues.look(|state| state.settings(name))?.wait,
        };
        let (queue, slots) = self
            .poll(name, &receive, Duration::from_millis(wait))
            .await?;
        let messages = slots.into_iter().map(|slot| wanted.message(slot, queue));
        Ok(Received {
            messages: messages.collect(),
        })
    }

    /// Receives now, or as soon as there is something within `wait`. Also
    /// returns the queue's id.
    async fn poll(
        &self,
        name: &str,
        receive: &Receive,
        wait: Duration,
    ) -> Result<(u64, Vec<Slot>), Refusal> {
        let deadline = Instant::now() + wait;
        loop {
            let last = Instant::now() >= deadline || self.stopping.is_cancelled();
            let attempt = self.queues.apply(|state, now, journal| {
                let slots = match state.receive(name, receive, now, journal) {
                    // SQS says so to short polls only; long polls wait.
                    Err(refusal) if refusal.kind == Kind::OverLimit && !wait.is_zero() => {
                        Vec::new()
                    }
                    outcome => outcome?,
                };
                if receive.visibility == Some(0) && !slots.is_empty() {
                    state.wake(name);
                }
                let queue = state.queue(name, now, journal)?;
                let (id, due) = (queue.id, queue.next_due());
                let due = due.map(|due| Duration::from_millis(due.saturating_sub(now)));
                // Watched from under the lock, so that nothing that comes
                // after this look is missed.
                Ok((id, slots, due, state.watch(name)?))
            });
            let (queue, slots, due, mut changes) = attempt.await?;
            if last || !slots.is_empty() {
                return Ok((queue, slots));
            }
            let until = due.map_or(deadline, |due| deadline.min(Instant::now() + due));
            tokio::select! {
                // An error means that the queue is gone; the next look says so.
                _ = changes.changed() => {}
                () = sleep_until(until) => {}
                () = self.stopping.cancelled() => {}
            }
        }
    }
}

/// Which attributes a receiver wants to see.
struct Wanted {
    system: Vec<String>,
    message: Vec<String>,
}

impl Wanted {
    /// The names a request gives, the system's under both of their parameters.
    fn new(
        system: [Option<Vec<String>>; 2],
        message: Option<Vec<String>>,
    ) -> Result<Self, Refusal> {
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
                Err(Kind::InvalidAttributeName.because(format!("Unknown Attribute {name}.")))
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
            .any(|wanted| wanted == "All" || wanted == name)
    }

    fn has_message(&self, name: &str) -> bool {
        self.message
            .iter()
            .any(|wanted| match wanted.strip_suffix('*') {
                _ if wanted == "All" || wanted == ".*" => true,
                Some(prefix) if prefix.ends_with('.') => name.starts_with(prefix),
                _ => wanted == name,
            })
    }

    fn message(&self, slot: Slot, queue: u64) -> ReceivedMessage {
        let receipt = Receipt {
            queue,
            seq: slot.seq,
            receive: slot.delivery.receives,
        };
        let message = &slot.message;
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
            attributes: self.system_attributes(&slot),
            // SQS digests what it returns, so that a receiver can check it.
            md5_of_message_attributes: md5_of_attributes(&attributes),
            message_attributes: attributes,
        }
    }

    fn system_attributes(&self, slot: &Slot) -> BTreeMap<&'static str, String> {
        let (message, delivery) = (&slot.message, &slot.delivery);
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
                deduplicated.then(|| sequence_number(slot.seq)),
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
    fn message_attributes_are_asked_for_by_name_prefix_or_all() {
        for (asked, name, expected) in [
            ("a.one", "a.one", true),
            ("a.one", "a.two", false),
            ("a.*", "a.one", true),
            ("a.*", "ab", false),
            ("a*", "ab", false),
            (".*", "b", true),
            ("All", "b", true),
        ] {
            let wanted = Wanted::new([None, None], Some(vec![asked.to_owned()])).unwrap();
            assert_eq!(wanted.has_message(name), expected, "{asked} {name}");
        }
    }

    #[test]
    fn an_unknown_system_attribute_is_refused() {
        let names = Some(vec!["SentTimestamp".to_owned(), "Colour".to_owned()]);
        let refusal = Wanted::new([names, None], None).err().unwrap();
        assert_eq!(refusal.kind, Kind::InvalidAttributeName);
    }
}
