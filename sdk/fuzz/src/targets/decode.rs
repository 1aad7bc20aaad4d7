//! Any bytes → a verdict on each event, and back.

use domain_events::{Envelope, EventId, InvalidEvent, RejectionCode, wire};
use serde_json::Value;

use super::secrecy;

pub(crate) const MESSAGE_ID: EventId = EventId::from_static("message-id");

/// The decoder and the encoder agree with each other, and tell nothing.
pub fn check(input: &[u8]) {
    // A body is text before we see it: SQS delivers no other.
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
            secrecy::keeps(&error, body);
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
                    Ok(envelope) => comes_back(envelope),
                    Err(error) => {
                        secrecy::keeps(error, body);
                        names_a_place(error, tree);
                    }
                }
                // An event's own text, by itself, gets the same verdict.
                if packed && !event.text.trim_start().starts_with('[') {
                    alone(event);
                }
            }
        }
    }
}

fn alone(event: &wire::DecodedEvent<'_>) {
    let identity = match &event.outcome {
        Ok(envelope) => envelope.event_id().clone(),
        Err(_) => MESSAGE_ID,
    };
    let again = wire::decode(event.text, &identity).and_then(|mut events| events.remove(0).outcome);
    assert_eq!(again, event.outcome);
}

/// `decode(encode(x)) == x`, in characters that SQS takes.
pub(crate) fn comes_back(envelope: &Envelope) {
    let body = match wire::encode(envelope) {
        Ok(body) => body,
        Err(error) => return assert_eq!(error.code(), RejectionCode::TooLarge),
    };
    let taken = |c: char| matches!(c, '\t' | '\n' | '\r' | ' '..='\u{fffd}' | '\u{10000}'..);
    assert!(body.chars().all(taken), "SQS refuses {body:?}");
    let decoded = wire::decode(&body, &EventId::from_static("another-message"));
    let mut events = decoded.unwrap_or_else(|error| panic!("{error}: {body}"));
    assert_eq!(events.len(), 1);
    let again = events
        .remove(0)
        .outcome
        .unwrap_or_else(|error| panic!("{error}: {body}"));
    assert!(again == *envelope, "{body} comes back as {again:?}");
    assert_eq!(wire::encode(&again).ok(), Some(body));
}

/// The place exists, apart from that of a field which is missing.
fn names_a_place(error: &InvalidEvent, tree: Option<&Value>) {
    let pointer = error.pointer();
    assert!(pointer.is_empty() || pointer.starts_with('/'), "{pointer}");
    // serde_json cannot read all that is JSON: no answer is no objection.
    let Some(tree) = tree else { return };
    let exists = tree.pointer(pointer).is_some();
    assert_eq!(
        exists,
        error.code() != RejectionCode::MissingField,
        "{error}"
    );
}
