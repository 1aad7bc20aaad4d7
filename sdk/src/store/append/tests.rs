//! Appending against a table that fails in every way it can: consumers that
//! overlap, stop at any point and start again, and messages that come twice.

use std::collections::{HashMap, HashSet};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::*;
use crate::event::fields::{EVENT_ID, ID, TIMESTAMP};
use crate::{Emitter, EntityId, EventType, Timestamp};

/// A table in memory, whose answers a seeded generator spoils.
struct FaultyTable {
    items: Mutex<HashMap<(String, String), String>>,
    random: Mutex<fastrand::Rng>,
    /// One in so many things goes wrong; 0 is never.
    fault_rate: u32,
    requests: AtomicUsize,
}

impl FaultyTable {
    fn new(seed: u64, fault_rate: u32) -> Self {
        let random = Mutex::new(fastrand::Rng::with_seed(seed));
        Self {
            items: Mutex::default(),
            random,
            fault_rate,
            requests: AtomicUsize::new(0),
        }
    }

    fn fault(&self) -> bool {
        self.fault_rate > 0 && self.random.lock().unwrap().u32(..self.fault_rate) == 0
    }

    async fn network(&self) {
        let steps = self.random.lock().unwrap().u32(..4);
        for _ in 0..steps {
            tokio::task::yield_now().await;
        }
    }

    fn unknown() -> StoreError {
        StoreError::Unknown {
            message: "cut".to_owned(),
        }
    }
}

impl Table for FaultyTable {
    async fn insert(&self, inserts: Vec<Insert>) -> Vec<Inserted> {
        self.requests.fetch_add(1, Ordering::Relaxed);
        self.network().await;
        let count = inserts.len();
        assert!((1..=MAX_STATEMENTS).contains(&count));
        if self.fault() {
            return vec![Inserted::Failed(Self::unknown()); count];
        }
        if count > 1 && self.fault() {
            return vec![Inserted::BatchRefused(Self::unknown()); count];
        }
        let mut named = HashSet::new();
        let outcomes = inserts
            .into_iter()
            .map(|insert| {
                let attributes: HashMap<_, _> = insert.attributes.into_iter().collect();
                let id = attributes[ID].as_s().unwrap().clone();
                let sort_key = attributes[TIMESTAMP].as_n().unwrap().clone();
                let key = (id, sort_key);
                assert!(named.insert(key.clone()), "one request names a key twice");
                if self.fault() {
                    return Inserted::Again(Self::unknown());
                }
                let mut items = self.items.lock().unwrap();
                if items.contains_key(&key) {
                    return Inserted::KeyTaken;
                }
                items.insert(key, attributes[EVENT_ID].as_s().unwrap().clone());
                drop(items);
                // Carried out, and then the answer is lost.
                if self.fault() {
                    Inserted::Again(Self::unknown())
                } else {
                    Inserted::New
                }
            })
            .collect();
        self.network().await;
        if self.fault() {
            vec![Inserted::Failed(Self::unknown()); count]
        } else {
            outcomes
        }
    }

    async fn identity_at(
        &self,
        id: &str,
        sort_key: &SortKey,
    ) -> Result<Option<EventId>, StoreError> {
        self.requests.fetch_add(1, Ordering::Relaxed);
        self.network().await;
        if self.fault() {
            return Err(Self::unknown());
        }
        let items = self.items.lock().unwrap();
        let holder = items.get(&(id.to_owned(), sort_key.as_str().to_owned()));
        Ok(holder.map(|id| EventId::new(id.clone()).unwrap()))
    }

    async fn sleep(&self, _: Duration) {
        tokio::task::yield_now().await;
    }
}

/// Events of few entities at few moments, so that most of them tie.
fn events(random: &mut fastrand::Rng, count: usize) -> Vec<Envelope> {
    (0..count)
        .map(|_| {
            Envelope::builder(
                EventType::from_static("EVENT_TEST"),
                EntityId::new(format!("entity-{}", random.u8(..3))).unwrap(),
                Emitter::system("model").unwrap(),
            )
            .timestamp(Timestamp::from_nanos(u64::from(random.u8(..4))).unwrap())
            .build()
            .unwrap()
        })
        .collect()
}

fn stamp(_: &Envelope) -> Stamp {
    Stamp {
        stored_at: Timestamp::MIN,
        expires_at: None,
        index_key: None,
    }
}

/// Each event stands in the table once, under one of its own keys.
fn assert_exactly_once(table: &FaultyTable, events: &[Envelope], seed: u64) {
    let items = table.items.lock().unwrap();
    assert_eq!(items.len(), events.len(), "seed {seed}");
    for event in events {
        let own: Vec<_> = items
            .iter()
            .filter(|(_, id)| *event.event_id() == id.as_str())
            .collect();
        assert_eq!(own.len(), 1, "seed {seed}: {event:?}");
        let (id, sort_key) = own[0].0;
        assert_eq!(event.entity_id().as_str(), id);
        let keys = (0..=MAX_TIES).map(|n| SortKey::new(event.timestamp(), event.event_id(), n));
        assert!(
            keys.into_iter().any(|key| key.as_str() == sort_key),
            "seed {seed}"
        );
    }
}

/// Three consumers take random batches, with repeats, until all is acknowledged.
async fn run(seed: u64, fault_rate: u32) {
    let mut random = fastrand::Rng::with_seed(seed);
    let all = events(&mut random, 60);
    let table = FaultyTable::new(seed, fault_rate);
    let acknowledged = Mutex::new(HashSet::new());
    let consumer = |mut random: fastrand::Rng| {
        let (table, all, acknowledged) = (&table, &all, &acknowledged);
        async move {
            while acknowledged.lock().unwrap().len() < all.len() {
                let batch: Vec<Envelope> = (0..random.usize(1..40))
                    .map(|_| all[random.usize(..all.len())].clone())
                    .collect();
                // It may be stopped at any point, with requests under way.
                let life = random.u32(..60);
                let stopped = async {
                    for _ in 0..=life {
                        tokio::task::yield_now().await;
                    }
                    if life > 40 {
                        std::future::pending::<()>().await;
                    }
                };
                let outcomes = append_all(table, &batch, stamp, stopped).await;
                let mut acknowledged = acknowledged.lock().unwrap();
                for (event, outcome) in batch.iter().zip(outcomes) {
                    if outcome.is_ok() {
                        let held = table.items.lock().unwrap();
                        assert!(
                            held.values().any(|id| *event.event_id() == id.as_str()),
                            "acknowledged unstored"
                        );
                        acknowledged.insert(event.event_id().clone());
                    }
                }
            }
        }
    };
    let [a, b, c] = [random.fork(), random.fork(), random.fork()];
    tokio::join!(consumer(a), consumer(b), consumer(c));
    assert_exactly_once(&table, &all, seed);
}

#[tokio::test]
async fn every_event_is_stored_exactly_once_whatever_fails() {
    for seed in 0..40 {
        run(seed, 6).await;
    }
}

#[tokio::test]
async fn a_quiet_table_takes_25_events_a_request_and_tells_new_from_duplicate() {
    let table = FaultyTable::new(0, 0);
    let mut batch: Vec<Envelope> = (0..100)
        .map(|n| {
            Envelope::builder(
                EventType::from_static("EVENT_TEST"),
                EntityId::new(format!("e{n}")).unwrap(),
                Emitter::system("test").unwrap(),
            )
            .build()
            .unwrap()
        })
        .collect();
    let never = std::future::pending;
    let outcomes = append_all(&table, &batch, stamp, never()).await;
    assert!(outcomes.iter().all(|o| *o == Ok(AppendOutcome::Stored)));
    batch.extend_from_within(..1);
    let outcomes = append_all(&table, &batch, stamp, never()).await;
    assert!(outcomes.iter().all(|o| *o == Ok(AppendOutcome::Duplicate)));
}

#[tokio::test]
async fn two_events_at_one_moment_are_both_kept_even_in_one_batch() {
    let table = FaultyTable::new(0, 0);
    let mut random = fastrand::Rng::with_seed(1);
    let tied: Vec<Envelope> = events(&mut random, 40);
    let outcomes = append_all(&table, &tied, stamp, std::future::pending()).await;
    assert!(outcomes.iter().all(|o| matches!(
        o,
        Ok(AppendOutcome::Stored | AppendOutcome::StoredWithTieBreak)
    )));
    assert!(outcomes.contains(&Ok(AppendOutcome::StoredWithTieBreak)));
    assert_exactly_once(&table, &tied, 1);
}

/// An array of thousands of events of one entity and one second is one message:
/// it has to be done in the time of one batch, or it never is.
#[tokio::test]
async fn thousands_of_events_at_one_moment_cost_no_more_requests_than_others() {
    let table = FaultyTable::new(0, 0);
    let tied: Vec<Envelope> = (0..5_000).map(|_| holding("1", 7)).collect();
    let outcomes = append_all(&table, &tied, stamp, std::future::pending()).await;
    assert!(outcomes.iter().all(|o| matches!(
        o,
        Ok(AppendOutcome::Stored | AppendOutcome::StoredWithTieBreak)
    )));
    assert_exactly_once(&table, &tied, 0);
    let requests = table.requests.load(Ordering::Relaxed);
    assert!(requests < 5_000 / 25 + 50, "{requests} requests");
    // Delivered again, each asks once who holds its own key.
    let outcomes = append_all(&table, &tied, stamp, std::future::pending()).await;
    assert!(outcomes.iter().all(|o| *o == Ok(AppendOutcome::Duplicate)));
    let requests = table.requests.load(Ordering::Relaxed) - requests;
    assert!(requests < 5_000 / 25 + 5_000 + 100, "{requests} requests");
}

#[tokio::test]
async fn when_the_time_is_up_every_open_event_says_so() {
    let table = FaultyTable::new(0, 0);
    let mut random = fastrand::Rng::with_seed(1);
    let outcomes = append_all(
        &table,
        &events(&mut random, 5),
        stamp,
        std::future::ready(()),
    )
    .await;
    assert!(
        outcomes
            .iter()
            .all(|o| *o == Err(StoreError::DeadlineExceeded))
    );
}

/// The value as DynamoDB's JSON, written down once more.
fn rendered(value: &aws_sdk_dynamodb::types::AttributeValue) -> String {
    use aws_sdk_dynamodb::types::AttributeValue as Value;
    match value {
        Value::S(text) => format!("{{\"S\":{}}}", serde_json::to_string(text).unwrap()),
        Value::N(number) => format!("{{\"N\":\"{number}\"}}"),
        Value::Bool(value) => format!("{{\"BOOL\":{value}}}"),
        Value::Null(_) => "{\"NULL\":true}".to_owned(),
        Value::L(members) => {
            let members: Vec<String> = members.iter().map(rendered).collect();
            format!("{{\"L\":[{}]}}", members.join(","))
        }
        Value::M(members) => {
            let member = |(key, value)| {
                format!(
                    "{}:{}",
                    serde_json::to_string(key).unwrap(),
                    rendered(value)
                )
            };
            let members: Vec<String> = members.iter().map(member).collect();
            format!("{{\"M\":{{{}}}}}", members.join(","))
        }
        other => panic!("{other:?}"),
    }
}

/// An event whose only field in `Data` is this JSON.
fn holding(json: &str, n: usize) -> Envelope {
    let body = format!(
        r#"{{"Timestamp":{n},"EventType":"A","ID":"e","EmitterId":"e","EmitterType":"e","Data":{{"n":{json}}}}}"#
    );
    let mut decoded = crate::wire::decode(&body, &EventId::random()).unwrap();
    decoded.remove(0).outcome.unwrap()
}

fn stamped(_: &Envelope) -> Stamp {
    Stamp {
        stored_at: Timestamp::now(),
        expires_at: None,
        index_key: None,
    }
}

#[test]
fn a_request_is_counted_at_no_less_than_it_is() {
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
        let event = holding(&format!("[{}]", [json].repeat(50).join(",")), 1);
        let key = SortKey::first_of(event.timestamp());
        let attributes = item::attributes(&event, &key, stamped(&event));
        let sent: usize = attributes
            .iter()
            .map(|(_, value)| rendered(value).len())
            .sum();
        let counted = item::request_bytes(&attributes);
        assert!(
            (sent..2 * sent + 200).contains(&counted),
            "{json}: {counted} for {sent}"
        );
    }
}

/// In an item a number may take 3 bytes, in a request 30: a few such events
/// would make a request of over 16 MB, which DynamoDB refuses with all in it.
#[tokio::test]
async fn events_that_swell_in_a_request_do_not_fail_their_neighbours() {
    struct Measuring(Mutex<Vec<usize>>);

    impl Table for Measuring {
        async fn insert(&self, inserts: Vec<Insert>) -> Vec<Inserted> {
            let attributes = inserts.iter().flat_map(|insert| &insert.attributes);
            let bytes = attributes.map(|(_, value)| rendered(value).len() + 1).sum();
            self.0.lock().unwrap().push(bytes);
            vec![Inserted::New; inserts.len()]
        }

        async fn identity_at(&self, _: &str, _: &SortKey) -> Result<Option<EventId>, StoreError> {
            Ok(None)
        }

        async fn sleep(&self, _: Duration) {}
    }

    let numbers = format!("[{}]", ["1e20"].repeat(130_000).join(","));
    let mut events: Vec<Envelope> = (0..5).map(|n| holding(&numbers, n)).collect();
    events.push(holding("1", 9));
    let table = Measuring(Mutex::default());
    let outcomes = append_all(&table, &events, stamped, std::future::pending()).await;
    assert!(outcomes.iter().all(|o| *o == Ok(AppendOutcome::Stored)));
    let requests = table.0.into_inner().unwrap();
    assert!(requests.iter().all(|bytes| *bytes < 8_000_000));
    // Together they are what no request may be.
    assert!(requests.iter().sum::<usize>() > 16_000_000);
}
