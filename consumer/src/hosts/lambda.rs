//! The Lambda host: reads the SQS event of an invocation, runs the handler, and returns a
//! partial batch response.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use aws_sdk_sqs::primitives::Blob;
use aws_sdk_sqs::types::MessageAttributeValue;
use base64::Engine as _;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use lambda_runtime::{Error, LambdaEvent, service_fn};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use tokio::time::Instant;

use crate::aws;
use crate::config::Config;
use crate::handler::Handler;
use crate::record::Record;

/// The time before the timeout of the invocation that is reserved for the response. If an
/// invocation times out, all its messages fail. If the handler stops earlier, only the
/// unfinished messages fail.
const RESPONSE_RESERVE: Duration = Duration::from_millis(500);

/// Standard Base64, with or without padding.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// Why an invocation failed as a whole. Lambda delivers the batch again.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvocationError {
    /// The payload is not an SQS event.
    #[error(
        "the payload of the invocation is {found}; expected an object with an array `Records`: invoke the function only through an event source mapping of an SQS queue"
    )]
    NotAnSqsEvent {
        /// The JSON type of the payload.
        found: &'static str,
    },
    /// A message without an id failed, so the response cannot name it. Lambda treats an
    /// empty id in the response as a failure of the whole batch, too.
    #[error("a message without an id failed, so the whole batch must be delivered again")]
    NoMessageId,
}

/// The response of an invocation.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct BatchResponse {
    batch_item_failures: Vec<BatchItemFailure>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct BatchItemFailure {
    item_identifier: String,
}

/// Handles the invocations of this function until Lambda ends the process.
///
/// # Errors
///
/// If the Lambda Runtime API cannot be reached.
///
/// # Cancel safety
///
/// Dropping the future sends no response; Lambda delivers the batch again.
pub async fn run(config: Config) -> Result<(), Error> {
    let aws = aws::load().await;
    let handler = Arc::new(super::handler(&aws, config));
    lambda_runtime::run(service_fn(|event: LambdaEvent<Box<RawValue>>| {
        let handler = Arc::clone(&handler);
        // Boxed, because otherwise the future of the runtime contains the future of the
        // store, and the compiler exceeds its query depth limit when it computes the layout.
        Box::pin(async move { invoke(&handler, event).await.map_err(Error::from) })
    }))
    .await
}

async fn invoke(
    handler: &Handler,
    event: LambdaEvent<Box<RawValue>>,
) -> Result<BatchResponse, InvocationError> {
    let deadline = deadline(event.context.deadline(), SystemTime::now());
    let records = read_payload(event.payload.get())?;
    // The payload can have 6 MB, and the records contain copies of the fields.
    drop(event.payload);
    let report = handler.handle(&records, Some(deadline)).await;
    for line in report
        .metrics
        .lines(&event.context.env_config.function_name)
    {
        crate::log::metric(&line);
    }
    if report.failed.iter().any(String::is_empty) {
        return Err(InvocationError::NoMessageId);
    }
    let failure = |item_identifier| BatchItemFailure { item_identifier };
    Ok(BatchResponse {
        batch_item_failures: report.failed.into_iter().map(failure).collect(),
    })
}

fn deadline(ends: SystemTime, now: SystemTime) -> Instant {
    let left = ends.duration_since(now).unwrap_or_default();
    // If little time is left, at most half of it is reserved for the response.
    Instant::now() + left.saturating_sub(RESPONSE_RESERVE.min(left / 2))
}

#[derive(Deserialize)]
struct SqsEvent<'a> {
    #[serde(borrow, rename = "Records")]
    records: Vec<&'a RawValue>,
}

/// The fields of a record that are used. Each field is first read as raw JSON, so that a
/// value of an unexpected type affects only its own field.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct SqsRecord<'a> {
    #[serde(borrow)]
    message_id: Option<&'a RawValue>,
    #[serde(borrow)]
    body: Option<&'a RawValue>,
    #[serde(borrow, rename = "eventSourceARN")]
    event_source_arn: Option<&'a RawValue>,
    #[serde(borrow)]
    attributes: Option<&'a RawValue>,
    #[serde(borrow)]
    message_attributes: Option<&'a RawValue>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct SqsMessageAttribute<'a> {
    #[serde(borrow)]
    data_type: Option<&'a RawValue>,
    #[serde(borrow)]
    string_value: Option<&'a RawValue>,
    #[serde(borrow)]
    binary_value: Option<&'a RawValue>,
}

/// Reads the records of an SQS event, in order.
///
/// This function reads the payload instead of `lambda_runtime`, because the errors of
/// `lambda_runtime` quote a payload that is not readable. A record that is not readable
/// becomes a record without an id, which the handler reports as failed.
///
/// # Errors
///
/// [`InvocationError::NotAnSqsEvent`] if there is no array of records.
pub fn read_payload(payload: &str) -> Result<Vec<Record>, InvocationError> {
    let event: SqsEvent<'_> =
        serde_json::from_str(payload).map_err(|_| InvocationError::NotAnSqsEvent {
            found: json_type(payload),
        })?;
    Ok(event.records.into_iter().map(read_record).collect())
}

fn read_record(json: &RawValue) -> Record {
    let record: SqsRecord<'_> = serde_json::from_str(json.get()).unwrap_or_default();
    let system_attributes = members(record.attributes);
    let attributes = members(record.message_attributes)
        .into_iter()
        .filter_map(|(name, json)| Some((name, read_attribute(json)?)));
    Record::received(
        &text(record.event_source_arn).unwrap_or_default(),
        text(record.message_id),
        text(record.body),
        attributes.collect(),
        |name| text(system_attributes.get(name).copied()),
    )
}

/// Reads a message attribute. Returns `None` if it is not readable: attributes are only
/// used if the message is rejected, so an attribute must not affect the event.
fn read_attribute(json: &RawValue) -> Option<MessageAttributeValue> {
    let attribute: SqsMessageAttribute<'_> = serde_json::from_str(json.get()).ok()?;
    let data_type = text(attribute.data_type)?;
    let value = MessageAttributeValue::builder();
    let value = if data_type.starts_with("Binary") {
        let bytes = BASE64.decode(text(attribute.binary_value)?).ok()?;
        value.binary_value(Blob::new(bytes))
    } else {
        value.string_value(text(attribute.string_value)?)
    };
    value.data_type(data_type).build().ok()
}

/// Returns the members of a JSON object; empty if the value is not an object.
fn members(json: Option<&RawValue>) -> HashMap<String, &RawValue> {
    json.and_then(|json| serde_json::from_str(json.get()).ok())
        .unwrap_or_default()
}

/// Returns the content of a JSON string, or the digits of a JSON number.
fn text(json: Option<&RawValue>) -> Option<String> {
    let json = json?.get();
    match json.as_bytes().first()? {
        b'"' => serde_json::from_str(json).ok(),
        b'-' | b'0'..=b'9' => Some(json.to_owned()),
        _ => None,
    }
}

fn json_type(json: &str) -> &'static str {
    match json.trim_start().as_bytes().first() {
        Some(b'{') => "an object without an array `Records`",
        Some(b'[') => "an array",
        Some(b'"') => "a string",
        Some(b't' | b'f') => "a boolean",
        Some(b'n') => "null",
        _ => "a number",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn deadline_leaves_time_for_the_response() {
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

    #[test]
    fn unusable_fields_do_not_affect_a_record() {
        let payload = r#"{"Records":[{
            "messageId":"m","body":"b","awsRegion":7,"eventSourceARN":"arn:x:events.fifo",
            "attributes":{"MessageGroupId":"g","ApproximateReceiveCount":1,"AWSTraceHeader":"Root=1"},
            "messageAttributes":{
                "text":{"stringValue":"t","stringListValues":null,"dataType":"String"},
                "number":{"stringValue":7,"binaryListValues":[],"dataType":"Number.int"},
                "binary":{"binaryValue":"/w","dataType":"Binary"},
                "broken":{"binaryValue":"?","dataType":"Binary"},
                "empty":null,"list":[1]
            }
        },7,{"messageId":["m"],"attributes":[]}],"More":1}"#;
        let records = read_payload(payload).unwrap();
        assert_eq!(records.len(), 3);
        let record = &records[0];
        assert_eq!((&*record.message_id, &*record.body), ("m", "b"));
        assert_eq!(record.group.as_deref(), Some("g"));
        assert_eq!(record.trace_header.as_deref(), Some("Root=1"));
        let mut names: Vec<&String> = record.attributes.keys().collect();
        names.sort();
        assert_eq!(names, ["binary", "number", "text"]);
        assert_eq!(record.attributes["number"].string_value(), Some("7"));
        let binary = record.attributes["binary"].binary_value().unwrap();
        assert_eq!(binary.as_ref(), [255]);
        assert_eq!((&*records[1].message_id, &*records[2].body), ("", ""));
    }

    #[test]
    fn payload_that_is_not_sqs_event_is_not_quoted() {
        for (payload, found) in [
            (r#""{\"Records\":[]}""#, "a string"),
            ("[1]", "an array"),
            (r#"{"Records":"secret"}"#, "an object"),
            ("null", "null"),
        ] {
            let error = read_payload(payload).unwrap_err();
            let text = format!("{error} {error:?}");
            assert!(text.contains(found) && !text.contains("secret"), "{text}");
        }
    }
}
