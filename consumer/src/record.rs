//! A message from the queue, and the events in its body.

use std::collections::HashMap;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};

use aws_sdk_sqs::types::MessageAttributeValue;
use domain_events::{Envelope, EventId, wire};

use crate::rejection::Rejection;

/// A message as Lambda or `ReceiveMessage` delivers it.
#[derive(Clone, PartialEq)]
pub struct Record {
    pub(crate) message_id: String,
    pub(crate) body: String,
    pub(crate) group: Option<String>,
    pub(crate) attributes: HashMap<String, MessageAttributeValue>,
    pub(crate) trace_header: Option<String>,
}

impl Record {
    /// Creates a message of a standard queue, without attributes.
    pub fn new(message_id: impl Into<String>, body: impl Into<String>) -> Self {
        Self {
            message_id: message_id.into(),
            body: body.into(),
            group: None,
            attributes: HashMap::new(),
            trace_header: None,
        }
    }

    /// Creates a message that was received from `queue`, which is an ARN or a URL.
    /// `system_attribute` looks up a system attribute of the message by its name.
    ///
    /// A missing id or a missing body becomes an empty string. The handler reports such a
    /// message as failed.
    pub(crate) fn received(
        queue: &str,
        message_id: Option<String>,
        body: Option<String>,
        attributes: HashMap<String, MessageAttributeValue>,
        system_attribute: impl Fn(&str) -> Option<String>,
    ) -> Self {
        let fifo = queue.ends_with(".fifo");
        Self {
            attributes,
            trace_header: system_attribute("AWSTraceHeader"),
            // On a standard queue, SQS uses the message group id for fairness, not for order.
            group: system_attribute("MessageGroupId").filter(|_| fifo),
            ..Self::new(message_id.unwrap_or_default(), body.unwrap_or_default())
        }
    }

    /// Sets the message group, as for a message of a FIFO queue.
    #[must_use]
    pub fn in_group(self, group: impl Into<String>) -> Self {
        let group = Some(group.into());
        Self { group, ..self }
    }

    /// Adds a message attribute.
    #[must_use]
    pub fn with_attribute(mut self, name: &str, value: MessageAttributeValue) -> Self {
        self.attributes.insert(name.to_owned(), value);
        self
    }

    /// Returns the id that SQS assigned to the message. An event without an `EventId` gets
    /// this id.
    pub fn message_id(&self) -> &str {
        &self.message_id
    }

    /// Returns the body of the message.
    pub fn body(&self) -> &str {
        &self.body
    }
}

// The body and the attributes are payload, so they are not printed.
impl fmt::Debug for Record {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Record")
            .field("message_id", &self.message_id)
            .field("group", &self.group)
            .field("body_bytes", &self.body.len())
            .finish_non_exhaustive()
    }
}

/// One event of a message. `Debug` does not print its text.
pub struct RecordEvent<'a> {
    /// The part of the body that contains the event, unchanged.
    pub text: &'a str,
    /// The event, or the reason why it violates the wire format.
    pub outcome: Result<Envelope, Rejection>,
}

impl fmt::Debug for RecordEvent<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RecordEvent")
            .field("text_bytes", &self.text.len())
            .field("outcome", &self.outcome)
            .finish()
    }
}

/// Why the consumer could not decode a message, although the message may be valid.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum DecodeFailure {
    /// The decoder panicked.
    #[error("the decoder panicked")]
    Panicked,
    /// The message has no id, or its id is too long for an `EventId`.
    #[error("the message has no usable id")]
    NoMessageId,
}

/// Decodes each event of a message independently of the others.
///
/// # Errors
///
/// [`DecodeFailure`] if the consumer could not decode the message. The message must be
/// delivered again.
pub fn decode_record(record: &Record) -> Result<Vec<RecordEvent<'_>>, DecodeFailure> {
    let message_id =
        EventId::new(record.message_id.clone()).map_err(|_| DecodeFailure::NoMessageId)?;
    // The decoder should never panic. If it does, the other messages of the batch must
    // not be affected.
    let decoded = catch_unwind(AssertUnwindSafe(|| wire::decode(&record.body, &message_id)))
        .map_err(|_| DecodeFailure::Panicked)?;
    Ok(match decoded {
        Ok(events) => events
            .into_iter()
            .map(|event| RecordEvent {
                text: event.text,
                outcome: event.outcome.map_err(Rejection::from),
            })
            .collect(),
        Err(error) => vec![RecordEvent {
            text: &record.body,
            outcome: Err(error.into()),
        }],
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain_events::RejectionCode;

    const GOOD: &str = r#"{"Timestamp":1596719980,"EventType":"EVENT_TEST","ID":"e","EmitterId":"u","EmitterType":"USER"}"#;

    #[test]
    fn event_without_id_gets_the_message_id() {
        let record = Record::new("m-1", GOOD);
        let events = decode_record(&record).unwrap();
        assert_eq!(events.len(), 1);
        assert_eq!(*events[0].outcome.as_ref().unwrap().event_id(), "m-1");
    }

    #[test]
    fn body_that_is_not_json_is_one_rejection() {
        let record = Record::new("m-1", "hello");
        let events = decode_record(&record).unwrap();
        assert_eq!(events.len(), 1);
        assert_eq!(events[0].text, "hello");
        let rejection = events[0].outcome.as_ref().unwrap_err();
        assert_eq!(rejection.code, RejectionCode::NotJson);
    }

    #[test]
    fn packed_events_are_decoded_one_by_one() {
        let record = Record::new("m-1", format!("[{GOOD}, 7 ,{GOOD}]"));
        let events = decode_record(&record).unwrap();
        let texts: Vec<&str> = events.iter().map(|event| event.text).collect();
        assert_eq!(texts, [GOOD, "7", GOOD]);
        assert!(events[0].outcome.is_ok() && events[1].outcome.is_err());
        assert_eq!(*events[2].outcome.as_ref().unwrap().event_id(), "m-1-2");
    }

    #[test]
    fn message_without_id_is_not_decoded() {
        let failure = decode_record(&Record::new("", GOOD)).unwrap_err();
        assert_eq!(failure, DecodeFailure::NoMessageId);
    }

    #[test]
    fn group_id_of_a_standard_queue_is_ignored() {
        let group = |queue: &str| {
            let attribute = |name: &str| (name == "MessageGroupId").then(|| "g".to_owned());
            Record::received(queue, None, None, HashMap::new(), attribute).group
        };
        assert_eq!(group("arn:aws:sqs:us-east-1:1:events"), None);
        assert_eq!(group("https://sqs/1/events.fifo").as_deref(), Some("g"));
    }

    #[test]
    fn debug_output_has_no_payload() {
        let text = format!("{:?}", Record::new("m-1", "secret"));
        assert!(text.contains("m-1") && !text.contains("secret"), "{text}");
    }
}
