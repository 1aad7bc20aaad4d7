//! The web page of the embedded stack: events, conversations and rejected messages.
//!
//! The page consists of three files, without a build step and without downloads. The content
//! of events is sent as JSON, and the script inserts it as text, never as HTML.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Path, Query, Request, State};
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use domain_events::{EntityId, EventId, EventStore, ReadError, StoredEvent, Timestamp};
use domain_events_outbox::{AnyOutbox, OutboxRows as _, PageRequest};
use futures::{Stream, StreamExt as _};
use serde::{Deserialize, Serialize};
use tokio::sync::{broadcast, mpsc};
use tokio_util::sync::CancellationToken;

use crate::dynamodb;
use crate::feed::{Feed, ItemKey};
use crate::sqs::Queues;

mod views;

use views::{EventView, Events, OutboxCount, OutboxRow, RejectedView, Statistics};

/// The maximum number of events in one response.
const MAX_EVENTS: usize = 500;
/// The maximum number of events that a page shows when it is opened.
const MAX_RECENT: usize = 100;
/// The maximum number of rejected messages that the page shows.
const MAX_REJECTED: usize = 200;
/// The maximum number of rows of the outbox that the page shows, and the maximum size of
/// their messages.
const MAX_OUTBOX_ROWS: usize = 100;
const MAX_OUTBOX_BYTES: usize = 4 * 1024 * 1024;
const STATISTICS_INTERVAL: Duration = Duration::from_secs(1);

/// Permits only files of this server, and no inline scripts or styles.
const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; script-src 'self'; \
    style-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; \
    frame-ancestors 'none'";

/// The data sources of the page.
#[derive(Debug)]
pub(crate) struct Page {
    pub(crate) queues: Queues,
    pub(crate) queue: String,
    pub(crate) dead_letter_queue: String,
    pub(crate) database: dynamodb::Database,
    pub(crate) table: &'static str,
    pub(crate) store: EventStore,
    pub(crate) outbox: Option<AnyOutbox>,
    pub(crate) feed: Arc<Feed>,
    pub(crate) stopping: CancellationToken,
}

impl Page {
    pub(crate) fn router(self) -> Router {
        let file = |content_type: &'static str, text: &'static str| {
            get(async move || ([(header::CONTENT_TYPE, content_type)], text))
        };
        let html = include_str!("page/page.html");
        let css = include_str!("page/page.css");
        let script = include_str!("page/page.js");
        Router::new()
            .route("/", file("text/html; charset=utf-8", html))
            .route("/page.css", file("text/css; charset=utf-8", css))
            .route("/page.js", file("text/javascript; charset=utf-8", script))
            .route("/favicon.ico", get(async || StatusCode::NO_CONTENT))
            .route("/api/live", get(live))
            .route("/api/history", get(history))
            .route("/api/type", get(by_type))
            .route("/api/conversation", get(conversation))
            .route("/api/outbox", get(waiting))
            .route("/api/rejected", get(rejected))
            .route("/api/rejected/{seq}", post(resend))
            .layer(middleware::from_fn(add_security_headers))
            .with_state(Arc::new(self))
    }

    /// Returns the events with these keys. Items that are not events are omitted.
    async fn events(&self, keys: &[ItemKey]) -> Vec<EventView> {
        let mut events = Vec::new();
        for key in keys {
            events.extend(self.event(key).await);
        }
        events
    }

    async fn event(&self, key: &ItemKey) -> Option<EventView> {
        // The digits after the ninth decimal are a tie-break of the store.
        let timestamp = match key.timestamp.split_once('.') {
            Some((seconds, fraction)) => {
                format!("{seconds}.{}", fraction.get(..9).unwrap_or(fraction))
            }
            None => key.timestamp.clone(),
        };
        let id = EntityId::new(key.id.clone()).ok()?;
        let timestamp: Timestamp = timestamp.parse().ok()?;
        let event_id = EventId::new(key.event_id.clone()).ok()?;
        let event = self.store.get(&id, timestamp, &event_id).await.ok()??;
        Some(EventView::new(&event))
    }

    /// Returns the keys of the most recently stored events, oldest first.
    async fn recent(&self, written: Vec<ItemKey>) -> Vec<ItemKey> {
        if written.len() >= MAX_RECENT {
            return written[written.len() - MAX_RECENT..].to_vec();
        }
        // Few events were stored since the start of the stack. The table may contain older
        // events.
        let Ok(mut keys) = dynamodb::item_keys(&self.database, self.table).await else {
            return written;
        };
        let number = |text: &str| text.parse::<f64>().unwrap_or_default();
        keys.sort_by(|(_, a), (_, b)| number(a).total_cmp(&number(b)));
        let skipped = keys.len().saturating_sub(MAX_RECENT);
        keys.into_iter().skip(skipped).map(|(key, _)| key).collect()
    }

    async fn statistics(&self) -> Statistics {
        let queue = self.queues.statistics(&self.queue).await;
        let dead_letters = self.queues.statistics(&self.dead_letter_queue).await;
        let outbox = match &self.outbox {
            Some(outbox) => outbox.backlog().await.ok(),
            None => None,
        };
        Statistics {
            outbox: outbox.map(OutboxCount::from),
            visible: queue.visible,
            in_flight: queue.in_flight,
            delayed: queue.delayed,
            oldest_millis: queue.oldest_millis,
            rejected: dead_letters.visible + dead_letters.in_flight + dead_letters.delayed,
        }
    }
}

async fn add_security_headers(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    for (name, value) in [
        (header::CONTENT_SECURITY_POLICY, CONTENT_SECURITY_POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::CACHE_CONTROL, "no-store"),
        (
            HeaderName::from_static("cross-origin-resource-policy"),
            "same-origin",
        ),
        (
            HeaderName::from_static("cross-origin-opener-policy"),
            "same-origin",
        ),
    ] {
        response
            .headers_mut()
            .insert(name, HeaderValue::from_static(value));
    }
    response
}

/// An error message for the user of the page.
struct Problem(StatusCode, String);

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        (self.0, self.1).into_response()
    }
}

impl From<ReadError> for Problem {
    fn from(error: ReadError) -> Self {
        let status = match error {
            ReadError::InvalidId(_) => StatusCode::BAD_REQUEST,
            _ => StatusCode::BAD_GATEWAY,
        };
        Self(status, domain_events::__internals::with_causes(&error))
    }
}

fn invalid(error: impl std::fmt::Display) -> Problem {
    Problem(StatusCode::BAD_REQUEST, error.to_string())
}

#[derive(Debug, Deserialize)]
struct Search {
    value: String,
}

async fn history(
    State(page): State<Arc<Page>>,
    Query(search): Query<Search>,
) -> Result<Json<Events>, Problem> {
    collect(page.store.history(search.value).latest_first()).await
}

async fn by_type(
    State(page): State<Arc<Page>>,
    Query(search): Query<Search>,
) -> Result<Json<Events>, Problem> {
    collect(page.store.by_type(search.value)?.latest_first()).await
}

async fn collect(
    mut events: impl Stream<Item = Result<StoredEvent, ReadError>> + Unpin,
) -> Result<Json<Events>, Problem> {
    let mut views = Vec::new();
    while let Some(event) = events.next().await {
        if views.len() == MAX_EVENTS {
            return Ok(Json(Events {
                events: views,
                more: true,
            }));
        }
        views.push(EventView::new(&event?));
    }
    Ok(Json(Events {
        events: views,
        more: false,
    }))
}

async fn conversation(
    State(page): State<Arc<Page>>,
    Query(search): Query<Search>,
) -> Result<Json<Events>, Problem> {
    collect(page.store.conversation(search.value)).await
}

async fn rejected(State(page): State<Arc<Page>>) -> Json<Vec<RejectedView>> {
    let messages = page.queues.inspect(&page.dead_letter_queue, MAX_REJECTED);
    Json(messages.await.into_iter().map(RejectedView::from).collect())
}

/// Returns the rows that are waiting in the outbox.
async fn waiting(State(page): State<Arc<Page>>) -> Result<Json<Vec<OutboxRow>>, Problem> {
    let Some(outbox) = &page.outbox else {
        return Ok(Json(Vec::new()));
    };
    let request = PageRequest::first(MAX_OUTBOX_ROWS, MAX_OUTBOX_BYTES);
    let rows = outbox.page(request).await.map_err(|error| {
        let text = domain_events::__internals::with_causes(&error);
        Problem(StatusCode::BAD_GATEWAY, text)
    })?;
    Ok(Json(rows.rows.iter().map(OutboxRow::new).collect()))
}

#[derive(Debug, Deserialize)]
struct Resend {
    body: String,
}

async fn resend(
    State(page): State<Arc<Page>>,
    Path(seq): Path<u64>,
    Json(request): Json<Resend>,
) -> Result<(), Problem> {
    let (from, to) = (&page.dead_letter_queue, &page.queue);
    let resent = page.queues.resend(from, seq, to, request.body).await;
    resent.map_err(invalid)
}

/// Streams the recent events, then every new event, and statistics every second.
async fn live(
    State(page): State<Arc<Page>>,
) -> Sse<impl Stream<Item = Result<Event, Infallible>> + Send> {
    let (events, receiver) = mpsc::channel(64);
    tokio::spawn(async move {
        let stopping = page.stopping.clone();
        tokio::select! {
            // `send_live` ends when the browser closes the connection.
            _ = send_live(&page, &events) => {}
            () = stopping.cancelled() => {}
        }
    });
    Sse::new(Receiver(receiver)).keep_alive(KeepAlive::default())
}

async fn send_live(
    page: &Page,
    events: &mpsc::Sender<Event>,
) -> Result<(), mpsc::error::SendError<Event>> {
    let (written, mut added) = page.feed.subscribe();
    let recent = page.recent(written).await;
    let recent = page.events(&recent).await;
    events.send(message("recent", &recent)).await?;
    let mut statistics = tokio::time::interval(STATISTICS_INTERVAL);
    loop {
        tokio::select! {
            key = added.recv() => match key {
                Ok(key) => {
                    if let Some(event) = page.event(&key).await {
                        events.send(message("event", &event)).await?;
                    }
                }
                Err(broadcast::error::RecvError::Lagged(missed)) => {
                    events.send(message("missed", &missed)).await?;
                }
                Err(broadcast::error::RecvError::Closed) => return Ok(()),
            },
            _ = statistics.tick() => {
                let statistics = page.statistics().await;
                events.send(message("statistics", &statistics)).await?;
            }
        }
    }
}

fn message(name: &str, value: &impl Serialize) -> Event {
    // Serializing these types cannot fail: they contain text and numbers only.
    Event::default()
        .event(name)
        .data(serde_json::to_string(value).unwrap_or_default())
}

/// A channel as a stream.
struct Receiver(mpsc::Receiver<Event>);

impl Stream for Receiver {
    type Item = Result<Event, Infallible>;

    fn poll_next(
        mut self: Pin<&mut Self>,
        context: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Self::Item>> {
        self.0.poll_recv(context).map(|event| event.map(Ok))
    }
}
