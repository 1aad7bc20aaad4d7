//! How to test a service. `cargo test -p domain-events-examples --test testing`
//!
//! Each test body runs twice: against a `Recorder`, without a network and within a millisecond,
//! and against an embedded `Stack`, which stores the events as production does.

#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used)]

use domain_events::testing::{Fault, Recorder};
use domain_events::{
    DomainEvent, EmitError, Emitter, Envelope, EventId, Sdk, Timestamp, assert_emitted,
};
use domain_events_local::{Options, Stack};
use serde::{Deserialize, Serialize};

// The service.

#[derive(Debug, PartialEq, Serialize, Deserialize, DomainEvent)]
#[event(prefix = "ORDER")]
enum OrderEvent {
    Placed {
        #[event(id)]
        order: String,
        cents: u64,
    },
    Discounted {
        #[event(id)]
        order: String,
        percent: u8,
    },
}

/// Places an order. A large order gets a discount.
async fn place_order(sdk: &Sdk, order: &str, cents: u64) -> Result<(), EmitError> {
    let order = || order.to_owned();
    sdk.emit(OrderEvent::Placed {
        order: order(),
        cents,
    })
    .await?;
    if cents >= 100_000 {
        sdk.emit(OrderEvent::Discounted {
            order: order(),
            percent: 10,
        })
        .await?;
    }
    Ok(())
}

// The tests.

/// The destination of the events of a test.
enum Destination {
    Recorder(Recorder),
    Stack(Box<Stack>),
}

impl Destination {
    async fn sdk(&self) -> Sdk {
        let emitter = Emitter::user("u-42").unwrap();
        match self {
            Self::Recorder(recorder) => recorder.sdk(emitter),
            Self::Stack(stack) => {
                let builder = Sdk::builder(stack.queue_url(), emitter);
                let builder = builder.sqs_client(stack.sqs_client());
                builder.build().await.unwrap()
            }
        }
    }

    /// Returns all emitted events, in the order of their timestamps.
    async fn events(&self) -> Vec<Envelope> {
        match self {
            Self::Recorder(recorder) => recorder.events(),
            Self::Stack(stack) => {
                stack.wait_until_drained().await;
                assert_eq!(stack.dead_letters(), 0);
                let events = stack.events().await.unwrap().into_iter();
                events.map(|event| event.into_envelope()).collect()
            }
        }
    }
}

/// Both destinations.
async fn destinations() -> [Destination; 2] {
    let stack = Stack::start(Options::default()).await.unwrap();
    [
        Destination::Recorder(Recorder::new()),
        Destination::Stack(Box::new(stack)),
    ]
}

#[tokio::test]
async fn large_order_has_a_discount() {
    for destination in destinations().await {
        let sdk = destination.sdk().await;
        place_order(&sdk, "order-7", 250_000).await.unwrap();

        let events = destination.events().await;
        let decoded: Vec<OrderEvent> = events
            .iter()
            .map(|event| event.decode().unwrap().unwrap())
            .collect();
        let order = || "order-7".to_owned();
        assert_eq!(
            decoded,
            [
                OrderEvent::Placed {
                    order: order(),
                    cents: 250_000
                },
                OrderEvent::Discounted {
                    order: order(),
                    percent: 10
                },
            ]
        );
        assert!(events.iter().all(|event| event.emitter().id() == "u-42"));
    }
}

#[tokio::test]
async fn small_order_has_no_discount() {
    for destination in destinations().await {
        let sdk = destination.sdk().await;
        place_order(&sdk, "order-8", 4990).await.unwrap();
        let events = destination.events().await;
        let types: Vec<&str> = events.iter().map(|e| e.event_type().as_str()).collect();
        assert_eq!(types, ["ORDER_PLACED"]);
    }
}

// Tests that need a recorder.

#[tokio::test]
async fn failure_of_sqs_reaches_the_caller() {
    let recorder = Recorder::new();
    let sdk = recorder.sdk(Emitter::system("shop").unwrap());
    recorder.inject(Fault::Unavailable);
    let error = place_order(&sdk, "order-7", 1).await.unwrap_err();
    assert!(error.is_retryable());
    // The event is returned, and can be emitted again.
    sdk.emit_envelope(error.into_envelope().unwrap())
        .await
        .unwrap();
    assert_emitted!(recorder, OrderEvent::Placed { cents: 1, .. });
}

#[tokio::test]
async fn fixed_clock_and_ids_make_exact_envelopes() {
    let recorder = Recorder::new();
    let builder = Recorder::builder(Emitter::system("shop").unwrap())
        .clock(|| "1596719980".parse().unwrap())
        .ids(|| EventId::new("event-1".to_owned()).unwrap());
    let sdk = recorder.build(builder);
    place_order(&sdk, "order-7", 1).await.unwrap();
    let events = recorder.events();
    assert_eq!(events[0].event_id(), "event-1");
    let timestamp: Timestamp = "1596719980".parse().unwrap();
    assert_eq!(events[0].timestamp(), timestamp);
}

// Tests that need the embedded stack.

#[tokio::test]
async fn outage_of_the_table_only_delays_events() {
    let stack = Stack::start(Options::default()).await.unwrap();
    let sdk = Sdk::builder(stack.queue_url(), Emitter::system("shop").unwrap())
        .sqs_client(stack.sqs_client())
        .build()
        .await
        .unwrap();
    let outage = stack.dynamodb_outage();
    // The outage does not affect the service.
    place_order(&sdk, "order-7", 1).await.unwrap();
    assert_eq!(stack.messages(), 1);
    outage.end();
    stack.wait_until_drained().await;
    assert_eq!(stack.events().await.unwrap().len(), 1);
}
