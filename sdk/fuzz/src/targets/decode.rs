//! Decodes any bytes and checks the verdict on each event.

use domain_events::{Envelope, EventId, InvalidEvent, RejectionCode, wire};
use serde_json::Value;

use super::secrecy;

pub(crate) const MESSAGE_ID: EventId = EventId::from_static("message-id");

/// An accepted event survives encoding and decoding. An error points at the fault, and
/// does not quote the body.
pub fn check(input: &[u8]) {
    // SQS delivers only text.
    let Ok(body) = std::str::from_utf8(input) else {
        return;
    };
    let tree = serde_json::from_str::<Value>(body).ok();
    match wire::decode(body, &MESSAGE_ID) {
        Err(error) => {
            use RejectionCode::{NotAnEvent, NotJson};
            assert!(matches!(error.code(), NotJson | NotAnEvent), "{error}");
            assert_eq!(error.pointer(), "");
            assert!(error.code() != NotJson || tree.is_none(), "{error}");
            secrecy::assert_error_is_secret_free(&error, body);
        }
        Ok(events) => {
            assert!(!events.is_empty());
            let packed = body.trim_start().starts_with('[');
            for (index, event) in events.iter().enumerate() {
                let tree = match &tree {
                    Some(Value::Array(all)) if packed => Some(&all[index]),
                    other => other.as_ref(),
                };
                match &event.outcome {
                    Ok(envelope) => assert_round_trip(envelope),
                    Err(error) => {
                        secrecy::assert_error_is_secret_free(error, body);
                        assert_pointer_exists(error, tree);
                    }
                }
                if packed && !event.text.trim_start().starts_with('[') {
                    assert_same_verdict_unpacked(event);
                }
            }
        }
    }
}

/// The text of a packed event gets the same verdict as a message that contains only this text.
fn assert_same_verdict_unpacked(event: &wire::DecodedEvent<'_>) {
    let identity = match &event.outcome {
        Ok(envelope) => envelope.event_id().clone(),
        Err(_) => MESSAGE_ID,
    };
    let again = wire::decode(event.text, &identity).and_then(|mut events| events.remove(0).outcome);
    assert_eq!(again, event.outcome);
}

/// `decode(encode(x)) == x`, and the encoded message has only characters that SQS accepts.
pub(crate) fn assert_round_trip(envelope: &Envelope) {
    let body = match wire::encode(envelope) {
        Ok(body) => body,
        Err(error) => return assert_eq!(error.code(), RejectionCode::TooLarge),
    };
    let is_accepted = |c: char| matches!(c, '\t' | '\n' | '\r' | ' '..='\u{fffd}' | '\u{10000}'..);
    assert!(body.chars().all(is_accepted), "SQS rejects {body:?}");
    let decoded = wire::decode(&body, &EventId::from_static("another-message"));
    let mut events = decoded.unwrap_or_else(|error| panic!("{error}: {body}"));
    assert_eq!(events.len(), 1);
    let again = events
        .remove(0)
        .outcome
        .unwrap_or_else(|error| panic!("{error}: {body}"));
    assert!(again == *envelope, "{body} is decoded as {again:?}");
    assert_eq!(wire::encode(&again).ok(), Some(body));
}

/// The error's pointer leads to a value of the event, unless the error is that the field
/// is missing.
fn assert_pointer_exists(error: &InvalidEvent, tree: Option<&Value>) {
    let pointer = error.pointer();
    assert!(pointer.is_empty() || pointer.starts_with('/'), "{pointer}");
    // serde_json cannot read all valid JSON. If it could not, there is nothing to compare.
    let Some(tree) = tree else { return };
    let exists = tree.pointer(pointer).is_some();
    assert_eq!(
        exists,
        error.code() != RejectionCode::MissingField,
        "{error}"
    );
}
