//! Checks the permissions of the caller with requests that change nothing.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use aws_sdk_dynamodb::config::interceptors::BeforeDeserializationInterceptorContextRef;
use aws_sdk_dynamodb::config::{ConfigBag, Intercept, RuntimeComponents};
use aws_sdk_dynamodb::error::BoxError;
use aws_sdk_dynamodb::types::AttributeValue;
use chrono::DateTime;
use domain_events::__internals::AwsFailure;
use domain_events::store::table;

use super::{Finding, Findings, denied};
use crate::connection::Queue;

/// The `Date` of the service's response.
#[derive(Debug, Clone, Default)]
pub(super) struct ServerClock(Arc<Mutex<Option<SystemTime>>>);

impl ServerClock {
    pub(super) fn time(&self) -> Option<SystemTime> {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Intercept for ServerClock {
    fn name(&self) -> &'static str {
        "ServerClock"
    }

    fn read_before_deserialization(
        &self,
        context: &BeforeDeserializationInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let date = context
            .response()
            .headers()
            .get("date")
            .and_then(|d| DateTime::parse_from_rfc2822(d).ok());
        let seconds = date.and_then(|date| u64::try_from(date.timestamp()).ok());
        let time = seconds.map(|seconds| SystemTime::UNIX_EPOCH + Duration::from_secs(seconds));
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = time;
        Ok(())
    }
}

/// Checks whether this caller may send messages. SQS refuses the character U+FFFF only after
/// it has checked the permission, so nothing is sent.
pub(super) async fn send(queue: &Queue) -> Vec<Finding> {
    let mut findings = Findings::about(format!("queue {}", queue.label()));
    let mut request = queue
        .client()
        .send_message()
        .queue_url(queue.url())
        .message_body("\u{ffff}");
    if queue.is_fifo() {
        request = request
            .message_group_id("doctor")
            .message_deduplication_id("doctor");
    }
    let failure = request
        .send()
        .await
        .err()
        .map(|error| AwsFailure::new(&error));
    match failure {
        Some(failure) if denied(&failure) => findings.unknown(
            "these credentials may not send to it",
            "a producer needs the policy producer_policy_arn; ignore this if you are not one",
        ),
        // The error of SQS for the invalid character.
        Some(failure)
            if failure
                .code()
                .is_some_and(|code| code.contains("InvalidMessageContents")) =>
        {
            findings.ok("these credentials may send to it");
        }
        // `check` has already reported that the queue does not exist.
        Some(failure)
            if failure.code().is_some_and(|code| {
                code.contains("NonExistentQueue") || code.contains("QueueDoesNotExist")
            }) => {}
        Some(failure) => findings.failed(
            "the permission to send",
            &failure,
            "sqs:SendMessage",
            "producer_policy_arn",
        ),
        None => findings.error(
            "it accepted a message with the character U+FFFF",
            "this is not SQS: other things may differ, too, and an invalid message is in the queue",
            "use an endpoint that behaves as SQS does, for example `domain-events local`",
        ),
    }
    findings.all
}

/// Checks whether this caller may read and insert items. The insert has no hash key, so
/// DynamoDB refuses it, but only after it has checked the permission.
pub(super) async fn read_and_insert(client: &aws_sdk_dynamodb::Client, name: &str) -> Vec<Finding> {
    let mut findings = Findings::about(format!("table {name}"));
    let query = client
        .query()
        .table_name(name)
        .key_condition_expression(format!("{} = :id", table::HASH_KEY))
        .expression_attribute_values(":id", AttributeValue::S("domain-events-doctor".to_owned()))
        .limit(1);
    match query
        .send()
        .await
        .err()
        .map(|error| AwsFailure::new(&error))
    {
        None => findings.ok("these credentials may read from it"),
        Some(failure) if denied(&failure) => findings.unknown(
            "these credentials may not read from it",
            "a reader needs the policy reader_policy_arn; ignore this if you are not one",
        ),
        Some(failure) if missing(&failure) => {}
        Some(failure) => findings.failed(
            "the permission to read",
            &failure,
            "dynamodb:Query",
            "reader_policy_arn",
        ),
    }
    let statement = format!("INSERT INTO \"{name}\" VALUE {{'{}': ?}}", table::SORT_KEY);
    let insert = client
        .execute_statement()
        .statement(statement)
        .parameters(AttributeValue::N("0".to_owned()));
    match insert.send().await.err().map(|error| AwsFailure::new(&error)) {
        Some(failure) if denied(&failure) => findings.unknown(
            "these credentials may not insert into it",
            "only the consumer needs dynamodb:PartiQLInsert; ignore this if you are not the consumer",
        ),
        Some(failure) if failure.code().is_some_and(|code| code.contains("Validation")) => {
            findings.ok("these credentials may insert into it");
        }
        Some(failure) if missing(&failure) => {}
        Some(failure) => findings.failed("the permission to insert", &failure, "dynamodb:PartiQLInsert", "of the consumer's role"),
        None => findings.error(
            "it accepted an item without an ID",
            "it is not a table of events",
            "set EVENT_TABLE (--table) to the event table, which the Terraform output EVENT_TABLE names",
        ),
    }
    findings.all
}

/// Returns true if the table does not exist. `table::check` reports this.
fn missing(failure: &AwsFailure) -> bool {
    failure
        .code()
        .is_some_and(|code| code.contains("ResourceNotFound"))
}
