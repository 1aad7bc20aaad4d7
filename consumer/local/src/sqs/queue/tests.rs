use super::receiving::{MOST_IN_FLIGHT, Taken};
use super::*;
use crate::sqs::error::{Kind, Refusal};
use crate::sqs::message::{Attributes, md5_of_body};
use crate::sqs::window;

mod model;

/// A queue, its clock, and its next sequence number.
struct Bench {
    queue: Queue,
    now: Millis,
    seq: Seq,
    journal: Journal,
}

impl Bench {
    fn new(attributes: &[(&str, &str)]) -> Self {
        let texts = attributes
            .iter()
            .map(|(name, value)| ((*name).into(), (*value).into()));
        let settings = Settings::new(&texts.collect()).unwrap();
        Self {
            queue: Queue::new(1, "q".into(), settings, Texts::new(), 0),
            now: 1_000,
            seq: 0,
            journal: Journal::new(),
        }
    }

    fn fifo(attributes: &[(&str, &str)]) -> Self {
        Self::new(&[&[("FifoQueue", "true")], attributes].concat())
    }

    fn pass(&mut self, millis: Millis) {
        self.now += millis;
        self.queue.advance(self.now, &mut self.journal);
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
            .send(self.now, self.seq, message, None, &mut self.journal)
    }

    fn send(&mut self, body: &str) -> Original {
        self.send_message(body, None, None)
    }

    fn send_to(&mut self, group: &str, body: &str) -> Original {
        self.send_message(body, Some(group), Some(body))
    }

    fn take(&mut self, most: usize, visibility: Option<Millis>) -> Taken {
        let request = Receive {
            most,
            visibility,
            attempt: None,
        };
        self.pass(0);
        self.queue
            .receive(self.now, &request, true, &mut self.journal)
            .unwrap()
    }

    fn receive(&mut self, most: usize) -> Vec<Slot> {
        self.take(most, None).delivered
    }

    fn delete(&mut self, slot: &Slot) -> Result<(), Refusal> {
        self.pass(0);
        self.queue
            .delete(self.now, receipt(slot), &mut self.journal)
    }

    fn hide(&mut self, slot: &Slot, timeout: Millis) -> Result<(), Refusal> {
        self.pass(0);
        self.queue
            .change_visibility(self.now, receipt(slot), timeout, &mut self.journal)
    }
}

fn receipt(slot: &Slot) -> crate::sqs::receipt::Receipt {
    crate::sqs::receipt::Receipt {
        queue: 1,
        seq: slot.seq,
        receive: slot.delivery.receives,
    }
}

fn bodies(slots: &[Slot]) -> Vec<&str> {
    slots
        .iter()
        .map(|slot| slot.message.body.as_str())
        .collect()
}

const REDRIVE_AFTER_2: (&str, &str) = (
    "RedrivePolicy",
    r#"{"deadLetterTargetArn":"arn:aws:sqs:us-east-1:000000000000:d","maxReceiveCount":2}"#,
);

#[test]
fn a_message_is_hidden_until_its_visibility_timeout_ends() {
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
fn a_message_that_comes_back_goes_behind_those_that_waited() {
    let mut bench = Bench::new(&[]);
    bench.send("poison");
    bench.send("good");
    bench.pass(1);
    bench.take(1, Some(0));
    assert_eq!(bodies(&bench.receive(10)), ["good", "poison"]);
}

#[test]
fn a_visibility_timeout_of_zero_gives_back_at_once_but_not_twice_in_one_receive() {
    let mut bench = Bench::new(&[]);
    bench.send("x");
    assert_eq!(bench.take(10, Some(0)).delivered.len(), 1);
    assert_eq!(bench.take(10, Some(0)).delivered.len(), 1);
}

#[test]
fn an_old_handle_does_not_delete_what_another_receiver_holds() {
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
fn a_standard_message_can_be_deleted_after_its_timeout() {
    let mut bench = Bench::new(&[("VisibilityTimeout", "1")]);
    bench.send("x");
    let slot = bench.receive(1).remove(0);
    bench.pass(5_000);
    assert_eq!(bench.delete(&slot), Ok(()));
    assert_eq!(bench.receive(1).len(), 0);
}

#[test]
fn visibility_can_be_changed_while_in_flight_up_to_twelve_hours() {
    let mut bench = Bench::new(&[]);
    bench.send("x");
    let slot = bench.receive(1).remove(0);
    bench.pass(10_000);
    assert_eq!(bench.hide(&slot, 43_190_000), Ok(()));
    assert_eq!(
        bench.hide(&slot, 43_191_000).unwrap_err().kind,
        Kind::InvalidParameterValue
    );
    assert_eq!(bench.hide(&slot, 0), Ok(()));
    assert_eq!(
        bench.hide(&slot, 5_000).unwrap_err().kind,
        Kind::MessageNotInflight
    );
    assert_eq!(bench.receive(1).len(), 1);
    assert_eq!(
        bench.hide(&slot, 5_000).unwrap_err().kind,
        Kind::InvalidParameterValue
    );
}

#[test]
fn a_delay_is_the_queues_unless_the_message_has_its_own() {
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
fn messages_go_at_the_end_of_the_retention_period_in_flight_or_not() {
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
fn a_message_received_too_often_is_given_up_with_its_history() {
    let mut bench = Bench::new(&[REDRIVE_AFTER_2]);
    bench.send("poison");
    bench.take(1, Some(0));
    bench.take(1, Some(0));
    bench.send("good");
    let taken = bench.take(10, None);
    assert_eq!(bodies(&taken.delivered), ["good"]);
    assert_eq!(bodies(&taken.dead), ["poison"]);

    let mut dead_letters = Bench::new(&[("MessageRetentionPeriod", "60")]);
    let slot = taken.dead[0].clone();
    let sent_at = slot.message.sent_at;
    dead_letters.now = sent_at + 59_000;
    dead_letters
        .queue
        .bury(dead_letters.now, 9, slot, "arn:source", &mut Journal::new());
    let buried = dead_letters.take(1, Some(0)).delivered.remove(0);
    assert_eq!(buried.message.id, taken.dead[0].message.id);
    assert_eq!(buried.message.sent_at, sent_at);
    assert_eq!(
        buried.message.dead_letter_source.as_deref(),
        Some("arn:source")
    );
    assert_eq!(buried.delivery.receives, 3);
    // On a standard queue the time in the source counts.
    dead_letters.pass(1_000);
    assert_eq!(dead_letters.queue.counts().visible, 0);
}

#[test]
fn without_a_dead_letter_queue_nothing_is_given_up() {
    let mut bench = Bench::new(&[REDRIVE_AFTER_2]);
    bench.send("x");
    let request = Receive {
        most: 1,
        visibility: Some(0),
        attempt: None,
    };
    for _ in 0..4 {
        bench.pass(0);
        let taken = bench
            .queue
            .receive(bench.now, &request, false, &mut bench.journal)
            .unwrap();
        assert_eq!((taken.delivered.len(), taken.dead.len()), (1, 0));
    }
}

#[test]
fn a_poisoned_fifo_message_lets_its_group_go_on() {
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
fn too_many_messages_in_flight_are_refused_on_standard_and_held_back_on_fifo() {
    for (attributes, group) in [(&[][..], None), (&[("FifoQueue", "true")], Some("g"))] {
        let mut bench = Bench::new(attributes);
        for n in 0..=MOST_IN_FLIGHT {
            bench.send_message("x", group, group.map(|_| n.to_string()).as_deref());
        }
        assert_eq!(bench.receive(MOST_IN_FLIGHT + 1).len(), MOST_IN_FLIGHT);
        let request = Receive {
            most: 1,
            visibility: None,
            attempt: None,
        };
        let outcome = bench
            .queue
            .receive(bench.now, &request, true, &mut bench.journal);
        match group {
            None => assert_eq!(outcome.unwrap_err().kind, Kind::OverLimit),
            Some(_) => assert_eq!(outcome.unwrap().delivered.len(), 0),
        }
    }
}

#[test]
fn a_duplicate_within_five_minutes_gets_the_originals_answer() {
    let mut bench = Bench::fifo(&[]);
    let original = bench.send_message("1", Some("a"), Some("d"));
    assert_eq!(bench.send_message("2", Some("b"), Some("d")), original);
    let slot = bench.receive(10).remove(0);
    bench.delete(&slot).unwrap();
    bench.pass(window::LENGTH - 1);
    assert_eq!(bench.send_message("3", Some("a"), Some("d")), original);
    assert_eq!(bench.receive(10).len(), 0);
    bench.pass(1);
    assert_ne!(bench.send_message("4", Some("a"), Some("d")), original);
    assert_eq!(bodies(&bench.receive(10)), ["4"]);
}

#[test]
fn ids_can_be_compared_within_a_group() {
    let mut bench = Bench::fifo(&[("DeduplicationScope", "messageGroup")]);
    let a = bench.send_message("a", Some("a"), Some("d"));
    let b = bench.send_message("b", Some("b"), Some("d"));
    assert_ne!(a, b);
    assert_eq!(bench.send_message("a2", Some("a"), Some("d")), a);
}

#[test]
fn a_fifo_group_redelivers_in_order_after_its_timeouts() {
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
fn an_expired_handle_does_not_delete_from_a_fifo_queue() {
    let mut bench = Bench::fifo(&[("VisibilityTimeout", "1")]);
    bench.send_to("g", "x");
    let slot = bench.receive(1).remove(0);
    bench.pass(1_000);
    assert_eq!(
        bench.delete(&slot).unwrap_err().kind,
        Kind::InvalidParameterValue
    );
    assert_eq!(bench.receive(1).len(), 1);
    assert!(bench.delete(&slot).is_err());
}

#[test]
fn an_attempt_made_again_gets_the_same_messages_until_one_is_touched() {
    let mut bench = Bench::fifo(&[("VisibilityTimeout", "10")]);
    bench.send_to("g", "1");
    bench.send_to("g", "2");
    let request = Receive {
        most: 1,
        visibility: None,
        attempt: Some("try".into()),
    };
    let attempt = |bench: &mut Bench| {
        bench.pass(0);
        bench
            .queue
            .receive(bench.now, &request, true, &mut bench.journal)
            .unwrap()
            .delivered
    };
    let first = attempt(&mut bench);
    bench.pass(9_000);
    let second = attempt(&mut bench);
    assert_eq!(receipt(&first[0]), receipt(&second[0]));
    // The visibility timeout began anew.
    bench.pass(9_000);
    bench.delete(&second[0]).unwrap();
    assert_eq!(bodies(&attempt(&mut bench)), ["2"]);
}

#[test]
fn a_changed_delay_holds_for_delayed_fifo_messages() {
    let mut bench = Bench::fifo(&[("DelaySeconds", "100")]);
    bench.send_to("g", "x");
    let settings = bench
        .queue
        .settings
        .with(&Texts::from([("DelaySeconds".into(), "1".into())]));
    bench
        .queue
        .set(bench.now, settings.unwrap(), &mut bench.journal);
    bench.pass(1_000);
    assert_eq!(bodies(&bench.receive(1)), ["x"]);
}

#[test]
fn a_purge_empties_the_queue_and_frees_its_groups() {
    let mut bench = Bench::fifo(&[]);
    bench.send_to("g", "1");
    let slot = bench.receive(1).remove(0);
    bench.send_to("g", "2");
    bench.queue.purge(bench.now, &mut bench.journal);
    assert_eq!(
        bench.queue.counts(),
        Counts {
            visible: 0,
            in_flight: 0,
            delayed: 0
        }
    );
    assert_eq!(bench.delete(&slot), Ok(()));
    bench.send_to("g", "3");
    assert_eq!(bodies(&bench.receive(10)), ["3"]);
}

#[test]
fn a_long_queue_costs_no_more_for_each_message() {
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
