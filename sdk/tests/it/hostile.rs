//! Decodes the hostile messages of the fixtures and compares the verdicts.

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
fn hostile_messages_get_their_verdicts() {
    let all = hostile();
    assert!(all.len() >= 200);
    for Hostile { name, body, expect } in all {
        // The decoder takes text, so invalid UTF-8 never reaches it.
        let Ok(body) = std::str::from_utf8(&body) else {
            assert_eq!(expect, ["NOT_JSON"], "{name}");
            continue;
        };
        // Only a short message may omit the canary.
        let has_canary = body.contains(CANARY) || body.replace('\0', "").contains(CANARY);
        assert!(has_canary || body.len() < 100, "{name}");
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
            let printed = format!("{error} {error:?} {}", error.reason());
            assert!(!printed.contains(CANARY), "{name}: {printed}");
        }
    }
}

#[test]
fn hostile_events_survive_a_round_trip() {
    let is_accepted = |c: char| matches!(c, '\t' | '\n' | '\r' | ' '..='\u{fffd}' | '\u{10000}'..);
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
            assert!(encoded.chars().all(is_accepted), "{name}");
            let mut again = wire::decode(&encoded, &id).unwrap();
            assert!(again.remove(0).outcome.unwrap() == envelope, "{name}");
        }
    }
}
