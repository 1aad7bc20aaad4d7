//! The DynamoDB endpoint: dynoxide behind a proxy.
//!
//! The HTTP server of dynoxide accepts every `Host` and every origin, and it cannot be
//! extended. It therefore listens on a separate address, and clients connect to this proxy,
//! which adds the checks of `access`, simulated outages and the feed of the web page. On
//! Linux, the address of dynoxide is chosen randomly among the 16 million loopback
//! addresses, so that a web page cannot find it by trying ports.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use axum::Router;
use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{Request, State};
use axum::http::uri::{Authority, Scheme};
use axum::http::{Response, StatusCode, Uri};
use axum::response::IntoResponse as _;
use dynoxide::actions::scan::ScanRequest;
use dynoxide::{AttributeValue, Item};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use tokio::net::TcpListener;

use crate::feed::{self, Feed, ItemKey};

/// The maximum size of a request that DynamoDB accepts: 16 MB.
const MAX_BODY_BYTES: usize = 16 * 1024 * 1024;

/// The embedded database, shared by all clones.
#[derive(Clone)]
pub(crate) struct Database(pub(crate) dynoxide::Database);

impl std::fmt::Debug for Database {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Database")
    }
}

/// Opens the listener of dynoxide on a random loopback address.
pub(crate) async fn listen() -> io::Result<TcpListener> {
    let [_, a, b, c, ..] = *uuid::Uuid::new_v4().as_bytes();
    match TcpListener::bind((Ipv4Addr::new(127, a, b, c), 0)).await {
        Ok(listener) => Ok(listener),
        // Operating systems other than Linux have only 127.0.0.1.
        Err(_) => TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await,
    }
}

/// Returns the routes of the proxy in front of dynoxide at `upstream`. The proxy adds inserts
/// into `table` to `feed`.
pub(crate) fn router(upstream: SocketAddr, table: &'static str, feed: Option<Arc<Feed>>) -> Router {
    let mut connector = HttpConnector::new();
    connector.set_nodelay(true);
    let proxy = Proxy {
        client: Client::builder(TokioExecutor::new()).build(connector),
        upstream: upstream.to_string(),
        table,
        feed,
    };
    Router::new().fallback(forward).with_state(Arc::new(proxy))
}

struct Proxy {
    client: Client<HttpConnector, Body>,
    upstream: String,
    table: &'static str,
    feed: Option<Arc<Feed>>,
}

async fn forward(State(proxy): State<Arc<Proxy>>, mut request: Request) -> Response<Body> {
    let mut uri = request.uri().clone().into_parts();
    uri.scheme = Some(Scheme::HTTP);
    uri.authority = Authority::try_from(proxy.upstream.as_str()).ok();
    if let Ok(uri) = Uri::from_parts(uri) {
        *request.uri_mut() = uri;
    }
    let operation = request.headers().get("x-amz-target");
    let operation = operation.and_then(|target| target.to_str().ok());
    let operation = operation.and_then(|target| target.rsplit('.').next());
    let result = match (&proxy.feed, operation) {
        (Some(feed), Some(operation @ ("BatchExecuteStatement" | "PutItem"))) => {
            let operation = operation.to_owned();
            proxy.forward_insert(feed, &operation, request).await
        }
        _ => proxy.send(request).await,
    };
    result.unwrap_or_else(|error| {
        tracing::warn!(%error, "cannot forward a request to the embedded DynamoDB");
        (
            StatusCode::BAD_GATEWAY,
            "The embedded DynamoDB is stopping.\n",
        )
            .into_response()
    })
}

impl Proxy {
    async fn send(&self, request: Request) -> Result<Response<Body>, axum::Error> {
        let response = self.client.request(request).await;
        response
            .map(|response| response.map(Body::new))
            .map_err(axum::Error::new)
    }

    /// Forwards a request that may insert events, and adds their keys to the feed.
    async fn forward_insert(
        &self,
        feed: &Feed,
        operation: &str,
        request: Request,
    ) -> Result<Response<Body>, axum::Error> {
        let (head, body) = request.into_parts();
        let request_body = to_bytes(body, MAX_BODY_BYTES).await?;
        let request = Request::from_parts(head, Body::from(Bytes::clone(&request_body)));
        let (head, body) = self.send(request).await?.into_parts();
        let response_body = to_bytes(body, MAX_BODY_BYTES).await?;
        if head.status.is_success() {
            let keys = feed::inserted(operation, self.table, &request_body, &response_body);
            feed.add(keys);
        }
        Ok(Response::from_parts(head, Body::from(response_body)))
    }
}

/// Returns the key of every item in `table`, with the time at which the event was stored.
pub(crate) async fn item_keys(
    database: &Database,
    table: &'static str,
) -> Result<Vec<(ItemKey, String)>, String> {
    read_pages(database, move |database, start| {
        let response = database.scan(ScanRequest {
            table_name: table.to_owned(),
            consistent_read: Some(true),
            exclusive_start_key: start,
            ..ScanRequest::default()
        })?;
        Ok((response.items, response.last_evaluated_key))
    })
    .await
}

type Page = (Option<Vec<Item>>, Option<Item>);

/// Reads all pages of a request, on another thread, because the database blocks.
async fn read_pages(
    database: &Database,
    page: impl Fn(&dynoxide::Database, Option<Item>) -> dynoxide::Result<Page> + Send + 'static,
) -> Result<Vec<(ItemKey, String)>, String> {
    let database = database.0.clone();
    let read = move || {
        let mut keys = Vec::new();
        let mut start = None;
        loop {
            let (items, last) = page(&database, start)?;
            keys.extend(items.into_iter().flatten().map(|item| item_key(&item)));
            if last.is_none() {
                return Ok(keys);
            }
            start = last;
        }
    };
    let read = tokio::task::spawn_blocking(read).await;
    read.map_err(|error| error.to_string())?
        .map_err(|error: dynoxide::DynoxideError| error.to_string())
}

fn item_key(item: &Item) -> (ItemKey, String) {
    let text = |name: &str| match item.get(name) {
        Some(AttributeValue::S(text) | AttributeValue::N(text)) => text.clone(),
        _ => String::new(),
    };
    let key = ItemKey {
        id: text("ID"),
        timestamp: text("Timestamp"),
        event_id: text("EventId"),
    };
    (key, text("StoredAt"))
}
