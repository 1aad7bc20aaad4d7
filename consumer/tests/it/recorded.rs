//! The messages and items of every version so far, on the real road: SQS
//! endpoint → worker → DynamoDB endpoint → history. What they are and how they
//! are recorded stands in the SDK's `tests/it/recorded.rs`.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fs;
use std::num::NonZeroU16;
use std::path::{Path, PathBuf};
use std::time::Duration;

use aws_sdk_dynamodb::types::AttributeValue;
use aws_sdk_sqs::types::MessageAttributeValue;
use domain_events::{
    CausationId, CorrelationId, DecodeError, Decoded, DomainEvent, EntityId, Envelope,
    EventDefinition, EventId, EventStore, OlderEvent, ReadError, StoredEvent,
};
use domain_events_consumer::local::{Options, Stack};
use domain_events_consumer::{DeadLetterQueue, Handler};
use futures::{StreamExt, TryStreamExt};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::support::{attribute, dead_letters, endpoints, record};

type Item = HashMap<String, AttributeValue>;

fn recorded() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../sdk/tests/fixtures/recorded")
}

fn versions() -> Vec<PathBuf> {
    let folders = fs::read_dir(recorded()).unwrap();
    let mut folders: Vec<PathBuf> = folders.map(|entry| entry.unwrap().path()).collect();
    folders.sort();
    assert!(!folders.is_empty());
    folders
}

fn lines(path: &Path) -> Vec<Value> {
    let text = fs::read_to_string(path).unwrap();
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

/// The messages of a version: its emitter's, and those of other producers.
fn messages(version: &Path) -> Vec<Value> {
    let mut messages = lines(&version.join("messages.jsonl"));
    messages.extend(lines(&version.join("foreign.jsonl")));
    messages
}

/// What a message is expected to become, with the identities that it gets.
fn expected(message: &Value, message_id: &str) -> Vec<Value> {
    let packed = message["body"].as_str().unwrap().starts_with('[');
    let events = message["events"].as_array().unwrap().iter().enumerate();
    events
        .map(|(index, event)| {
            let mut event = event.clone();
            if event["EventId"].is_null() {
                let id = if packed {
                    format!("{message_id}-{index}")
                } else {
                    message_id.to_owned()
                };
                event["EventId"] = id.into();
            }
            event
        })
        .collect()
}

/// A stored event as the fixtures tell it.
fn told(envelope: &Envelope) -> Value {
    json!({
        "Timestamp": envelope.timestamp().to_string(),
        "EventType": envelope.event_type().as_str(),
        "ID": envelope.entity_id().as_str(),
        "EmitterId": envelope.emitter().id().as_str(),
        "EmitterType": envelope.emitter().kind().as_str(),
        "EventId": envelope.event_id().as_str(),
        "Version": envelope.version(),
        "CorrelationId": envelope.correlation_id().map(CorrelationId::as_str),
        "CausationId": envelope.causation_id().map(CausationId::as_str),
        "TraceParent": envelope.trace_parent(),
        "Data": envelope.data(),
        "extra": envelope.extra_fields().collect::<BTreeMap<_, _>>(),
    })
}

/// The histories of all entities that are expected, by identity.
async fn stored(store: &EventStore, expected: &[Value]) -> HashMap<String, StoredEvent> {
    let ids: HashSet<&str> = expected
        .iter()
        .map(|event| event["ID"].as_str().unwrap())
        .collect();
    let mut stored = HashMap::new();
    for id in ids {
        let history = store.history(&id.parse::<EntityId>().unwrap());
        let events: Vec<StoredEvent> = history.try_collect().await.unwrap();
        stored.extend(
            events
                .into_iter()
                .map(|event| (event.event_id().to_string(), event)),
        );
    }
    stored
}

async fn send(stack: &Stack, body: &str, attributes: &[(&str, &str)]) -> String {
    let client = stack.sqs_client();
    let mut request = client
        .send_message()
        .queue_url(stack.queue_url())
        .message_body(body);
    for (name, value) in attributes {
        let value = MessageAttributeValue::builder()
            .data_type("String")
            .string_value(*value);
        request = request.message_attributes(*name, value.build().unwrap());
    }
    request.send().await.unwrap().message_id.unwrap()
}

/// Waits until the worker has stored as many events as are expected.
async fn all_stored(store: &EventStore, expected: &[Value]) -> HashMap<String, StoredEvent> {
    for _ in 0..200 {
        let found = stored(store, expected).await;
        if found.len() >= expected.len() {
            return found;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    stored(store, expected).await
}

#[tokio::test]
async fn every_recorded_message_is_stored_and_read_back() {
    for version in versions() {
        let stack = Stack::start(Options::default()).await.unwrap();
        let mut all = Vec::new();
        for message in messages(&version) {
            let id = send(&stack, message["body"].as_str().unwrap(), &[]).await;
            all.extend(expected(&message, &id));
        }
        let found = all_stored(&stack.store(), &all).await;
        for event in &all {
            let stored = &found[event["EventId"].as_str().unwrap()];
            assert_eq!(told(stored), *event);
            assert!(stored.stored_at().is_some());
        }
        assert_eq!(found.len(), all.len());
        assert_eq!(dead_letters(&stack).await, []);
        stack.stop().await;
    }
}

/// DynamoDB's own JSON of an attribute.
fn to_json(value: &AttributeValue) -> Value {
    match value {
        AttributeValue::S(text) => json!({ "S": text }),
        AttributeValue::N(number) => json!({ "N": number }),
        AttributeValue::Bool(value) => json!({ "BOOL": value }),
        AttributeValue::Null(_) => json!({ "NULL": true }),
        AttributeValue::L(members) => {
            json!({ "L": members.iter().map(to_json).collect::<Vec<_>>() })
        }
        AttributeValue::M(members) => {
            json!({ "M": members.iter().map(|(k, v)| (k.clone(), to_json(v))).collect::<BTreeMap<_, _>>() })
        }
        other => panic!("{other:?}"),
    }
}

fn from_json(value: &Value) -> AttributeValue {
    let (kind, value) = value.as_object().unwrap().iter().next().unwrap();
    let text = || value.as_str().unwrap().to_owned();
    match kind.as_str() {
        "S" => AttributeValue::S(text()),
        "N" => AttributeValue::N(text()),
        "BOOL" => AttributeValue::Bool(value.as_bool().unwrap()),
        "NULL" => AttributeValue::Null(true),
        "L" => AttributeValue::L(value.as_array().unwrap().iter().map(from_json).collect()),
        "M" => AttributeValue::M(item_of(value)),
        other => panic!("{other}"),
    }
}

fn item_of(value: &Value) -> Item {
    let members = value.as_object().unwrap().iter();
    members
        .map(|(name, value)| (name.clone(), from_json(value)))
        .collect()
}

async fn put(stack: &Stack, item: Item) {
    let put = stack.dynamodb_client().put_item().table_name(stack.table());
    put.set_item(Some(item)).send().await.unwrap();
}

/// As the items are recorded: with an index, and one type that expires.
fn recording_store(stack: &Stack) -> EventStore {
    let store = stack.store().with_index_shards(NonZeroU16::new(4).unwrap());
    store.with_retention("ACCOUNT_DAY_CLOSED=30d,*=never".parse().unwrap())
}

fn recording_handler(stack: &Stack) -> Handler {
    let dead_letters = DeadLetterQueue::new(stack.sqs_client(), stack.dead_letter_queue_url());
    Handler::new(recording_store(stack), dead_letters)
}

/// The messages of a version, with the ids that they had when they were stored.
fn numbered(version: &Path) -> Vec<(String, Value)> {
    let messages = messages(version).into_iter().enumerate();
    messages
        .map(|(n, message)| (format!("recorded-{n}"), message))
        .collect()
}

async fn handle_recorded(stack: &Stack, version: &Path) -> [u64; 4] {
    let records: Vec<_> = numbered(version)
        .iter()
        .map(|(id, message)| record(id, message["body"].as_str().unwrap()))
        .collect();
    let report = recording_handler(stack).handle(&records, None).await;
    assert_eq!(report.failed, [""; 0]);
    report.metrics.verdicts()
}

#[tokio::test]
#[ignore = "needs RECORD_AS; records what this version stores, for all later ones"]
async fn record_what_this_version_stores() {
    let version = recorded().join(std::env::var("RECORD_AS").unwrap());
    let file = version.join("items.jsonl");
    assert!(!file.exists(), "{} is recorded already", file.display());
    let stack = endpoints().await;
    handle_recorded(&stack, &version).await;
    let scan = stack.dynamodb_client().scan().table_name(stack.table());
    let mut items: Vec<String> = scan
        .send()
        .await
        .unwrap()
        .items()
        .iter()
        .map(|item| format!("{}\n", to_json(&AttributeValue::M(item.clone()))["M"]))
        .collect();
    items.sort();
    fs::write(file, items.concat()).unwrap();
}

#[tokio::test]
async fn every_recorded_item_is_read_and_its_message_is_recognised() {
    for version in versions() {
        let stack = endpoints().await;
        let items: Vec<Item> = lines(&version.join("items.jsonl"))
            .iter()
            .map(item_of)
            .collect();
        for item in &items {
            put(&stack, item.clone()).await;
        }
        let all: Vec<Value> = numbered(&version)
            .iter()
            .flat_map(|(id, message)| expected(message, id))
            .collect();
        assert_eq!(items.len(), all.len());
        let store = recording_store(&stack);
        let found = stored(&store, &all).await;
        for event in &all {
            assert_eq!(told(&found[event["EventId"].as_str().unwrap()]), *event);
        }
        let (mut tied, mut expiring) = (0, 0);
        for item in &items {
            let event = &found[item["EventId"].as_s().unwrap()];
            let number = |name: &str| item.get(name).map(|number| number.as_n().unwrap().clone());
            assert_eq!(
                event.stored_at().map(|at| at.to_string()),
                number("StoredAt")
            );
            assert_eq!(
                event.expires_at().map(|at| at.to_string()),
                number("ExpiresAt")
            );
            tied += usize::from(number("Timestamp").unwrap() != event.timestamp().to_string());
            expiring += usize::from(event.expires_at().is_some());
        }
        assert!(
            tied >= 2 && expiring >= 1,
            "{tied} tied, {expiring} expiring"
        );
        let types: HashSet<&str> = all
            .iter()
            .map(|event| event["EventType"].as_str().unwrap())
            .collect();
        let mut by_type = 0;
        for event_type in types {
            let events = store.by_type(&event_type.parse().unwrap()).unwrap();
            by_type += events.try_collect::<Vec<_>>().await.unwrap().len();
        }
        assert_eq!(by_type, all.len());
        // Delivered again after the upgrade: each message finds its own items,
        // with their tie-breaks, and nothing is stored a second time.
        let count = all.len() as u64;
        assert_eq!(handle_recorded(&stack, &version).await, [0, count, 0, 0]);
    }
}

/// What this program knows, before and after its upgrade.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Before {
    account: String,
    limit: i64,
}

impl DomainEvent for Before {
    const DEFINITIONS: &'static [EventDefinition] = &[EventDefinition::new("LIMIT_SET")];

    fn entity_id(&self) -> &dyn std::fmt::Display {
        &self.account
    }
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct LimitSet {
    account: String,
    limit_cents: i64,
}

impl DomainEvent for LimitSet {
    const DEFINITIONS: &'static [EventDefinition] =
        &[EventDefinition::new("LIMIT_SET").with_version(2)];

    fn entity_id(&self) -> &dyn std::fmt::Display {
        &self.account
    }

    fn upcast(older: OlderEvent<'_>) -> Result<Self, DecodeError> {
        let Before { account, limit } = older.data()?;
        Ok(Self {
            account,
            limit_cents: limit * 100,
        })
    }
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Merged {
    account: String,
    into: String,
}

impl DomainEvent for Merged {
    const DEFINITIONS: &'static [EventDefinition] = &[EventDefinition::new("ACCOUNT_MERGED")];

    fn entity_id(&self) -> &dyn std::fmt::Display {
        &self.account
    }
}

fn newer(timestamp: u32, event_type: &str, more: &str) -> String {
    format!(
        r#"{{"Timestamp":{timestamp},"EventType":"{event_type}","ID":"newer","EmitterId":"ann","EmitterType":"USER","EventId":"n-{timestamp}"{more}}}"#
    )
}

#[tokio::test]
async fn what_a_newer_producer_sends_is_stored_unharmed_and_read_after_the_upgrade() {
    let stack = Stack::start(Options::default()).await.unwrap();
    let fields = |count: usize| -> String {
        (0..count)
            .map(|n| format!(r#","New{n}":{{"n":{n}}}"#))
            .collect()
    };
    let old = r#","Data":{"account":"newer","limit":5}"#;
    let new = r#","Version":2,"Data":{"account":"newer","limit_cents":700,"reason":"raise"}"#;
    let merged = r#","Data":{"account":"newer","into":"other"}"#;
    let attributes = [
        ("traceparent", "00-1-2-01"),
        ("Schema", "7"),
        ("RejectionCode", "NONE"),
    ];
    send(&stack, &newer(1, "LIMIT_SET", old), &[]).await;
    send(&stack, &newer(2, "LIMIT_SET", new), &attributes).await;
    send(&stack, &newer(3, "ACCOUNT_MERGED", merged), &[]).await;
    send(&stack, &newer(4, "NOT_KNOWN", &fields(20)), &[]).await;
    let highest = newer(6, "LIMIT_SET", r#","Version":65535,"Data":{"later":true}"#);
    send(
        &stack,
        &format!("[{},{highest}]", newer(5, "LIMIT_SET", new)),
        &attributes,
    )
    .await;
    // One beyond the limit is the one thing that this consumer cannot keep.
    let beyond = newer(7, "NOT_KNOWN", &fields(21));
    send(&stack, &beyond, &[]).await;

    let wanted: Vec<Value> = (0..6).map(|_| json!({"ID": "newer"})).collect();
    let found = all_stored(&stack.store(), &wanted).await;
    assert_eq!(found.len(), 6);
    let versions: Vec<u16> = (1..=6)
        .map(|n| found[&format!("n-{n}")].version())
        .collect();
    assert_eq!(versions, [1, 2, 1, 1, 2, 65_535]);
    assert_eq!(
        found["n-2"].data(),
        Some(r#"{"account":"newer","limit_cents":700,"reason":"raise"}"#)
    );
    assert_eq!(found["n-4"].extra_fields().count(), 20);
    assert!(
        found["n-4"]
            .extra_fields()
            .any(|field| field == ("New19", r#"{"n":19}"#))
    );
    let mut letters = Vec::new();
    for _ in 0..100 {
        letters.extend(dead_letters(&stack).await);
        if !letters.is_empty() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(letters.len(), 1);
    assert_eq!(
        attribute(&letters[0], "RejectionCode"),
        Some("INVALID_VALUE")
    );
    assert_eq!(
        letters[0].0, beyond,
        "unchanged, for the consumer after its upgrade"
    );

    let id: EntityId = "newer".parse().unwrap();
    let before: Vec<Result<Decoded<Before>, ReadError>> = stack
        .store()
        .history(&id)
        .decode::<Before>()
        .collect()
        .await;
    let told: Vec<String> = before
        .iter()
        .map(|event| match event {
            Ok(Decoded::Known(event, _)) => format!("limit {}", event.limit),
            Ok(Decoded::Unknown(event)) => format!("unknown {}", event.event_type()),
            Err(ReadError::Decode { source, .. }) => source.to_string(),
            Err(other) => panic!("{other}"),
        })
        .collect();
    assert_eq!(
        told,
        [
            "limit 5",
            "a stored LIMIT_SET has version 2, and this program knows up to version 1",
            "unknown ACCOUNT_MERGED",
            "unknown NOT_KNOWN",
            "a stored LIMIT_SET has version 2, and this program knows up to version 1",
            "a stored LIMIT_SET has version 65535, and this program knows up to version 1",
        ]
    );
    // The program is upgraded; the items are the same.
    let after = |n: u32| found[&format!("n-{n}")].decode::<LimitSet>();
    let limit = |limit_cents| {
        Some(LimitSet {
            account: "newer".to_owned(),
            limit_cents,
        })
    };
    assert_eq!(after(1).unwrap(), limit(500));
    assert_eq!(after(2).unwrap(), limit(700));
    assert_eq!(after(3).unwrap(), None);
    assert_eq!(after(5).unwrap(), limit(700));
    let merged = Merged {
        account: "newer".to_owned(),
        into: "other".to_owned(),
    };
    assert_eq!(found["n-3"].decode::<Merged>().unwrap(), Some(merged));
    stack.stop().await;
}

/// An item with only what the contract asks of a message, as a writer that
/// knows nothing of this project stores it, in a table with the same keys.
fn item_of_another_writer(id: &str, timestamp: &str) -> Item {
    item_of(&json!({
        "ID": {"S": id}, "Timestamp": {"N": timestamp}, "EventType": {"S": "EVENT_TEST"},
        "EmitterId": {"S": "ann"}, "EmitterType": {"S": "USER"}, "Data": {"M": {"foo": {"S": "bar"}}},
    }))
}

#[tokio::test]
async fn an_item_of_another_writer_is_read_and_never_overwritten() {
    let stack = endpoints().await;
    for timestamp in ["1596719980", "1596719981.5"] {
        put(&stack, item_of_another_writer("older", timestamp)).await;
    }
    let read = || async {
        let history = stack.store().history(&"older".parse().unwrap());
        history.try_collect::<Vec<StoredEvent>>().await.unwrap()
    };
    let events = read().await;
    assert_eq!(events.len(), 2);
    assert_eq!(events[0].data(), Some(r#"{"foo":"bar"}"#));
    assert_eq!((events[0].version(), events[0].stored_at()), (1, None));
    // Their identities are made of their keys: each its own, always the same.
    assert_ne!(events[0].event_id(), events[1].event_id());
    assert_eq!(read().await, events);
    assert_eq!(
        events[0].event_id().as_str(),
        "d5c00c45-127d-5f87-bbb4-aa38d1040e62"
    );
    // The same moment again is another event, and both are kept.
    let body = crate::support::body("older", "1596719980");
    let report = stack.handler().handle(&[record("m", body)], None).await;
    assert_eq!(report.metrics.verdicts(), [1, 0, 0, 0]);
    let ids: Vec<EventId> = read()
        .await
        .iter()
        .map(|event| event.event_id().clone())
        .collect();
    assert_eq!(ids.len(), 3);
    assert_eq!(
        (&ids[0], &ids[1]),
        (events[0].event_id(), &EventId::from_static("m"))
    );
}

/// A later store may write attributes that this one does not know.
#[tokio::test]
async fn attributes_of_a_later_store_are_kept_or_told_and_never_end_a_history() {
    let stack = endpoints().await;
    let with = |timestamp: &str, name: &str, value: AttributeValue| {
        let mut item = item_of_another_writer("later", timestamp);
        item.insert(name.to_owned(), value);
        item
    };
    let note = AttributeValue::M(HashMap::from([(
        "by".to_owned(),
        AttributeValue::S("v9".to_owned()),
    )]));
    put(&stack, with("1", "Archived", note)).await;
    put(
        &stack,
        with("2", "Signature", AttributeValue::B(b"x".to_vec().into())),
    )
    .await;
    put(
        &stack,
        with("3", "Version", AttributeValue::N("70000".to_owned())),
    )
    .await;
    put(
        &stack,
        with("4", "EventId", AttributeValue::S("fourth".to_owned())),
    )
    .await;
    let history = stack.store().history(&"later".parse().unwrap());
    let events: Vec<Result<StoredEvent, ReadError>> = history.collect().await;
    let told: Vec<String> = events
        .iter()
        .map(|event| match event {
            Ok(event) => format!("{:?}", event.extra_fields().collect::<Vec<_>>()),
            Err(ReadError::Corrupt(item)) => item.to_string(),
            Err(other) => panic!("{other}"),
        })
        .collect();
    assert_eq!(
        told,
        [
            r#"[("Archived", "{\"by\":\"v9\"}")]"#,
            r#"the item with ID "later" and Timestamp 2 is no event: Signature holds binary data, which JSON does not have"#,
            r#"the item with ID "later" and Timestamp 3 is no event: Version is no version"#,
            "[]",
        ]
    );
}
