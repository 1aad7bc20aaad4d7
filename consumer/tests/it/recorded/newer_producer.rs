//! Messages of a producer with a later version.

use super::*;

/// The event types of this program before its upgrade.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Before {
    account: String,
    limit: i64,
}

impl DomainEvent for Before {
    const DEFINITIONS: &'static [EventDefinition] = &[EventDefinition::new("LIMIT_SET")];

    fn entity_id(&self) -> &dyn std::fmt::Display {
        &self.account
    }
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct LimitSet {
    account: String,
    limit_cents: i64,
}

impl DomainEvent for LimitSet {
    const DEFINITIONS: &'static [EventDefinition] =
        &[EventDefinition::new("LIMIT_SET").with_version(2)];

    fn entity_id(&self) -> &dyn std::fmt::Display {
        &self.account
    }

    fn upcast(older: PastVersion<'_>) -> Result<Self, DecodeError> {
        let Before { account, limit } = older.data()?;
        Ok(Self {
            account,
            limit_cents: limit * 100,
        })
    }
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Merged {
    account: String,
    into: String,
}

impl DomainEvent for Merged {
    const DEFINITIONS: &'static [EventDefinition] = &[EventDefinition::new("ACCOUNT_MERGED")];

    fn entity_id(&self) -> &dyn std::fmt::Display {
        &self.account
    }
}

fn newer(timestamp: u32, event_type: &str, more: &str) -> String {
    format!(
        r#"{{"Timestamp":{timestamp},"EventType":"{event_type}","ID":"newer","EmitterId":"ann","EmitterType":"USER","EventId":"n-{timestamp}"{more}}}"#
    )
}

#[tokio::test]
async fn events_of_a_newer_producer_are_preserved() {
    let stack = Stack::start(Options::default()).await.unwrap();
    let fields = |count: usize| -> String {
        (0..count)
            .map(|n| format!(r#","New{n}":{{"n":{n}}}"#))
            .collect()
    };
    let old = r#","Data":{"account":"newer","limit":5}"#;
    let new = r#","Version":2,"Data":{"account":"newer","limit_cents":700,"reason":"raise"}"#;
    let merged = r#","Data":{"account":"newer","into":"other"}"#;
    let attributes = [
        ("traceparent", "00-1-2-01"),
        ("Schema", "7"),
        ("RejectionCode", "NONE"),
    ];
    send(&stack, &newer(1, "LIMIT_SET", old), &[]).await;
    send(&stack, &newer(2, "LIMIT_SET", new), &attributes).await;
    send(&stack, &newer(3, "ACCOUNT_MERGED", merged), &[]).await;
    send(&stack, &newer(4, "NOT_KNOWN", &fields(20)), &[]).await;
    let highest = newer(6, "LIMIT_SET", r#","Version":65535,"Data":{"later":true}"#);
    send(
        &stack,
        &format!("[{},{highest}]", newer(5, "LIMIT_SET", new)),
        &attributes,
    )
    .await;
    // Only a field beyond the limit cannot be kept.
    let beyond = newer(7, "NOT_KNOWN", &fields(21));
    send(&stack, &beyond, &[]).await;

    let wanted: Vec<Value> = (0..6).map(|_| json!({"ID": "newer"})).collect();
    let found = all_stored(&stack.store(), &wanted).await;
    assert_eq!(found.len(), 6);
    let versions: Vec<u16> = (1..=6)
        .map(|n| found[&format!("n-{n}")].version())
        .collect();
    assert_eq!(versions, [1, 2, 1, 1, 2, 65_535]);
    assert_eq!(
        found["n-2"].data(),
        Some(r#"{"account":"newer","limit_cents":700,"reason":"raise"}"#)
    );
    assert_eq!(found["n-4"].extra_fields().count(), 20);
    assert!(
        found["n-4"]
            .extra_fields()
            .any(|field| field == ("New19", r#"{"n":19}"#))
    );
    let mut letters = Vec::new();
    for _ in 0..100 {
        letters.extend(dead_letters(&stack).await);
        if !letters.is_empty() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(letters.len(), 1);
    assert_eq!(
        attribute(&letters[0], "RejectionCode"),
        Some("INVALID_VALUE")
    );
    assert_eq!(
        letters[0].0, beyond,
        "the consumer after its upgrade needs the unchanged message"
    );

    let id: EntityId = "newer".parse().unwrap();
    let before: Vec<Result<Decoded<Before>, ReadError>> = stack
        .store()
        .history(&id)
        .decode::<Before>()
        .collect()
        .await;
    let read: Vec<String> = before
        .iter()
        .map(|event| match event {
            Ok(Decoded::Known(event, _)) => format!("limit {}", event.limit),
            Ok(Decoded::Unknown(event)) => format!("unknown {}", event.event_type()),
            Err(ReadError::Decode { source, .. }) => source.to_string(),
            Err(other) => panic!("{other}"),
        })
        .collect();
    assert_eq!(
        read,
        [
            "limit 5",
            "a stored LIMIT_SET has version 2, and this program reads versions up to 1",
            "unknown ACCOUNT_MERGED",
            "unknown NOT_KNOWN",
            "a stored LIMIT_SET has version 2, and this program reads versions up to 1",
            "a stored LIMIT_SET has version 65535, and this program reads versions up to 1",
        ]
    );
    // The upgraded program reads the same items.
    let after = |n: u32| found[&format!("n-{n}")].decode::<LimitSet>();
    let limit = |limit_cents| {
        Some(LimitSet {
            account: "newer".to_owned(),
            limit_cents,
        })
    };
    assert_eq!(after(1).unwrap(), limit(500));
    assert_eq!(after(2).unwrap(), limit(700));
    assert_eq!(after(3).unwrap(), None);
    assert_eq!(after(5).unwrap(), limit(700));
    let merged = Merged {
        account: "newer".to_owned(),
        into: "other".to_owned(),
    };
    assert_eq!(found["n-3"].decode::<Merged>().unwrap(), Some(merged));
    stack.stop().await;
}
