//! FIFO queues keep the order of the events of each entity.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::*;
use crate::Envelope;
use crate::publisher::EmitFuture;
use crate::publisher::transport::Message;

#[tokio::test(start_paused = true)]
async fn fifo_order_is_kept_while_entries_fail() {
    // Every third entry fails, counted across requests.
    let count = AtomicUsize::new(0);
    let fake = Fake::new(move |_, messages| {
        let result = |_: &Message| {
            if count.fetch_add(1, Ordering::SeqCst) % 3 == 2 {
                refused(false)
            } else {
                accepted()
            }
        };
        (ROUND_TRIP, Ok(messages.iter().map(result).collect()))
    });
    let sdk = builder(true)
        .max_attempts(100)
        .build_on(fake.clone())
        .unwrap();
    // The events of 20 entities are interleaved.
    let events: Vec<Envelope> = (0..400).map(|n| event(&format!("e{}", n % 20))).collect();
    let order: Vec<_> = events.iter().map(|e| e.event_id().to_string()).collect();
    let tasks: Vec<EmitFuture> = events.into_iter().map(|e| sdk.emit_envelope(e)).collect();
    let tasks: Vec<_> = tasks.into_iter().map(tokio::spawn).collect();
    for task in tasks {
        task.await.unwrap().unwrap();
    }
    let accepted = fake.accepted.lock().unwrap();
    assert_eq!(accepted.len(), 400);
    let mut last: HashMap<Arc<str>, usize> = HashMap::new();
    for message in accepted.iter() {
        let id = message.deduplication.as_ref().unwrap();
        let index = order.iter().position(|o| o == id).unwrap();
        let previous = last.insert(message.group.clone().unwrap(), index);
        assert!(previous < Some(index), "an event overtook an earlier one");
    }
}

#[tokio::test(start_paused = true)]
async fn slow_entity_does_not_delay_others_on_fifo() {
    let fake = Fake::new(|_, messages| {
        let slow = messages.iter().any(|m| m.group.as_deref() == Some("slow"));
        let wait = if slow {
            Duration::from_secs(5)
        } else {
            ROUND_TRIP
        };
        (wait, Ok(accept_all(messages)))
    });
    let sdk = builder(true).build_on(fake.clone()).unwrap();
    let slow = spawn(&sdk, ["slow".to_owned(), "slow".to_owned()]);
    sleep(ROUND_TRIP).await;
    let start = Instant::now();
    for task in spawn(&sdk, numbered(0..50)) {
        task.await.unwrap().unwrap();
    }
    assert!(start.elapsed() < Duration::from_secs(1));
    for task in slow {
        task.await.unwrap().unwrap();
    }
}
