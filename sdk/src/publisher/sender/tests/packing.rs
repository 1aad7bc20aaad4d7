//! Several events in one message.

use tokio::time::Instant;

use super::*;
use crate::publisher::transport::Message;

#[tokio::test(start_paused = true)]
async fn packing_fills_messages_only_under_load() {
    let fake = Fake::healthy();
    let sdk = builder(false).packing(true).build_on(fake.clone()).unwrap();
    let start = Instant::now();
    for task in spawn(&sdk, numbered(0..1000)) {
        task.await.unwrap().unwrap();
    }
    assert_eq!(start.elapsed(), ROUND_TRIP);
    let bodies = |request: usize| -> Vec<String> {
        let requests = fake.requests.lock().unwrap();
        requests[request].1.iter().map(|m| m.body.clone()).collect()
    };
    assert_eq!(fake.sizes().len(), 1);
    assert!(
        bodies(0)
            .iter()
            .all(|b| b.len() <= 65_536 && b.starts_with('['))
    );
    assert_eq!(fake.accepted(), numbered(0..1000).collect::<Vec<_>>());
    for task in spawn(&sdk, numbered(0..10)) {
        task.await.unwrap().unwrap();
    }
    assert!(bodies(1).iter().all(|body| body.starts_with('{')));
}

#[tokio::test(start_paused = true)]
async fn refused_pack_is_divided() {
    let fake = Fake::new(|_, messages| {
        let result = |m: &Message| {
            if m.body.len() > 1_000 {
                refused(true)
            } else {
                accepted()
            }
        };
        (ROUND_TRIP, Ok(messages.iter().map(result).collect()))
    });
    let sdk = builder(false).packing(true).build_on(fake.clone()).unwrap();
    let big = "x".repeat(1_500);
    let mut ids: Vec<String> = numbered(0..100).collect();
    ids[50].clone_from(&big);
    for (n, task) in spawn(&sdk, ids).into_iter().enumerate() {
        assert_eq!(task.await.unwrap().is_ok(), n != 50, "{n}");
    }
    assert_eq!(fake.accepted().len(), 99);
}

#[tokio::test(start_paused = true)]
async fn pack_contains_events_of_one_tenant() {
    let fake = Fake::healthy();
    let sdk = builder(false).packing(true).build_on(fake.clone()).unwrap();
    let tenants = [sdk.for_tenant("a"), sdk.for_tenant("b"), sdk.clone()];
    let mut tasks = Vec::new();
    for block in 0..6 {
        tasks.extend(spawn(
            &tenants[block % 3],
            numbered(block * 10..block * 10 + 10),
        ));
    }
    for task in tasks {
        task.await.unwrap().unwrap();
    }
    for message in fake.accepted.lock().unwrap().iter() {
        let owner = message.group.as_deref();
        for id in entity_ids(&message.body) {
            let block = id.parse::<usize>().unwrap() / 10;
            assert_eq!(owner, [Some("a"), Some("b"), None][block % 3]);
        }
    }
}
