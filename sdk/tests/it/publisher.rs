//! The publisher with the real AWS SDK, against an endpoint that injects failures.

use std::time::Duration;

use domain_events::{
    CorrelationId, DomainEvent, Durability, EmitError, Emitter, EventDefinition, EventId, Sdk,
    SdkBuilder, TryEmitError,
};
use serde::Serialize;

use crate::scripted_endpoint::{Act, Endpoint};
use crate::signature::assert_signed;

#[derive(Serialize, Debug, Clone, PartialEq)]
pub(crate) struct OrderPlaced {
    pub(crate) order_id: String,
    pub(crate) note: String,
}

impl DomainEvent for OrderPlaced {
    const DEFINITIONS: &'static [EventDefinition] = &[EventDefinition::new("ORDER_PLACED")];

    fn entity_id(&self) -> &dyn std::fmt::Display {
        &self.order_id
    }
}

pub(crate) fn order(id: impl ToString) -> OrderPlaced {
    OrderPlaced {
        order_id: id.to_string(),
        note: "x".repeat(100),
    }
}

pub(crate) fn builder(endpoint: &Endpoint) -> SdkBuilder {
    Sdk::builder(
        "http://localhost/1/events",
        Emitter::system("shop").unwrap(),
    )
    .sqs_client(endpoint.client())
    .backoff(Duration::from_millis(1), Duration::from_millis(5))
}

#[tokio::test]
async fn receipt_names_the_accepted_event() {
    let endpoint = Endpoint::good().await;
    let sdk = builder(&endpoint).build().await.unwrap();
    let cause = EventId::random();
    let sdk = sdk
        .on_behalf_of(Emitter::user("ann").unwrap())
        .with_correlation_id(CorrelationId::from_static("checkout-7"))
        .caused_by(&cause);
    let receipt = sdk.emit(order("a")).await.unwrap();
    assert_eq!(receipt.durability, Durability::Queue);
    assert_eq!(receipt.message_id.as_deref(), Some("m-0-0"));
    assert_eq!(
        receipt.sequence_number.as_deref(),
        Some("18870000000000000000")
    );
    let body = &endpoint.accepted()[0].body;
    assert_eq!(body["EventId"], receipt.event_id.as_str());
    assert_eq!(body["EmitterId"], "ann");
    assert_eq!(body["EmitterType"], "USER");
    assert_eq!(body["CorrelationId"], "checkout-7");
    assert_eq!(body["CausationId"], cause.as_str());
    assert_eq!(body["Timestamp"].to_string(), receipt.timestamp.to_string());
}

#[tokio::test]
async fn http_200_is_not_success() {
    // In the response to the first request, one entry fails, one entry fails with
    // `SenderFault`, and one entry is missing.
    let endpoint = Endpoint::start(|number, _| match number {
        0 => Act::Respond(vec![
            (1, "InternalError", false),
            (2, "InvalidMessageContents", true),
            (3, "Unmentioned", false),
        ]),
        _ => Act::Respond(vec![]),
    })
    .await;
    let sdk = builder(&endpoint).build().await.unwrap();
    let outcomes = sdk.emit_all((0..5).map(order)).await;
    assert_eq!(outcomes.len(), 5);
    for (n, outcome) in outcomes.iter().enumerate() {
        assert_eq!(outcome.is_ok(), n != 2, "{n}: {outcome:?}");
    }
    let error = outcomes.into_iter().nth(2).unwrap().unwrap_err();
    assert!(!error.is_retryable());
    assert_eq!(error.into_envelope().unwrap().entity_id().as_str(), "2");
    // Each event was accepted once, and only the failed entries were sent again.
    let mut ids: Vec<String> = endpoint
        .accepted()
        .iter()
        .map(|e| e.body["ID"].as_str().unwrap().to_owned())
        .collect();
    ids.sort();
    assert_eq!(ids, ["0", "1", "3", "4"]);
    assert_eq!(endpoint.requests().iter().sum::<usize>(), 5 + 2);
}

#[tokio::test]
async fn only_throttled_entries_are_retried() {
    let endpoint = Endpoint::start(|number, _| match number {
        0 => Act::Respond(vec![
            (0, "RequestThrottled", true),
            (1, "KmsAccessDenied", true),
        ]),
        _ => Act::Respond(vec![]),
    })
    .await;
    let sdk = builder(&endpoint).build().await.unwrap();
    let mut outcomes = sdk.emit_all((0..2).map(order)).await.into_iter();
    let _ = outcomes.next().unwrap().unwrap();
    // The denied entry has the same error as a denied request.
    let error = outcomes.next().unwrap().unwrap_err();
    assert!(matches!(error, EmitError::Request { .. }), "{error:?}");
    assert!(!error.is_retryable() && error.envelope().is_some());
    assert_eq!(endpoint.requests(), [2, 1]);
}

#[tokio::test]
async fn smaller_message_limit_has_its_own_error() {
    let endpoint =
        Endpoint::start(|_, _| Act::Respond(vec![(0, "InvalidParameterValue", true)])).await;
    let sdk = builder(&endpoint).build().await.unwrap();
    let error = sdk.emit(order("a")).await.unwrap_err();
    let EmitError::TooLargeForQueue { message_bytes, .. } = &error else {
        panic!("{error:?}");
    };
    assert!(*message_bytes > 100 && !error.is_retryable());
    assert_eq!(endpoint.requests(), [1]);
}

#[tokio::test]
async fn publisher_adds_no_attempts_to_the_client() {
    let check = async |act: Act, requests: usize, retryable: bool| {
        let script = act.clone();
        let endpoint = Endpoint::start(move |_, _| script.clone()).await;
        let sdk = builder(&endpoint).build().await.unwrap();
        let error = sdk.emit(order("a")).await.unwrap_err();
        assert!(
            matches!(error, EmitError::Request { .. }),
            "{act:?}: {error:?}"
        );
        assert_eq!(error.is_retryable(), retryable, "{act:?}");
        assert_eq!(endpoint.requests().len(), requests, "{act:?}");
        assert!(error.into_envelope().is_some());
    };
    // The client makes three attempts, and the publisher adds none.
    check(Act::Error(500, "InternalFailure"), 3, true).await;
    check(Act::Error(503, "ServiceUnavailable"), 3, true).await;
    check(Act::Error(400, "ThrottlingException"), 3, true).await;
    check(Act::Cut, 3, true).await;
    check(Act::AcceptThenHang, 3, true).await;
    for bytes in [1, 40] {
        let cut = |is_whole| Act::Truncate { bytes, is_whole };
        check(cut(false), 3, true).await;
        // The AWS SDK does not repeat a request whose response it cannot read.
        check(cut(true), 1, true).await;
    }
    // An error that is not retryable is sent once.
    check(Act::Error(403, "AccessDeniedException"), 1, false).await;
    check(Act::Error(400, "QueueDoesNotExist"), 1, false).await;
}

#[tokio::test]
async fn retried_request_yields_one_receipt() {
    let check = async |act: Act, accepted: usize| {
        let script = act.clone();
        let endpoint = Endpoint::start(move |number, _| match number {
            0 => script.clone(),
            _ => Act::Respond(vec![]),
        })
        .await;
        let sdk = builder(&endpoint).build().await.unwrap();
        let receipt = sdk.emit(order("a")).await.unwrap();
        // The event may be accepted twice, but always with the same event id.
        let ids = endpoint.accepted_ids();
        assert_eq!(ids, vec![receipt.event_id.to_string(); accepted], "{act:?}");
    };
    check(Act::Error(400, "RequestThrottled"), 1).await;
    check(Act::Error(500, "InternalFailure"), 1).await;
    check(Act::Cut, 1).await;
    check(Act::AcceptThenCut, 2).await;
    check(Act::AcceptThenHang, 2).await;
}

/// The publisher writes the body of a request itself. Each attempt must send the whole body,
/// and sign it.
#[tokio::test]
async fn each_attempt_signs_the_body_that_it_sends() {
    let endpoint = Endpoint::start(|number, _| match number {
        0 => Act::Error(500, "InternalFailure"),
        1 => Act::Cut,
        _ => Act::Respond(vec![]),
    })
    .await;
    let sdk = builder(&endpoint).build().await.unwrap();
    let mut event = order("a");
    event.note = "\"quoted\" \u{0} \u{FFFE} \u{1F600}".to_owned();
    let _ = sdk.emit(event).await.unwrap();
    let attempts = endpoint.texts();
    assert_eq!(attempts.len(), 3);
    for (head, body) in &attempts {
        assert_signed(head, body);
        assert_eq!(*body, attempts[0].1);
    }
}

#[tokio::test]
async fn response_without_results_is_an_error() {
    for body in [
        "",
        "<html>SECRET</html>",
        "[\"SECRET\"]",
        r#"{"Successful":[{"Id":"0","MessageId":"SECRET""#,
        r#"{"Successful":"SECRET"}"#,
        r#"{"Successful":[{"Id":0,"MessageId":"SECRET"}]}"#,
    ] {
        let endpoint = Endpoint::start(|_, _| Act::AcceptThenBody(body)).await;
        let sdk = builder(&endpoint).build().await.unwrap();
        let error = sdk.emit(order("a")).await.unwrap_err();
        assert!(error.is_retryable(), "{body}: {error}");
        let text = format!("{error} {error:?}");
        assert!(!text.contains("SECRET"), "{body}: {text}");
        for part in ["HTTP 200", "events", "is not one of the AWS service"] {
            assert!(text.contains(part), "{body}: no {part:?} in {text}");
        }
    }
}

#[tokio::test]
async fn too_long_request_is_split() {
    let endpoint = Endpoint::start(|_, entries| match entries.len() {
        0..4 => Act::Respond(vec![]),
        _ => Act::Error(400, "BatchRequestTooLong"),
    })
    .await;
    let sdk = builder(&endpoint).build().await.unwrap();
    for outcome in sdk.emit_all((0..30).map(order)).await {
        let _ = outcome.unwrap();
    }
    assert_eq!(endpoint.accepted().len(), 30);
}

#[tokio::test]
async fn fifo_derives_group_and_deduplication_id() {
    let endpoint = Endpoint::good().await;
    let sdk = Sdk::builder(
        "http://localhost/1/events.fifo",
        Emitter::system("shop").unwrap(),
    )
    .sqs_client(endpoint.client())
    .build()
    .await
    .unwrap();
    let plain = sdk.emit(order("order-1")).await.unwrap();
    let _ = sdk.emit(order("order 2 – ü")).await.unwrap();
    let entries = endpoint.accepted();
    assert_eq!(entries[0].group.as_deref(), Some("order-1"));
    assert_eq!(
        entries[0].deduplication.as_deref(),
        Some(plain.event_id.as_str())
    );
    let hash = entries[1].group.as_deref().unwrap();
    assert!(hash.len() == 36 && hash.is_ascii(), "{hash}");
}

#[tokio::test]
async fn fifo_order_is_kept_under_failure() {
    let count = std::sync::atomic::AtomicUsize::new(0);
    let endpoint = Endpoint::start(move |number, entries| {
        if number % 7 == 3 {
            return Act::Error(500, "InternalFailure");
        }
        let failed = |_: &usize| count.fetch_add(1, std::sync::atomic::Ordering::SeqCst) % 4 == 1;
        let failing = (0..entries.len()).filter(failed);
        Act::Respond(
            failing
                .map(|pointer| (pointer, "InternalError", false))
                .collect(),
        )
    })
    .await;
    let sdk = Sdk::builder(
        "http://localhost/1/events.fifo",
        Emitter::system("shop").unwrap(),
    )
    .sqs_client(endpoint.client())
    .backoff(Duration::from_millis(1), Duration::from_millis(2))
    .max_attempts(50)
    .build()
    .await
    .unwrap();
    let events = (0..200).map(|n| OrderPlaced {
        order_id: format!("order-{}", n % 15),
        note: format!("{n:04}"),
    });
    for outcome in sdk.emit_all(events).await {
        let _ = outcome.unwrap();
    }
    let mut seen: std::collections::HashMap<String, String> = Default::default();
    for entry in endpoint.accepted() {
        let note = entry.body["Data"]["note"].as_str().unwrap().to_owned();
        let before = seen.insert(entry.group.unwrap(), note.clone());
        assert!(before.is_none_or(|before| before < note), "order is lost");
    }
    assert_eq!(endpoint.accepted().len(), 200);
}

#[tokio::test]
async fn try_emit_returns_the_event_when_full() {
    let endpoint = Endpoint::start(|_, _| Act::AcceptThenHang).await;
    let sdk = builder(&endpoint)
        .max_buffered_events(2)
        .build()
        .await
        .unwrap();
    let first = sdk.try_emit(order(1)).unwrap();
    let _second = sdk.try_emit(order(2)).unwrap();
    let error = sdk.try_emit(order(3)).unwrap_err();
    assert!(matches!(error, TryEmitError::Full(_)) && error.is_retryable());
    assert_eq!(error.into_event(), order(3));
    let report = sdk.shutdown(Duration::from_millis(50)).await;
    assert_eq!(report.unsent.len() + report.undetermined.len(), 2);
    assert!(first.await.is_err());
    assert!(matches!(
        sdk.try_emit(order(4)),
        Err(TryEmitError::ShutDown(_))
    ));
}

#[tokio::test]
async fn event_that_is_not_send_has_a_send_future() {
    // Its data is a string, which is not valid: the data of an event must be an object.
    #[derive(Serialize)]
    struct Text(String);
    impl DomainEvent for Text {
        const DEFINITIONS: &'static [EventDefinition] = &[EventDefinition::new("TEXT")];
        fn entity_id(&self) -> &dyn std::fmt::Display {
            &self.0
        }
    }
    #[derive(Serialize)]
    struct Borrowed<'a> {
        #[serde(skip)]
        id: &'a std::rc::Rc<str>,
    }
    impl DomainEvent for Borrowed<'_> {
        const DEFINITIONS: &'static [EventDefinition] = &[EventDefinition::new("BORROWED")];
        fn entity_id(&self) -> &dyn std::fmt::Display {
            self.id
        }
    }
    let endpoint = Endpoint::good().await;
    let sdk = builder(&endpoint).build().await.unwrap();
    let emission = {
        let id: std::rc::Rc<str> = "short-lived".into();
        sdk.emit(Borrowed { id: &id })
    };
    let _ = tokio::spawn(emission).await.unwrap().unwrap();
    let error = sdk.emit(Text("a".into())).await.unwrap_err();
    assert!(matches!(error, EmitError::Invalid(_)) && error.envelope().is_none());
}

#[tokio::test]
async fn every_invalid_setting_is_reported() {
    let build = async |url: &str| {
        let endpoint = Endpoint::good().await;
        Sdk::builder(url, Emitter::system("shop").unwrap())
            .sqs_client(endpoint.client())
            .max_in_flight(0)
            .max_buffered_events(0)
            .backoff(Duration::MAX, Duration::MAX)
            .tenant("acme")
            .build()
            .await
            .unwrap_err()
    };
    let error = build("http://localhost/1/queue.fifo").await;
    assert_eq!(error.problems().count(), 4, "{error}");
    let error = build("queue.fifo").await;
    let first = error.problems().next().unwrap();
    assert!(
        first.starts_with("the queue URL is \"queue.fifo\": "),
        "{error}"
    );
}
