//! The item format: an envelope ⇄ what DynamoDB holds of it, and under which key.
//!
//! The fields of the wire format are top-level attributes of the same names, so
//! that every reader in every language finds what was sent.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::collections::HashMap;

use aws_sdk_dynamodb::types::AttributeValue;

use crate::error::InvalidEvent;
use crate::event::envelope::{Envelope, Parts};
use crate::event::fields::*;
use crate::event::timestamp::Timestamp;
use crate::event::{CausationId, CorrelationId, EventId};
use crate::json::document::Json;
use crate::json::escape::push_quoted;
use crate::json::limits;
use crate::json::number::Number;
use crate::json::reader::{Reader, Token, number_text};
use crate::store::StoredEvent;
use crate::store::error::CorruptItem;

/// An item as the SDK of AWS has it.
pub(crate) type Item = HashMap<String, AttributeValue>;

/// The attributes of a new item, by name.
pub(crate) type Attributes = Vec<(Cow<'static, str>, AttributeValue)>;

/// What the store itself writes into an item.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Stamp {
    pub(crate) stored_at: Timestamp,
    /// Whole seconds since 1970, as DynamoDB's time to live wants them.
    pub(crate) expires_at: Option<u64>,
    pub(crate) index_key: Option<String>,
}

/// The attributes of a new item. A list, since the order is that of the
/// statement's parameters.
pub(crate) fn attributes(envelope: &Envelope, sort_key: &SortKey, stamp: Stamp) -> Attributes {
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
    all.extend(
        parts
            .data
            .iter()
            .map(|data| (Cow::Borrowed(DATA), value(&data.text))),
    );
    all.push(text(EVENT_ID, parts.event_id.as_str()));
    all.extend(
        parts
            .version
            .map(|version| number(VERSION, version.to_string())),
    );
    all.extend(
        parts
            .correlation_id
            .iter()
            .map(|id| text(CORRELATION_ID, id.as_str())),
    );
    all.extend(
        parts
            .causation_id
            .iter()
            .map(|id| text(CAUSATION_ID, id.as_str())),
    );
    all.extend(
        parts
            .trace_parent
            .iter()
            .map(|trace| text(TRACE_PARENT, trace)),
    );
    all.extend(
        parts
            .extra
            .iter()
            .map(|(name, json)| (Cow::Owned(name.to_string()), value(&json.text))),
    );
    all.push(number(STORED_AT, stamp.stored_at.to_string()));
    all.extend(
        stamp
            .expires_at
            .map(|at| number(EXPIRES_AT, at.to_string())),
    );
    all.extend(
        stamp
            .index_key
            .map(|key| (Cow::Borrowed(INDEX_KEY), AttributeValue::S(key))),
    );
    all
}

/// JSON text as an attribute. The text was checked when the envelope was made.
fn value(json: &str) -> AttributeValue {
    let mut reader = Reader::new(json);
    next_value(&mut reader).unwrap_or(AttributeValue::Null(true))
}

/// The next value, or `None` at the end of its container.
fn next_value(reader: &mut Reader<'_>) -> Option<AttributeValue> {
    Some(match reader.next().ok()? {
        Token::BeginObject => {
            let mut members = HashMap::new();
            while let Ok(Token::Key(key)) = reader.next() {
                members.insert(limits::stored_key(key.into_owned()), next_value(reader)?);
            }
            AttributeValue::M(members)
        }
        Token::BeginArray => {
            let mut members = Vec::new();
            while let Some(member) = next_value(reader) {
                members.push(member);
            }
            AttributeValue::L(members)
        }
        Token::String(text) => AttributeValue::S(text.into_owned()),
        Token::Number(lexeme) => AttributeValue::N(Number::canonical_text(lexeme)),
        Token::Bool(value) => AttributeValue::Bool(value),
        Token::Null => AttributeValue::Null(true),
        Token::EndArray | Token::EndObject | Token::Key(_) | Token::End => return None,
    })
}

/// Bytes of the attributes' values in a request, where they are JSON.
pub(crate) fn request_bytes(attributes: &Attributes) -> usize {
    attributes.iter().map(|(_, value)| json_bytes(value)).sum()
}

/// `{"N":"1"}` and a comma, and so on. Escapes are counted at their longest.
fn json_bytes(value: &AttributeValue) -> usize {
    let text = |text: &str| -> usize {
        let escaped = |b: u8| match b {
            0..0x20 => 6,
            b'"' | b'\\' => 2,
            _ => 1,
        };
        2 + text.bytes().map(escaped).sum::<usize>()
    };
    let rest = r#"{"BOOL":false},"#.len();
    match value {
        AttributeValue::S(string) => rest + text(string),
        AttributeValue::N(number) => rest + number.len(),
        AttributeValue::L(members) => rest + members.iter().map(json_bytes).sum::<usize>(),
        AttributeValue::M(members) => {
            let member = |(key, value): (&String, &AttributeValue)| text(key) + json_bytes(value);
            rest + members.iter().map(member).sum::<usize>()
        }
        _ => rest,
    }
}

/// Whether an item holds the event of this identity, without reading the rest.
pub(crate) fn is_of(item: &Item, event_id: &EventId) -> bool {
    match (item.get(EVENT_ID), item.get(ID), item.get(TIMESTAMP)) {
        (Some(AttributeValue::S(id)), ..) => id == event_id.as_str(),
        (None, Some(AttributeValue::S(id)), Some(AttributeValue::N(key))) => {
            identity_of_key(key, id).is_ok_and(|id| id == *event_id)
        }
        _ => false,
    }
}

/// Reads an item back.
pub(crate) fn read(mut item: Item) -> Result<StoredEvent, CorruptItem> {
    let sort_key = match item.get(TIMESTAMP) {
        Some(AttributeValue::N(number)) => number.clone(),
        _ => String::new(),
    };
    let id = match item.get(ID) {
        Some(AttributeValue::S(id)) => id.clone(),
        _ => String::new(),
    };
    let read = read_fields(&mut item, &sort_key);
    read.map_err(|reason| CorruptItem {
        id,
        timestamp: sort_key,
        reason,
    })
}

fn read_fields(item: &mut Item, sort_key: &str) -> Result<StoredEvent, String> {
    let stored_at = optional_number(item, STORED_AT)?
        .map(|n| exact(STORED_AT, &n))
        .transpose()?;
    // An expiry that is no timestamp is too far away, or too long ago for
    // DynamoDB to act on: it never comes, and the event is no less an event.
    let expires_at = optional_number(item, EXPIRES_AT)?.and_then(|n| exact(EXPIRES_AT, &n).ok());
    item.remove(INDEX_KEY);
    item.remove(TIMESTAMP);
    let id = text(item, ID)?;
    let envelope = Envelope::checked(Parts {
        timestamp: exact(TIMESTAMP, cut_to_nanoseconds(sort_key))?,
        event_type: text(item, EVENT_TYPE)?.try_into().map_err(told)?,
        id: id.clone().try_into().map_err(told)?,
        emitter: crate::event::Emitter::new(
            text(item, EMITTER_TYPE)?.try_into().map_err(told)?,
            text(item, EMITTER_ID)?.try_into().map_err(told)?,
        ),
        data: item
            .remove(DATA)
            .map(|data| json(DATA, &data))
            .transpose()?,
        event_id: match optional_text(item, EVENT_ID)? {
            Some(id) => EventId::new(id).map_err(told)?,
            None => identity_of_key(sort_key, &id)?,
        },
        version: optional_number(item, VERSION)?
            .map(|n| {
                Number::parse(&n)
                    .as_u16()
                    .ok_or_else(|| format!("{VERSION} is no version"))
            })
            .transpose()?,
        correlation_id: optional_text(item, CORRELATION_ID)?
            .map(CorrelationId::new)
            .transpose()
            .map_err(told)?,
        causation_id: optional_text(item, CAUSATION_ID)?
            .map(CausationId::new)
            .transpose()
            .map_err(told)?,
        trace_parent: optional_text(item, TRACE_PARENT)?,
        extra: {
            let mut extra = item
                .iter()
                .map(|(name, value)| Ok((name.as_str().into(), json(name, value)?)))
                .collect::<Result<Vec<(Box<str>, Json)>, String>>()?;
            extra.sort_by(|a, b| a.0.cmp(&b.0));
            extra
        },
    })
    .map_err(told)?;
    let sort_key = SortKey(sort_key.to_owned());
    Ok(StoredEvent {
        envelope,
        sort_key,
        stored_at,
        expires_at,
    })
}

/// The identity of an event that another writer stored without one. Its key is
/// its own as long as the table stands, so the same item always gets the same.
fn identity_of_key(sort_key: &str, id: &str) -> Result<EventId, String> {
    let key = format!("{sort_key}:{id}");
    let uuid = uuid::Uuid::new_v5(&uuid::Uuid::NAMESPACE_OID, key.as_bytes());
    EventId::new(uuid.to_string()).map_err(told)
}

// Takes the error by value to stand behind `map_err`.
#[allow(clippy::needless_pass_by_value)]
fn told(error: InvalidEvent) -> String {
    error.to_string()
}

/// `1596719980.5` of a number whose digits beyond the ninth decimal are a
/// tie-break. DynamoDB gives numbers back without exponents in this range.
fn cut_to_nanoseconds(number: &str) -> &str {
    match number.find('.') {
        Some(dot) => &number[..number.len().min(dot + 10)],
        None => number,
    }
}

fn exact(name: &str, number: &str) -> Result<Timestamp, String> {
    number
        .parse()
        .map_err(|_| format!("{name} is no timestamp"))
}

fn text(item: &mut Item, name: &str) -> Result<String, String> {
    optional_text(item, name)?.ok_or_else(|| format!("{name} is missing"))
}

fn optional_text(item: &mut Item, name: &str) -> Result<Option<String>, String> {
    match item.remove(name) {
        None => Ok(None),
        Some(AttributeValue::S(text)) => Ok(Some(text)),
        Some(_) => Err(format!("{name} is no string")),
    }
}

fn optional_number(item: &mut Item, name: &str) -> Result<Option<String>, String> {
    match item.remove(name) {
        None => Ok(None),
        Some(AttributeValue::N(number)) => Ok(Some(number)),
        Some(_) => Err(format!("{name} is no number")),
    }
}

/// An attribute as JSON text. Keys are sorted: DynamoDB keeps no order, and two
/// readings of one item should be equal.
fn json(name: &str, value: &AttributeValue) -> Result<Json, String> {
    let mut text = String::new();
    write_json(&mut text, value)
        .map_err(|kind| format!("{name} holds {kind}, which JSON does not have"))?;
    let mut reader = Reader::new(&text);
    let size = match reader.next() {
        Ok(first) => {
            limits::value(&mut reader, first, 1).map_err(|_| format!("{name} cannot be read"))?
        }
        Err(_) => return Err(format!("{name} cannot be read")),
    };
    Ok(Json { text, size })
}

fn write_json(out: &mut String, value: &AttributeValue) -> Result<(), &'static str> {
    match value {
        AttributeValue::S(text) => push_quoted(out, text),
        // Text that is no number is found when the JSON is read.
        AttributeValue::N(number) => match number_text(number) {
            Some(lexeme) => out.push_str(&Number::canonical_text(lexeme)),
            None => out.push_str(number),
        },
        AttributeValue::Bool(value) => out.push_str(if *value { "true" } else { "false" }),
        AttributeValue::Null(_) => out.push_str("null"),
        AttributeValue::L(members) => {
            out.push('[');
            for (i, member) in members.iter().enumerate() {
                if i > 0 {
                    out.push(',');
                }
                write_json(out, member)?;
            }
            out.push(']');
        }
        AttributeValue::M(members) => {
            out.push('{');
            let mut members: Vec<_> = members.iter().collect();
            members.sort_by(|a, b| a.0.cmp(b.0));
            for (i, (key, member)) in members.into_iter().enumerate() {
                if i > 0 {
                    out.push(',');
                }
                push_quoted(out, limits::original_key(key));
                out.push(':');
                write_json(out, member)?;
            }
            out.push('}');
        }
        AttributeValue::B(_) => return Err("binary data"),
        AttributeValue::Ss(_) | AttributeValue::Ns(_) | AttributeValue::Bs(_) => {
            return Err("a set");
        }
        _ => return Err("an unknown type"),
    }
    Ok(())
}

/// The sort key of an item: the event's timestamp, and below the nanosecond a
/// tie-break where another event of the entity has the same one.
///
/// `1596719980.123456789 1596719980123 042517`: 13 digits of the identity's
/// creation time in milliseconds, and 6 of its hash. That is all of the 38
/// digits that DynamoDB keeps. The same event always gets the same keys, so
/// every step may be repeated; the first nine decimals are the exact timestamp.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct SortKey(String);

impl SortKey {
    /// The `attempt`-th key of an event: 0 is its timestamp itself, and each
    /// later one is for the case that all before are taken by other events.
    pub(crate) fn new(timestamp: Timestamp, event_id: &EventId, attempt: u32) -> Self {
        if attempt == 0 {
            return Self(timestamp.to_string());
        }
        let (seconds, nanos) = (timestamp.as_secs(), timestamp.as_nanos() % 1_000_000_000);
        let created = creation_millis(event_id).unwrap_or(timestamp.as_nanos() / 1_000_000);
        // Never zero: DynamoDB trims trailing zeros, and a tie-break of zeros
        // would be the timestamp itself.
        let hash = stable_hash(event_id, attempt) % 999_999 + 1;
        Self(
            format!("{seconds}.{nanos:09}{created:013}{hash:06}")
                .trim_end_matches('0')
                .to_owned(),
        )
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    /// The first key of `timestamp`.
    pub(crate) fn first_of(timestamp: Timestamp) -> Self {
        Self(timestamp.to_string())
    }

    /// A key as it was told by [`as_str`](Self::as_str).
    pub(crate) fn from_text(text: &str) -> Option<Self> {
        let plain = |b: u8| b.is_ascii_digit() || b == b'.';
        let lexeme = number_text(text).filter(|t| t.len() <= 40 && t.bytes().all(plain))?;
        Some(Self(lexeme.to_owned()))
    }

    /// The number as its digits before the point and behind it.
    fn digits(&self) -> (u64, &str) {
        let (seconds, fraction) = self.0.split_once('.').unwrap_or((&self.0, ""));
        (
            seconds.parse().unwrap_or(u64::MAX),
            fraction.trim_end_matches('0'),
        )
    }

    /// The number before which all of `timestamp`'s keys end, and its ties'.
    pub(crate) fn last_of(timestamp: Timestamp) -> Self {
        let (seconds, nanos) = (timestamp.as_secs(), timestamp.as_nanos() % 1_000_000_000);
        Self(format!("{seconds}.{nanos:09}{}", "9".repeat(19)))
    }
}

// By value, as DynamoDB orders numbers: of two fractions the digits decide.
impl Ord for SortKey {
    fn cmp(&self, other: &Self) -> Ordering {
        self.digits().cmp(&other.digits())
    }
}

impl PartialOrd for SortKey {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// Milliseconds since 1970 at which an identity was made, where it tells: the
/// first 48 bits of a UUID of version 7 (RFC 9562), if 13 digits hold them.
fn creation_millis(id: &EventId) -> Option<u64> {
    let uuid = uuid::Uuid::try_parse(id.as_str()).ok()?;
    let millis = (uuid.as_u128() >> 80) as u64;
    (uuid.get_version_num() == 7 && millis < 10_000_000_000_000).then_some(millis)
}

/// FNV-1a of the identity and a salt, mixed once more because its low digits
/// are weak. Keys in tables are made of it: it can never change.
pub(crate) fn stable_hash(id: &EventId, salt: u32) -> u64 {
    let mut hash: u64 = 0xcbf2_9ce4_8422_2325;
    for byte in id.as_str().bytes().chain(salt.to_le_bytes()) {
        hash = (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    }
    hash ^= hash >> 32;
    hash = hash.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    hash ^ (hash >> 29)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_keys_in_tables_never_change() {
        let timestamp = "1596719980.5".parse().unwrap();
        let id = EventId::from_static("0190b5a8-7c3e-7d3a-9a51-2f1f0c9d1e11");
        let keys: Vec<String> = (0..3).map(|n| SortKey::new(timestamp, &id, n).0).collect();
        assert_eq!(
            keys,
            [
                "1596719980.5",
                "1596719980.5000000001721034636350265301",
                "1596719980.500000000172103463635041696",
            ]
        );
    }

    proptest! {
        #[test]
        fn a_tie_break_is_exact_reversible_and_keeps_order(
            nanos in 0..9_999_999_999_999_999_999_u64,
            id in "[a-f0-9]{8}-[a-f0-9]{4}-[47][a-f0-9]{3}-[89ab][a-f0-9]{3}-[a-f0-9]{12}|\\PC{1,30}",
            attempt in 0..20_u32,
        ) {
            let timestamp = Timestamp::from_nanos(nanos).unwrap();
            let id = EventId::new(id).unwrap();
            let key = SortKey::new(timestamp, &id, attempt);
            prop_assert_eq!(&SortKey::new(timestamp, &id, attempt), &key);
            prop_assert_eq!(cut_to_nanoseconds(key.as_str()).parse::<Timestamp>().unwrap(), timestamp);
            prop_assert_eq!(Number::parse(key.as_str()).not_storable(), None);
            if let Ok(next) = Timestamp::from_nanos(nanos + 1) {
                prop_assert!(key < SortKey::first_of(next));
            }
            prop_assert!(key <= SortKey::last_of(timestamp));
            let first = SortKey::first_of(timestamp);
            prop_assert_eq!(key.cmp(&first), attempt.cmp(&0));
            prop_assert_eq!(SortKey::from_text(key.as_str()), Some(key));
        }

        #[test]
        fn of_two_tied_events_the_one_created_first_comes_first(a in 0..10_000_000_000_000_u64, b in 0..10_000_000_000_000_u64) {
            let timestamp = "1596719980.123456".parse().unwrap();
            let key = |millis: u64| {
                let uuid = uuid::Builder::from_unix_timestamp_millis(millis, &[7; 10]).into_uuid();
                SortKey::new(timestamp, &EventId::new(uuid.to_string()).unwrap(), 1)
            };
            prop_assert_eq!(a.cmp(&b), key(a).cmp(&key(b)));
        }
    }

    #[test]
    fn every_json_value_comes_back_as_it_was() {
        let text = r#"{"":1,"\u0000":{"":2},"a":[null,true,"",{},[],"\ufffe\u0000😀"],"n":12345678901234567890123456789012345678}"#;
        let read = json("Data", &value(text)).unwrap();
        assert_eq!(value(&read.text), value(text));
        for (number, stored) in [("0.10", "0.1"), ("-0", "0"), ("1e2", "100"), ("0e900", "0")] {
            assert_eq!(value(number), AttributeValue::N(stored.to_owned()));
        }
    }
}
