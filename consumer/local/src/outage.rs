//! Simulated outages of the endpoints.

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{Response, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::IntoResponse as _;
use tokio::sync::watch;

/// Whether a service is available: the number of its outages that have not ended.
#[derive(Debug, Clone)]
pub(crate) struct Availability(watch::Sender<usize>);

impl Availability {
    pub(crate) fn new() -> Self {
        Self(watch::Sender::new(0))
    }

    pub(crate) fn begin_outage(&self) -> Outage {
        self.0.send_modify(|outages| *outages += 1);
        Outage(self.0.clone())
    }

    /// Responds to requests with HTTP status 503 during an outage.
    pub(crate) fn refuse(&self, router: Router) -> Router {
        router.layer(middleware::from_fn_with_state(self.clone(), refuse))
    }

    /// Delays requests until the end of an outage.
    pub(crate) fn delay(&self, router: Router) -> Router {
        router.layer(middleware::from_fn_with_state(self.clone(), delay))
    }
}

async fn refuse(
    State(availability): State<Availability>,
    request: Request,
    next: Next,
) -> Response<Body> {
    if *availability.0.borrow() == 0 {
        return next.run(request).await;
    }
    let body = r#"{"__type":"ServiceUnavailable","message":"Simulated outage"}"#;
    let content_type = [(header::CONTENT_TYPE, "application/x-amz-json-1.0")];
    (StatusCode::SERVICE_UNAVAILABLE, content_type, body).into_response()
}

async fn delay(
    State(availability): State<Availability>,
    request: Request,
    next: Next,
) -> Response<Body> {
    let mut outages = availability.0.subscribe();
    // This cannot fail: `availability` is a sender of the channel.
    let _ = outages.wait_for(|outages| *outages == 0).await;
    next.run(request).await
}

/// A simulated outage. It ends when this guard is dropped.
///
/// # Examples
///
/// ```
/// # use domain_events_local::{Options, Stack};
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let stack = Stack::start(Options::default()).await?;
/// let outage = stack.outage();
/// assert!(stack.sqs_client().list_queues().send().await.is_err());
/// outage.end();
/// assert!(stack.sqs_client().list_queues().send().await.is_ok());
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
#[must_use = "the outage ends when the guard is dropped"]
pub struct Outage(watch::Sender<usize>);

impl Outage {
    /// Ends the outage, like dropping the guard.
    pub fn end(self) {}
}

impl Drop for Outage {
    fn drop(&mut self) {
        self.0.send_modify(|outages| *outages -= 1);
    }
}
