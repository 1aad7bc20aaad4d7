//! Access to the item format for fuzz targets and benches.

use std::collections::HashMap;

use aws_sdk_dynamodb::types::AttributeValue;

use super::error::CorruptItem;
use super::events::index_key;
use super::item::{self, NewItem, StoreAttributes};
use super::item_reader;
use super::page;
use super::sort_key::SortKey;
use super::stored_event::StoredEvent;
use crate::event::envelope::Envelope;
use crate::event::timestamp::Timestamp;
use crate::json::escape::push_quoted;
use crate::json::reader::{Reader, Token};

/// Returns the largest item that an append may write at its `attempt`th insert. Write items
/// only with an append: a plain `PutItem` may overwrite another event.
pub fn item_of(envelope: &Envelope, attempt: u32) -> HashMap<String, AttributeValue> {
    let own = StoreAttributes {
        stored_at: envelope.timestamp(),
        expires_at: Some(Timestamp::MAX.as_secs()),
        index_key: Some(index_key(envelope.event_type(), u16::MAX)),
    };
    let key = SortKey::new(envelope.timestamp(), envelope.event_id(), attempt);
    item::attributes(envelope, &key, &own)
}

/// Returns the attributes of a new item, in the form in which an append sends them.
pub fn attributes_of(envelope: &Envelope) -> impl Sized + use<> {
    let own = StoreAttributes {
        stored_at: envelope.timestamp(),
        expires_at: None,
        index_key: None,
    };
    NewItem::new(envelope, &SortKey::first_of(envelope.timestamp()), &own)
}

/// Returns the events in the body of a response to a `Query`, or `None` if it is not one.
pub fn events_of_page(body: &str) -> Option<Vec<Result<StoredEvent, CorruptItem>>> {
    page::read(body).map(|page| page.events)
}

/// Reads an item in the same way as the event store does.
///
/// # Errors
///
/// [`CorruptItem`] if the item is not an event.
///
/// # Panics
///
/// If the item contains a type that the AWS SDK added later.
#[expect(clippy::expect_used, reason = "the text was written by `push_value`")]
pub fn read_item(item: HashMap<String, AttributeValue>) -> Result<StoredEvent, CorruptItem> {
    let mut text = String::new();
    push_members(&mut text, &item);
    let mut reader = Reader::new(&text);
    let first = reader.next().expect("the text is JSON");
    assert_eq!(first, Token::BeginObject);
    item_reader::read(&mut reader).expect("the text is JSON")
}

/// Appends a value in the same form in which the AWS SDK serializes it.
fn push_value(out: &mut String, value: &AttributeValue) {
    match value {
        AttributeValue::S(text) => {
            out.push_str(r#"{"S":"#);
            push_quoted(out, text);
        }
        AttributeValue::N(number) => {
            out.push_str(r#"{"N":"#);
            push_quoted(out, number);
        }
        AttributeValue::Bool(value) => out.push_str(&format!(r#"{{"BOOL":{value}"#)),
        AttributeValue::Null(value) => out.push_str(&format!(r#"{{"NULL":{value}"#)),
        AttributeValue::L(members) => {
            out.push_str(r#"{"L":["#);
            for (index, member) in members.iter().enumerate() {
                if index > 0 {
                    out.push(',');
                }
                push_value(out, member);
            }
            out.push(']');
        }
        AttributeValue::M(members) => {
            out.push_str(r#"{"M":"#);
            push_members(out, members);
        }
        AttributeValue::B(_) => out.push_str(r#"{"B":"""#),
        AttributeValue::Ss(_) => out.push_str(r#"{"SS":[]"#),
        AttributeValue::Ns(_) => out.push_str(r#"{"NS":[]"#),
        AttributeValue::Bs(_) => out.push_str(r#"{"BS":[]"#),
        _ => panic!("a type of attribute that this function does not know"),
    }
    out.push('}');
}

fn push_members(out: &mut String, members: &HashMap<String, AttributeValue>) {
    out.push('{');
    for (index, (name, value)) in members.iter().enumerate() {
        if index > 0 {
            out.push(',');
        }
        push_quoted(out, name);
        out.push(':');
        push_value(out, value);
    }
    out.push('}');
}
