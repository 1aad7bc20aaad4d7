//! Sends the recorded messages of every version to the SQS endpoint, lets the worker store
//! them, and reads their histories. Also reads the recorded items. `tests/it/recorded.rs` of
//! the SDK describes the recordings.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fs;
use std::num::NonZeroU16;
use std::path::{Path, PathBuf};
use std::time::Duration;

use aws_sdk_dynamodb::types::AttributeValue;
use aws_sdk_sqs::types::MessageAttributeValue;
use domain_events::{
    CausationId, CorrelationId, DecodeError, Decoded, DomainEvent, EntityId, Envelope,
    EventDefinition, EventId, EventStore, PastVersion, ReadError, StoredEvent,
};
use domain_events_consumer::{DeadLetterQueue, Handler};
use domain_events_local::{Options, Stack};
use futures::{StreamExt, TryStreamExt};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::support::{attribute, dead_letters, endpoints, record};

mod items;
mod newer_producer;
mod other_writers;

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

/// Returns the messages that the SDK of a version sent, and the messages of other producers.
fn messages(version: &Path) -> Vec<Value> {
    let mut messages = lines(&version.join("messages.jsonl"));
    messages.extend(lines(&version.join("foreign.jsonl")));
    messages
}

/// Returns the expected events of a message, with their identities.
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

/// Converts a stored event to the form of the fixtures.
fn fixture_of(envelope: &Envelope) -> Value {
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

/// Returns the events in the histories of all expected entities, by identity.
async fn stored(store: &EventStore, expected: &[Value]) -> HashMap<String, StoredEvent> {
    let ids: HashSet<&str> = expected
        .iter()
        .map(|event| event["ID"].as_str().unwrap())
        .collect();
    let mut stored = HashMap::new();
    for id in ids {
        let history = store.history(id);
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

async fn put(stack: &Stack, item: Item) {
    let put = stack.dynamodb_client().put_item().table_name(stack.table());
    put.set_item(Some(item)).send().await.unwrap();
}

/// Waits until the worker has stored the expected number of events.
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
async fn recorded_messages_are_stored_and_read_back() {
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
            assert_eq!(fixture_of(stored), *event);
            assert!(stored.stored_at().is_some());
        }
        assert_eq!(found.len(), all.len());
        assert_eq!(dead_letters(&stack).await, []);
        stack.stop().await;
    }
}
