//! Random sequences of operations on a queue, checked against its invariants.

use std::collections::{BTreeMap, HashSet};

use proptest::prelude::*;

use super::*;

#[derive(Debug, Clone)]
enum Step {
    Send { group: u8, delay: bool },
    Receive { max: usize, visibility: Millis },
    Delete { which: usize },
    Hide { which: usize, timeout: Millis },
    Pass { millis: Millis },
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        3 => (0..3_u8, any::<bool>()).prop_map(|(group, delay)| Step::Send { group, delay }),
        3 => (1..=10_usize, 0..3_000_u64)
            .prop_map(|(max, visibility)| Step::Receive { max, visibility }),
        2 => any::<usize>().prop_map(|which| Step::Delete { which }),
        1 => (any::<usize>(), 0..3_000_u64).prop_map(|(which, timeout)| Step::Hide { which, timeout }),
        2 => (0..2_000_u64).prop_map(|millis| Step::Pass { millis }),
    ]
}

proptest! {
    /// No message is lost, no message is received again while it is in flight, the counts are
    /// correct, and the messages of a FIFO group stay in order.
    #[test]
    fn no_message_is_lost_or_overtaken(fifo: bool, steps in prop::collection::vec(step(), 1..120)) {
        let mut bench = if fifo { Bench::fifo(&[]) } else { Bench::new(&[]) };
        let mut alive: HashSet<Seq> = HashSet::new();
        let mut held: BTreeMap<Seq, QueuedMessage> = BTreeMap::new();
        for step in steps {
            match step {
                Step::Send { group, delay } => {
                    let group = group.to_string();
                    bench.seq += 1;
                    let seq = bench.seq;
                    let message = Message {
                        id: seq.to_string(),
                        body: seq.to_string(),
                        md5_of_body: String::new(),
                        attributes: Attributes::new(),
                        trace_header: None,
                        group: Some(group),
                        deduplication_id: fifo.then(|| seq.to_string()),
                        sent_at: bench.now,
                        dead_letter_source: None,
                    };
                    let delay = (delay && !fifo).then_some(700);
                    bench.queue.send(bench.now, seq, message, delay, &mut bench.changes);
                    alive.insert(seq);
                }
                Step::Receive { max, visibility } => {
                    let messages = bench.take(max, Some(visibility)).delivered;
                    prop_assert!(messages.len() <= max);
                    let mut last: BTreeMap<String, Seq> = BTreeMap::new();
                    for queued in messages {
                        let group = queued.message.group.clone().unwrap_or_default();
                        prop_assert!(alive.contains(&queued.seq));
                        if fifo {
                            let before = last.insert(group.clone(), queued.seq);
                            prop_assert!(before < Some(queued.seq));
                            let older = alive.iter().any(|seq| {
                                let message = &bench.queue.messages[seq];
                                *seq < queued.seq
                                    && message.message.group.as_ref() == Some(&group)
                                    && !(matches!(message.delivery.state, DeliveryState::InFlight { received_at, .. } if received_at == bench.now))
                            });
                            prop_assert!(!older, "an older message of the group was overtaken");
                        }
                        held.insert(queued.seq, queued);
                    }
                }
                Step::Delete { which } => {
                    let Some(seq) = held.keys().nth(which % held.len().max(1)).copied() else { continue };
                    let queued = held[&seq].clone();
                    if bench.delete(&queued).is_ok() && !bench.queue.messages.contains_key(&seq) {
                        alive.remove(&seq);
                        held.remove(&seq);
                    }
                }
                Step::Hide { which, timeout } => {
                    let Some(seq) = held.keys().nth(which % held.len().max(1)).copied() else { continue };
                    let queued = held[&seq].clone();
                    // A message that is visible again cannot be hidden.
                    let _ = bench.hide(&queued, timeout);
                }
                Step::Pass { millis } => bench.pass(millis),
            }
            let counts = bench.queue.counts();
            prop_assert_eq!(counts.visible + counts.in_flight + counts.delayed, alive.len());
        }
        // At the end, every message is received exactly once.
        bench.pass(60_000);
        let mut out = HashSet::new();
        loop {
            let messages = bench.take(10, Some(30_000)).delivered;
            if messages.is_empty() { break; }
            for queued in messages {
                prop_assert!(out.insert(queued.seq));
                if fifo { bench.delete(&queued).unwrap(); }
            }
        }
        prop_assert_eq!(out, alive);
    }
}
