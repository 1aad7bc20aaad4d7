//! Makes sort keys from timestamps and event ids.

use std::cmp::Ordering;

use aws_sdk_dynamodb::types::AttributeValue;
use domain_events::__internals::{item_of, read_item};
use domain_events::store::Cursor;
use domain_events::{Emitter, EntityId, Envelope, EventId, EventType, Timestamp};

/// Sort keys preserve the order of timestamps, are the same for the same event, and
/// contain the timestamp.
///
/// The input consists of two timestamps in nanoseconds, the number of a tie-break
/// attempt, and two event ids.
pub fn check(input: &[u8]) {
    assert_cursor_round_trip(input);
    let Some((numbers, rest)) = input.split_at_checked(17) else {
        return;
    };
    let nanos = |at: usize| {
        numbers[at..at + 8]
            .iter()
            .fold(0, |n: u64, b| n << 8 | u64::from(*b))
    };
    let text = String::from_utf8_lossy(rest);
    let (a, b) = text.split_once('\n').unwrap_or((&text, "b"));
    // The second number is the distance between the timestamps. Only timestamps that are
    // close to each other are interesting.
    let first = nanos(0) % 10_000_000_000_000_000_000;
    let second = first.saturating_add(nanos(8) % 3);
    let attempt = u32::from(numbers[16]) % 40;
    let (Some(a), Some(b)) = (event(first, a), event(second, b)) else {
        return;
    };
    let plain = key(&a, 0);
    assert_eq!(plain, a.timestamp().to_string());
    let tied = key(&a, attempt);
    assert_eq!(tied, key(&a, attempt), "the same event has two keys");
    assert_eq!(attempt == 0, tied == plain);
    assert_eq!(
        secs_and_nanos(&tied),
        (
            a.timestamp().as_secs(),
            a.timestamp().as_nanos() % 1_000_000_000
        )
    );
    let digits = tied.replace('.', "");
    assert!(digits.trim_matches('0').len() <= 38, "{tied}");
    assert!(
        attempt == 0 || !tied.ends_with('0'),
        "DynamoDB trims the trailing zero of {tied}"
    );
    if a.timestamp() < b.timestamp() {
        for other in [0, attempt] {
            assert_eq!(by_value(&tied, &key(&b, other)), Ordering::Less);
        }
    }
    assert_eq!(by_value(&plain, &tied), 0.cmp(&attempt));
    let (read_a, read_b) = (read(&a, attempt), read(&b, attempt));
    assert!(read_a == a, "{tied} is read as {read_a:?}");
    assert!(read_b == b);
    if a.entity_id() == b.entity_id() {
        let cursors = cursor(&a, attempt).cmp(&cursor(&b, attempt));
        assert_eq!(cursors, by_value(&tied, &key(&b, attempt)));
    }
    let text = cursor(&a, attempt).to_string();
    assert_eq!(
        text.parse::<Cursor>().ok(),
        Some(cursor(&a, attempt)),
        "{text}"
    );
}

fn assert_cursor_round_trip(input: &[u8]) {
    if let Ok(cursor) = String::from_utf8_lossy(input).parse::<Cursor>() {
        assert_eq!(cursor.to_string().parse::<Cursor>().ok(), Some(cursor));
    }
}

fn event(nanos: u64, id: &str) -> Option<Envelope> {
    let emitter = Emitter::system("fuzz").ok()?;
    let (kind, entity) = (
        EventType::from_static("FUZZ"),
        EntityId::from_static("entity"),
    );
    Envelope::builder(kind, entity, emitter)
        .timestamp(Timestamp::from_nanos(nanos).ok()?)
        .event_id(EventId::new(id.to_owned()).ok()?)
        .build()
        .ok()
}

fn key(envelope: &Envelope, attempt: u32) -> String {
    match item_of(envelope, attempt).remove("Timestamp") {
        Some(AttributeValue::N(number)) => number,
        other => panic!("{other:?} is not a sort key"),
    }
}

fn stored(envelope: &Envelope, attempt: u32) -> domain_events::StoredEvent {
    read_item(item_of(envelope, attempt)).unwrap_or_else(|error| panic!("{error}"))
}

fn read(envelope: &Envelope, attempt: u32) -> Envelope {
    stored(envelope, attempt).into_envelope()
}

fn cursor(envelope: &Envelope, attempt: u32) -> Cursor {
    stored(envelope, attempt).cursor()
}

/// The seconds and nanoseconds of a sort key, computed in another way than by the store.
fn secs_and_nanos(key: &str) -> (u64, u64) {
    let (seconds, fraction) = key.split_once('.').unwrap_or((key, ""));
    let nanos = format!("{fraction:0<9}");
    let number = |digits: &str| digits.parse().unwrap_or(u64::MAX);
    (number(seconds), number(&nanos[..9]))
}

/// Compares sort keys as DynamoDB compares numbers: by value, not as text.
fn by_value(a: &str, b: &str) -> Ordering {
    let padded = |key: &str| {
        let (whole, fraction) = key.split_once('.').unwrap_or((key, ""));
        format!("{whole:0>20}{fraction:0<40}")
    };
    padded(a).cmp(&padded(b))
}
