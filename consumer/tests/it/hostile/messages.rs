//! The handler receives every message of the list of hostile messages, on real endpoints.

#[path = "../../../../sdk/tests/fixtures/hostile.rs"]
mod list;

use domain_events_consumer::__internals::decode_record;
use list::{CANARY, Hostile, hostile};

use crate::support::lines::Lines;
use crate::support::{attribute, dead_letters, endpoints, record};

/// The messages that are text. SQS does not deliver any others.
fn texts() -> impl Iterator<Item = (String, String, Vec<String>)> {
    hostile()
        .into_iter()
        .filter_map(|Hostile { name, body, expect }| {
            Some((name, String::from_utf8(body).ok()?, expect))
        })
}

/// Returns true if SQS accepts the message together with the attributes of a rejection.
fn deliverable(body: &str) -> bool {
    let accepted = |c: char| matches!(c, '\t' | '\n' | '\r' | ' '..='\u{fffd}' | '\u{10000}'..);
    body.chars().all(accepted) && (1..1_040_000).contains(&body.len())
}

#[test]
fn hostile_messages_get_the_decoders_verdict() {
    for (name, body, expect) in texts() {
        let record = record("message-id", body);
        let verdicts: Vec<String> = decode_record(&record)
            .unwrap()
            .iter()
            .map(|event| match &event.outcome {
                Ok(_) => "accept".to_owned(),
                Err(rejection) => {
                    let shown = format!("{rejection:?}");
                    assert!(!shown.contains(CANARY), "{name}: {shown}");
                    let verdict = format!("{} {}", rejection.code.as_str(), rejection.pointer);
                    verdict.trim_end_matches(' ').to_owned()
                }
            })
            .collect();
        // A long pointer is truncated.
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
async fn even_hostile_messages_are_never_quoted() {
    assert_nothing_is_quoted(0).await;
}

#[tokio::test]
async fn odd_hostile_messages_are_never_quoted() {
    assert_nothing_is_quoted(1).await;
}

/// Handles every second message, starting with `first`. The two tests run in parallel.
async fn assert_nothing_is_quoted(first: usize) {
    let (lines, _logging) = Lines::collect();
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
        let mut verdicts = 0;
        for line in logged.lines() {
            let mut line: serde_json::Value = serde_json::from_str(line).unwrap();
            verdicts += usize::from(line["verdict"].is_string());
            // Most messages of the list have the canary as their EmitterId, which is an id.
            line.as_object_mut().unwrap().remove("emitter_id");
            assert!(!line.to_string().contains(CANARY), "{name}: {line}");
        }
        assert!(verdicts > 0, "{name}: nothing is logged");
        // The length of the log is limited, however many events or long keys a message has.
        assert!(
            logged.len() < 1_000_000,
            "{name}: {} bytes of log",
            logged.len()
        );

        let accepted = expect.iter().filter(|verdict| *verdict == "accept").count();
        let [stored, duplicate, rejected, failed] = report.metrics.verdicts();
        if deliverable(message.body()) {
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
                Some(message.message_id())
            );
            for (attribute, value) in &letter.1 {
                assert!(!value.contains(CANARY), "{name}: {attribute} is {value}");
                assert!(value.len() <= 1024, "{name}: {attribute}");
            }
            if let [verdict] = &expect[..] {
                // Only the rejected events of a packed message are moved.
                let whole = letter.0 == message.body()
                    || message.body().contains(&letter.0)
                        && message.body().trim_start().starts_with('[');
                assert!(whole, "{name}: the body differs");
                assert_eq!(
                    attribute(&letter, "RejectionCode"),
                    verdict.split(' ').next()
                );
            }
        }
    }
}
