//! Checks that this version can read the recorded items of every version.

use super::*;

/// An attribute in the JSON of DynamoDB.
fn to_json(value: &AttributeValue) -> Value {
    match value {
        AttributeValue::S(text) => json!({ "S": text }),
        AttributeValue::N(number) => json!({ "N": number }),
        AttributeValue::Bool(value) => json!({ "BOOL": value }),
        AttributeValue::Null(_) => json!({ "NULL": true }),
        AttributeValue::L(members) => {
            json!({ "L": members.iter().map(to_json).collect::<Vec<_>>() })
        }
        AttributeValue::M(members) => {
            json!({ "M": members.iter().map(|(k, v)| (k.clone(), to_json(v))).collect::<BTreeMap<_, _>>() })
        }
        other => panic!("{other:?}"),
    }
}

fn from_json(value: &Value) -> AttributeValue {
    let (kind, value) = value.as_object().unwrap().iter().next().unwrap();
    let text = || value.as_str().unwrap().to_owned();
    match kind.as_str() {
        "S" => AttributeValue::S(text()),
        "N" => AttributeValue::N(text()),
        "BOOL" => AttributeValue::Bool(value.as_bool().unwrap()),
        "NULL" => AttributeValue::Null(true),
        "L" => AttributeValue::L(value.as_array().unwrap().iter().map(from_json).collect()),
        "M" => AttributeValue::M(item_of(value)),
        other => panic!("{other}"),
    }
}

pub(super) fn item_of(value: &Value) -> Item {
    let members = value.as_object().unwrap().iter();
    members
        .map(|(name, value)| (name.clone(), from_json(value)))
        .collect()
}

/// The store that recorded the items. It has an index, and one event type expires.
fn recording_store(stack: &Stack) -> EventStore {
    let store = stack.store().with_index_shards(NonZeroU16::new(4).unwrap());
    store.with_retention("ACCOUNT_DAY_CLOSED=30d,*=never".parse().unwrap())
}

fn recording_handler(stack: &Stack) -> Handler {
    let dead_letters = DeadLetterQueue::new(stack.sqs_client(), stack.dead_letter_queue_url());
    Handler::new(recording_store(stack), dead_letters)
}

/// Returns the messages of a version with the message ids that they had when they were stored.
fn numbered(version: &Path) -> Vec<(String, Value)> {
    let messages = messages(version).into_iter().enumerate();
    messages
        .map(|(n, message)| (format!("recorded-{n}"), message))
        .collect()
}

async fn handle_recorded(stack: &Stack, version: &Path) -> [u64; 4] {
    let records: Vec<_> = numbered(version)
        .iter()
        .map(|(id, message)| record(id, message["body"].as_str().unwrap()))
        .collect();
    let report = recording_handler(stack).handle(&records, None).await;
    assert_eq!(report.failed, [""; 0]);
    report.metrics.verdicts()
}

#[tokio::test]
#[ignore = "needs RECORD_AS; records the items of this version for all later versions"]
async fn record_what_this_version_stores() {
    let version = recorded().join(std::env::var("RECORD_AS").unwrap());
    let file = version.join("items.jsonl");
    assert!(!file.exists(), "{} is recorded already", file.display());
    let stack = endpoints().await;
    handle_recorded(&stack, &version).await;
    let scan = stack.dynamodb_client().scan().table_name(stack.table());
    let mut items: Vec<String> = scan
        .send()
        .await
        .unwrap()
        .items()
        .iter()
        .map(|item| format!("{}\n", to_json(&AttributeValue::M(item.clone()))["M"]))
        .collect();
    items.sort();
    fs::write(file, items.concat()).unwrap();
}

#[tokio::test]
async fn recorded_items_are_read_and_deduplicated() {
    for version in versions() {
        let stack = endpoints().await;
        let items: Vec<Item> = lines(&version.join("items.jsonl"))
            .iter()
            .map(item_of)
            .collect();
        for item in &items {
            put(&stack, item.clone()).await;
        }
        let all: Vec<Value> = numbered(&version)
            .iter()
            .flat_map(|(id, message)| expected(message, id))
            .collect();
        assert_eq!(items.len(), all.len());
        let store = recording_store(&stack);
        let found = stored(&store, &all).await;
        for event in &all {
            assert_eq!(
                fixture_of(&found[event["EventId"].as_str().unwrap()]),
                *event
            );
        }
        let (mut tied, mut expiring) = (0, 0);
        for item in &items {
            let event = &found[item["EventId"].as_s().unwrap()];
            let number = |name: &str| item.get(name).map(|number| number.as_n().unwrap().clone());
            assert_eq!(
                event.stored_at().map(|at| at.to_string()),
                number("StoredAt")
            );
            assert_eq!(
                event.expires_at().map(|at| at.to_string()),
                number("ExpiresAt")
            );
            tied += usize::from(number("Timestamp").unwrap() != event.timestamp().to_string());
            expiring += usize::from(event.expires_at().is_some());
        }
        assert!(
            tied >= 2 && expiring >= 1,
            "{tied} tied, {expiring} expiring"
        );
        let types: HashSet<&str> = all
            .iter()
            .map(|event| event["EventType"].as_str().unwrap())
            .collect();
        let mut by_type = 0;
        for event_type in types {
            let events = store.by_type(event_type).unwrap();
            by_type += events.try_collect::<Vec<_>>().await.unwrap().len();
        }
        assert_eq!(by_type, all.len());
        // If the messages are delivered again after an upgrade, each finds its items,
        // including those with a tie-break, and nothing is stored a second time.
        let count = all.len() as u64;
        assert_eq!(handle_recorded(&stack, &version).await, [0, count, 0, 0]);
    }
}
