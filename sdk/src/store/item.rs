//! The item format: an envelope ⇄ its item in DynamoDB.
//!
//! The fields of the wire format are top-level attributes with the same names, so that
//! readers in every language find what was sent.

use std::borrow::Cow;
use std::collections::HashMap;

use aws_sdk_dynamodb::types::AttributeValue;

use super::attribute::{from_json, is_same, request_bytes, to_json};
use super::error::CorruptItem;
use super::sort_key::SortKey;
use super::stored_event::StoredEvent;
use crate::error::InvalidEvent;
use crate::event::envelope::{Envelope, Parts};
use crate::event::fields::*;
use crate::event::timestamp::Timestamp;
use crate::event::{CausationId, CorrelationId, Emitter, EventId};
use crate::json::document::Json;
use crate::json::number::Number;

/// An item as the AWS SDK represents it.
pub(crate) type Item = HashMap<String, AttributeValue>;

/// The attributes of a new item, by name, in the order of the statement's parameters.
pub(crate) type Attributes = Vec<(Cow<'static, str>, AttributeValue)>;

/// The attributes that the store itself writes into an item.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct StoreAttributes {
    pub(crate) stored_at: Timestamp,
    /// Whole seconds since 1970, as DynamoDB's time to live requires.
    pub(crate) expires_at: Option<u64>,
    pub(crate) index_key: Option<String>,
}

/// The attributes of a new item.
pub(crate) fn attributes(
    envelope: &Envelope,
    sort_key: &SortKey,
    own: StoreAttributes,
) -> Attributes {
    let parts = envelope.parts();
    let text = |name: &'static str, value: &str| {
        (Cow::Borrowed(name), AttributeValue::S(value.to_owned()))
    };
    let number = |name: &'static str, value| (Cow::Borrowed(name), AttributeValue::N(value));
    let mut all = Vec::with_capacity(14 + parts.extra.len());
    all.push(text(ID, parts.id.as_str()));
    all.push(number(TIMESTAMP, sort_key.as_str().to_owned()));
    all.push(text(EVENT_TYPE, parts.event_type.as_str()));
    all.push(text(EMITTER_ID, parts.emitter.id().as_str()));
    all.push(text(EMITTER_TYPE, parts.emitter.kind().as_str()));
    if let Some(data) = &parts.data {
        all.push((Cow::Borrowed(DATA), from_json(&data.text)));
    }
    all.push(text(EVENT_ID, parts.event_id.as_str()));
    if let Some(version) = parts.version {
        all.push(number(VERSION, version.to_string()));
    }
    if let Some(id) = &parts.correlation_id {
        all.push(text(CORRELATION_ID, id.as_str()));
    }
    if let Some(id) = &parts.causation_id {
        all.push(text(CAUSATION_ID, id.as_str()));
    }
    if let Some(trace) = &parts.trace_parent {
        all.push(text(TRACE_PARENT, trace));
    }
    for (name, json) in &parts.extra {
        all.push((Cow::Owned(name.to_string()), from_json(&json.text)));
    }
    all.push(number(STORED_AT, own.stored_at.to_string()));
    if let Some(at) = own.expires_at {
        all.push(number(EXPIRES_AT, at.to_string()));
    }
    if let Some(key) = own.index_key {
        all.push((Cow::Borrowed(INDEX_KEY), AttributeValue::S(key)));
    }
    all
}

/// The number of bytes that the attributes' values take in a request.
pub(crate) fn total_request_bytes(attributes: &Attributes) -> usize {
    attributes
        .iter()
        .map(|(_, value)| request_bytes(value))
        .sum()
}

/// The identity of the event in an item, without reading the rest. `None` if the item
/// has no valid one.
pub(crate) fn identity(item: &Item) -> Option<EventId> {
    match (item.get(EVENT_ID), item.get(ID), item.get(TIMESTAMP)) {
        (Some(AttributeValue::S(id)), ..) => EventId::new(id.clone()).ok(),
        (None, Some(AttributeValue::S(id)), Some(AttributeValue::N(key))) => {
            identity_of_key(key, id).ok()
        }
        _ => None,
    }
}

/// What does not have to be equal for two events to be one. The first two are the key
/// and the identity, which were compared before. A repeated send may have another trace
/// context, and tracing must never cause an event to be refused. The others belong to
/// the store.
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

/// The item of an event, for comparing it with another: without what belongs to the store.
pub(crate) fn of_event(envelope: &Envelope) -> Item {
    let own = StoreAttributes {
        stored_at: envelope.timestamp(),
        expires_at: None,
        index_key: None,
    };
    let all = attributes(envelope, &SortKey::first_of(envelope.timestamp()), own);
    all.into_iter()
        .map(|(name, value)| (name.into_owned(), value))
        .collect()
}

/// Where an event differs from the event in an item that has its identity, as a JSON
/// pointer; `None` if they are the same event. The pointer is empty for a field that is
/// not in the wire format, because its name is untrusted text.
pub(crate) fn difference(item: &Item, envelope: &Envelope) -> Option<String> {
    let event = of_event(envelope);
    let first_version = AttributeValue::N("1".to_owned());
    let is_different = |name: &str| {
        let (mut stored, mut new) = (item.get(name), event.get(name));
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

/// Reads an item back.
pub(crate) fn read(mut item: Item) -> Result<StoredEvent, CorruptItem> {
    let sort_key = match item.remove(TIMESTAMP) {
        Some(AttributeValue::N(number)) => number,
        _ => String::new(),
    };
    let id = match item.get(ID) {
        Some(AttributeValue::S(id)) => id.clone(),
        _ => String::new(),
    };
    let sort_key = SortKey::from_item(sort_key);
    match read_fields(&mut item, &sort_key) {
        Ok((envelope, stored_at, expires_at)) => {
            Ok(StoredEvent::new(envelope, sort_key, stored_at, expires_at))
        }
        Err(reason) => Err(CorruptItem {
            id,
            timestamp: sort_key.as_str().to_owned(),
            reason,
        }),
    }
}

type Fields = (Envelope, Option<Timestamp>, Option<Timestamp>);

fn read_fields(item: &mut Item, sort_key: &SortKey) -> Result<Fields, String> {
    let stored_at = optional_number(item, STORED_AT)?
        .map(|n| exact(STORED_AT, &n))
        .transpose()?;
    // An expiry that is not a timestamp is too far away, or too long ago, for DynamoDB
    // to act on it. It never takes effect, and the event remains valid.
    let expires_at = optional_number(item, EXPIRES_AT)?.and_then(|n| exact(EXPIRES_AT, &n).ok());
    item.remove(INDEX_KEY);
    let id = text(item, ID)?;
    let event_id = match optional_text(item, EVENT_ID)? {
        Some(id) => EventId::new(id).map_err(reason)?,
        None => identity_of_key(sort_key.as_str(), &id)?,
    };
    let version = |number: String| {
        let version = Number::parse(&number).as_u16();
        version.ok_or_else(|| format!("{VERSION} is not a version"))
    };
    let envelope = Envelope::checked(Parts {
        timestamp: exact(TIMESTAMP, sort_key.cut_to_nanoseconds())?,
        event_type: text(item, EVENT_TYPE)?.try_into().map_err(reason)?,
        id: id.try_into().map_err(reason)?,
        emitter: Emitter::new(
            text(item, EMITTER_TYPE)?.try_into().map_err(reason)?,
            text(item, EMITTER_ID)?.try_into().map_err(reason)?,
        ),
        data: item
            .remove(DATA)
            .map(|data| to_json(DATA, &data))
            .transpose()?,
        event_id,
        version: optional_number(item, VERSION)?.map(version).transpose()?,
        correlation_id: optional_text(item, CORRELATION_ID)?
            .map(CorrelationId::new)
            .transpose()
            .map_err(reason)?,
        causation_id: optional_text(item, CAUSATION_ID)?
            .map(CausationId::new)
            .transpose()
            .map_err(reason)?,
        trace_parent: optional_text(item, TRACE_PARENT)?,
        extra: extra_fields(item)?,
    });
    let envelope = envelope.map_err(|refused| reason(refused.error))?;
    Ok((envelope, stored_at, expires_at))
}

fn extra_fields(item: &Item) -> Result<Vec<(Box<str>, Json)>, String> {
    let mut extra = item
        .iter()
        .map(|(name, value)| Ok((name.as_str().into(), to_json(name, value)?)))
        .collect::<Result<Vec<(Box<str>, Json)>, String>>()?;
    extra.sort_by(|a, b| a.0.cmp(&b.0));
    Ok(extra)
}

/// The identity of an event that another writer stored without one. It is derived from
/// the item's key, so the same item always has the same identity.
fn identity_of_key(sort_key: &str, id: &str) -> Result<EventId, String> {
    let key = format!("{sort_key}:{id}");
    let uuid = uuid::Uuid::new_v5(&uuid::Uuid::NAMESPACE_OID, key.as_bytes());
    EventId::new(uuid.to_string()).map_err(reason)
}

// Takes the error by value, as `map_err` passes it.
#[allow(clippy::needless_pass_by_value)]
fn reason(error: InvalidEvent) -> String {
    error.to_string()
}

fn exact(name: &str, number: &str) -> Result<Timestamp, String> {
    number
        .parse()
        .map_err(|_| format!("{name} is not a timestamp"))
}

fn text(item: &mut Item, name: &str) -> Result<String, String> {
    optional_text(item, name)?.ok_or_else(|| format!("{name} is missing"))
}

fn optional_text(item: &mut Item, name: &str) -> Result<Option<String>, String> {
    match item.remove(name) {
        None => Ok(None),
        Some(AttributeValue::S(text)) => Ok(Some(text)),
        Some(_) => Err(format!("{name} is not a string")),
    }
}

fn optional_number(item: &mut Item, name: &str) -> Result<Option<String>, String> {
    match item.remove(name) {
        None => Ok(None),
        Some(AttributeValue::N(number)) => Ok(Some(number)),
        Some(_) => Err(format!("{name} is not a number")),
    }
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
        let all = attributes(envelope, &key, own);
        all.into_iter().map(|(n, v)| (n.into_owned(), v)).collect()
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
