//! Writing events: idempotence, keys, attributes, and reading values back unchanged.

use super::*;

pub(super) async fn append_is_idempotent(store: &EventStore) {
    let event = envelope("once", "1596719980.5");
    assert_eq!(store.append(&event).await, Ok(AppendOutcome::Stored));
    assert_eq!(store.append(&event).await, Ok(AppendOutcome::Duplicate));
    let stored: Vec<_> = store.history("once").try_collect().await.unwrap();
    assert_eq!(stored.len(), 1);
    assert_eq!(*stored[0].envelope(), event);
    assert!(stored[0].stored_at().is_some());
}

pub(super) async fn ties_are_stored_and_found(store: &EventStore) {
    let events: Vec<Envelope> = (0..30).map(|_| envelope("ties", "7.000000001")).collect();
    let outcomes = store.append_all(&events, None).await;
    let of = |wanted: AppendOutcome| outcomes.iter().filter(|o| **o == Ok(wanted)).count();
    assert_eq!(
        (
            of(AppendOutcome::Stored),
            of(AppendOutcome::StoredWithTieBreak)
        ),
        (1, 29)
    );
    let stored: Vec<_> = store.history("ties").try_collect().await.unwrap();
    assert_eq!(stored.len(), 30);
    assert!(
        stored
            .iter()
            .all(|e| e.envelope().timestamp().to_string() == "7.000000001")
    );
    for event in &events {
        let found = store
            .get(&id("ties"), event.timestamp(), event.event_id())
            .await
            .unwrap()
            .unwrap();
        assert_eq!(found.envelope(), event);
    }
    // Appending all events again, in another order, changes nothing.
    let again: Vec<Envelope> = events.into_iter().rev().collect();
    assert!(
        store
            .append_all(&again, None)
            .await
            .iter()
            .all(|o| *o == Ok(AppendOutcome::Duplicate))
    );
}

pub(super) async fn every_json_value_is_read_back(store: &EventStore) {
    let data = r#"{"":[],"a.b":{},"big":12345678901234567890123456789012345678,"e":"","exact":0.10000000000000000000000000000000001,"f":false,"huge":-99999999999999999999999999,"l":[null,true,1.5,"x",[[]],{"k":{}}],"max":9.9999999999999999999999999999999999999e125,"min":1e-130,"s":"\"\\\n\u0000\ufffe\uffff😀\u202e","z":null}"#;
    let event = foreign("json", data);
    assert_eq!(store.append(&event).await, Ok(AppendOutcome::Stored));
    let stored = store.history("json").try_next().await.unwrap().unwrap();
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

/// Computes the significant digits and the exponent of a number, without the code under test.
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

pub(super) async fn item_has_the_documented_attributes(store: &EventStore, client: &Client) {
    let body = r#"{"Timestamp":1596719980,"EventType":"EVENT_TEST","ID":"attributes","EmitterId":"u","EmitterType":"USER","Data":{"foo":"bar"},"Version":3,"x-region_1":"eu","EventId":"own"}"#;
    let event = wire::decode(body, &EventId::random())
        .unwrap()
        .remove(0)
        .outcome
        .unwrap();
    let store = store
        .clone()
        .with_retention("EVENT_TEST=100y".parse().unwrap());
    assert_eq!(store.append(&event).await, Ok(AppendOutcome::Stored));
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
            ("ExpiresAt".to_owned(), n("4750319980")),
        ])
    );
}

pub(super) async fn raw_items(
    client: &Client,
    table: &str,
    id: &str,
) -> Vec<HashMap<String, AttributeValue>> {
    let query = client
        .query()
        .table_name(table)
        .key_condition_expression("ID = :id")
        .expression_attribute_values(":id", AttributeValue::S(id.to_owned()));
    query.send().await.unwrap().items.unwrap_or_default()
}
