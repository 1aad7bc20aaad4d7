//! An HTTP service (axum) that commits the state of an order and its event in one
//! transaction, with optimistic locking. `cargo run --bin outbox`
//!
//! It uses a new SQLite database, or the Postgres database in `DATABASE_URL`. Without
//! `EVENT_QUEUE_URL`, it starts the embedded stack for itself. Then, in another terminal:
//!
//! ```sh
//! curl -X POST localhost:3000/orders/order-1 -H 'content-type: application/json' -d '{"cents": 4990}'
//! curl -X POST localhost:3000/orders/order-1/payment -H 'if-match: 1'
//! curl -X POST localhost:3000/orders/order-1/payment -H 'if-match: 1'   # 409: already paid
//! curl localhost:3000/orders/order-1/history
//! ```

#![forbid(unsafe_code)]

use std::{env, error::Error, io, time::Duration};

use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::routing::{get, post};
use axum::{Json, Router};
use domain_events::{DomainEvent, Emitter, EntityId, EventStore, Prepared, Sdk};
use domain_events_local::{Options, Stack};
use domain_events_outbox::sqlx::{self, PgPool, SqlitePool};
use domain_events_outbox::{AnyOutbox, FastPath, PostgresOutbox, Relay, SqliteOutbox};
use futures::TryStreamExt;
use serde::{Deserialize, Serialize};
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::oneshot;

#[derive(Debug, Serialize, Deserialize, DomainEvent)]
struct OrderPlaced {
    #[event(id)]
    order: String,
    cents: i64,
}

#[derive(Debug, Serialize, Deserialize, DomainEvent)]
struct OrderPaid {
    #[event(id)]
    order: String,
}

/// The database of the orders.
#[derive(Clone)]
enum Orders {
    Sqlite(SqlitePool, SqliteOutbox),
    Postgres(PgPool, PostgresOutbox),
}

const TABLE: &str = "create table if not exists orders \
    (id text primary key, cents bigint not null, state text not null, version bigint not null)";
const PLACE: &str = "insert into orders (id, cents, state, version) values ($1, $2, 'placed', 1) \
    on conflict (id) do nothing";
/// The condition on the version is an optimistic lock: if two requests have read the same
/// version of an order, only one of them changes the order.
const PAY: &str = "update orders set state = 'paid', version = version + 1 \
    where id = $1 and version = $2 and state = 'placed'";

/// Changes one order and writes the event of the change in one transaction. Returns `None` if
/// the order does not have the expected version.
///
/// It is a macro, because both databases need the same steps with different types.
macro_rules! commit {
    ($transaction:expr, $outbox:expr, $change:expr, $event:expr) => {{
        let mut transaction = $transaction.await?;
        let changed = $change.execute(&mut *transaction).await?.rows_affected();
        if changed == 0 {
            return Ok(None);
        }
        // Call `prepare` AFTER the change, which has locked the row. The timestamp of the event
        // is the time of this call, so the history has the order of the commits.
        let event = $event?;
        $outbox.put(&mut transaction, &event).await?;
        transaction.commit().await?;
        Ok(Some(event))
    }};
}

type Committed = Result<Option<Prepared>, Box<dyn Error>>;

impl Orders {
    async fn open(url: &str) -> Result<(Self, AnyOutbox), sqlx::Error> {
        if url.starts_with("postgres") {
            let pool = PgPool::connect(url).await?;
            let outbox = PostgresOutbox::new(pool.clone());
            outbox.migrate().await?;
            sqlx::query(TABLE).execute(&pool).await?;
            Ok((Self::Postgres(pool, outbox.clone()), AnyOutbox::new(outbox)))
        } else {
            let pool = SqlitePool::connect(url).await?;
            let outbox = SqliteOutbox::new(pool.clone());
            outbox.migrate().await?;
            sqlx::query(TABLE).execute(&pool).await?;
            Ok((Self::Sqlite(pool, outbox.clone()), AnyOutbox::new(outbox)))
        }
    }

    async fn place(&self, sdk: &Sdk, order: String, cents: i64) -> Committed {
        let event = || {
            let order = order.clone();
            sdk.prepare(&OrderPlaced { order, cents })
        };
        match self {
            Self::Sqlite(pool, outbox) => commit!(
                pool.begin_with("BEGIN IMMEDIATE"),
                outbox,
                sqlx::query(PLACE).bind(&order).bind(cents),
                event()
            ),
            Self::Postgres(pool, outbox) => commit!(
                pool.begin(),
                outbox,
                sqlx::query(PLACE).bind(&order).bind(cents),
                event()
            ),
        }
    }

    async fn pay(&self, sdk: &Sdk, order: String, version: i64) -> Committed {
        let event = || {
            let order = order.clone();
            sdk.prepare(&OrderPaid { order })
        };
        match self {
            Self::Sqlite(pool, outbox) => commit!(
                pool.begin_with("BEGIN IMMEDIATE"),
                outbox,
                sqlx::query(PAY).bind(&order).bind(version),
                event()
            ),
            Self::Postgres(pool, outbox) => commit!(
                pool.begin(),
                outbox,
                sqlx::query(PAY).bind(&order).bind(version),
                event()
            ),
        }
    }
}

#[derive(Clone)]
struct App {
    sdk: Sdk,
    store: EventStore,
    orders: Orders,
    fast_path: FastPath,
}

impl App {
    /// The response to a request that changes an order.
    fn respond(&self, committed: Committed, conflict: &str) -> (StatusCode, String) {
        match committed {
            Ok(Some(event)) => {
                let id = event.event_id().to_string();
                // The relay sends the event at once. If this process ends first, the relay of
                // another process, or of the next start, finds the row.
                self.fast_path.committed(event);
                (StatusCode::OK, format!("committed, with event {id}\n"))
            }
            Ok(None) => (StatusCode::CONFLICT, format!("{conflict}\n")),
            Err(error) => {
                eprintln!("an order was not changed: {error}");
                let text = "the order was not changed, and no event was written\n";
                (StatusCode::SERVICE_UNAVAILABLE, text.to_owned())
            }
        }
    }
}

#[derive(Deserialize)]
struct NewOrder {
    cents: i64,
}

async fn place(
    State(app): State<App>,
    Path(order): Path<String>,
    Json(new): Json<NewOrder>,
) -> (StatusCode, String) {
    let committed = app.orders.place(&app.sdk, order, new.cents).await;
    app.respond(committed, "the order exists already")
}

async fn pay(
    State(app): State<App>,
    Path(order): Path<String>,
    headers: HeaderMap,
) -> (StatusCode, String) {
    let version = headers
        .get("if-match")
        .and_then(|v| v.to_str().ok()?.parse().ok());
    let Some(version) = version else {
        let text = "send the version of the order that you have seen: If-Match: 1\n";
        return (StatusCode::PRECONDITION_REQUIRED, text.to_owned());
    };
    let committed = app.orders.pay(&app.sdk, order, version).await;
    app.respond(committed, "the order is paid, or has another version")
}

async fn history(
    State(app): State<App>,
    Path(order): Path<String>,
) -> Result<Json<Vec<String>>, StatusCode> {
    let id: EntityId = order.parse().map_err(|_| StatusCode::BAD_REQUEST)?;
    let events = app.store.history(&id);
    let events = events.map_ok(|event| event.event_type().to_string());
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
    let file = env::temp_dir().join(format!("orders-{}.db", std::process::id()));
    let url =
        env::var("DATABASE_URL").unwrap_or_else(|_| format!("sqlite:{}?mode=rwc", file.display()));
    let (orders, outbox) = Orders::open(&url).await?;

    // The relay also sends the rows that an earlier run of this service left.
    let relay = Relay::builder(sdk.clone(), outbox).build();
    let fast_path = relay.fast_path();
    let (stop, stopped) = oneshot::channel::<()>();
    let relay = tokio::spawn(relay.run(async move { drop(stopped.await) }));

    let app = App {
        sdk: sdk.clone(),
        store,
        orders,
        fast_path,
    };
    let routes = Router::new()
        .route("/orders/{order}", post(place))
        .route("/orders/{order}/payment", post(pay))
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

    // The requests have ended. Stop the relay first, and then the publisher.
    drop(stop);
    let report = relay.await?;
    println!(
        "the relay sent {} events; unsent events stay in the database until the next start",
        report.sent
    );
    let _ = sdk.shutdown(Duration::from_secs(10)).await;
    if let Some(stack) = stack {
        stack.stop().await;
    }
    let _ = std::fs::remove_file(file);
    Ok(())
}
