//! Converts events from JSON to an envelope, to an item, and back.

use std::collections::HashMap;

use aws_sdk_dynamodb::types::AttributeValue;
use domain_events::__internals::{item_of, read_item};
use domain_events::{Envelope, wire};

use super::decode::{MESSAGE_ID, assert_round_trip};

/// The maximum size of an item in bytes (DynamoDB developer guide, "Quotas").
const MAX_ITEM: usize = 400 * 1024;

/// Every accepted event can be stored, and is read as the same event.
pub fn check(input: &[u8]) {
    let Ok(body) = std::str::from_utf8(input) else {
        return;
    };
    for event in wire::decode(body, &MESSAGE_ID).unwrap_or_default() {
        if let Ok(envelope) = event.outcome {
            for attempt in [0, 1, 7] {
                assert_item_round_trip(&envelope, attempt);
            }
        }
    }
}

fn assert_item_round_trip(envelope: &Envelope, attempt: u32) {
    let item = item_of(envelope, attempt);
    let size: usize = item
        .iter()
        .map(|(name, v)| name.len() + value_size(v, 1))
        .sum();
    assert!(size <= MAX_ITEM, "the item has {size} bytes");
    let read = read_item(item.clone())
        .unwrap_or_else(|error| panic!("{error}"))
        .into_envelope();
    assert_eq!(read.timestamp(), envelope.timestamp());
    assert_eq!(read.event_id(), envelope.event_id());
    assert_eq!(read.entity_id(), envelope.entity_id());
    assert_eq!(read.event_type(), envelope.event_type());
    assert_eq!(read.emitter(), envelope.emitter());
    assert_eq!(read.version(), envelope.version());
    assert_eq!(read.correlation_id(), envelope.correlation_id());
    assert_eq!(read.causation_id(), envelope.causation_id());
    assert_eq!(read.trace_parent(), envelope.trace_parent());
    assert_eq!(read.data().is_some(), envelope.data().is_some());
    assert_eq!(read.extra_fields().count(), envelope.extra_fields().count());
    // Compare the events as items. An item has no key order, and has only one text for
    // each number.
    assert_eq!(item_of(&read, attempt), item);
    assert_round_trip(&read);
}

/// The size of a value in DynamoDB, in bytes. Panics if DynamoDB would reject the value.
///
/// The size is computed here without the code under test. It is an upper bound, with
/// three bytes for a container and one byte for each of its members.
fn value_size(value: &AttributeValue, level: usize) -> usize {
    assert!(level <= 32, "DynamoDB allows 32 levels of nesting");
    match value {
        AttributeValue::S(text) => text.len(),
        AttributeValue::N(number) => {
            let mantissa = number.split(['e', 'E']).next().unwrap_or_default();
            let digits: String = mantissa.chars().filter(char::is_ascii_digit).collect();
            let digits = digits.trim_matches('0').len();
            assert!(digits <= 38, "{number} has {digits} digits");
            digits.div_ceil(2) + 1 + usize::from(number.starts_with('-'))
        }
        AttributeValue::Bool(_) | AttributeValue::Null(true) => 1,
        AttributeValue::L(members) => {
            3 + members
                .iter()
                .map(|v| 1 + value_size(v, level + 1))
                .sum::<usize>()
        }
        AttributeValue::M(members) => 3 + members_size(members, level),
        other => panic!("no JSON value maps to {other:?}"),
    }
}

fn members_size(members: &HashMap<String, AttributeValue>, level: usize) -> usize {
    let member = |(key, value): (&String, &AttributeValue)| {
        assert!(!key.is_empty(), "DynamoDB rejects empty keys");
        1 + key.len() + value_size(value, level + 1)
    };
    members.iter().map(member).sum()
}
