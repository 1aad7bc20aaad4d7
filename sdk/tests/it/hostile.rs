//! Bad and nasty messages against the decoder.

#[path = "../fixtures/hostile.rs"]
mod list;

use domain_events::{Envelope, EventId, InvalidEvent, wire};
use list::{CANARY, Hostile, hostile};

fn verdict(outcome: &Result<Envelope, InvalidEvent>) -> String {
    match outcome {
        Ok(_) => "accept".to_owned(),
        Err(error) => refusal(error),
    }
}

fn refusal(error: &InvalidEvent) -> String {
    format!("{} {}", error.code(), error.pointer())
        .trim_end_matches(' ')
        .to_owned()
}

#[test]
fn every_hostile_message_gets_its_verdict_and_no_error_shows_what_is_in_it() {
    let all = hostile();
    assert!(all.len() >= 200);
    for Hostile { name, body, expect } in all {
        // The decoder takes text: bytes that are none are refused before it.
        let Ok(body) = std::str::from_utf8(&body) else {
            assert_eq!(expect, ["NOT_JSON"], "{name}");
            continue;
        };
        // A short one may have no room for it.
        let is_told = body.contains(CANARY) || body.replace('\0', "").contains(CANARY);
        assert!(is_told || body.len() < 100, "{name}");
        let decoded = wire::decode(body, &EventId::from_static("message-id"));
        let (verdicts, errors): (Vec<String>, Vec<InvalidEvent>) = match decoded {
            Err(error) => (vec![refusal(&error)], vec![error]),
            Ok(events) => (
                events.iter().map(|event| verdict(&event.outcome)).collect(),
                events.into_iter().filter_map(|e| e.outcome.err()).collect(),
            ),
        };
        assert!(
            verdicts == expect,
            "{name}: {:?}",
            &verdicts[..verdicts.len().min(20)]
        );
        for error in errors {
            let told = format!("{error} {error:?} {}", error.reason());
            assert!(!told.contains(CANARY), "{name}: {told}");
        }
    }
}

#[test]
fn what_is_accepted_is_encoded_in_characters_that_sqs_takes_and_comes_back() {
    let taken = |c: char| matches!(c, '\t' | '\n' | '\r' | ' '..='\u{fffd}' | '\u{10000}'..);
    for Hostile { name, body, .. } in hostile() {
        let Ok(body) = String::from_utf8(body) else {
            continue;
        };
        let id = EventId::from_static("message-id");
        for event in wire::decode(&body, &id).unwrap_or_default() {
            let Ok(envelope) = event.outcome else {
                continue;
            };
            let encoded = wire::encode(&envelope).unwrap();
            assert!(encoded.chars().all(taken), "{name}");
            let mut again = wire::decode(&encoded, &id).unwrap();
            assert!(again.remove(0).outcome.unwrap() == envelope, "{name}");
        }
    }
}
