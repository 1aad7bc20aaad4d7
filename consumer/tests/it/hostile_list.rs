//! Bad and nasty messages against the handler, on real endpoints.

#[path = "../../../sdk/tests/fixtures/hostile.rs"]
mod list;

use std::io::{self, Write};
use std::sync::{Arc, Mutex};

use domain_events_consumer::log;
use domain_events_consumer::record::{DecodedRecord, decode_record};
use list::{CANARY, Hostile, hostile};
use tracing_subscriber::util::SubscriberInitExt;

use crate::support::{attribute, dead_letters, endpoints, record};

/// What is logged, as it would stand in the log.
#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Lines {
    fn take(&self) -> String {
        String::from_utf8(std::mem::take(&mut *self.0.lock().unwrap())).unwrap()
    }
}

/// The messages that are text; SQS delivers no other.
fn texts() -> impl Iterator<Item = (String, String, Vec<String>)> {
    hostile()
        .into_iter()
        .filter_map(|Hostile { name, body, expect }| {
            Some((name, String::from_utf8(body).ok()?, expect))
        })
}

/// Whether SQS would have taken the message, with room for a rejection.
fn deliverable(body: &str) -> bool {
    let taken = |c: char| matches!(c, '\t' | '\n' | '\r' | ' '..='\u{fffd}' | '\u{10000}'..);
    body.chars().all(taken) && (1..1_040_000).contains(&body.len())
}

#[test]
fn the_consumer_judges_every_hostile_message_as_the_decoder_does() {
    for (name, body, expect) in texts() {
        let record = record("message-id", body);
        let verdicts: Vec<String> = decode_record(&record)
            .unwrap()
            .iter()
            .map(|event| match event {
                DecodedRecord::Valid(_) => "accept".to_owned(),
                DecodedRecord::Rejected(_, rejection) => {
                    let shown = format!("{rejection:?}");
                    assert!(!shown.contains(CANARY), "{name}: {shown}");
                    let told = format!("{} {}", rejection.code.as_str(), rejection.pointer);
                    told.trim_end_matches(' ').to_owned()
                }
            })
            .collect();
        // Of a place that is longer, the beginning is kept.
        let kept = |verdict: &String| match verdict.split_once(' ') {
            Some((code, pointer)) => {
                format!("{code} {}", &pointer[..pointer.floor_char_boundary(1024)])
            }
            None => verdict.clone(),
        };
        assert!(
            verdicts == expect.iter().map(kept).collect::<Vec<_>>(),
            "{name}"
        );
    }
}

#[tokio::test]
async fn no_log_line_and_no_rejection_shows_what_a_hostile_message_holds() {
    handled(0).await;
}

#[tokio::test]
async fn nor_what_the_other_half_of_them_holds() {
    handled(1).await;
}

/// Every second message, from `first` on: two tests take half the time.
async fn handled(first: usize) {
    let lines = Lines::default();
    let writer = lines.clone();
    let _logging = log::subscriber(tracing::Level::DEBUG, move || writer.clone()).set_default();
    let stack = endpoints().await;
    for (index, (name, body, expect)) in texts().enumerate().skip(first).step_by(2) {
        let message = record(&format!("m-{index}"), body);
        let report = stack
            .handler()
            .handle(std::slice::from_ref(&message), None)
            .await;
        let shown = format!("{report:?}");
        assert!(!shown.contains(CANARY), "{name}: {shown}");

        let logged = lines.take();
        assert!(!logged.contains(CANARY), "{name}: {logged}");
        let mut verdicts = 0;
        for line in logged.lines() {
            let line: serde_json::Value = serde_json::from_str(line).unwrap();
            verdicts += usize::from(line["verdict"].is_string());
        }
        assert!(verdicts > 0, "{name}: nothing is logged");
        // However many events are bad, and whatever they are called.
        assert!(
            logged.len() < 1_000_000,
            "{name}: {} bytes of log",
            logged.len()
        );

        let accepted = expect.iter().filter(|verdict| *verdict == "accept").count();
        let [stored, duplicate, rejected, failed] = report.metrics.verdicts();
        if deliverable(&message.body) {
            assert_eq!(report.failed, [""; 0], "{name}: {logged}");
            assert_eq!(failed, 0, "{name}");
            assert_eq!(stored + duplicate, accepted as u64, "{name}");
            assert_eq!(rejected, (expect.len() - accepted) as u64, "{name}");
        }
        if accepted == expect.len() {
            continue;
        }
        for letter in dead_letters(&stack).await {
            assert_eq!(
                attribute(&letter, "OriginalMessageId"),
                Some(&*message.message_id)
            );
            for (attribute, value) in &letter.1 {
                assert!(!value.contains(CANARY), "{name}: {attribute} is {value}");
                assert!(value.len() <= 1024, "{name}: {attribute}");
            }
            if let [verdict] = &expect[..] {
                // Of a packed message the event's own text is moved.
                let whole = letter.0 == message.body
                    || message.body.contains(&letter.0)
                        && message.body.trim_start().starts_with('[');
                assert!(whole, "{name}: another body");
                assert_eq!(
                    attribute(&letter, "RejectionCode"),
                    verdict.split(' ').next()
                );
            }
        }
    }
}
