//! Consumers that overlap, stop at any point and start again, and messages that are delivered
//! twice.

use super::*;

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
