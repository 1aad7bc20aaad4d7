//! Histories, ranges, the index, and corrupt items.

use super::*;

pub(super) async fn history_of_many_pages_is_read_to_its_end(store: &EventStore) {
    // Three times the maximum size of a page, which is 1 MB.
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
    assert_eq!(texts(store.history("long")).await, expected);
    let reversed: Vec<String> = expected.into_iter().rev().collect();
    assert_eq!(texts(store.history("long").latest_first()).await, reversed);
}

pub(super) async fn history_can_be_narrowed_and_resumed(store: &EventStore) {
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
    let history = || store.history("range");
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
        texts(history().limit(u64::MAX)).await,
        texts(history()).await
    );
    assert_eq!(
        texts(history().since(at("3")).until(at("3"))).await,
        [""; 0]
    );
    assert_eq!(texts(history().until(at("0"))).await, [""; 0]);
    assert_eq!(texts(store.history("unknown")).await, [""; 0]);
    // Read one event at a time from the text of the last cursor, in both directions.
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

pub(super) async fn type_is_read_from_all_shards_in_order(store: &EventStore) {
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
    let by_type = || store.by_type("INDEXED").unwrap();
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
        without_index.by_type("INDEXED"),
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

pub(super) async fn history_is_decoded_and_folded(store: &EventStore) {
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
        .history("account")
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

pub(super) async fn corrupt_item_is_an_error_with_its_key(store: &EventStore, client: &Client) {
    let _ = store.append(&envelope("corrupt", "1")).await.unwrap();
    let _ = store.append(&envelope("corrupt", "3")).await.unwrap();
    let put = client
        .put_item()
        .table_name(store.table())
        .item(table::HASH_KEY, AttributeValue::S("corrupt".to_owned()))
        .item(table::SORT_KEY, AttributeValue::N("2".to_owned()));
    put.send().await.unwrap();
    let read: Vec<Result<_, ReadError>> = store.history("corrupt").collect().await;
    assert_eq!(read.len(), 3, "the stream continues after the corrupt item");
    match &read[1] {
        Err(ReadError::Corrupt(item)) => {
            assert_eq!((item.id(), item.timestamp()), ("corrupt", "2"))
        }
        other => panic!("{other:?}"),
    }
}

/// Puts an item that a store of this version would not write.
pub(super) async fn put(
    store: &EventStore,
    client: &Client,
    item: HashMap<String, AttributeValue>,
) {
    let put = client.put_item().table_name(store.table());
    put.set_item(Some(item)).send().await.unwrap();
}

pub(super) async fn impossible_key_is_an_error(store: &EventStore, client: &Client) {
    let _ = store.append(&envelope("odd-keys", "1")).await.unwrap();
    for key in ["-1", "1596719980123"] {
        let key = AttributeValue::N(key.to_owned());
        let id = AttributeValue::S("odd-keys".to_owned());
        let item = [(table::HASH_KEY, id), (table::SORT_KEY, key)];
        let item = item.map(|(name, value)| (name.to_owned(), value));
        put(store, client, item.into()).await;
    }
    let read: Vec<Result<_, ReadError>> = store.history("odd-keys").collect().await;
    let keys: Vec<&str> = read
        .iter()
        .filter_map(|read| match read {
            Err(ReadError::Corrupt(item)) => Some(item.timestamp()),
            _ => None,
        })
        .collect();
    assert_eq!((read.len(), &keys[..]), (3, &["-1", "1596719980123"][..]));
}

pub(super) async fn event_is_readable_with_any_expiry(store: &EventStore, client: &Client) {
    let kept = store.clone().with_retention("*=999y".parse().unwrap());
    let _ = kept.append(&envelope("expiry", "1")).await.unwrap();
    let mut item = raw_items(client, store.table(), "expiry").await.remove(0);
    assert!(!item.contains_key(table::EXPIRES_AT));
    for (key, expiry) in [("2", "10800000000"), ("3", "-5"), ("4", "1600000000")] {
        let number = |text: &str| AttributeValue::N(text.to_owned());
        item.insert(table::SORT_KEY.to_owned(), number(key));
        item.insert(table::EXPIRES_AT.to_owned(), number(expiry));
        put(store, client, item.clone()).await;
    }
    let read: Vec<_> = store.history("expiry").try_collect().await.unwrap();
    let expiries: Vec<Option<String>> = read
        .iter()
        .map(|event| event.expires_at().map(|at| at.to_string()))
        .collect();
    assert_eq!(expiries, [None, None, None, Some("1600000000".to_owned())]);
}

pub(super) async fn event_is_found_after_its_first_item_expires(
    store: &EventStore,
    client: &Client,
) {
    let (first, second) = (envelope("found", "1"), envelope("found", "1"));
    assert_eq!(store.append(&first).await, Ok(AppendOutcome::Stored));
    assert_eq!(
        store.append(&second).await,
        Ok(AppendOutcome::StoredWithTieBreak)
    );
    let found = async |event: &Envelope| {
        let at = event.timestamp();
        let found = store.get(&id("found"), at, event.event_id()).await;
        found.unwrap().is_some()
    };
    assert_eq!((found(&first).await, found(&second).await), (true, true));
    // Replace the first item by a corrupt item, and then delete it, as time to live does.
    let key = |name: &str, value| (name.to_owned(), value);
    let broken: HashMap<_, _> = [
        key(table::HASH_KEY, AttributeValue::S("found".to_owned())),
        key(table::SORT_KEY, AttributeValue::N("1".to_owned())),
    ]
    .into();
    put(store, client, broken.clone()).await;
    assert_eq!((found(&first).await, found(&second).await), (false, true));
    let delete = client.delete_item().table_name(store.table());
    delete.set_key(Some(broken)).send().await.unwrap();
    assert_eq!((found(&first).await, found(&second).await), (false, true));
}

pub(super) async fn missing_table_is_retryable(client: &Client) {
    let store = EventStore::new(client.clone(), "missing-table");
    let error = store.append(&envelope("e", "1")).await.unwrap_err();
    assert!(
        matches!(&error, StoreError::Table(e) if e.kind() == TableErrorKind::TableNotFound)
            && error.is_retryable(),
        "{error:?}"
    );
    let read: Vec<_> = store.history("e").collect().await;
    assert!(matches!(&read[..], [Err(ReadError::Table(_))]), "{read:?}");
}
