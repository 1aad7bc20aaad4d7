//! The item format: the attributes of an event in DynamoDB.
//!
//! Each field of the wire format is a top-level attribute with the same name, so that
//! programs in every language can read the fields that were sent.

use std::collections::HashMap;

use aws_sdk_dynamodb::types::AttributeValue;

use super::attribute::{from_json, is_same};
use super::attribute_json;
use super::sort_key::SortKey;
use crate::error::InvalidEvent;
use crate::event::EventId;
use crate::event::envelope::Envelope;
use crate::event::fields::*;
use crate::event::timestamp::Timestamp;

/// An item as the AWS SDK represents it.
pub(crate) type Item = HashMap<String, AttributeValue>;

/// A new item, as an insert sends it.
#[derive(Debug)]
pub(crate) struct NewItem {
    /// The names of the attributes with their placeholders: `'ID':?,'Timestamp':?`.
    pub(crate) names: String,
    /// The values of the attributes, in the same order, as JSON without brackets.
    pub(crate) parameters: String,
}

/// The value of an attribute of a new item.
enum NewValue<'a> {
    Text(&'a str),
    Number(&'a str),
    /// JSON text of any type.
    Json(&'a str),
}

/// The attributes that the store itself writes into an item.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct StoreAttributes {
    pub(crate) stored_at: Timestamp,
    /// Whole seconds since 1970, as DynamoDB's time to live requires.
    pub(crate) expires_at: Option<u64>,
    pub(crate) index_key: Option<String>,
}

/// Passes the attributes of a new item to `put`, in the order of the statement.
fn each_attribute(
    envelope: &Envelope,
    sort_key: &SortKey,
    own: &StoreAttributes,
    mut put: impl FnMut(&str, NewValue<'_>),
) {
    use NewValue::{Json, Number, Text};
    let parts = envelope.parts();
    put(ID, Text(parts.id.as_str()));
    put(TIMESTAMP, Number(sort_key.as_str()));
    put(EVENT_TYPE, Text(parts.event_type.as_str()));
    put(EMITTER_ID, Text(parts.emitter.id().as_str()));
    put(EMITTER_TYPE, Text(parts.emitter.kind().as_str()));
    if let Some(data) = &parts.data {
        put(DATA, Json(&data.text));
    }
    put(EVENT_ID, Text(parts.event_id.as_str()));
    if let Some(version) = parts.version {
        put(VERSION, Number(itoa::Buffer::new().format(version.get())));
    }
    if let Some(id) = &parts.correlation_id {
        put(CORRELATION_ID, Text(id.as_str()));
    }
    if let Some(id) = &parts.causation_id {
        put(CAUSATION_ID, Text(id.as_str()));
    }
    if let Some(trace) = &parts.trace_parent {
        put(TRACE_PARENT, Text(trace));
    }
    for (name, json) in &parts.extra {
        put(name, Json(&json.text));
    }
    put(STORED_AT, Number(&own.stored_at.to_string()));
    if let Some(at) = own.expires_at {
        put(EXPIRES_AT, Number(itoa::Buffer::new().format(at)));
    }
    if let Some(key) = &own.index_key {
        put(INDEX_KEY, Text(key));
    }
}

impl NewItem {
    pub(crate) fn new(envelope: &Envelope, sort_key: &SortKey, own: &StoreAttributes) -> Self {
        let mut item = Self {
            // The capacities fit a typical event, so that the strings are rarely reallocated.
            names: String::with_capacity(192),
            parameters: String::with_capacity(1024),
        };
        let Self { names, parameters } = &mut item;
        each_attribute(envelope, sort_key, own, |name, value| {
            if !names.is_empty() {
                names.push(',');
                parameters.push(',');
            }
            // The wire format checks the names of all fields, so no name can end the quotes.
            names.push('\'');
            names.push_str(name);
            names.push_str("':?");
            match value {
                NewValue::Text(text) => attribute_json::push_string(parameters, text),
                NewValue::Number(number) => attribute_json::push_number(parameters, number),
                NewValue::Json(json) => attribute_json::push_json(parameters, json),
            }
        });
        item
    }
}

/// The attributes of a new item, as the AWS SDK represents them.
pub(crate) fn attributes(envelope: &Envelope, sort_key: &SortKey, own: &StoreAttributes) -> Item {
    let mut item = Item::new();
    each_attribute(envelope, sort_key, own, |name, value| {
        let value = match value {
            NewValue::Text(text) => AttributeValue::S(text.to_owned()),
            NewValue::Number(number) => AttributeValue::N(number.to_owned()),
            NewValue::Json(json) => from_json(json),
        };
        item.insert(name.to_owned(), value);
    });
    item
}

/// The identity of the event in an item, without reading the rest. `None` if the item
/// has no valid one.
pub(crate) fn identity(item: &Item) -> Option<EventId> {
    match (item.get(EVENT_ID), item.get(ID), item.get(TIMESTAMP)) {
        (Some(AttributeValue::S(id)), ..) => EventId::new(id.clone()).ok(),
        (
            None | Some(AttributeValue::Null(_)),
            Some(AttributeValue::S(id)),
            Some(AttributeValue::N(key)),
        ) => identity_of_key(key, id).ok(),
        _ => None,
    }
}

/// The attributes that may differ between two copies of the same event. The first two are
/// the key and the identity, which have already been compared. A repeated send may have a
/// different trace context, and tracing must never cause an event to be refused. The store
/// itself writes the others.
const NOT_COMPARED: [&str; 6] = [
    TIMESTAMP,
    EVENT_ID,
    TRACE_PARENT,
    STORED_AT,
    EXPIRES_AT,
    INDEX_KEY,
];

/// The fields of the wire format that are compared.
const COMPARED: [&str; 8] = [
    ID,
    EVENT_TYPE,
    EMITTER_ID,
    EMITTER_TYPE,
    DATA,
    VERSION,
    CORRELATION_ID,
    CAUSATION_ID,
];

/// The compared fields that are absent if they are null.
const OPTIONAL: [&str; 3] = [VERSION, CORRELATION_ID, CAUSATION_ID];

/// The item of an event, for comparing it with another item. It does not contain the
/// attributes that the store itself writes.
pub(crate) fn of_event(envelope: &Envelope) -> Item {
    let own = StoreAttributes {
        stored_at: envelope.timestamp(),
        expires_at: None,
        index_key: None,
    };
    attributes(envelope, &SortKey::first_of(envelope.timestamp()), &own)
}

/// Where an event differs from the event in an item that has its identity, as a JSON
/// pointer; `None` if they are the same event. The pointer is empty for a field that is
/// not in the wire format, because its name is untrusted text.
pub(crate) fn difference(item: &Item, envelope: &Envelope) -> Option<String> {
    let event = of_event(envelope);
    let first_version = AttributeValue::N("1".to_owned());
    let is_different = |name: &str| {
        let (mut stored, mut new) = (item.get(name), event.get(name));
        if OPTIONAL.contains(&name) {
            // Another writer may have stored null, which means absent.
            stored = stored.filter(|value| !matches!(value, AttributeValue::Null(_)));
        }
        if name == VERSION {
            // An absent version means 1.
            stored = stored.or(Some(&first_version));
            new = new.or(Some(&first_version));
        }
        match (stored, new) {
            (Some(stored), Some(new)) => !is_same(stored, new),
            (None, None) => false,
            _ => true,
        }
    };
    if let Some(field) = COMPARED.into_iter().find(|name| is_different(name)) {
        return Some(format!("/{field}"));
    }
    let is_extra = |name: &&str| !NOT_COMPARED.contains(name);
    let mut extra = item
        .keys()
        .map(String::as_str)
        .chain(event.keys().map(String::as_str))
        .filter(is_extra);
    extra.any(is_different).then(String::new)
}

/// The identity of an event that another writer stored without one. It is derived from
/// the item's key, so the same item always has the same identity.
pub(super) fn identity_of_key(sort_key: &str, id: &str) -> Result<EventId, InvalidEvent> {
    let key = format!("{sort_key}:{id}");
    let uuid = uuid::Uuid::new_v5(&uuid::Uuid::NAMESPACE_OID, key.as_bytes());
    EventId::new(uuid.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(more: &str) -> Envelope {
        let body = format!(
            r#"{{"Timestamp":1,"EventType":"A","ID":"e","EmitterId":"u","EmitterType":"USER","EventId":"i"{more}}}"#
        );
        let decoded = crate::wire::decode(&body, &EventId::random()).unwrap();
        decoded.into_iter().next().unwrap().outcome.unwrap()
    }

    fn item(envelope: &Envelope) -> Item {
        let own = StoreAttributes {
            stored_at: Timestamp::now(),
            expires_at: Some(9),
            index_key: Some("A#0".to_owned()),
        };
        let key = SortKey::new(envelope.timestamp(), envelope.event_id(), 3);
        attributes(envelope, &key, &own)
    }

    #[test]
    fn same_event_has_no_difference() {
        for (stored, new) in [
            ("", ""),
            (
                r#","Data":{"n":1.0,"l":[1e2]}"#,
                r#","Data":{"l":[100],"n":1}"#,
            ),
            (r#","Version":1"#, ""),
            ("", r#","Version":1"#),
            (r#","TraceParent":"a""#, r#","TraceParent":"b""#),
            (r#","TraceParent":"a""#, ""),
            (r#","x":{"y":[]}"#, r#","x":{"y":[]}"#),
        ] {
            assert_eq!(
                difference(&item(&event(stored)), &event(new)),
                None,
                "{stored} {new}"
            );
        }
    }

    #[test]
    fn null_in_an_item_means_absent() {
        let event = event("");
        let mut stored = item(&event);
        for name in [VERSION, CORRELATION_ID, CAUSATION_ID] {
            stored.insert(name.to_owned(), AttributeValue::Null(true));
        }
        assert_eq!(difference(&stored, &event), None);
        stored.insert(EVENT_ID.to_owned(), AttributeValue::Null(true));
        let of_null = identity(&stored);
        stored.remove(EVENT_ID);
        assert!(of_null.is_some() && of_null == identity(&stored));
        for name in [DATA, EMITTER_TYPE] {
            let mut stored = item(&event);
            stored.insert(name.to_owned(), AttributeValue::Null(true));
            assert_eq!(difference(&stored, &event), Some(format!("/{name}")));
        }
    }

    #[test]
    fn difference_is_found_in_each_field() {
        for (stored, new, pointer) in [
            (r#","Data":{"n":1}"#, r#","Data":{"n":2}"#, "/Data"),
            (r#","Data":{"n":1}"#, "", "/Data"),
            ("", r#","Data":null"#, "/Data"),
            (r#","Version":2"#, "", "/Version"),
            (
                r#","CorrelationId":"a""#,
                r#","CorrelationId":"b""#,
                "/CorrelationId",
            ),
            ("", r#","CausationId":"b""#, "/CausationId"),
            (r#","x":1"#, r#","x":2"#, ""),
            (r#","x":1"#, "", ""),
            ("", r#","x":1"#, ""),
        ] {
            let found = difference(&item(&event(stored)), &event(new));
            assert_eq!(found.as_deref(), Some(pointer), "{stored} {new}");
        }
        for (name, pointer) in [
            (EVENT_TYPE, "/EventType"),
            (EMITTER_ID, "/EmitterId"),
            (EMITTER_TYPE, "/EmitterType"),
        ] {
            let mut stored = item(&event(""));
            stored.insert(name.to_owned(), AttributeValue::S("OTHER".to_owned()));
            assert_eq!(difference(&stored, &event("")).as_deref(), Some(pointer));
        }
    }
}
