//! The contract of the event store, run against every DynamoDB there is here:
//! the embedded one, and another implementation where there is one.

use std::collections::HashMap;
use std::num::NonZeroU16;

use aws_config::BehaviorVersion;
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::AttributeValue;
use domain_events::store::{Cursor, schema};
use domain_events::{
    Appended, Decoded, DomainEvent, EntityId, Envelope, EventDefinition, EventId, EventStore,
    ReadError, StoreError, Timestamp, wire,
};
use futures::{StreamExt, TryStreamExt};
use serde::{Deserialize, Serialize};

use crate::support::{endpoints, envelope};

#[tokio::test]
async fn the_embedded_dynamodb_keeps_the_contract() {
    let stack = endpoints().await;
    let (client, table) = (stack.dynamodb_client(), stack.table());
    contract(&client, table).await;
    the_largest_item_fits_and_a_byte_more_does_not(
        &EventStore::new(client.clone(), table),
        &client,
    )
    .await;
}

#[tokio::test]
#[ignore = "needs a DynamoDB at AWS_ENDPOINT_URL_DYNAMODB"]
async fn another_dynamodb_keeps_the_contract() {
    let config = aws_config::defaults(BehaviorVersion::v2026_01_12())
        .load()
        .await;
    let table = format!("contract-{}", EventId::random());
    let client = Client::new(&config);
    domain_events_consumer::local::create_table(&client, &table)
        .await
        .unwrap();
    contract(&client, &table).await;
}

async fn contract(client: &Client, table: &str) {
    let store =
        EventStore::new(client.clone(), table).with_index_shards(NonZeroU16::new(4).unwrap());
    an_event_is_stored_once(&store).await;
    ties_are_kept_and_found(&store).await;
    every_json_value_comes_back(&store).await;
    the_item_has_the_attributes_every_reader_expects(&store, client).await;
    the_deepest_value_fits(&store).await;
    a_long_history_is_read_to_its_end(&store).await;
    ranges_limits_and_cursors(&store).await;
    one_type_is_read_from_all_shards_in_order(&store).await;
    histories_are_decoded_and_folded(&store).await;
    a_corrupt_item_is_an_error_with_its_key(&store, client).await;
    a_missing_table_may_come_back(client).await;
}

fn id(text: &str) -> EntityId {
    text.parse().unwrap()
}

async fn texts(
    history: impl futures::Stream<Item = Result<domain_events::StoredEvent, ReadError>>,
) -> Vec<String> {
    history
        .map_ok(|event| event.envelope().timestamp().to_string())
        .try_collect()
        .await
        .unwrap()
}

/// An event from the other side of the wire.
fn foreign(id: &str, data: &str) -> Envelope {
    let body = format!(
        r#"{{"Timestamp":1,"EventType":"EVENT_TEST","ID":"{id}","EmitterId":"u","EmitterType":"USER","Data":{data}}}"#
    );
    wire::decode(&body, &EventId::random())
        .unwrap()
        .remove(0)
        .outcome
        .unwrap()
}

async fn an_event_is_stored_once(store: &EventStore) {
    let event = envelope("once", "1596719980.5");
    assert_eq!(store.append(&event).await, Ok(Appended::Stored));
    assert_eq!(store.append(&event).await, Ok(Appended::Duplicate));
    let stored: Vec<_> = store.history(&id("once")).try_collect().await.unwrap();
    assert_eq!(stored.len(), 1);
    assert_eq!(*stored[0].envelope(), event);
    assert!(stored[0].stored_at().is_some());
}

async fn ties_are_kept_and_found(store: &EventStore) {
    let events: Vec<Envelope> = (0..30).map(|_| envelope("ties", "7.000000001")).collect();
    let outcomes = store.append_all(&events, None).await;
    let of = |wanted: Appended| outcomes.iter().filter(|o| **o == Ok(wanted)).count();
    assert_eq!((of(Appended::Stored), of(Appended::Tied)), (1, 29));
    let stored: Vec<_> = store.history(&id("ties")).try_collect().await.unwrap();
    assert_eq!(stored.len(), 30);
    assert!(
        stored
            .iter()
            .all(|e| e.envelope().timestamp().to_string() == "7.000000001")
    );
    for event in &events {
        let found = store
            .find(&id("ties"), event.timestamp(), event.event_id())
            .await
            .unwrap()
            .unwrap();
        assert_eq!(found.envelope(), event);
    }
    // All of them once more, in another order: nothing changes.
    let again: Vec<Envelope> = events.into_iter().rev().collect();
    assert!(
        store
            .append_all(&again, None)
            .await
            .iter()
            .all(|o| *o == Ok(Appended::Duplicate))
    );
}

async fn every_json_value_comes_back(store: &EventStore) {
    let data = r#"{"":[],"a.b":{},"big":12345678901234567890123456789012345678,"e":"","exact":0.10000000000000000000000000000000001,"f":false,"huge":-99999999999999999999999999,"l":[null,true,1.5,"x",[[]],{"k":{}}],"max":9.9999999999999999999999999999999999999e125,"min":1e-130,"s":"\"\\\n\u0000\ufffe\uffff😀\u202e","z":null}"#;
    let event = foreign("json", data);
    assert_eq!(store.append(&event).await, Ok(Appended::Stored));
    let stored = store
        .history(&id("json"))
        .try_next()
        .await
        .unwrap()
        .unwrap();
    let value = |text: &str| -> Vec<(String, String)> {
        let members: std::collections::BTreeMap<String, Box<serde_json::value::RawValue>> =
            serde_json::from_str(text).unwrap();
        members
            .into_iter()
            .map(|(k, v)| (k, v.get().to_owned()))
            .collect()
    };
    for ((key, sent), (_, got)) in value(data)
        .into_iter()
        .zip(value(stored.envelope().data().unwrap()))
    {
        if sent.starts_with(|c: char| c.is_ascii_digit() || c == '-') {
            assert_eq!(decimal(&got), decimal(&sent), "{key}");
        } else {
            let parse = |text: &str| serde_json::from_str::<serde_json::Value>(text).unwrap();
            assert_eq!(parse(&got), parse(&sent), "{key}");
        }
    }
}

/// A number as its significant digits and exponent: an opinion of its own.
fn decimal(number: &str) -> (String, i64) {
    let (mantissa, exponent) = number.split_once(['e', 'E']).unwrap_or((number, "0"));
    let (int, frac) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits = format!("{int}{frac}");
    let exponent = exponent.parse::<i64>().unwrap() - frac.len() as i64;
    let trimmed = digits.trim_end_matches('0');
    let exponent = exponent + (digits.len() - trimmed.len()) as i64;
    let sign = if trimmed.starts_with('-') { "-" } else { "" };
    (
        format!(
            "{sign}{}",
            trimmed.trim_start_matches('-').trim_start_matches('0')
        ),
        exponent,
    )
}

async fn the_item_has_the_attributes_every_reader_expects(store: &EventStore, client: &Client) {
    let body = r#"{"Timestamp":1596719980,"EventType":"EVENT_TEST","ID":"attributes","EmitterId":"u","EmitterType":"USER","Data":{"foo":"bar"},"Version":3,"x-region_1":"eu","EventId":"own"}"#;
    let event = wire::decode(body, &EventId::random())
        .unwrap()
        .remove(0)
        .outcome
        .unwrap();
    let store = store
        .clone()
        .with_retention("EVENT_TEST=1d".parse().unwrap());
    assert_eq!(store.append(&event).await, Ok(Appended::Stored));
    let mut item = raw_items(client, store.table(), "attributes")
        .await
        .remove(0);
    let stored_at = item.remove("StoredAt").unwrap();
    assert!(stored_at.as_n().unwrap().parse::<f64>().unwrap() > 1.7e9);
    let s = |text: &str| AttributeValue::S(text.to_owned());
    let n = |text: &str| AttributeValue::N(text.to_owned());
    assert!(
        item.remove("IndexKey")
            .unwrap()
            .as_s()
            .unwrap()
            .starts_with("EVENT_TEST#")
    );
    assert_eq!(
        item,
        HashMap::from([
            ("ID".to_owned(), s("attributes")),
            ("Timestamp".to_owned(), n("1596719980")),
            ("EventType".to_owned(), s("EVENT_TEST")),
            ("EmitterId".to_owned(), s("u")),
            ("EmitterType".to_owned(), s("USER")),
            (
                "Data".to_owned(),
                AttributeValue::M(HashMap::from([("foo".to_owned(), s("bar"))]))
            ),
            ("EventId".to_owned(), s("own")),
            ("Version".to_owned(), n("3")),
            ("x-region_1".to_owned(), s("eu")),
            ("ExpiresAt".to_owned(), n("1596806380")),
        ])
    );
}

async fn raw_items(client: &Client, table: &str, id: &str) -> Vec<HashMap<String, AttributeValue>> {
    let query = client
        .query()
        .table_name(table)
        .key_condition_expression("ID = :id")
        .expression_attribute_values(":id", AttributeValue::S(id.to_owned()));
    query.send().await.unwrap().items.unwrap_or_default()
}

/// Our arithmetic is DynamoDB's: an item that we count to the limit is taken,
/// and with a byte more it is refused. Not every implementation counts.
async fn the_largest_item_fits_and_a_byte_more_does_not(store: &EventStore, client: &Client) {
    // With the room that is kept for the store's own attributes, what the wire
    // format takes is always below the limit.
    let overhead = domain_events::MAX_ITEM_BYTES - largest_accepted();
    let event = foreign("edge", &data_of(largest_accepted()));
    assert_eq!(store.append(&event).await, Ok(Appended::Stored));
    let item = raw_items(client, store.table(), "edge").await.remove(0);
    let room = domain_events::MAX_ITEM_BYTES - dynamodb_size(&item);
    assert!(
        room < overhead,
        "{room} bytes are left, {overhead} are kept"
    );
    // The same item, filled up to the very limit, by hand.
    for (extra, fits) in [(room, true), (room + 1, false)] {
        let mut item = item.clone();
        item.insert("ID".to_owned(), AttributeValue::S("edgz".to_owned()));
        let Some(AttributeValue::M(data)) = item.get_mut("Data") else {
            panic!()
        };
        let Some(AttributeValue::S(text)) = data.get_mut("t") else {
            panic!()
        };
        text.push_str(&"x".repeat(extra));
        let size = dynamodb_size(&item);
        assert_eq!(size <= domain_events::MAX_ITEM_BYTES, fits);
        let put = client
            .put_item()
            .table_name(store.table())
            .set_item(Some(item))
            .send()
            .await;
        assert_eq!(put.is_ok(), fits, "{size} bytes");
    }
}

fn data_of(bytes: usize) -> String {
    // Text, numbers on both sides of the point, a list and a word; the rest of
    // the bytes is the text's.
    format!(
        r#"{{"n":[-1234.5,100,0.001,null],"t":"{}"}}"#,
        "é".to_owned() + &"x".repeat(bytes)
    )
}

/// How many bytes of text an event of this shape may have.
fn largest_accepted() -> usize {
    let accepted = |bytes: usize| {
        let body = format!(
            r#"{{"Timestamp":1,"EventType":"EVENT_TEST","ID":"edge","EmitterId":"u","EmitterType":"USER","Data":{}}}"#,
            data_of(bytes)
        );
        wire::decode(&body, &EventId::random()).unwrap()[0]
            .outcome
            .is_ok()
    };
    let (mut low, mut high) = (400_000, 409_600);
    while low + 1 < high {
        let middle = (low + high) / 2;
        if accepted(middle) {
            low = middle
        } else {
            high = middle
        }
    }
    low
}

/// The developer guide's arithmetic, written down once more.
fn dynamodb_size(item: &HashMap<String, AttributeValue>) -> usize {
    fn value(v: &AttributeValue) -> usize {
        match v {
            AttributeValue::S(text) => text.len(),
            AttributeValue::N(number) => {
                let digits = number.trim_start_matches('-').trim_start_matches('0');
                let (int, frac) = digits.split_once('.').unwrap_or((digits, ""));
                let int = if frac.is_empty() {
                    int.trim_end_matches('0').len()
                } else {
                    int.len()
                };
                let frac = frac.trim_end_matches('0');
                let frac = if int == 0 {
                    frac.trim_start_matches('0').len()
                } else {
                    frac.len()
                };
                1 + int.div_ceil(2) + frac.div_ceil(2) + usize::from(number.starts_with('-'))
            }
            AttributeValue::L(list) => 3 + list.iter().map(|v| 1 + value(v)).sum::<usize>(),
            AttributeValue::M(map) => {
                3 + map
                    .iter()
                    .map(|(k, v)| k.len() + 1 + value(v))
                    .sum::<usize>()
            }
            _ => 1,
        }
    }
    item.iter().map(|(name, v)| name.len() + value(v)).sum()
}

async fn the_deepest_value_fits(store: &EventStore) {
    let nested = |levels: usize| {
        format!(
            "{}1{}",
            r#"{"a":"#.repeat(levels - 1),
            "}".repeat(levels - 1)
        )
    };
    assert_eq!(
        store.append(&foreign("deep", &nested(32))).await,
        Ok(Appended::Stored)
    );
    let stored = store
        .history(&id("deep"))
        .try_next()
        .await
        .unwrap()
        .unwrap();
    assert_eq!(stored.envelope().data().unwrap(), nested(32));
}

async fn a_long_history_is_read_to_its_end(store: &EventStore) {
    // Three times the megabyte of a page.
    let text = "x".repeat(300_000);
    let events: Vec<Envelope> = (0..11)
        .map(|n| {
            Envelope::builder(
                "LONG".parse().unwrap(),
                id("long"),
                domain_events::Emitter::system("t").unwrap(),
            )
            .timestamp(format!("{n}").parse().unwrap())
            .build_with(&HashMap::from([("t", &text)]))
            .unwrap()
        })
        .collect();
    assert!(
        store
            .append_all(&events, None)
            .await
            .iter()
            .all(Result::is_ok)
    );
    let expected: Vec<String> = (0..11).map(|n| n.to_string()).collect();
    assert_eq!(texts(store.history(&id("long"))).await, expected);
    let reversed: Vec<String> = expected.into_iter().rev().collect();
    assert_eq!(
        texts(store.history(&id("long")).latest_first()).await,
        reversed
    );
}

async fn ranges_limits_and_cursors(store: &EventStore) {
    let mut events: Vec<Envelope> = ["1", "2", "2", "3", "3.000000001", "4"]
        .map(|t| envelope("range", t))
        .into();
    assert!(
        store
            .append_all(&events, None)
            .await
            .iter()
            .all(Result::is_ok)
    );
    events.sort_by_key(Envelope::timestamp);
    let at = |text: &str| text.parse::<Timestamp>().unwrap();
    let history = || store.history(&id("range"));
    assert_eq!(
        texts(history().since(at("2"))).await,
        ["2", "2", "3", "3.000000001", "4"]
    );
    assert_eq!(texts(history().until(at("2"))).await, ["1"]);
    assert_eq!(
        texts(history().until(at("2.000000001"))).await,
        ["1", "2", "2"]
    );
    assert_eq!(
        texts(history().since(at("3")).until(at("4")).latest_first()).await,
        ["3.000000001", "3"]
    );
    assert_eq!(texts(history().limit(2)).await, ["1", "2"]);
    assert_eq!(texts(history().limit(0)).await, [""; 0]);
    assert_eq!(
        texts(history().since(at("3")).until(at("3"))).await,
        [""; 0]
    );
    assert_eq!(texts(history().until(at("0"))).await, [""; 0]);
    assert_eq!(texts(store.history(&id("nobody"))).await, [""; 0]);
    // One at a time, each time from the cursor's text, in both directions.
    for reverse in [false, true] {
        let history = || {
            if reverse {
                history().latest_first()
            } else {
                history()
            }
        };
        let all: Vec<_> = history().try_collect().await.unwrap();
        let mut one_by_one = Vec::new();
        let mut cursor: Option<Cursor> = None;
        loop {
            let page = cursor
                .iter()
                .fold(history(), |h, c| h.after(c.to_string().parse().unwrap()));
            let Some(event) = page.limit(1).try_next().await.unwrap() else {
                break;
            };
            cursor = Some(event.cursor());
            one_by_one.push(event);
        }
        assert_eq!(one_by_one, all);
        assert_eq!(all.len(), 6);
    }
}

async fn one_type_is_read_from_all_shards_in_order(store: &EventStore) {
    let events: Vec<Envelope> = (0..60)
        .map(|n| {
            let emitter = domain_events::Emitter::system("t").unwrap();
            Envelope::builder(
                "INDEXED".parse().unwrap(),
                id(&format!("indexed-{}", n % 7)),
                emitter,
            )
            .timestamp(format!("{}", n / 2).parse().unwrap())
            .build()
            .unwrap()
        })
        .collect();
    assert!(
        store
            .append_all(&events, None)
            .await
            .iter()
            .all(Result::is_ok)
    );
    let by_type = || store.by_type(&"INDEXED".parse().unwrap()).unwrap();
    let all: Vec<_> = by_type().try_collect().await.unwrap();
    assert_eq!(all.len(), 60);
    assert!(all.windows(2).all(|w| w[0].cursor() < w[1].cursor()));
    let mut reversed: Vec<_> = by_type().latest_first().try_collect().await.unwrap();
    reversed.reverse();
    assert_eq!(reversed, all);
    let middle: Vec<_> = by_type()
        .since("10".parse().unwrap())
        .until("12".parse().unwrap())
        .try_collect()
        .await
        .unwrap();
    assert_eq!(middle, all[20..24]);
    let rest: Vec<_> = by_type()
        .after(all[24].cursor())
        .limit(10)
        .try_collect()
        .await
        .unwrap();
    assert_eq!(rest, all[25..35]);
    let without_index = EventStore::new(
        Client::from_conf(
            aws_sdk_dynamodb::Config::builder()
                .behavior_version(BehaviorVersion::v2026_01_12())
                .build(),
        ),
        "t",
    );
    assert!(matches!(
        without_index.by_type(&"INDEXED".parse().unwrap()),
        Err(ReadError::NoIndex)
    ));
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Deposited {
    account: String,
    amount: i64,
}

impl DomainEvent for Deposited {
    const DEFINITIONS: &'static [EventDefinition] = &[EventDefinition::new("DEPOSITED")];
    fn entity_id(&self) -> &dyn std::fmt::Display {
        &self.account
    }
}

async fn histories_are_decoded_and_folded(store: &EventStore) {
    let context = domain_events::Context::new(domain_events::Emitter::system("bank").unwrap());
    for amount in [10, -3] {
        let event = Deposited {
            account: "account".to_owned(),
            amount,
        };
        let _ = store
            .append(&Envelope::new(&event, &context).unwrap())
            .await
            .unwrap();
    }
    let _ = store.append(&envelope("account", "5")).await.unwrap();
    let (sum, others) = store
        .history(&id("account"))
        .fold(
            (0, 0),
            |(sum, others), event: Decoded<Deposited>| match event {
                Decoded::Known(event, _) => (sum + event.amount, others),
                Decoded::Unknown(_) => (sum, others + 1),
            },
        )
        .await
        .unwrap();
    assert_eq!((sum, others), (7, 1));
}

async fn a_corrupt_item_is_an_error_with_its_key(store: &EventStore, client: &Client) {
    let _ = store.append(&envelope("corrupt", "1")).await.unwrap();
    let _ = store.append(&envelope("corrupt", "3")).await.unwrap();
    let put = client
        .put_item()
        .table_name(store.table())
        .item(schema::HASH_KEY, AttributeValue::S("corrupt".to_owned()))
        .item(schema::SORT_KEY, AttributeValue::N("2".to_owned()));
    put.send().await.unwrap();
    let read: Vec<Result<_, ReadError>> = store.history(&id("corrupt")).collect().await;
    assert_eq!(read.len(), 3, "the stream goes on behind it");
    match &read[1] {
        Err(ReadError::Corrupt(item)) => {
            assert_eq!((item.id(), item.timestamp()), ("corrupt", "2"))
        }
        other => panic!("{other:?}"),
    }
}

async fn a_missing_table_may_come_back(client: &Client) {
    let store = EventStore::new(client.clone(), "missing-table");
    let error = store.append(&envelope("e", "1")).await.unwrap_err();
    assert!(
        matches!(error, StoreError::Unavailable { .. }) && error.is_retryable(),
        "{error:?}"
    );
    let read: Vec<_> = store.history(&id("e")).collect().await;
    assert!(matches!(&read[..], [Err(ReadError::Store(_))]), "{read:?}");
}
