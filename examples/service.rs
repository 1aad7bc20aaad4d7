//! An HTTP service (axum) whose handlers emit events on behalf of the signed-in user.
//! `cargo run --bin service`
//!
//! Without `EVENT_QUEUE_URL` in its environment it starts the embedded stack for itself.
//! Then, in another terminal:
//!
//! ```sh
//! curl -X POST localhost:3000/orders -H 'x-user: u-42' -H 'content-type: application/json' -d '{"cents": 4990}'
//! curl localhost:3000/orders/order-1/history
//! ```

#![forbid(unsafe_code)]

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::{env, error::Error, io, time::Duration};

use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::routing::{get, post};
use axum::{Json, Router};
use domain_events::{CorrelationId, DomainEvent, Emitter, EntityId, EventStore, Sdk};
use domain_events_local::{Options, Stack};
use futures::TryStreamExt;
use serde::{Deserialize, Serialize};
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};

#[derive(Debug, Serialize, Deserialize, DomainEvent)]
struct OrderPlaced {
    #[event(id)]
    order_id: String,
    cents: u64,
}

#[derive(Deserialize)]
struct NewOrder {
    cents: u64,
}

#[derive(Clone)]
struct App {
    sdk: Sdk,
    store: EventStore,
    orders: Arc<AtomicU64>,
}

/// Returns a handle that emits events on behalf of the user of this request. The events belong
/// to the conversation of the request.
fn on_behalf_of_user(sdk: &Sdk, headers: &HeaderMap) -> Result<Sdk, StatusCode> {
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
    // A real service verifies a session or a token here.
    let user = text("x-user").ok_or(StatusCode::UNAUTHORIZED)?;
    let user = Emitter::user(user).map_err(|_| StatusCode::BAD_REQUEST)?;
    let sdk = sdk.on_behalf_of(user);
    match text("x-request-id") {
        None => Ok(sdk),
        Some(id) => CorrelationId::new(id.to_owned())
            .map(|id| sdk.with_correlation_id(id))
            .map_err(|_| StatusCode::BAD_REQUEST),
    }
}

async fn place_order(
    State(app): State<App>,
    headers: HeaderMap,
    Json(order): Json<NewOrder>,
) -> Result<(StatusCode, String), StatusCode> {
    let sdk = on_behalf_of_user(&app.sdk, &headers)?;
    let order_id = format!("order-{}", app.orders.fetch_add(1, Ordering::Relaxed) + 1);
    let event = OrderPlaced {
        order_id: order_id.clone(),
        cents: order.cents,
    };
    // The client gets its response after SQS has accepted the event.
    match sdk.emit(event).await {
        Ok(_) => Ok((StatusCode::CREATED, order_id)),
        Err(error) if error.is_retryable() => Err(StatusCode::SERVICE_UNAVAILABLE),
        Err(_) => Err(StatusCode::INTERNAL_SERVER_ERROR),
    }
}

async fn history(
    State(app): State<App>,
    Path(order): Path<String>,
) -> Result<Json<Vec<String>>, StatusCode> {
    let id: EntityId = order.parse().map_err(|_| StatusCode::BAD_REQUEST)?;
    let events = app.store.history(&id).map_ok(|event| {
        let (when, who) = (event.timestamp().to_datetime(), event.emitter());
        format!(
            "{when} {} by {} {}",
            event.event_type(),
            who.kind(),
            who.id()
        )
    });
    let events = events.try_collect().await;
    events
        .map(Json)
        .map_err(|_| StatusCode::SERVICE_UNAVAILABLE)
}

/// Completes at SIGTERM, which a container receives when it is stopped, or at Ctrl-C.
async fn stop_signal() -> io::Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    tokio::select! {
        _ = terminate.recv() => Ok(()),
        interrupted = tokio::signal::ctrl_c() => interrupted,
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut stack = None;
    let (sdk, store) = if env::var_os("EVENT_QUEUE_URL").is_some() {
        (Sdk::from_env().await?, EventStore::from_env().await?)
    } else {
        let stack = stack.insert(Stack::start(Options::default()).await?);
        let sdk = Sdk::builder(stack.queue_url(), Emitter::system("shop")?);
        let sdk = sdk.sqs_client(stack.sqs_client()).build().await?;
        (sdk, stack.store())
    };
    let orders = Arc::default();
    let app = App {
        sdk: sdk.clone(),
        store,
        orders,
    };
    let routes = Router::new()
        .route("/orders", post(place_order))
        .route("/orders/{order}/history", get(history))
        .with_state(app);

    let address = env::var("ADDRESS").unwrap_or_else(|_| "127.0.0.1:3000".to_owned());
    let listener = TcpListener::bind(address).await?;
    println!("listening on http://{}", listener.local_addr()?);
    axum::serve(listener, routes)
        .with_graceful_shutdown(async {
            if let Err(error) = stop_signal().await {
                eprintln!("cannot install a signal handler, stopping: {error}");
            }
        })
        .await?;

    // After the last request, send the events that are still in the publisher.
    let report = sdk.shutdown(Duration::from_secs(10)).await;
    println!(
        "accepted {}, not sent {}",
        report.accepted,
        report.unsent.len()
    );
    if let Some(stack) = stack {
        stack.stop().await;
    }
    Ok(())
}
