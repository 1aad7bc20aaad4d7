//! Tests of appends to a failing table: consumers overlap, stop at any point and start
//! again, and messages are delivered twice.

use std::collections::{HashMap, HashSet};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use aws_sdk_dynamodb::types::AttributeValue;
use proptest::prelude::*;

use super::*;
use crate::aws::AwsFailure;
use crate::event::fields::{ID, TIMESTAMP};
use crate::store::table_error::{Operation, TableError};
use crate::{Emitter, EntityId, EventId, EventType, Timestamp};

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

/// Three consumers append random batches, with repeats, until every event has an outcome.
async fn run(seed: u64, fault_rate: u32) {
    let mut random = fastrand::Rng::with_seed(seed);
    let mut all = tied_events(&mut random, 60);
    let twins: Vec<Envelope> = all.iter().take(10).map(forged).collect();
    all.extend(twins);
    let table = FaultyTable::new(seed, fault_rate);
    let (accepted, refused) = (Mutex::new(HashSet::new()), Mutex::new(HashSet::new()));
    let consumer = |mut random: fastrand::Rng| {
        let (table, all, accepted, refused) = (&table, &all, &accepted, &refused);
        async move {
            while accepted.lock().unwrap().len() + refused.lock().unwrap().len() < all.len() {
                let batch: Vec<usize> = (0..random.usize(1..40))
                    .map(|_| random.usize(..all.len()))
                    .collect();
                let events: Vec<Envelope> = batch.iter().map(|n| all[*n].clone()).collect();
                // The consumer may be stopped at any point, with requests in flight.
                let life = random.u32(..60);
                let stopped = async {
                    for _ in 0..=life {
                        tokio::task::yield_now().await;
                    }
                    if life > 40 {
                        std::future::pending::<()>().await;
                    }
                };
                let outcomes = append_all(table, &events, own, stopped).await;
                for (n, outcome) in batch.into_iter().zip(outcomes) {
                    match outcome {
                        Ok(_) => {
                            assert!(contains(table, &all[n]), "acknowledged but not stored");
                            accepted.lock().unwrap().insert(n);
                        }
                        Err(StoreError::IdentityReused { pointer }) => {
                            assert_eq!(pointer, "/EventType");
                            refused.lock().unwrap().insert(n);
                        }
                        Err(error) => assert!(error.is_retryable(), "{error}"),
                    }
                }
            }
        }
    };
    let [a, b, c] = [random.fork(), random.fork(), random.fork()];
    tokio::join!(consumer(a), consumer(b), consumer(c));
    assert_exactly_once(&table, &all, seed);
    assert_eq!(
        refused.lock().unwrap().len(),
        10,
        "one of each pair of twins"
    );
    // Without faults, one call stores every remaining event.
    table.is_calm.store(true, Ordering::Relaxed);
    for (n, outcome) in append(&table, &all).await.into_iter().enumerate() {
        if accepted.lock().unwrap().contains(&n) {
            assert_eq!(outcome, Ok(AppendOutcome::Duplicate), "seed {seed}");
        } else {
            assert!(matches!(outcome, Err(StoreError::IdentityReused { .. })));
        }
    }
    assert_exactly_once(&table, &all, seed);
}

#[tokio::test]
async fn faults_never_lose_or_repeat_an_event() {
    for seed in 0..40 {
        run(seed, 6).await;
    }
}

#[tokio::test]
async fn passing_faults_of_statements_fail_no_event() {
    for seed in 0..20 {
        let mut random = fastrand::Rng::with_seed(seed);
        let events = tied_events(&mut random, 60);
        let table = FaultyTable {
            requests_fail: false,
            ..FaultyTable::new(seed, 8)
        };
        let outcomes = append(&table, &events).await;
        assert!(
            outcomes.iter().all(Result::is_ok),
            "seed {seed}: {outcomes:?}"
        );
        assert_exactly_once(&table, &events, seed);
        let requests = table.requests.load(Ordering::Relaxed);
        assert!(requests < 600, "{requests} requests");
    }
}

#[tokio::test]
async fn new_event_is_stored_known_one_is_duplicate() {
    let table = FaultyTable::calm();
    let mut batch: Vec<Envelope> = (0..100).map(|n| event(&format!("e{n}"), 1)).collect();
    assert!(are_all(
        &append(&table, &batch).await,
        AppendOutcome::Stored
    ));
    assert_eq!(table.requests.load(Ordering::Relaxed), 4, "25 events each");
    batch.extend_from_within(..1);
    assert!(are_all(
        &append(&table, &batch).await,
        AppendOutcome::Duplicate
    ));
    // One look-up for each key, including the key that occurs twice.
    assert_eq!(table.requests.load(Ordering::Relaxed), 4 + 4 + 100);
}

#[tokio::test]
async fn same_event_twice_in_one_batch_is_duplicate() {
    let table = FaultyTable::calm();
    let first = event("e", 1);
    let batch = [first.clone(), first.clone(), forged(&first)];
    let outcomes = append(&table, &batch).await;
    assert_eq!(
        outcomes[..2],
        [Ok(AppendOutcome::Stored), Ok(AppendOutcome::Duplicate)]
    );
    let pointer = "/EventType".to_owned();
    assert_eq!(outcomes[2], Err(StoreError::IdentityReused { pointer }));
    assert_eq!(
        table.requests.load(Ordering::Relaxed),
        1,
        "no look-up is needed"
    );
}

#[tokio::test]
async fn tied_events_of_one_batch_are_all_stored() {
    let table = FaultyTable::calm();
    let tied = tied_events(&mut fastrand::Rng::with_seed(1), 40);
    let outcomes = append(&table, &tied).await;
    assert!(are_stored(&outcomes));
    assert!(outcomes.contains(&Ok(AppendOutcome::StoredWithTieBreak)));
    assert_exactly_once(&table, &tied, 1);
}

/// One message may contain an array of thousands of events of one entity with the same
/// second. If storing them took longer than the time limit of one batch, the message would
/// never be stored.
#[tokio::test]
async fn thousands_of_ties_need_no_extra_requests() {
    let table = FaultyTable::calm();
    let tied: Vec<Envelope> = (0..5_000).map(|_| event("e", 7)).collect();
    assert!(are_stored(&append(&table, &tied).await));
    assert_exactly_once(&table, &tied, 0);
    let requests = table.requests.load(Ordering::Relaxed);
    assert!(requests < 5_000 / 25 + 50, "{requests} requests");
    // When the message is delivered again, each event reads the item with its key once.
    assert!(are_all(
        &append(&table, &tied).await,
        AppendOutcome::Duplicate
    ));
    let requests = table.requests.load(Ordering::Relaxed) - requests;
    assert!(requests < 5_000 / 25 + 5_000 + 100, "{requests} requests");
}

#[tokio::test]
async fn deadline_leaves_unknown_events_undecided() {
    let table = FaultyTable::calm();
    let events = tied_events(&mut fastrand::Rng::with_seed(1), 5);
    let outcomes = append_all(&table, &events, own, std::future::ready(())).await;
    let unknown = |outcome: &Result<_, _>| *outcome == Err(StoreError::DeadlineExceeded);
    assert!(outcomes.iter().all(unknown));
}

/// A table whose responses come from closures.
struct ScriptedTable<I, L> {
    insert: I,
    item_at: L,
    requests: Mutex<Vec<Vec<Item>>>,
    sleeps: Mutex<Vec<Duration>>,
}

impl<I, L> ScriptedTable<I, L>
where
    I: Fn(&Item) -> InsertOutcome + Sync,
    L: Fn(&str) -> Result<Option<Item>, StoreError> + Sync,
{
    fn new(insert: I, item_at: L) -> Self {
        Self {
            insert,
            item_at,
            requests: Mutex::default(),
            sleeps: Mutex::default(),
        }
    }
}

impl<I, L> Table for ScriptedTable<I, L>
where
    I: Fn(&Item) -> InsertOutcome + Sync,
    L: Fn(&str) -> Result<Option<Item>, StoreError> + Sync,
{
    async fn insert(&self, items: Vec<NewItem>) -> Vec<InsertOutcome> {
        let items: Vec<Item> = items.into_iter().map(item_of).collect();
        let outcomes = items.iter().map(|item| (self.insert)(item)).collect();
        self.requests.lock().unwrap().push(items);
        outcomes
    }

    async fn item_at(&self, _: &str, sort_key: &SortKey) -> Result<Option<Item>, StoreError> {
        (self.item_at)(sort_key.as_str())
    }

    async fn sleep(&self, duration: Duration) {
        self.sleeps.lock().unwrap().push(duration);
    }
}

fn no_item(_: &str) -> Result<Option<Item>, StoreError> {
    Ok(None)
}

#[tokio::test]
async fn endless_throttling_ends_after_the_retries() {
    let insert = |item: &Item| match item[ID].as_s().unwrap().as_str() {
        "hot" => InsertOutcome::Retryable(throttled()),
        _ => InsertOutcome::Inserted,
    };
    let table = ScriptedTable::new(insert, no_item);
    let outcomes = append(&table, &[event("hot", 1), event("cold", 1)]).await;
    assert_eq!(outcomes, [Err(throttled()), Ok(AppendOutcome::Stored)]);
    let requests = table.requests.lock().unwrap();
    assert_eq!(requests.len(), 1 + MAX_RETRIES as usize);
    assert!(requests[1..].iter().all(|items| items.len() == 1));
    let sleeps = table.sleeps.lock().unwrap();
    for (n, sleep) in (1..).zip(sleeps.iter()) {
        assert!(*sleep <= RETRY_BACKOFF.without_jitter(n) && *sleep > Duration::ZERO);
    }
    // If DynamoDB throttles for an hour, one call must not retry for an hour.
    assert!(sleeps.iter().sum::<Duration>() < Duration::from_secs(30));
}

#[tokio::test]
async fn used_up_keys_are_not_retryable() {
    let other = event("e", 1);
    let occupied = |_: &str| Ok(Some(item::of_event(&other)));
    let table = ScriptedTable::new(|_: &Item| InsertOutcome::KeyExists, occupied);
    let outcomes = append(&table, &[event("e", 1)]).await;
    assert_eq!(outcomes, [Err(StoreError::TieBreaksExhausted)]);
    assert!(!StoreError::TieBreaksExhausted.is_retryable());
    let keys: HashSet<_> = table
        .requests
        .lock()
        .unwrap()
        .iter()
        .map(|r| key_of(&r[0]))
        .collect();
    assert_eq!(keys.len(), 1 + MAX_TIE_BREAKS as usize);
}

#[tokio::test]
async fn expired_item_frees_its_key() {
    let looked_up = AtomicUsize::new(0);
    let insert = |_: &Item| match looked_up.load(Ordering::Relaxed) {
        0 => InsertOutcome::KeyExists,
        _ => InsertOutcome::Inserted,
    };
    let item_at = |_: &str| {
        looked_up.fetch_add(1, Ordering::Relaxed);
        Ok(None)
    };
    let table = ScriptedTable::new(insert, item_at);
    // The second event waits for the look-up of the first one, and is inserted after it.
    let outcomes = append(&table, &[event("e", 1), event("e", 1)]).await;
    assert!(are_stored(&outcomes), "{outcomes:?}");
}

#[tokio::test]
async fn failed_look_up_fails_only_its_event() {
    let failing = AtomicBool::new(true);
    let first = event("e", 1);
    let item_at = |_: &str| match failing.swap(false, Ordering::Relaxed) {
        true => Err(throttled()),
        false => Ok(Some(item::of_event(&first))),
    };
    let table = ScriptedTable::new(|_: &Item| InsertOutcome::KeyExists, item_at);
    let outcomes = append(&table, &[first.clone(), first.clone()]).await;
    assert_eq!(outcomes, [Err(throttled()), Ok(AppendOutcome::Duplicate)]);
}

#[tokio::test]
async fn foreign_item_is_duplicate_of_its_event() {
    // Without an `EventId`, the identity is derived from the key.
    let mut stored = item::of_event(&event("e", 1));
    stored.remove("EventId");
    let page = r#"{"Items":[{"ID":{"S":"e"},"Timestamp":{"N":"0.000000001"},"EventType":{"S":"EVENT_TEST"},"EmitterId":{"S":"model"},"EmitterType":{"S":"SYSTEM"}}]}"#;
    let read = crate::store::page::read(page).unwrap().events.remove(0);
    let read = read.unwrap().into_envelope();
    let item_at = |_: &str| Ok(Some(stored.clone()));
    let table = ScriptedTable::new(|_: &Item| InsertOutcome::KeyExists, item_at);
    assert_eq!(
        append(&table, &[read]).await,
        [Ok(AppendOutcome::Duplicate)]
    );
}

#[tokio::test]
async fn refused_batch_is_sent_event_by_event() {
    let table = FaultyTable::calm();
    struct RefusesOne(FaultyTable);
    impl Table for RefusesOne {
        async fn insert(&self, items: Vec<NewItem>) -> Vec<InsertOutcome> {
            let bad = |new: &NewItem| new.parameters.contains(r#"{"S":"bad"}"#);
            let count = items.len();
            match items.iter().any(bad) {
                true if count == 1 => vec![InsertOutcome::Refused("Validation".to_owned())],
                true => vec![InsertOutcome::BatchRefused; count],
                false => self.0.insert(items).await,
            }
        }

        async fn item_at(&self, id: &str, key: &SortKey) -> Result<Option<Item>, StoreError> {
            self.0.item_at(id, key).await
        }

        async fn sleep(&self, duration: Duration) {
            self.0.sleep(duration).await;
        }
    }
    let table = RefusesOne(table);
    let outcomes = append(&table, &[event("a", 1), event("bad", 1), event("b", 1)]).await;
    let code = "Validation".to_owned();
    let stored = Ok(AppendOutcome::Stored);
    assert_eq!(
        outcomes,
        [stored.clone(), Err(StoreError::Refused { code }), stored]
    );
}

/// An event whose only field in `Data` is this JSON.
fn event_with(json: &str, n: usize) -> Envelope {
    let body = format!(
        r#"{{"Timestamp":{n},"EventType":"A","ID":"e","EmitterId":"e","EmitterType":"e","Data":{{"n":{json}}}}}"#
    );
    let mut decoded = crate::wire::decode(&body, &EventId::random()).unwrap();
    decoded.remove(0).outcome.unwrap()
}

#[test]
fn request_contains_the_attributes_of_the_item() {
    for json in [
        "1e20",
        "-1e-18",
        "-12345678901234567890123456789012345678e80",
        "null",
        "true",
        "false",
        r#""""#,
        r#""é\u0001\"\\\n""#,
        "[]",
        "{}",
        r#"{"\u0001":[{"":[1,null]}],"a\"b":{}}"#,
    ] {
        let event = event_with(&format!("[{}]", [json].repeat(3).join(",")), 1);
        let (key, mut own) = (SortKey::first_of(event.timestamp()), own(&event));
        own.expires_at = Some(7);
        own.index_key = Some("A#1".to_owned());
        let expected = item::attributes(&event, &key, &own);
        assert_eq!(
            item_of(NewItem::new(&event, &key, &own)),
            expected,
            "{json}"
        );
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(8))]
    /// A character of 1 byte in an item may take 6 bytes in a request, and a number of 3
    /// bytes may take 30. A few such events would make a request of over 16 MB, which
    /// DynamoDB refuses with all events in it.
    #[test]
    fn requests_are_bounded_by_the_sum_of_items(
        counts in proptest::collection::vec(prop_oneof![0..200_usize, 0..390_000_usize], 1..40),
    ) {
        let events: Vec<Envelope> = counts
            .iter()
            .enumerate()
            .map(|(n, count)| event_with(&format!("\"{}\"", "\\u0001".repeat(*count)), n))
            .collect();
        let mut work = Work::new(&events);
        let mut batches = Vec::new();
        while let Some((indexes, items)) = work.next_batch(own) {
            let bytes = |new: &NewItem| new.names.len() + new.parameters.len();
            let sizes: Vec<usize> = items.iter().map(bytes).collect();
            prop_assert_eq!(indexes.len(), sizes.len());
            batches.push((indexes, sizes));
        }
        let all: Vec<usize> = batches.iter().flat_map(|(indexes, _)| indexes.clone()).collect();
        prop_assert_eq!(all, (0..events.len()).collect::<Vec<_>>(), "each once, in order");
        for (_, sizes) in &batches {
            let total: usize = sizes.iter().sum();
            prop_assert!(sizes.len() <= MAX_STATEMENTS);
            prop_assert!(sizes.len() == 1 || total <= MAX_REQUEST_BYTES, "{}", total);
        }
        // A request takes as many events as fit.
        for pair in batches.windows(2) {
            let (total, next): (usize, usize) = (pair[0].1.iter().sum(), pair[1].1[0]);
            prop_assert!(pair[0].1.len() == MAX_STATEMENTS || total + next > MAX_REQUEST_BYTES);
        }
    }
}
