//! Recorded messages and spools of every released version, which this version must read.
//! The tests of the consumer read the recorded items from the same folders.
//!
//! This command records a new version. A folder that exists is never edited:
//!
//! ```sh
//! RECORD_AS=v0.2 cargo test --workspace --all-features record_what_this_version -- --ignored
//! ```
//!
//! In each folder, `messages.jsonl` contains messages that the SDK sent, `spool.events` is
//! a spool file that it wrote, and `spool.jsonl` lists the events in that file.
//! `foreign.jsonl` is written by hand from the description of the wire format. It contains
//! messages that a producer in another language may send.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use domain_events::{CorrelationId, DomainEvent, Emitter, Envelope, EventId, Sdk, wire};
use serde::Serialize;
use serde_json::{Value, json};

use crate::publisher::builder;
use crate::publisher_spool::{Folder, sdk, until};
use crate::scripted_endpoint::{Endpoint, client};

/// The name that a spool gives to its first file.
const SEGMENT: &str = "000000000001.events";

fn recorded() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/recorded")
}

/// The folders of all versions.
fn versions() -> Vec<PathBuf> {
    let mut folders: Vec<PathBuf> = fs::read_dir(recorded())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    folders.sort();
    assert!(!folders.is_empty());
    folders
}

fn lines(path: &Path) -> Vec<Value> {
    let text = fs::read_to_string(path).unwrap();
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

fn write_lines(path: &Path, lines: &[Value]) {
    assert!(!path.exists(), "{} is recorded already", path.display());
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(
        path,
        lines
            .iter()
            .map(|line| format!("{line}\n"))
            .collect::<String>(),
    )
    .unwrap();
}

/// An event in the form of the fixtures. Exact numbers are texts. `Data` is a text with
/// sorted keys, because the table returns sorted keys.
fn described(envelope: &Envelope, message_id: &EventId) -> Value {
    let sorted = |json: &str| {
        let text = serde_json::from_str::<Value>(json).unwrap().to_string();
        // The wire format escapes these two characters, because SQS refuses them.
        text.replace('\u{fffe}', "\\ufffe")
            .replace('\u{ffff}', "\\uffff")
    };
    let own = Some(envelope.event_id()).filter(|id| *id != message_id);
    let extra: BTreeMap<&str, String> = envelope
        .extra_fields()
        .map(|(name, json)| (name, sorted(json)))
        .collect();
    json!({
        "Timestamp": envelope.timestamp().to_string(),
        "EventType": envelope.event_type().as_str(),
        "ID": envelope.entity_id().as_str(),
        "EmitterId": envelope.emitter().id().as_str(),
        "EmitterType": envelope.emitter().kind().as_str(),
        "EventId": own.map(EventId::as_str),
        "Version": envelope.version(),
        "CorrelationId": envelope.correlation_id().map(CorrelationId::as_str),
        "CausationId": envelope.causation_id().map(|id| id.as_str()),
        "TraceParent": envelope.trace_parent(),
        "Data": envelope.data().map(sorted),
        "extra": extra,
    })
}

#[test]
fn recorded_message_is_read_as_recorded() {
    let message_id = EventId::from_static("message");
    for folder in versions() {
        let mut messages = lines(&folder.join("messages.jsonl"));
        messages.extend(lines(&folder.join("foreign.jsonl")));
        assert!(messages.len() > 10);
        for message in messages {
            let name = &message["name"];
            let body = message["body"].as_str().unwrap();
            let events = wire::decode(body, &message_id).unwrap();
            let expected = message["events"].as_array().unwrap();
            assert_eq!(events.len(), expected.len(), "{name}");
            for (index, (event, expected)) in events.into_iter().zip(expected).enumerate() {
                let envelope = event.outcome.unwrap_or_else(|e| panic!("{name}: {e}"));
                let mut expected = expected.clone();
                let own = !expected["EventId"].is_null();
                if !own && body.starts_with('[') {
                    expected["EventId"] = format!("message-{index}").into();
                }
                let mut event = described(&envelope, &message_id);
                // Parse the texts, so that numbers are compared by value.
                for value in [&mut event, &mut expected] {
                    if let Some(data) = value["Data"].as_str() {
                        value["Data"] = serde_json::from_str(&data.replace(":-0.0", ":0")).unwrap();
                    }
                    for field in value["extra"].as_object_mut().unwrap().values_mut() {
                        *field = serde_json::from_str(field.as_str().unwrap()).unwrap();
                    }
                }
                assert_eq!(event, expected, "{name}");
                // This version encodes the same event.
                let again = wire::encode(&envelope).unwrap();
                let again = wire::decode(&again, &message_id).unwrap().remove(0);
                assert_eq!(again.outcome.unwrap(), envelope, "{name}");
            }
        }
    }
}

#[tokio::test]
async fn recorded_spool_is_sent_in_order() {
    for version in versions() {
        let folder = Folder::new("spool-recorded");
        fs::create_dir_all(&folder.0).unwrap();
        fs::copy(version.join("spool.events"), folder.0.join(SEGMENT)).unwrap();
        let expected = lines(&version.join("spool.jsonl"));
        let endpoint = Endpoint::good().await;
        let sdk = sdk("events.fifo", endpoint.client(), &folder.0)
            .await
            .unwrap();
        until("the recorded spool is sent", || {
            endpoint.accepted().len() >= expected.len()
        })
        .await;
        let report = sdk.shutdown(Duration::from_secs(5)).await;
        assert_eq!((report.in_spool, report.damaged_in_spool), (0, 0));
        let of_group = |group: &Value| -> (Vec<String>, Vec<String>) {
            let sent = endpoint.accepted().into_iter();
            let sent = sent.filter(|entry| entry.group.as_deref() == group.as_str());
            let recorded = expected.iter().filter(|line| line["group"] == *group);
            let text = |line: &Value| line["body"].as_str().unwrap().to_owned();
            (
                sent.map(|entry| entry.text).collect(),
                recorded.map(text).collect(),
            )
        };
        assert_eq!(endpoint.accepted().len(), expected.len());
        for line in &expected {
            let (sent, recorded) = of_group(&line["group"]);
            assert_eq!(sent, recorded);
        }
    }
}

#[derive(Serialize, DomainEvent)]
#[event(emitter_type = "USER")]
struct AccountOpened {
    #[event(id)]
    account: String,
    #[event(emitter_id)]
    owner: String,
    limit_cents: i64,
    largest: u64,
    rate: f64,
    note: Option<String>,
    tags: Vec<String>,
}

#[derive(Serialize, DomainEvent)]
#[event(prefix = "ACCOUNT")]
enum AccountEvent {
    #[event(version = 3, oldest)]
    LimitRaised {
        #[event(id)]
        account: String,
        limit_cents: i64,
    },
    #[event(id = "bank", emitter_type = "SYSTEM", emitter_id = "clock")]
    DayClosed,
}

fn opened(account: &str, note: Option<&str>) -> AccountOpened {
    AccountOpened {
        account: account.to_owned(),
        owner: "ada".to_owned(),
        limit_cents: -125_000,
        largest: u64::MAX,
        rate: 0.125,
        note: note.map(str::to_owned),
        tags: vec![String::new(), "a/b~c".to_owned()],
    }
}

fn raised(account: &str, limit_cents: i64) -> AccountEvent {
    AccountEvent::LimitRaised {
        account: account.to_owned(),
        limit_cents,
    }
}

fn this_version() -> PathBuf {
    recorded().join(std::env::var("RECORD_AS").unwrap())
}

#[tokio::test]
#[ignore = "needs RECORD_AS; records the messages of this version for all later versions"]
async fn record_what_this_version_sends() {
    let endpoint = Endpoint::good().await;
    let plain = builder(&endpoint).build().await.unwrap();
    let context = plain
        .on_behalf_of(Emitter::user("grace").unwrap())
        .with_correlation_id(CorrelationId::from_static("checkout-7"))
        .caused_by(EventId::from_static("0198c0de-0000-7000-8000-000000000001"));
    let odd = "\u{0}\u{7}\"\\\n\u{fffe}\u{ffff}\u{1F600}é\u{2028}";
    let mut names = Vec::new();
    let emit = |sdk: &Sdk, event| sdk.emit::<AccountOpened>(event);
    names.push("a single event");
    emit(&plain, opened("single", None)).await.unwrap();
    names.push("every character that needs an escape");
    emit(&plain, opened("odd", Some(odd))).await.unwrap();
    names.push("a version above one");
    plain.emit(raised("raised", 5)).await.unwrap();
    names.push("Data that is null");
    plain.emit(AccountEvent::DayClosed).await.unwrap();
    names.push("correlation, causation and another emitter");
    context.emit(raised("context", i64::MIN)).await.unwrap();
    names.push("trace context");
    let traced = domain_events::Context::new(Emitter::system("shop").unwrap())
        .with_trace_parent("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01");
    let traced = Envelope::new(&raised("traced", 1), &traced).unwrap();
    plain.emit_envelope(traced).await.unwrap();
    let mut bodies: Vec<String> = endpoint
        .accepted()
        .into_iter()
        .map(|entry| entry.text)
        .collect();
    assert_eq!(bodies.len(), names.len());

    let endpoint = Endpoint::good().await;
    let packing = builder(&endpoint).packing(true).build().await.unwrap();
    for outcome in packing
        .emit_all((0..30).map(|n| raised(&format!("packed-{}", n % 3), n)))
        .await
    {
        outcome.unwrap();
    }
    let packed = endpoint.accepted().into_iter().map(|entry| entry.text);
    bodies.push(
        packed
            .into_iter()
            .find(|text| text.starts_with('['))
            .unwrap(),
    );
    names.push("a packed message");

    let message_id = EventId::from_static("message");
    let messages: Vec<Value> = names
        .iter()
        .zip(bodies)
        .map(|(name, body)| {
            let events = wire::decode(&body, &message_id).unwrap();
            let events: Vec<Value> = events
                .into_iter()
                .map(|event| described(&event.outcome.unwrap(), &message_id))
                .collect();
            json!({"name": name, "source": "emitter", "body": body, "events": events})
        })
        .collect();
    write_lines(&this_version().join("messages.jsonl"), &messages);

    // No server listens at the discard port.
    let folder = Folder::new("spool-record");
    let spooling = sdk("events.fifo", client("http://127.0.0.1:9"), &folder.0)
        .await
        .unwrap();
    for n in 0..4 {
        let receipt = spooling
            .emit(raised(&format!("spooled-{}", n % 2), n))
            .await
            .unwrap();
        assert_eq!(receipt.durability, domain_events::Durability::Spool);
    }
    let _ = spooling.shutdown(Duration::from_secs(1)).await;
    let file = folder.0.join(SEGMENT);
    fs::copy(&file, this_version().join("spool.events")).unwrap();
    drop(spooling);
    // Record the events that a publisher sends from the file.
    let folder = Folder::new("spool-recorded-again");
    fs::create_dir_all(&folder.0).unwrap();
    fs::copy(this_version().join("spool.events"), folder.0.join(SEGMENT)).unwrap();
    let endpoint = Endpoint::good().await;
    let sending = sdk("events.fifo", endpoint.client(), &folder.0)
        .await
        .unwrap();
    assert_eq!(sending.shutdown(Duration::from_secs(5)).await.in_spool, 0);
    let events: Vec<Value> = endpoint
        .accepted()
        .into_iter()
        .map(|entry| json!({"group": entry.group, "body": entry.text}))
        .collect();
    assert_eq!(events.len(), 4);
    write_lines(&this_version().join("spool.jsonl"), &events);
}
