//! No payload in the text of an error.

use std::collections::HashSet;
use std::sync::LazyLock;

use domain_events::{InvalidEvent, wire};

/// So many characters of a payload that stand in a reason are no accident.
const WINDOW: usize = 8;

/// Of the files in which all reasons are written, every piece of that length: what
/// stands in them is ours, even if the payload has the same words.
static OURS: LazyLock<HashSet<[u8; WINDOW]>> = LazyLock::new(|| {
    let sources = [
        include_str!("../../../src/event/envelope.rs"),
        include_str!("../../../src/event/emitter.rs"),
        include_str!("../../../src/event/ids.rs"),
        include_str!("../../../src/event/timestamp.rs"),
        include_str!("../../../src/wire/decode.rs"),
        include_str!("../../../src/wire/encode.rs"),
        include_str!("../../../src/wire/transport_envelope.rs"),
        include_str!("../../../src/json/limits.rs"),
        include_str!("../../../src/json/reader.rs"),
        include_str!("../../../src/json/number.rs"),
        include_str!("../../../src/error.rs"),
        include_str!("../../../../consumer/src/rejection.rs"),
    ];
    let mut text = String::new();
    for source in sources {
        // A literal that goes on in the next line is one text.
        for (i, part) in source.split("\\\n").enumerate() {
            text.push_str(if i == 0 { part } else { part.trim_start() });
        }
    }
    let text = text.replace("{{", "{").replace("}}", "}");
    let pieces = text.as_bytes().windows(WINDOW);
    pieces.filter_map(|piece| piece.try_into().ok()).collect()
});

/// Panics if the reason tells what stands in `body`.
///
/// The place may: it is a JSON pointer, made of keys.
pub(super) fn keeps(error: &InvalidEvent, body: &str) {
    let others = match error.others().len() {
        0 => String::new(),
        1 => " (and 1 more fault)".to_owned(),
        more => format!(" (and {more} more faults)"),
    };
    for fault in std::iter::once(error).chain(error.others()) {
        assert_keeps(fault.reason(), body);
    }
    let shown = error.to_string();
    let expected = match error.pointer() {
        "" => format!("invalid event: {}: {}", error.code(), error.reason()),
        pointer => format!(
            "invalid event: {} at {pointer}: {}",
            error.code(),
            error.reason()
        ),
    };
    assert_eq!(shown, expected + &others);
}

pub(super) fn assert_keeps(reason: &str, body: &str) {
    assert!(!reason.is_empty() && reason.len() < 400, "{reason}");
    for window in reason.as_bytes().windows(WINDOW) {
        let digits = window.iter().filter(|b| b.is_ascii_digit()).count();
        // Sizes have fewer digits, and stand between words that are ours.
        if digits != 0 && digits != WINDOW {
            continue;
        }
        let Ok(window) = std::str::from_utf8(window) else {
            panic!("a reason has only ASCII: {reason}");
        };
        let is_ours = OURS.contains(window.as_bytes()) || !body.contains(window);
        assert!(
            is_ours || stays(window, reason, body),
            "{reason:?} tells {window:?} of the body"
        );
    }
}

/// A fuzzer writes into a body what it sees in a reason. Then the reason does not
/// tell it: it stays the same where the body has something else instead.
fn stays(window: &str, reason: &str, body: &str) -> bool {
    let another = |c: char| match c {
        'a'..='y' | 'A'..='Y' | '1'..='8' => char::from(c as u8 + 1),
        'z' | 'Z' | '9' => char::from(c as u8 - 1),
        other => other,
    };
    let other: String = window.chars().map(another).collect();
    let reasons = reasons(&body.replace(window, &other));
    reasons.iter().any(|r| r == reason) || reasons.iter().all(|r| !r.contains(&other))
}

fn reasons(body: &str) -> Vec<String> {
    let reason = |error: InvalidEvent| {
        let faults = std::iter::once(&error).chain(error.others());
        faults
            .map(|fault| fault.reason().to_owned())
            .collect::<Vec<_>>()
    };
    match wire::decode(body, &super::decode::MESSAGE_ID) {
        Err(error) => reason(error),
        Ok(events) => events
            .into_iter()
            .filter_map(|event| event.outcome.err().map(reason))
            .flatten()
            .collect(),
    }
}
