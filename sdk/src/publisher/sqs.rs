//! The one file that calls SQS.

use std::time::Duration;

use aws_config::timeout::TimeoutConfig;
use aws_sdk_sqs::Client;
use aws_sdk_sqs::config::retry::RetryConfig;
use aws_sdk_sqs::config::{Region, StalledStreamProtectionConfig};
use aws_sdk_sqs::error::{ProvideErrorMetadata as _, SdkError};
use aws_sdk_sqs::operation::send_message_batch::{SendMessageBatchError, SendMessageBatchOutput};
use aws_sdk_sqs::types::SendMessageBatchRequestEntry;

use crate::publisher::transport::{
    EntryResult, Message, RequestError, RequestErrorKind, SendFuture, Transport,
};

/// Names of the entries of a request, by their place.
const ENTRY_IDS: [&str; 10] = ["0", "1", "2", "3", "4", "5", "6", "7", "8", "9"];

/// A queue of SQS.
#[derive(Debug)]
pub(crate) struct SqsQueue {
    client: Client,
    url: String,
}

impl SqsQueue {
    pub(crate) fn new(client: Client, url: String) -> Self {
        Self { client, url }
    }

    async fn request(&self, messages: Vec<Message>) -> Result<Vec<EntryResult>, RequestError> {
        let count = messages.len();
        let mut entries = Vec::with_capacity(count);
        for (message, id) in messages.into_iter().zip(ENTRY_IDS) {
            let entry = SendMessageBatchRequestEntry::builder()
                .id(id)
                .message_body(message.body)
                .set_message_group_id(message.group.map(|group| group.as_ref().to_owned()))
                .set_message_deduplication_id(message.deduplication)
                .build()
                .map_err(|e| RequestError::new(RequestErrorKind::Denied, e))?;
            entries.push(entry);
        }
        let request = self.client.send_message_batch().queue_url(&self.url);
        match request.set_entries(Some(entries)).send().await {
            Ok(output) => Ok(answers(output, count)),
            Err(error) => Err(request_error(error)),
        }
    }
}

impl Transport for SqsQueue {
    fn send(&self, messages: Vec<Message>) -> SendFuture<'_> {
        Box::pin(self.request(messages))
    }
}

/// HTTP 200 says nothing about an entry: each has its own answer, in any order.
fn answers(output: SendMessageBatchOutput, count: usize) -> Vec<EntryResult> {
    let mut answers: Vec<Option<EntryResult>> = vec![None; count];
    let mut put = |id: &str, answer: EntryResult| {
        let place = ENTRY_IDS.iter().position(|known| *known == id);
        if let Some(slot) = place.and_then(|place| answers.get_mut(place)) {
            *slot = Some(answer);
        }
    };
    for entry in output.successful {
        let answer = EntryResult::Accepted {
            message_id: entry.message_id,
            sequence_number: entry.sequence_number,
        };
        put(&entry.id, answer);
    }
    for entry in output.failed {
        let (code, reason) = (entry.code, entry.message.unwrap_or_default());
        // To SQS both are the sender's fault; neither is the event's.
        let answer = match entry.sender_fault && !is_throttle(&code) {
            true if is_denied(&code) => {
                let source = format!("{code}: {reason}");
                EntryResult::Denied(RequestError::new(RequestErrorKind::Denied, source))
            }
            sender_fault => EntryResult::Refused {
                code,
                reason,
                sender_fault,
            },
        };
        put(&entry.id, answer);
    }
    answers
        .into_iter()
        .map(|answer| answer.unwrap_or_else(EntryResult::missing))
        .collect()
}

fn request_error(error: SdkError<SendMessageBatchError>) -> RequestError {
    let kind = match &error {
        SdkError::ServiceError(service) => {
            let status = service.raw().status().as_u16();
            let code = service.err().code().unwrap_or_default();
            if service.err().is_batch_request_too_long() || code.contains("BatchRequestTooLong") {
                RequestErrorKind::TooLong
            } else if status >= 500 || status == 429 || is_throttle(code) {
                RequestErrorKind::Unavailable
            } else {
                RequestErrorKind::Denied
            }
        }
        SdkError::ConstructionFailure(_) => RequestErrorKind::Denied,
        SdkError::DispatchFailure(failure) if failure.is_user() => RequestErrorKind::Denied,
        _ => RequestErrorKind::Unavailable,
    };
    RequestError::new(kind, error)
}

fn is_throttle(code: &str) -> bool {
    [
        "Throttl",
        "TooManyRequests",
        "SlowDown",
        "RequestLimitExceeded",
    ]
    .iter()
    .any(|word| code.contains(word))
}

/// Codes that say nothing about the message (API reference, "SendMessage",
/// "Errors", and "Common Errors"): permissions, the queue's key, the queue itself.
fn is_denied(code: &str) -> bool {
    [
        "AccessDenied",
        "NotAuthorized",
        "ExpiredToken",
        "InvalidClientTokenId",
        "UnrecognizedClient",
        "InvalidSecurity",
        "OptInRequired",
        "Kms",
        "KMS",
        "NonExistentQueue",
        "QueueDoesNotExist",
    ]
    .iter()
    .any(|word| code.contains(word))
}

/// A client for `queue_url`, from the environment as every AWS SDK reads it.
pub(crate) async fn client(queue_url: &str) -> Result<Client, String> {
    let timeouts = TimeoutConfig::builder()
        .connect_timeout(Duration::from_secs(3))
        // Per attempt; SQS answers in some ten milliseconds.
        .operation_attempt_timeout(Duration::from_secs(10))
        .operation_timeout(Duration::from_secs(30))
        .build();
    let mut loader = aws_config::defaults(aws_config::BehaviorVersion::latest())
        .retry_config(RetryConfig::standard().with_max_attempts(3))
        .timeout_config(timeouts)
        // It counts the seconds in which nothing moves, also those in which a
        // Lambda function's process is frozen. The timeouts above do its work.
        .stalled_stream_protection(StalledStreamProtectionConfig::disabled());
    // The queue is where its URL says, whatever region the process is in.
    if let Some(region) = region_of(queue_url) {
        loader = loader.region(Region::new(region.to_owned()));
    }
    let config = loader.load().await;
    if config.region().is_none() {
        return Err(
            "no AWS region is known: set AWS_REGION, or give a client of your own".to_owned(),
        );
    }
    Ok(Client::new(&config))
}

/// The region in `https://sqs.eu-west-1.amazonaws.com/123456789012/orders`.
fn region_of(queue_url: &str) -> Option<&str> {
    let host = queue_url.split_once("://")?.1.split(['/', ':']).next()?;
    let (region, domain) = host.strip_prefix("sqs.")?.split_once('.')?;
    domain.starts_with("amazonaws.com").then_some(region)
}

#[cfg(test)]
mod tests {
    use aws_sdk_sqs::types::BatchResultErrorEntry;

    use super::*;

    #[test]
    fn an_entry_is_refused_for_good_only_if_the_message_is_at_fault() {
        let check = |code: &str, sender_fault: bool, expected: &str| {
            let failed = BatchResultErrorEntry::builder()
                .id("0")
                .code(code)
                .sender_fault(sender_fault)
                .build()
                .unwrap();
            let output = SendMessageBatchOutput::builder()
                .set_successful(Some(vec![]))
                .failed(failed)
                .build()
                .unwrap();
            let found = match &answers(output, 1)[0] {
                EntryResult::Refused {
                    sender_fault: true, ..
                } => "refused",
                EntryResult::Refused { .. } => "again",
                EntryResult::Denied(_) => "denied",
                EntryResult::Accepted { .. } => "accepted",
            };
            assert_eq!(found, expected, "{code}");
        };
        check("InvalidMessageContents", true, "refused");
        check("InvalidParameterValue", true, "refused");
        check("InternalError", false, "again");
        for code in ["RequestThrottled", "ThrottlingException", "KmsThrottled"] {
            check(code, true, "again");
            check(code, false, "again");
        }
        for code in ["AccessDenied", "KmsAccessDenied", "KMS.DisabledException"] {
            check(code, true, "denied");
        }
    }

    #[test]
    fn the_region_is_that_of_the_queue() {
        let check = |url: &str, region: Option<&str>| assert_eq!(region_of(url), region, "{url}");
        check("https://sqs.eu-west-1.amazonaws.com/1/q", Some("eu-west-1"));
        check(
            "https://sqs.cn-north-1.amazonaws.com.cn/1/q",
            Some("cn-north-1"),
        );
        check("http://127.0.0.1:9324/000000000000/q", None);
        check("http://sqs.local:9324/1/q", None);
        check("nonsense", None);
    }
}
