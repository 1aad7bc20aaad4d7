//! Tables, indexes and permissions that do not meet the requirements of the store. The store
//! must never reject an event because of such a configuration error.

use aws_sdk_dynamodb::types::{
    AttributeDefinition, BillingMode, GlobalSecondaryIndex, KeySchemaElement, KeyType, Projection,
    ProjectionType, ScalarAttributeType,
};
use domain_events_consumer::{DeadLetterQueue, Handler};

use super::*;
use crate::support::proxy::{Fault, Request};
use crate::support::{body, dead_letters, record};

type Attribute = (&'static str, ScalarAttributeType);

fn key(name: &str, kind: KeyType) -> KeySchemaElement {
    let element = KeySchemaElement::builder().attribute_name(name);
    element.key_type(kind).build().unwrap()
}

/// Creates a table with a hash key and, if given, a sort key and an index `by-type`.
async fn create(
    client: &Client,
    name: &str,
    (hash, sort): (Attribute, Option<Attribute>),
    index: Option<(Attribute, Attribute)>,
) {
    let mut request = client
        .create_table()
        .table_name(name)
        .billing_mode(BillingMode::PayPerRequest)
        .key_schema(key(hash.0, KeyType::Hash));
    let mut attributes = vec![hash];
    if let Some(sort) = sort {
        request = request.key_schema(key(sort.0, KeyType::Range));
        attributes.push(sort);
    }
    if let Some((hash, sort)) = index {
        let all = Projection::builder().projection_type(ProjectionType::All);
        let index = GlobalSecondaryIndex::builder()
            .index_name(table::INDEX_NAME)
            .key_schema(key(hash.0, KeyType::Hash))
            .key_schema(key(sort.0, KeyType::Range))
            .projection(all.build());
        request = request.global_secondary_indexes(index.build().unwrap());
        for attribute in [hash, sort] {
            if !attributes.iter().any(|other| other.0 == attribute.0) {
                attributes.push(attribute);
            }
        }
    }
    for (name, kind) in attributes {
        let definition = AttributeDefinition::builder().attribute_name(name);
        let definition = definition.attribute_type(kind).build().unwrap();
        request = request.attribute_definitions(definition);
    }
    request.send().await.unwrap();
}

use ScalarAttributeType::{N, S};

fn is_key_schema(error: &StoreError) -> bool {
    matches!(error, StoreError::Table(error) if error.kind() == TableErrorKind::KeySchema)
}

#[tokio::test]
async fn table_with_other_keys_rejects_no_event() {
    let stack = endpoints().await;
    let client = stack.dynamodb_client();
    let tables = [
        ("other-keys", (("pk", S), Some(("sk", S)))),
        ("other-sort-key", (("ID", S), Some(("sk", S)))),
        ("other-type", (("ID", S), Some(("Timestamp", S)))),
        ("number-hash", (("ID", N), Some(("Timestamp", N)))),
        ("no-sort-key", (("ID", S), None)),
    ];
    for (name, keys) in tables {
        create(&client, name, keys.clone(), None).await;
        let store = EventStore::new(client.clone(), name);
        let error = store.check_table().await.unwrap_err();
        assert_eq!(error.kind(), TableErrorKind::KeySchema, "{name}");
        let text = error.to_string();
        assert!(text.contains(name) && text.contains("us-east-1"), "{text}");
        assert!(
            text.contains(keys.0.0) && text.contains("EVENT_TABLE"),
            "{text}"
        );

        // The first event of an entity fits a table without a sort key.
        let events = [envelope("e", "1"), envelope("e", "1"), envelope("e", "2")];
        let outcomes = store.append_all(&events, None).await;
        let failed = outcomes.iter().filter_map(|outcome| outcome.as_ref().err());
        assert!(failed.clone().count() >= 2, "{name}: {outcomes:?}");
        for error in failed {
            assert!(
                is_key_schema(error) && error.is_retryable(),
                "{name}: {error}"
            );
        }
        let dead_letter_queue = stack.dead_letter_queue_url();
        let letters = DeadLetterQueue::new(stack.sqs_client(), dead_letter_queue);
        let batch = [record("m1", body("f", "1")), record("m2", body("f", "2"))];
        let report = Handler::new(store, letters).handle(&batch, None).await;
        assert_eq!(
            report.metrics.verdicts()[2],
            0,
            "{name}: an event was rejected"
        );
        assert!(!report.failed.is_empty(), "{name}");
    }
    assert_eq!(dead_letters(&stack).await, []);
}

#[tokio::test]
async fn index_with_other_keys_rejects_no_event() {
    let stack = endpoints().await;
    let client = stack.dynamodb_client();
    let keys = (("ID", S), Some(("Timestamp", N)));
    let index = Some((("IndexKey", N), ("Timestamp", N)));
    create(&client, "index-type", keys, index).await;
    let store = EventStore::new(client, "index-type").with_index_shards(NonZeroU16::MIN);
    let error = store.append(&envelope("e", "1")).await.unwrap_err();
    assert!(is_key_schema(&error), "{error}");
    let error = store.check_table().await.unwrap_err();
    assert_eq!(error.kind(), TableErrorKind::KeySchema);
    assert!(error.to_string().contains("by-type"), "{error}");
}

#[tokio::test]
async fn missing_index_is_named_with_its_setting() {
    let stack = endpoints().await;
    let client = stack.dynamodb_client();
    let keys = (("ID", S), Some(("Timestamp", N)));
    create(&client, "no-index", keys, None).await;
    let store = EventStore::new(client, "no-index").with_index_shards(NonZeroU16::MIN);
    assert_eq!(
        store.append(&envelope("e", "1")).await,
        Ok(AppendOutcome::Stored)
    );
    let checked = store.check_table().await.unwrap_err();
    let by_type = store.by_type("EVENT_TEST").unwrap();
    let by_type: Vec<_> = by_type.collect().await;
    let conversation: Vec<_> = store.conversation("c").collect().await;
    for (read, name, setting) in [
        (&by_type, "by-type", "EVENT_INDEX_SHARDS"),
        (&conversation, "by-correlation", "CorrelationId"),
    ] {
        let [Err(ReadError::Table(error))] = &read[..] else {
            panic!("{read:?}");
        };
        assert_eq!(error.kind(), TableErrorKind::IndexNotFound);
        let text = error.to_string();
        for part in [name, "no-index", "us-east-1", setting] {
            assert!(text.contains(part), "{part}: {text}");
        }
    }
    assert_eq!(checked.kind(), TableErrorKind::IndexNotFound);
    assert!(checked.to_string().contains("index_shards"), "{checked}");
    // A store without an index accepts the same table.
    let store = EventStore::new(stack.dynamodb_client(), "no-index");
    store.check_table().await.unwrap();
}

#[tokio::test]
async fn table_is_checked_without_describe_table() {
    let stack = endpoints().await;
    for denied_operations in [&["DescribeTable"][..], &["DescribeTable", "GetItem"]] {
        let script = move |request: &mut Request| {
            if denied_operations.contains(&&*request.operation) {
                Fault::Respond(
                    400,
                    r#"{"__type":"com.amazon.coral.service#AccessDeniedException","Message":"not authorized"}"#,
                )
            } else {
                Fault::None
            }
        };
        let proxy = Proxy::start(&stack.dynamodb_endpoint(), script).await;
        let client = through(&proxy, &stack);
        create(
            &stack.dynamodb_client(),
            &format!("wrong-{}", denied_operations.len()),
            (("pk", S), Some(("sk", S))),
            None,
        )
        .await;
        EventStore::new(client.clone(), stack.table())
            .check_table()
            .await
            .unwrap();
        let wrong = EventStore::new(client, format!("wrong-{}", denied_operations.len()));
        let error = wrong.check_table().await.unwrap_err();
        assert_eq!(error.kind(), TableErrorKind::KeySchema, "{error}");
        let missing = EventStore::new(through(&proxy, &stack), "no-table");
        let error = missing.check_table().await.unwrap_err();
        assert_eq!(error.kind(), TableErrorKind::TableNotFound, "{error}");
    }
}

#[tokio::test]
async fn read_error_names_operation_table_and_cause() {
    let stack = endpoints().await;
    let store = EventStore::new(stack.dynamodb_client(), "no-table");
    let history: Vec<_> = store.history("e").collect().await;
    let scan: Vec<_> = store.scan().collect().await;
    for (read, doing) in [(&history, "querying"), (&scan, "scanning")] {
        let [Err(error)] = &read[..] else {
            panic!("{read:?}");
        };
        let text = error.to_string();
        for part in [
            doing,
            "\"no-table\"",
            "us-east-1",
            "ResourceNotFoundException",
            "EVENT_TABLE",
        ] {
            assert!(text.contains(part), "{part}: {text}");
        }
        assert!(
            std::error::Error::source(error).is_none(),
            "the first line contains the whole error"
        );
    }
}
