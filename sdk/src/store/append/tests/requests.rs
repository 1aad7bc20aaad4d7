//! The content and the size of the requests.

use proptest::prelude::*;

use super::*;

/// An event whose only field in `Data` is this JSON.
fn event_with(json: &str, n: usize) -> Envelope {
    let body = format!(
        r#"{{"Timestamp":{n},"EventType":"A","ID":"e","EmitterId":"e","EmitterType":"e","Data":{{"n":{json}}}}}"#
    );
    let mut decoded = crate::wire::decode(&body, &EventId::random()).unwrap();
    decoded.remove(0).outcome.unwrap()
}

#[test]
fn request_contains_the_attributes_of_the_item() {
    for json in [
        "1e20",
        "-1e-18",
        "-12345678901234567890123456789012345678e80",
        "null",
        "true",
        "false",
        r#""""#,
        r#""é\u0001\"\\\n""#,
        "[]",
        "{}",
        r#"{"\u0001":[{"":[1,null]}],"a\"b":{}}"#,
    ] {
        let event = event_with(&format!("[{}]", [json].repeat(3).join(",")), 1);
        let (key, mut own) = (SortKey::first_of(event.timestamp()), own(&event));
        own.expires_at = Some(7);
        own.index_key = Some("A#1".to_owned());
        let expected = item::attributes(&event, &key, &own);
        assert_eq!(
            item_of(NewItem::new(&event, &key, &own)),
            expected,
            "{json}"
        );
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(8))]
    /// A character of 1 byte in an item may take 6 bytes in a request, and a number of 3
    /// bytes may take 30. A few such events would make a request of over 16 MB, which
    /// DynamoDB refuses with all events in it.
    #[test]
    fn requests_are_bounded_by_the_sum_of_items(
        counts in proptest::collection::vec(prop_oneof![0..200_usize, 0..390_000_usize], 1..40),
    ) {
        let events: Vec<Envelope> = counts
            .iter()
            .enumerate()
            .map(|(n, count)| event_with(&format!("\"{}\"", "\\u0001".repeat(*count)), n))
            .collect();
        let mut work = Work::new(&events);
        let mut batches = Vec::new();
        while let Some((indexes, items)) = work.next_batch(own) {
            let bytes = |new: &NewItem| new.names.len() + new.parameters.len();
            let sizes: Vec<usize> = items.iter().map(bytes).collect();
            prop_assert_eq!(indexes.len(), sizes.len());
            batches.push((indexes, sizes));
        }
        let all: Vec<usize> = batches.iter().flat_map(|(indexes, _)| indexes.clone()).collect();
        prop_assert_eq!(all, (0..events.len()).collect::<Vec<_>>(), "each once, in order");
        for (_, sizes) in &batches {
            let total: usize = sizes.iter().sum();
            prop_assert!(sizes.len() <= MAX_STATEMENTS);
            prop_assert!(sizes.len() == 1 || total <= MAX_REQUEST_BYTES, "{}", total);
        }
        // A request takes as many events as fit.
        for pair in batches.windows(2) {
            let (total, next): (usize, usize) = (pair[0].1.iter().sum(), pair[1].1[0]);
            prop_assert!(pair[0].1.len() == MAX_STATEMENTS || total + next > MAX_REQUEST_BYTES);
        }
    }
}
