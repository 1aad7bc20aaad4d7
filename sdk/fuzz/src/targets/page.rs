//! Reads the body of a response to a query.

use domain_events::__internals::{events_of_page, item_of};
use serde_json::value::RawValue;

/// A body that is read is JSON, and each of its events can be written as an item again. A body
/// that is not JSON is never read, so that no event in it is skipped.
///
/// Items may come from other writers, so an event of a page does not always keep the rules of
/// the wire format.
pub fn check(input: &[u8]) {
    let Ok(body) = std::str::from_utf8(input) else {
        return;
    };
    let Some(events) = events_of_page(body) else {
        return;
    };
    if let Err(error) = serde_json::from_str::<&RawValue>(body) {
        panic!("{error}, but the page was read: {body}");
    }
    for event in events.into_iter().flatten() {
        let _ = item_of(&event.into_envelope(), 0);
    }
}
