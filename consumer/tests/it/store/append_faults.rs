//! Appends while the responses of DynamoDB are partial, late or missing.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Value, json};

use super::*;
use crate::support::proxy::{Fault, Request};

fn events(count: usize) -> Vec<Envelope> {
    (0..count)
        .map(|n| envelope(&format!("e{n}"), "1"))
        .collect()
}

/// Changes the responses of the first `BatchExecuteStatement`.
async fn change_first_batch(stack: &Stack, change: fn(&mut Vec<Value>)) -> (Proxy, EventStore) {
    let mut first = true;
    let script = move |request: &mut Request| {
        if request.operation != "BatchExecuteStatement" || !std::mem::take(&mut first) {
            return Fault::None;
        }
        Fault::Change(Box::new(move |body| {
            let mut response: Value = serde_json::from_slice(&body).unwrap();
            change(response["Responses"].as_array_mut().unwrap());
            response.to_string().into_bytes()
        }))
    };
    let proxy = Proxy::start(&stack.dynamodb_endpoint(), script).await;
    let store = EventStore::new(through(&proxy, stack), stack.table());
    (proxy, store)
}

#[tokio::test]
async fn statement_without_response_is_appended_again() {
    let stack = endpoints().await;
    let (_proxy, store) = change_first_batch(&stack, |responses| responses.truncate(1)).await;
    let outcomes = store.append_all(&events(3), None).await;
    // Two of the events were stored, but the response did not confirm them.
    let (stored, duplicate) = (Ok(AppendOutcome::Stored), Ok(AppendOutcome::Duplicate));
    assert_eq!(outcomes, [stored, duplicate.clone(), duplicate]);
    let (_proxy, store) = change_first_batch(&stack, Vec::clear).await;
    assert_eq!(
        store.append(&envelope("alone", "1")).await,
        Ok(AppendOutcome::Duplicate)
    );
}

#[tokio::test]
async fn statement_that_fails_internally_is_retried() {
    let stack = endpoints().await;
    for code in [
        "InternalServerError",
        "TransactionConflict",
        "ThrottlingError",
    ] {
        let stack = &stack;
        let mut first = true;
        let script = move |request: &mut Request| {
            if !std::mem::take(&mut first) {
                return Fault::None;
            }
            let mut body: Value = serde_json::from_slice(&request.body).unwrap();
            body["Statements"].as_array_mut().unwrap().pop();
            request.body = body.to_string().into_bytes();
            // Report that the last statement was not executed.
            Fault::Change(Box::new(move |body| {
                let mut response: Value = serde_json::from_slice(&body).unwrap();
                let failed = json!({"Error": {"Code": code, "Message": "try again"}});
                response["Responses"].as_array_mut().unwrap().push(failed);
                response.to_string().into_bytes()
            }))
        };
        let proxy = Proxy::start(&stack.dynamodb_endpoint(), script).await;
        let store = EventStore::new(through(&proxy, stack), stack.table());
        let events = [envelope(code, "1"), envelope(code, "2")];
        let outcomes = store.append_all(&events, None).await;
        let stored = Ok(AppendOutcome::Stored);
        assert_eq!(outcomes, [stored.clone(), stored], "{code}");
        assert_eq!(proxy.requests(), 2, "{code}");
    }
}

#[tokio::test]
async fn statement_without_permission_is_not_retried() {
    let stack = endpoints().await;
    let (proxy, store) = change_first_batch(&stack, |responses| {
        for response in responses {
            *response = json!({"Error": {"Code": "AccessDenied", "Message": "not authorized"}});
        }
    })
    .await;
    let error = store.append(&envelope("denied", "1")).await.unwrap_err();
    assert!(error.is_retryable(), "after the permission is granted");
    let text = error.to_string();
    assert!(text.contains("dynamodb:PartiQLInsert"), "{text}");
    assert_eq!(proxy.requests(), 1);
}

#[tokio::test]
async fn duplicate_is_looked_up_consistently() {
    let stack = endpoints().await;
    let requests = Arc::new(Mutex::new(Vec::new()));
    let recorder = Arc::clone(&requests);
    let script = move |request: &mut Request| {
        let body: Value = serde_json::from_slice(&request.body).unwrap();
        recorder
            .lock()
            .unwrap()
            .push((request.operation.clone(), body));
        Fault::None
    };
    let proxy = Proxy::start(&stack.dynamodb_endpoint(), script).await;
    let store = EventStore::new(through(&proxy, &stack), stack.table());
    let event = envelope("twice", "1");
    assert_eq!(store.append(&event).await, Ok(AppendOutcome::Stored));
    assert_eq!(
        requests.lock().unwrap().len(),
        1,
        "a new event costs one request"
    );
    assert_eq!(store.append(&event).await, Ok(AppendOutcome::Duplicate));
    let requests = std::mem::take(&mut *requests.lock().unwrap());
    assert_eq!(requests.len(), 3);
    assert_eq!(requests[2].0, "GetItem");
    assert_eq!(requests[2].1["ConsistentRead"], true);
}

#[tokio::test]
async fn reused_identity_is_an_error_with_its_field() {
    let stack = endpoints().await;
    let store = stack.store();
    let event = |data: &str| {
        let body = format!(
            r#"{{"Timestamp":1,"EventType":"EVENT_TEST","ID":"reused","EmitterId":"u","EmitterType":"USER","EventId":"same","Data":{data}}}"#
        );
        wire::decode(&body, &EventId::random())
            .unwrap()
            .remove(0)
            .outcome
            .unwrap()
    };
    let (first, second) = (event(r#"{"n":1.50,"m":100}"#), event(r#"{"n":2}"#));
    assert_eq!(store.append(&first).await, Ok(AppendOutcome::Stored));
    // DynamoDB trims zeros, which is not a difference.
    let same = event(r#"{"m":1e2,"n":1.5}"#);
    assert_eq!(store.append(&same).await, Ok(AppendOutcome::Duplicate));
    let error = store.append(&second).await.unwrap_err();
    let pointer = "/Data".to_owned();
    assert_eq!(error, StoreError::IdentityReused { pointer });
    assert!(!error.is_retryable());
    assert_eq!(error.rejection_code().unwrap().as_str(), "IDENTITY_REUSED");
    let stored: Vec<_> = store.history("reused").try_collect().await.unwrap();
    assert_eq!(stored.len(), 1);
    assert_eq!(stored[0].data(), Some(r#"{"m":100,"n":1.5}"#));
}

#[tokio::test]
async fn empty_page_with_a_key_is_followed() {
    let stack = endpoints().await;
    let store = stack.store();
    for n in 0..3 {
        let event = envelope("paged", &n.to_string());
        let _ = store.append(&event).await.unwrap();
    }
    // The first page is empty and ends after the first item, as with a filter.
    let empty = |body: Vec<u8>| {
        let mut response: Value = serde_json::from_slice(&body).unwrap();
        let item = response["Items"][0].clone();
        response["LastEvaluatedKey"] = json!({"ID": item["ID"], "Timestamp": item["Timestamp"]});
        response["Items"] = json!([]);
        response.to_string().into_bytes()
    };
    let mut seen = std::collections::HashSet::new();
    let script = move |request: &mut Request| match seen.insert(request.operation.clone()) {
        true => Fault::Change(Box::new(empty)),
        false => Fault::None,
    };
    let proxy = Proxy::start(&stack.dynamodb_endpoint(), script).await;
    let store = EventStore::new(through(&proxy, &stack), stack.table());
    assert_eq!(texts(store.history("paged")).await, ["1", "2"]);
    assert_eq!(texts(store.scan()).await, ["1", "2"]);
}

#[tokio::test]
async fn scan_resumes_after_an_outage() {
    let stack = endpoints().await;
    let text = "x".repeat(300_000);
    let big = |n: usize| {
        let emitter = domain_events::Emitter::system("t").unwrap();
        Envelope::builder("BIG".parse().unwrap(), id(&format!("big-{n}")), emitter)
            .build_with(&HashMap::from([("t", &text)]))
            .unwrap()
    };
    let events: Vec<Envelope> = (0..12).map(big).collect();
    let outcomes = stack.store().append_all(&events, None).await;
    assert!(outcomes.iter().all(Result::is_ok));
    let mut scans = 0;
    let script = move |request: &mut Request| {
        scans += u32::from(request.operation == "Scan");
        match scans {
            // The second page fails, with all of the client's attempts.
            2..=4 => Fault::Respond(500, r#"{"__type":"InternalServerError","message":"down"}"#),
            _ => Fault::None,
        }
    };
    let proxy = Proxy::start(&stack.dynamodb_endpoint(), script).await;
    let store = EventStore::new(through(&proxy, &stack), stack.table());
    let mut found = Vec::new();
    let mut scan = store.scan();
    let error = loop {
        match scan.next().await.unwrap() {
            Ok(event) => found.push(event.entity_id().to_string()),
            Err(error) => break error,
        }
    };
    assert!(error.is_retryable(), "{error}");
    assert!(scan.next().await.is_none(), "the stream has ended");
    assert!((1..12).contains(&found.len()) && !scan.cursor().is_end());
    let rest: Vec<_> = store
        .scan()
        .after(scan.cursor())
        .try_collect()
        .await
        .unwrap();
    found.extend(rest.iter().map(|event| event.entity_id().to_string()));
    found.sort();
    found.dedup();
    assert_eq!((found.len(), rest.len() < 12), (12, true));
}

#[tokio::test]
async fn append_ends_at_its_deadline() {
    let stack = endpoints().await;
    let hang = |_: &mut Request| Fault::Delay(Duration::from_secs(3600));
    let proxy = Proxy::start(&stack.dynamodb_endpoint(), hang).await;
    let store = EventStore::new(through(&proxy, &stack), stack.table());
    let deadline = tokio::time::Instant::now() + Duration::from_millis(50);
    let outcomes = store.append_all(&events(2), Some(deadline)).await;
    let exceeded = Err(StoreError::DeadlineExceeded);
    assert_eq!(outcomes, [exceeded.clone(), exceeded]);
}
