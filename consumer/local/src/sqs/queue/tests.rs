use super::receiving::{MAX_IN_FLIGHT, Taken};
use super::*;
use crate::sqs::dedup;
use crate::sqs::error::{ErrorCode, SqsError};
use crate::sqs::message::{Attributes, md5_of_body};

mod model;

/// A queue, its clock, and its next sequence number.
struct Bench {
    queue: Queue,
    now: Millis,
    seq: Seq,
    changes: ChangeSet,
}

impl Bench {
    fn new(attributes: &[(&str, &str)]) -> Self {
        let attributes = attributes
            .iter()
            .map(|(name, value)| ((*name).into(), (*value).into()));
        let settings = QueueSettings::new(&attributes.collect()).unwrap();
        Self {
            queue: Queue::new(1, "q".into(), settings, AttributeMap::new(), 0),
            now: 1_000,
            seq: 0,
            changes: ChangeSet::new(),
        }
    }

    fn fifo(attributes: &[(&str, &str)]) -> Self {
        Self::new(&[&[("FifoQueue", "true")], attributes].concat())
    }

    fn pass(&mut self, millis: Millis) {
        self.now += millis;
        self.queue.advance(self.now, &mut self.changes);
    }

    fn send_message(&mut self, body: &str, group: Option<&str>, id: Option<&str>) -> Original {
        self.seq += 1;
        let message = Message {
            id: format!("id-{}", self.seq),
            body: body.into(),
            md5_of_body: md5_of_body(body),
            attributes: Attributes::new(),
            trace_header: None,
            group: group.map(Into::into),
            deduplication_id: id.map(Into::into),
            sent_at: self.now,
            dead_letter_source: None,
        };
        self.queue
            .send(self.now, self.seq, message, None, &mut self.changes)
    }

    fn send(&mut self, body: &str) -> Original {
        self.send_message(body, None, None)
    }

    fn send_to(&mut self, group: &str, body: &str) -> Original {
        self.send_message(body, Some(group), Some(body))
    }

    fn take(&mut self, max: usize, visibility: Option<Millis>) -> Taken {
        let request = Receive {
            max,
            visibility,
            attempt: None,
        };
        self.pass(0);
        self.queue
            .receive(self.now, &request, true, &mut self.changes)
            .unwrap()
    }

    fn receive(&mut self, max: usize) -> Vec<QueuedMessage> {
        self.take(max, None).delivered
    }

    fn delete(&mut self, queued: &QueuedMessage) -> Result<(), SqsError> {
        self.pass(0);
        self.queue
            .delete(self.now, receipt(queued), &mut self.changes)
    }

    fn hide(&mut self, queued: &QueuedMessage, timeout: Millis) -> Result<(), SqsError> {
        self.pass(0);
        self.queue
            .change_visibility(self.now, receipt(queued), timeout, &mut self.changes)
    }
}

fn receipt(queued: &QueuedMessage) -> crate::sqs::receipt_handle::ReceiptHandle {
    crate::sqs::receipt_handle::ReceiptHandle {
        queue: 1,
        seq: queued.seq,
        receive: queued.delivery.receives,
    }
}

fn bodies(messages: &[QueuedMessage]) -> Vec<&str> {
    messages
        .iter()
        .map(|queued| queued.message.body.as_str())
        .collect()
}

const REDRIVE_AFTER_2: (&str, &str) = (
    "RedrivePolicy",
    r#"{"deadLetterTargetArn":"arn:aws:sqs:us-east-1:000000000000:d","maxReceiveCount":2}"#,
);

#[test]
fn received_message_is_hidden_until_timeout() {
    let mut bench = Bench::new(&[("VisibilityTimeout", "5")]);
    bench.send("x");
    assert_eq!(bodies(&bench.receive(10)), ["x"]);
    bench.pass(4_999);
    assert_eq!(bench.receive(10).len(), 0);
    assert_eq!(bench.queue.next_due(), Some(1_000 + 5_000));
    bench.pass(1);
    let again = bench.receive(10);
    assert_eq!(again[0].delivery.receives, 2);
    assert_eq!(again[0].delivery.first_received_at, Some(1_000));
}

#[test]
fn returned_message_queues_behind_the_others() {
    let mut bench = Bench::new(&[]);
    bench.send("poison");
    bench.send("good");
    bench.pass(1);
    bench.take(1, Some(0));
    assert_eq!(bodies(&bench.receive(10)), ["good", "poison"]);
}

#[test]
fn zero_timeout_returns_a_message_at_once() {
    let mut bench = Bench::new(&[]);
    bench.send("x");
    assert_eq!(bench.take(10, Some(0)).delivered.len(), 1);
    assert_eq!(bench.take(10, Some(0)).delivered.len(), 1);
}

#[test]
fn old_handle_does_not_delete_a_redelivery() {
    let mut bench = Bench::new(&[]);
    bench.send("x");
    let old = bench.take(1, Some(0)).delivered.remove(0);
    let new = bench.receive(1).remove(0);
    assert_eq!(bench.delete(&old), Ok(()));
    assert_eq!(bench.queue.counts().in_flight, 1);
    assert_eq!(bench.delete(&new), Ok(()));
    assert_eq!(bench.delete(&new), Ok(()));
    assert_eq!(
        bench.queue.counts(),
        Counts {
            visible: 0,
            in_flight: 0,
            delayed: 0
        }
    );
}

#[test]
fn standard_message_is_deleted_after_timeout() {
    let mut bench = Bench::new(&[("VisibilityTimeout", "1")]);
    bench.send("x");
    let queued = bench.receive(1).remove(0);
    bench.pass(5_000);
    assert_eq!(bench.delete(&queued), Ok(()));
    assert_eq!(bench.receive(1).len(), 0);
}

#[test]
fn visibility_changes_up_to_twelve_hours() {
    let mut bench = Bench::new(&[]);
    bench.send("x");
    let queued = bench.receive(1).remove(0);
    bench.pass(10_000);
    assert_eq!(bench.hide(&queued, 43_190_000), Ok(()));
    assert_eq!(
        bench.hide(&queued, 43_191_000).unwrap_err().code,
        ErrorCode::InvalidParameterValue
    );
    assert_eq!(bench.hide(&queued, 0), Ok(()));
    assert_eq!(
        bench.hide(&queued, 5_000).unwrap_err().code,
        ErrorCode::MessageNotInflight
    );
    assert_eq!(bench.receive(1).len(), 1);
    assert_eq!(
        bench.hide(&queued, 5_000).unwrap_err().code,
        ErrorCode::InvalidParameterValue
    );
}

#[test]
fn message_delay_overrides_the_queue_delay() {
    let mut bench = Bench::new(&[("DelaySeconds", "2")]);
    bench.send("x");
    assert_eq!(bench.queue.counts().delayed, 1);
    bench.pass(1_999);
    assert_eq!(bench.receive(1).len(), 0);
    bench.pass(1);
    assert_eq!(
        bench.queue.counts(),
        Counts {
            visible: 1,
            in_flight: 0,
            delayed: 0
        }
    );
    assert_eq!(bench.receive(1).len(), 1);
}

#[test]
fn messages_expire_after_the_retention_period() {
    let mut bench = Bench::new(&[
        ("MessageRetentionPeriod", "60"),
        ("VisibilityTimeout", "600"),
    ]);
    bench.send("taken");
    bench.send("waiting");
    assert_eq!(bench.receive(1).len(), 1);
    bench.pass(59_999);
    assert_eq!(
        bench.queue.counts(),
        Counts {
            visible: 1,
            in_flight: 1,
            delayed: 0
        }
    );
    bench.pass(1);
    assert_eq!(
        bench.queue.counts(),
        Counts {
            visible: 0,
            in_flight: 0,
            delayed: 0
        }
    );
    assert_eq!(bench.queue.next_due(), None);
}

#[test]
fn message_received_too_often_is_dead() {
    let mut bench = Bench::new(&[REDRIVE_AFTER_2]);
    bench.send("poison");
    bench.take(1, Some(0));
    bench.take(1, Some(0));
    bench.send("good");
    let taken = bench.take(10, None);
    assert_eq!(bodies(&taken.delivered), ["good"]);
    assert_eq!(bodies(&taken.dead), ["poison"]);

    let mut dead_letters = Bench::new(&[("MessageRetentionPeriod", "60")]);
    let queued = taken.dead[0].clone();
    let sent_at = queued.message.sent_at;
    dead_letters.now = sent_at + 59_000;
    dead_letters.queue.accept_dead_letter(
        dead_letters.now,
        9,
        queued,
        "arn:source",
        &mut ChangeSet::new(),
    );
    let buried = dead_letters.take(1, Some(0)).delivered.remove(0);
    assert_eq!(buried.message.id, taken.dead[0].message.id);
    assert_eq!(buried.message.sent_at, sent_at);
    assert_eq!(
        buried.message.dead_letter_source.as_deref(),
        Some("arn:source")
    );
    assert_eq!(buried.delivery.receives, 3);
    // On a standard queue, the time in the source queue counts.
    dead_letters.pass(1_000);
    assert_eq!(dead_letters.queue.counts().visible, 0);
}

#[test]
fn no_message_is_dead_without_a_dlq() {
    let mut bench = Bench::new(&[REDRIVE_AFTER_2]);
    bench.send("x");
    let request = Receive {
        max: 1,
        visibility: Some(0),
        attempt: None,
    };
    for _ in 0..4 {
        bench.pass(0);
        let taken = bench
            .queue
            .receive(bench.now, &request, false, &mut bench.changes)
            .unwrap();
        assert_eq!((taken.delivered.len(), taken.dead.len()), (1, 0));
    }
}

#[test]
fn dead_fifo_message_unblocks_its_group() {
    let mut bench = Bench::fifo(&[REDRIVE_AFTER_2]);
    bench.send_to("g", "poison");
    bench.send_to("g", "next");
    bench.take(1, Some(0));
    bench.take(1, Some(0));
    let taken = bench.take(1, None);
    assert_eq!(
        (bodies(&taken.dead), bodies(&taken.delivered)),
        (vec!["poison"], vec!["next"])
    );
}

#[test]
fn in_flight_limit_by_queue_type() {
    for (attributes, group) in [(&[][..], None), (&[("FifoQueue", "true")], Some("g"))] {
        let mut bench = Bench::new(attributes);
        for n in 0..=MAX_IN_FLIGHT {
            bench.send_message("x", group, group.map(|_| n.to_string()).as_deref());
        }
        assert_eq!(bench.receive(MAX_IN_FLIGHT + 1).len(), MAX_IN_FLIGHT);
        let request = Receive {
            max: 1,
            visibility: None,
            attempt: None,
        };
        let outcome = bench
            .queue
            .receive(bench.now, &request, true, &mut bench.changes);
        match group {
            None => assert_eq!(outcome.unwrap_err().code, ErrorCode::OverLimit),
            Some(_) => assert_eq!(outcome.unwrap().delivered.len(), 0),
        }
    }
}

#[test]
fn duplicate_returns_the_original_message_id() {
    let mut bench = Bench::fifo(&[]);
    let original = bench.send_message("1", Some("a"), Some("d"));
    assert_eq!(bench.send_message("2", Some("b"), Some("d")), original);
    let queued = bench.receive(10).remove(0);
    bench.delete(&queued).unwrap();
    bench.pass(dedup::DEDUPLICATION_INTERVAL - 1);
    assert_eq!(bench.send_message("3", Some("a"), Some("d")), original);
    assert_eq!(bench.receive(10).len(), 0);
    bench.pass(1);
    assert_ne!(bench.send_message("4", Some("a"), Some("d")), original);
    assert_eq!(bodies(&bench.receive(10)), ["4"]);
}

#[test]
fn deduplication_scope_can_be_the_group() {
    let mut bench = Bench::fifo(&[("DeduplicationScope", "messageGroup")]);
    let a = bench.send_message("a", Some("a"), Some("d"));
    let b = bench.send_message("b", Some("b"), Some("d"));
    assert_ne!(a, b);
    assert_eq!(bench.send_message("a2", Some("a"), Some("d")), a);
}

#[test]
fn fifo_group_is_redelivered_in_order() {
    let mut bench = Bench::fifo(&[("VisibilityTimeout", "1")]);
    for body in ["1", "2", "3"] {
        bench.send_to("g", body);
    }
    let first = bench.receive(2);
    bench.hide(&first[1], 0).unwrap();
    assert_eq!(bench.receive(10).len(), 0, "the first is still in flight");
    bench.pass(1_000);
    assert_eq!(bodies(&bench.receive(10)), ["1", "2", "3"]);
}

#[test]
fn expired_handle_does_not_delete_on_fifo() {
    let mut bench = Bench::fifo(&[("VisibilityTimeout", "1")]);
    bench.send_to("g", "x");
    let queued = bench.receive(1).remove(0);
    bench.pass(1_000);
    assert_eq!(
        bench.delete(&queued).unwrap_err().code,
        ErrorCode::InvalidParameterValue
    );
    assert_eq!(bench.receive(1).len(), 1);
    assert!(bench.delete(&queued).is_err());
}

#[test]
fn repeated_attempt_returns_same_messages() {
    let mut bench = Bench::fifo(&[("VisibilityTimeout", "10")]);
    bench.send_to("g", "1");
    bench.send_to("g", "2");
    let request = Receive {
        max: 1,
        visibility: None,
        attempt: Some("try".into()),
    };
    let attempt = |bench: &mut Bench| {
        bench.pass(0);
        bench
            .queue
            .receive(bench.now, &request, true, &mut bench.changes)
            .unwrap()
            .delivered
    };
    let first = attempt(&mut bench);
    bench.pass(9_000);
    let second = attempt(&mut bench);
    assert_eq!(receipt(&first[0]), receipt(&second[0]));
    // The repeated attempt has started the visibility timeout again.
    bench.pass(9_000);
    bench.delete(&second[0]).unwrap();
    assert_eq!(bodies(&attempt(&mut bench)), ["2"]);
}

#[test]
fn new_delay_applies_to_delayed_fifo_messages() {
    let mut bench = Bench::fifo(&[("DelaySeconds", "100")]);
    bench.send_to("g", "x");
    let settings = bench
        .queue
        .settings
        .with(&AttributeMap::from([("DelaySeconds".into(), "1".into())]));
    bench
        .queue
        .set(bench.now, settings.unwrap(), &mut bench.changes);
    bench.pass(1_000);
    assert_eq!(bodies(&bench.receive(1)), ["x"]);
}

#[test]
fn purge_empties_queue_and_frees_groups() {
    let mut bench = Bench::fifo(&[]);
    bench.send_to("g", "1");
    let queued = bench.receive(1).remove(0);
    bench.send_to("g", "2");
    bench.queue.purge(bench.now, &mut bench.changes);
    assert_eq!(
        bench.queue.counts(),
        Counts {
            visible: 0,
            in_flight: 0,
            delayed: 0
        }
    );
    assert_eq!(bench.delete(&queued), Ok(()));
    bench.send_to("g", "3");
    assert_eq!(bodies(&bench.receive(10)), ["3"]);
}

#[test]
fn cost_per_message_ignores_queue_length() {
    let mut bench = Bench::new(&[]);
    let count = 100_000;
    for n in 0..count {
        bench.send(&n.to_string());
    }
    let mut seen = 0;
    while let [first, ..] = &bench.receive(10)[..] {
        assert_eq!(first.message.body, seen.to_string());
        seen += 10;
    }
    assert_eq!(seen, count);
}
