//! Checks that the text of an error does not quote the payload.

use std::collections::HashSet;
use std::sync::LazyLock;

use domain_events::__internals::printable;
use domain_events::{InvalidEvent, wire};

/// The number of bytes of a payload that cannot appear in a reason by accident.
const WINDOW: usize = 8;

/// Every sequence of `WINDOW` bytes in the source files that contain the texts of the
/// reasons. Such a sequence comes from our source, even if the payload contains it too.
static SOURCE_WINDOWS: LazyLock<HashSet<[u8; WINDOW]>> = LazyLock::new(|| {
    let sources = [
        include_str!("../../../src/event/envelope.rs"),
        include_str!("../../../src/event/emitter.rs"),
        include_str!("../../../src/event/fields.rs"),
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
        // The documentation contains examples of payloads.
        let is_code = |line: &&str| !line.trim_start().starts_with("///");
        let source: String = source.split_inclusive('\n').filter(is_code).collect();
        // A backslash at the end of a line continues the string literal.
        for (i, part) in source.split("\\\n").enumerate() {
            text.push_str(if i == 0 { part } else { part.trim_start() });
        }
    }
    let text = text.replace("{{", "{").replace("}}", "}");
    let pieces = text.as_bytes().windows(WINDOW);
    pieces.filter_map(|piece| piece.try_into().ok()).collect()
});

/// Panics if a reason of `error` quotes `body`.
///
/// The pointer may quote the body: it is a JSON Pointer, which consists of keys.
pub(super) fn assert_error_is_secret_free(error: &InvalidEvent, body: &str) {
    let others = match error.others().len() {
        0 => String::new(),
        1 => " (and 1 more fault)".to_owned(),
        more => format!(" (and {more} more faults)"),
    };
    for fault in std::iter::once(error).chain(error.others()) {
        assert_not_quoted(fault.reason(), body);
    }
    let shown = error.to_string();
    let expected = match &*printable(error.pointer()) {
        "" => format!("invalid event: {}: {}", error.code(), error.reason()),
        pointer => format!(
            "invalid event: {} at {pointer}: {}",
            error.code(),
            error.reason()
        ),
    };
    assert_eq!(shown, expected + &others);
}

/// Panics if `reason` quotes `body`.
pub(super) fn assert_not_quoted(reason: &str, body: &str) {
    assert!(!reason.is_empty() && reason.len() < 400, "{reason}");
    for window in reason.as_bytes().windows(WINDOW) {
        let digits = window.iter().filter(|b| b.is_ascii_digit()).count();
        // A window that mixes digits and words contains a size or a limit. A quoted
        // number consists of digits only, and quoted text is checked without digits.
        if digits != 0 && digits != WINDOW {
            continue;
        }
        let Ok(window) = std::str::from_utf8(window) else {
            panic!("the reason contains characters outside ASCII: {reason}");
        };
        let is_ours = SOURCE_WINDOWS.contains(window.as_bytes()) || !body.contains(window);
        assert!(
            is_ours || is_independent_of_body(window, reason, body),
            "{reason:?} quotes {window:?} from the body"
        );
    }
}

/// Returns true if the reason contains `window` independently of the body.
///
/// The fuzzer copies texts from reasons into bodies. To recognise such a copy, this
/// function replaces the window in the body and decodes it again: a reason that quotes
/// the body changes with it.
fn is_independent_of_body(window: &str, reason: &str, body: &str) -> bool {
    let replace = |c: char| match c {
        'a'..='y' | 'A'..='Y' | '1'..='8' => char::from(c as u8 + 1),
        'z' | 'Z' | '9' => char::from(c as u8 - 1),
        other => other,
    };
    let other: String = window.chars().map(replace).collect();
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
