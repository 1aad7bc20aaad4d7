//! The maximum size and the maximum nesting that DynamoDB accepts.

use super::*;

/// The computed size of an item is the size that DynamoDB counts: DynamoDB accepts an item
/// of exactly the limit, and rejects one more byte. Not every implementation of DynamoDB
/// checks the size.
pub(super) async fn item_limit_is_exact(store: &EventStore, client: &Client) {
    // The wire format reserves space for the attributes of the store, so an accepted event
    // is always below the limit.
    let overhead = domain_events::MAX_ITEM_BYTES - largest_accepted();
    let event = foreign("edge", &data_of(largest_accepted()));
    assert_eq!(store.append(&event).await, Ok(AppendOutcome::Stored));
    let item = raw_items(client, store.table(), "edge").await.remove(0);
    let room = domain_events::MAX_ITEM_BYTES - dynamodb_size(&item);
    assert!(
        room < overhead,
        "{room} bytes are left, {overhead} bytes are reserved"
    );
    // Extend the same item to exactly the limit, and then by one more byte.
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
    // A list with numbers on both sides of the point and `null`, and a text that takes the
    // remaining bytes.
    format!(
        r#"{{"n":[-1234.5,100,0.001,null],"t":"{}"}}"#,
        "é".to_owned() + &"x".repeat(bytes)
    )
}

/// The maximum number of bytes of text in an event of this shape.
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

/// Computes the size of an item according to the DynamoDB developer guide, without the code
/// under test.
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

/// DynamoDB rejects empty keys, so each empty key is stored as one byte. This byte counts
/// towards the limit.
pub(super) async fn empty_keys_are_stored_up_to_the_item_limit(store: &EventStore) {
    let data = |count: usize| format!(r#"{{"l":[{}]}}"#, vec![r#"{"":1}"#; count].join(","));
    let is_accepted = |count: usize| {
        let body = format!(
            r#"{{"Timestamp":1,"EventType":"EVENT_TEST","ID":"empty-keys","EmitterId":"u","EmitterType":"USER","Data":{}}}"#,
            data(count)
        );
        let mut decoded = wire::decode(&body, &EventId::random()).unwrap();
        decoded.remove(0).outcome.is_ok()
    };
    let (mut fits, mut too_many) = (10_000, 100_000);
    while fits + 1 < too_many {
        let middle = (fits + too_many) / 2;
        if is_accepted(middle) {
            fits = middle;
        } else {
            too_many = middle;
        }
    }
    let event = foreign("empty-keys", &data(fits));
    assert_eq!(store.append(&event).await, Ok(AppendOutcome::Stored));
    let stored = store
        .history("empty-keys")
        .try_next()
        .await
        .unwrap()
        .unwrap();
    assert_eq!(stored.data(), Some(&*data(fits)));
    // The item is close to the limit.
    let size = dynamodb_size(&item_of(store, "empty-keys").await);
    assert!(domain_events::MAX_ITEM_BYTES - size < 300, "{size} bytes");
}

async fn item_of(store: &EventStore, id: &str) -> HashMap<String, AttributeValue> {
    let stored = store.history(id).try_next().await.unwrap().unwrap();
    domain_events::__internals::item_of(stored.envelope(), 0)
}

pub(super) async fn value_of_32_levels_is_stored(store: &EventStore) {
    let nested = |levels: usize| {
        format!(
            "{}1{}",
            r#"{"a":"#.repeat(levels - 1),
            "}".repeat(levels - 1)
        )
    };
    assert_eq!(
        store.append(&foreign("deep", &nested(32))).await,
        Ok(AppendOutcome::Stored)
    );
    let stored = store.history("deep").try_next().await.unwrap().unwrap();
    assert_eq!(stored.envelope().data().unwrap(), nested(32));
}
