//! The queue and its dead-letter queue.

use std::collections::HashMap;
use std::time::{Duration, SystemTime};

use aws_sdk_sqs::types::QueueAttributeName as Attribute;
use domain_events::__internals::AwsFailure;
use domain_events::wire::MAX_MESSAGE_BYTES;

use super::{Finding, Findings};
use crate::connection::{Queue, queue_name};
use crate::output::counted;

/// The least number of receives before SQS moves a message (Lambda developer guide, "Using
/// Lambda with Amazon SQS").
const MIN_RECEIVES: u32 = 5;
/// The shortest safe retention, in seconds. An outage that begins on a Friday evening may last
/// until Monday, and a queue with a shorter retention would lose events during it.
const MIN_RETENTION: u64 = 4 * 24 * 60 * 60;
/// The longest retention that SQS allows, in seconds.
const MAX_RETENTION: u64 = 14 * 24 * 60 * 60;
/// The maximum tolerated clock error. A clock that is wrong by more than this puts events into
/// the wrong order.
const MAX_SKEW: Duration = Duration::from_secs(5);

/// Attributes of a queue that other checks need.
#[derive(Debug, Default)]
pub(super) struct Described {
    pub(super) arn: Option<String>,
    /// The visibility timeout in seconds.
    pub(super) visibility_timeout: Option<u64>,
}

impl Described {
    fn of(attributes: &HashMap<Attribute, String>) -> Self {
        let timeout = attributes.get(&Attribute::VisibilityTimeout);
        Self {
            arn: attributes.get(&Attribute::QueueArn).cloned(),
            visibility_timeout: timeout.and_then(|text| text.parse().ok()),
        }
    }
}

/// Checks the queue. `dead_letters` is the dead-letter queue that the consumer uses.
pub(super) async fn check(
    queue: &Queue,
    dead_letter_queue: Option<&Queue>,
    dead_letters: &Described,
) -> (Vec<Finding>, Described) {
    let mut findings = Findings::about(format!("queue {}", queue.label()));
    let Some(attributes) = attributes(queue, &mut findings).await else {
        return (findings.all, Described::default());
    };
    let described = Described::of(&attributes);
    let number = |name: &Attribute| {
        attributes
            .get(name)
            .and_then(|text| text.parse::<u64>().ok())
    };
    let region = described.arn.as_deref();
    let region = region.and_then(|arn| arn.split(':').nth(3));
    findings.ok(match region {
        Some(region) => format!("it exists, in region {region}"),
        None => "it exists".to_owned(),
    });

    let repair = set_redrive_policy(queue, dead_letters);
    redrive(&attributes, dead_letter_queue, &repair, &mut findings);
    match number(&Attribute::MessageRetentionPeriod) {
        Some(seconds) if seconds < MIN_RETENTION => findings.warning(
            format!("it keeps messages for {}", counted(seconds / 3600, "hour")),
            "SQS deletes a message that waits longer than that, for example in an outage over a weekend, and its event is lost",
            set_attribute(queue, "MessageRetentionPeriod=1209600"),
        ),
        Some(seconds) => findings.ok(format!("it keeps messages for {}", counted(seconds / 86400, "day"))),
        None => {}
    }
    match number(&Attribute::MaximumMessageSize) {
        Some(bytes) if (bytes as usize) < MAX_MESSAGE_BYTES => findings.warning(
            format!("it accepts messages of at most {bytes} bytes; SQS's limit is {MAX_MESSAGE_BYTES}"),
            "`emit` returns TooLargeForQueue for larger events, although the table could store them",
            set_attribute(queue, &format!("MaximumMessageSize={MAX_MESSAGE_BYTES}")),
        ),
        Some(bytes) => findings.ok(format!("it accepts messages of up to {bytes} bytes")),
        None => {}
    }
    if let Some(delay) = number(&Attribute::DelaySeconds).filter(|delay| *delay > 0) {
        findings.warning(
            format!("it delays each message by {delay} seconds"),
            "events are stored that much later",
            set_attribute(queue, "DelaySeconds=0"),
        );
    }
    (findings.all, described)
}

/// Returns the command that moves messages to the dead-letter queue after 20 receives.
fn set_redrive_policy(queue: &Queue, dead_letters: &Described) -> String {
    let target = dead_letters.arn.as_deref();
    let policy = serde_json::json!({
        "deadLetterTargetArn": target.unwrap_or("ARN-OF-THE-DEAD-LETTER-QUEUE"),
        "maxReceiveCount": "20",
    });
    let attributes = serde_json::json!({ "RedrivePolicy": policy.to_string() });
    set_attribute(queue, &format!("'{attributes}'"))
}

/// Returns the command that changes an attribute.
pub(super) fn set_attribute(queue: &Queue, attribute: &str) -> String {
    format!(
        "run `aws sqs set-queue-attributes --queue-url {} --attributes {attribute}`",
        queue.url()
    )
}

/// Checks the dead-letter queue.
pub(super) async fn check_dead_letters(queue: &Queue) -> (Vec<Finding>, Described) {
    let mut findings = Findings::about(format!("dead-letter queue {}", queue.label()));
    let Some(attributes) = attributes(queue, &mut findings).await else {
        return (findings.all, Described::default());
    };
    let number = |name: &Attribute| {
        attributes
            .get(name)
            .and_then(|text| text.parse::<u64>().ok())
    };
    match number(&Attribute::MessageRetentionPeriod) {
        Some(seconds) if seconds < MAX_RETENTION => findings.warning(
            format!("it keeps messages for {}", counted(seconds / 86400, "day")),
            "SQS deletes a rejected message that is not pulled within that time, and its event is lost",
            set_attribute(queue, "MessageRetentionPeriod=1209600"),
        ),
        Some(_) => findings.ok("it keeps messages for 14 days"),
        None => {}
    }
    match number(&Attribute::ApproximateNumberOfMessages) {
        Some(0) | None => findings.ok("it is empty"),
        Some(messages) => findings.warning(
            format!("it contains {}", counted(messages, "message")),
            "their events are not in the table",
            "run `domain-events rejected pull --to DIR`, which also prints why each message was rejected",
        ),
    }
    (findings.all, Described::of(&attributes))
}

async fn attributes(queue: &Queue, findings: &mut Findings) -> Option<HashMap<Attribute, String>> {
    let before = SystemTime::now();
    let sent = queue
        .client()
        .get_queue_attributes()
        .queue_url(queue.url())
        .attribute_names(Attribute::All);
    let clock = super::permissions::ServerClock::default();
    match sent.customize().interceptor(clock.clone()).send().await {
        Ok(output) => {
            skew(&clock, before, findings);
            Some(output.attributes.unwrap_or_default())
        }
        Err(error) => {
            let failure = AwsFailure::new(&error);
            let missing = failure.code().is_some_and(|code| {
                code.contains("NonExistentQueue") || code.contains("QueueDoesNotExist")
            });
            if missing {
                findings.error(
                    "it does not exist in this account and region",
                    "every `emit` fails, and nothing is received",
                    format!(
                        "check the URL {} and the account of the AWS credentials",
                        queue.url()
                    ),
                );
            } else {
                findings.failed(
                    "its configuration",
                    &failure,
                    "sqs:GetQueueAttributes",
                    "operator_policy_arn",
                );
            }
            None
        }
    }
}

fn skew(clock: &super::permissions::ServerClock, before: SystemTime, findings: &mut Findings) {
    let Some(server) = clock.time() else { return };
    let ahead = before.duration_since(server).unwrap_or_default();
    let behind = server.duration_since(before).unwrap_or_default();
    // The time in the response of the service has whole seconds.
    let skew = ahead.max(behind).saturating_sub(Duration::from_secs(1));
    if skew > MAX_SKEW {
        findings.error(
            format!(
                "this machine's clock is {} seconds {} AWS",
                skew.as_secs(),
                if ahead > behind { "ahead of" } else { "behind" }
            ),
            "events get wrong timestamps, and requests fail if the difference exceeds five minutes",
            "synchronise the clock, for example with chrony",
        );
    } else {
        findings.ok("this machine's clock agrees with AWS");
    }
}

fn redrive(
    attributes: &HashMap<Attribute, String>,
    dead_letter_queue: Option<&Queue>,
    repair: &str,
    findings: &mut Findings,
) {
    let policy = attributes.get(&Attribute::RedrivePolicy);
    let policy: Option<serde_json::Value> = policy.and_then(|text| serde_json::from_str(text).ok());
    let Some(policy) = policy else {
        findings.error(
            "it has no redrive policy",
            "a message that the consumer cannot process is received again until its retention ends, and is then lost",
            repair,
        );
        return;
    };
    // SQS returns the number as a number or as a string.
    let receives = policy["maxReceiveCount"]
        .as_u64()
        .or_else(|| policy["maxReceiveCount"].as_str()?.parse().ok());
    match receives {
        Some(receives) if receives < u64::from(MIN_RECEIVES) => findings.warning(
            format!("SQS moves a message to the dead-letter queue after {receives} receives"),
            "a short outage of DynamoDB moves valid events to the dead-letter queue",
            repair,
        ),
        Some(receives) => findings.ok(format!("SQS moves a message after {receives} receives")),
        None => {}
    }
    let target = policy["deadLetterTargetArn"].as_str().unwrap_or_default();
    let target = target.rsplit(':').next().unwrap_or_default();
    if let Some(queue) = dead_letter_queue
        && queue_name(queue.url()) != target
    {
        findings.warning(
            format!(
                "its redrive policy names the queue {target}, and DEAD_LETTER_QUEUE_URL names {}",
                queue_name(queue.url())
            ),
            "failed messages are in two queues, and an operator looks into one of them",
            format!("set DEAD_LETTER_QUEUE_URL to the URL of {target}; or {repair}"),
        );
    }
}
