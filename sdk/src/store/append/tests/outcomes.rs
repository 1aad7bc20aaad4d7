//! The outcome of an event for each response of the table.

use super::*;

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
