//! One message → its events, and what each may become.

use std::panic::{AssertUnwindSafe, catch_unwind};

use domain_events::{Envelope, EventId, InvalidEvent, RejectionCode, wire};

/// A message as it is delivered to us: by Lambda, or by `ReceiveMessage`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// SQS's id of the message; it identifies events that have no `EventId`.
    pub message_id: String,
    /// The message's text.
    pub body: String,
    /// On a FIFO queue, the group whose order is to be kept.
    pub group: Option<String>,
}

/// What becomes of one event, in the end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Verdict {
    /// New, and stored.
    Stored,
    /// The same event was stored before.
    Duplicate,
    /// It can never be stored; it goes to the dead-letter queue.
    Rejected,
    /// It may be stored later; SQS delivers it again.
    Failed,
}

impl Verdict {
    /// The word that stands in the logs.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Stored => "stored",
            Self::Duplicate => "duplicate",
            Self::Rejected => "rejected",
            Self::Failed => "failed",
        }
    }
}

/// What is kept of a place, for logs and for the dead-letter queue.
const MAX_PLACE_BYTES: usize = 1024;

/// Why an event can never be stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rejection {
    /// The kind of breach.
    pub code: RejectionCode,
    /// JSON pointer into the rejected text, or its beginning; empty for the whole.
    pub pointer: String,
    /// A sentence for people, without payload.
    pub reason: String,
}

impl From<InvalidEvent> for Rejection {
    fn from(error: InvalidEvent) -> Self {
        let pointer = error.pointer();
        Self {
            code: error.code(),
            // Of keys that a producer chose, and as long as they like.
            pointer: pointer[..pointer.floor_char_boundary(MAX_PLACE_BYTES)].to_owned(),
            reason: error.reason().to_owned(),
        }
    }
}

/// One event of a message before the store is asked.
#[derive(Debug)]
pub enum DecodedRecord<'a> {
    /// It keeps the contract.
    Valid(Envelope),
    /// It does not. With its own text, as it came.
    Rejected(&'a str, Rejection),
}

/// The message could not be judged: the fault is ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum DecodeFailure {
    /// A panic while it was decoded.
    #[error("decoding the message panicked")]
    Panicked,
    /// The message's id is none.
    #[error("the message has no usable id")]
    NoMessageId,
}

/// Judges the events of a message, each by itself.
///
/// # Errors
///
/// [`DecodeFailure`] means that this consumer failed, not the message, so that it
/// has to be delivered again.
pub fn decode_record(record: &Record) -> Result<Vec<DecodedRecord<'_>>, DecodeFailure> {
    let message_id =
        EventId::new(record.message_id.clone()).map_err(|_| DecodeFailure::NoMessageId)?;
    // Nothing in there should panic; if something does, nine other messages
    // must not pay for it.
    let decoded = catch_unwind(AssertUnwindSafe(|| wire::decode(&record.body, &message_id)))
        .map_err(|_| DecodeFailure::Panicked)?;
    Ok(match decoded {
        Ok(events) => events
            .into_iter()
            .map(|event| match event.outcome {
                Ok(envelope) => DecodedRecord::Valid(envelope),
                Err(error) => DecodedRecord::Rejected(event.text, error.into()),
            })
            .collect(),
        Err(error) => vec![DecodedRecord::Rejected(&record.body, error.into())],
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(body: &str) -> Record {
        Record {
            message_id: "m-1".to_owned(),
            body: body.to_owned(),
            group: None,
        }
    }

    const GOOD: &str = r#"{"Timestamp":1596719980,"EventType":"EVENT_TEST","ID":"e","EmitterId":"u","EmitterType":"USER"}"#;

    #[test]
    fn a_good_event_is_valid_and_has_the_messages_identity() {
        let record = record(GOOD);
        match &decode_record(&record).unwrap()[..] {
            [DecodedRecord::Valid(envelope)] => assert_eq!(*envelope.event_id(), "m-1"),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_text_that_is_no_json_is_rejected_whole() {
        let record = record("hello");
        match &decode_record(&record).unwrap()[..] {
            [DecodedRecord::Rejected("hello", rejection)] => {
                assert_eq!(rejection.code, RejectionCode::NotJson)
            }
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_packed_message_has_a_judgement_for_each_event() {
        let record = record(&format!("[{GOOD},7,{GOOD}]"));
        match &decode_record(&record).unwrap()[..] {
            [
                DecodedRecord::Valid(_),
                DecodedRecord::Rejected("7", _),
                DecodedRecord::Valid(last),
            ] => assert_eq!(*last.event_id(), "m-1-2"),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_message_without_an_id_is_ours_to_fail() {
        let record = Record {
            message_id: String::new(),
            ..record(GOOD)
        };
        assert_eq!(
            decode_record(&record).unwrap_err(),
            DecodeFailure::NoMessageId
        );
    }
}
