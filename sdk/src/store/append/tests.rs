//! Tests of appends to a failing table in memory.

use std::collections::{HashMap, HashSet};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use aws_sdk_dynamodb::types::AttributeValue;

use super::*;
use crate::aws::AwsFailure;
use crate::event::fields::{ID, TIMESTAMP};
use crate::store::table_error::{Operation, TableError};
use crate::{Emitter, EntityId, EventId, EventType, Timestamp};

mod exactly_once;
mod outcomes;
mod requests;

/// An in-memory table whose failures come from a seeded random generator.
struct FaultyTable {
    items: Mutex<HashMap<(String, String), Item>>,
    random: Mutex<fastrand::Rng>,
    /// One of `fault_rate` operations fails; 0 means that none fails.
    fault_rate: u32,
    /// Whether the faults have been switched off.
    is_calm: AtomicBool,
    /// Whether a whole request may fail, or only a statement in it.
    requests_fail: bool,
    requests: AtomicUsize,
}

impl FaultyTable {
    fn new(seed: u64, fault_rate: u32) -> Self {
        let random = Mutex::new(fastrand::Rng::with_seed(seed));
        Self {
            items: Mutex::default(),
            random,
            fault_rate,
            is_calm: AtomicBool::new(false),
            requests_fail: true,
            requests: AtomicUsize::new(0),
        }
    }

    fn calm() -> Self {
        Self::new(0, 0)
    }

    fn statement_fails(&self) -> bool {
        self.fault_rate > 0
            && !self.is_calm.load(Ordering::Relaxed)
            && self.random.lock().unwrap().u32(..self.fault_rate) == 0
    }

    fn request_fails(&self) -> bool {
        self.requests_fail && self.statement_fails()
    }

    async fn network(&self) {
        let steps = self.random.lock().unwrap().u32(..4);
        for _ in 0..steps {
            tokio::task::yield_now().await;
        }
    }
}

fn unavailable() -> StoreError {
    TableError::new(Operation::Insert, "model", None, &AwsFailure::Timeout).into()
}

fn throttled() -> StoreError {
    let failure = AwsFailure::Service {
        status: 400,
        code: "ThrottlingError".to_owned(),
        message: String::new(),
    };
    TableError::new(Operation::Insert, "model", None, &failure).into()
}

/// The item that a request inserts, read with a general JSON library.
fn item_of(new: NewItem) -> Item {
    let parameters = format!("[{}]", new.parameters);
    let parameters: Vec<Parameter> = serde_json::from_str(&parameters).unwrap();
    let names = new.names.split(',').map(|name| {
        let name = name.strip_suffix("':?").unwrap();
        name.strip_prefix('\'').unwrap().to_owned()
    });
    let values: Vec<AttributeValue> = parameters.into_iter().map(Into::into).collect();
    assert_eq!(names.clone().count(), values.len());
    names.zip(values).collect()
}

/// A value in the JSON of DynamoDB's API.
#[derive(serde::Deserialize)]
#[serde(rename_all = "UPPERCASE")]
enum Parameter {
    S(String),
    N(String),
    Bool(bool),
    Null(bool),
    L(Vec<Parameter>),
    M(std::collections::BTreeMap<String, Parameter>),
}

impl From<Parameter> for AttributeValue {
    fn from(parameter: Parameter) -> Self {
        match parameter {
            Parameter::S(text) => Self::S(text),
            Parameter::N(number) => Self::N(number),
            Parameter::Bool(value) => Self::Bool(value),
            Parameter::Null(value) => Self::Null(value),
            Parameter::L(members) => Self::L(members.into_iter().map(Into::into).collect()),
            Parameter::M(members) => {
                Self::M(members.into_iter().map(|(k, v)| (k, v.into())).collect())
            }
        }
    }
}

fn key_of(item: &Item) -> (String, String) {
    let id = item[ID].as_s().unwrap().clone();
    (id, item[TIMESTAMP].as_n().unwrap().clone())
}

impl Table for FaultyTable {
    async fn insert(&self, items: Vec<NewItem>) -> Vec<InsertOutcome> {
        self.requests.fetch_add(1, Ordering::Relaxed);
        self.network().await;
        let count = items.len();
        assert!((1..=MAX_STATEMENTS).contains(&count));
        if self.request_fails() {
            return vec![InsertOutcome::Failed(unavailable()); count];
        }
        if count > 1 && self.request_fails() {
            return vec![InsertOutcome::BatchRefused; count];
        }
        let mut named = HashSet::new();
        let outcomes = items
            .into_iter()
            .map(|new| {
                let item = item_of(new);
                let key = key_of(&item);
                assert!(named.insert(key.clone()), "one request names a key twice");
                if self.statement_fails() {
                    return InsertOutcome::Retryable(unavailable());
                }
                let mut items = self.items.lock().unwrap();
                if items.contains_key(&key) {
                    return InsertOutcome::KeyExists;
                }
                items.insert(key, item);
                drop(items);
                // The insert was carried out, and then the response is lost.
                if self.statement_fails() {
                    InsertOutcome::Retryable(unavailable())
                } else {
                    InsertOutcome::Inserted
                }
            })
            .collect();
        self.network().await;
        if self.request_fails() {
            vec![InsertOutcome::Failed(unavailable()); count]
        } else {
            outcomes
        }
    }

    async fn item_at(&self, id: &str, sort_key: &SortKey) -> Result<Option<Item>, StoreError> {
        self.requests.fetch_add(1, Ordering::Relaxed);
        self.network().await;
        if self.request_fails() {
            return Err(unavailable());
        }
        let items = self.items.lock().unwrap();
        Ok(items
            .get(&(id.to_owned(), sort_key.as_str().to_owned()))
            .cloned())
    }

    async fn sleep(&self, _: Duration) {
        tokio::task::yield_now().await;
    }
}

fn event(entity: &str, nanos: u64) -> Envelope {
    Envelope::builder(
        EventType::from_static("EVENT_TEST"),
        EntityId::new(entity.to_owned()).unwrap(),
        Emitter::system("model").unwrap(),
    )
    .timestamp(Timestamp::from_nanos(nanos).unwrap())
    .build()
    .unwrap()
}

/// The same entity, timestamp and identity, but another type.
fn forged(event: &Envelope) -> Envelope {
    Envelope::builder(
        EventType::from_static("FORGED"),
        event.entity_id().clone(),
        event.emitter().clone(),
    )
    .timestamp(event.timestamp())
    .event_id(event.event_id().clone())
    .build()
    .unwrap()
}

/// Events of few entities with few timestamps, so that most of them need a tie-break.
fn tied_events(random: &mut fastrand::Rng, count: usize) -> Vec<Envelope> {
    (0..count)
        .map(|_| {
            event(
                &format!("entity-{}", random.u8(..3)),
                u64::from(random.u8(..4)),
            )
        })
        .collect()
}

fn own(_: &Envelope) -> StoreAttributes {
    StoreAttributes {
        stored_at: Timestamp::MIN,
        expires_at: None,
        index_key: None,
    }
}

async fn append<T: Table>(
    table: &T,
    events: &[Envelope],
) -> Vec<Result<AppendOutcome, StoreError>> {
    let inserts = AtomicUsize::new(0);
    let table = Bounded { table, inserts };
    append_all(&table, events, own, std::future::pending()).await
}

/// A table that panics if one append sends far more requests than it needs, so that an
/// append that repeats a request forever fails its test instead of blocking it.
struct Bounded<'t, T> {
    table: &'t T,
    inserts: AtomicUsize,
}

impl<T: Table> Table for Bounded<'_, T> {
    async fn insert(&self, items: Vec<NewItem>) -> Vec<InsertOutcome> {
        let inserts = self.inserts.fetch_add(1, Ordering::Relaxed);
        assert!(inserts < 2_000, "the append does not end");
        self.table.insert(items).await
    }

    async fn item_at(&self, id: &str, key: &SortKey) -> Result<Option<Item>, StoreError> {
        self.table.item_at(id, key).await
    }

    async fn sleep(&self, duration: Duration) {
        self.table.sleep(duration).await;
    }
}

fn are_all(outcomes: &[Result<AppendOutcome, StoreError>], expected: AppendOutcome) -> bool {
    outcomes.iter().all(|outcome| *outcome == Ok(expected))
}

fn are_stored(outcomes: &[Result<AppendOutcome, StoreError>]) -> bool {
    let stored = [AppendOutcome::Stored, AppendOutcome::StoredWithTieBreak];
    outcomes
        .iter()
        .all(|outcome| outcome.as_ref().is_ok_and(|o| stored.contains(o)))
}

/// Asserts that the table contains each identity exactly once, under one of its own keys.
fn assert_exactly_once(table: &FaultyTable, events: &[Envelope], seed: u64) {
    let items = table.items.lock().unwrap();
    let stored: HashMap<EventId, &(String, String)> = items
        .iter()
        .map(|(key, item)| (item::identity(item).unwrap(), key))
        .collect();
    let identities: HashSet<&EventId> = events.iter().map(Envelope::event_id).collect();
    assert_eq!(
        (items.len(), stored.len()),
        (identities.len(), identities.len()),
        "seed {seed}"
    );
    for event in events {
        let (id, sort_key) = stored[event.event_id()];
        assert_eq!(event.entity_id().as_str(), id);
        let own_key = |n| SortKey::new(event.timestamp(), event.event_id(), n);
        assert!(
            (0..=MAX_TIE_BREAKS).any(|n| own_key(n).as_str() == sort_key),
            "seed {seed}"
        );
    }
}

/// Whether the table contains exactly this event.
fn contains(table: &FaultyTable, event: &Envelope) -> bool {
    let items = table.items.lock().unwrap();
    items.values().any(|item| {
        item::identity(item).as_ref() == Some(event.event_id())
            && item::difference(item, event).is_none()
    })
}
