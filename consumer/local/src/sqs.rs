//! An Amazon SQS endpoint that runs in this process.
//!
//! [`serve`] supports both protocols of SQS, AWS JSON 1.0 and the older query protocol
//! (forms and XML), so that every AWS SDK, the AWS CLI and Terraform can use it. It
//! accepts any credentials. It enforces the limits of SQS, because a queue that accepts
//! more than SQS hides errors until production.
//!
//! ```no_run
//! # use std::net::Ipv4Addr;
//! # async fn run() -> Result<(), Box<dyn std::error::Error>> {
//! use domain_events_local::sqs::{Queues, queue_url, serve};
//!
//! let queues = Queues::open("queues.sqlite")?;
//! queues.create("orders", [("VisibilityTimeout", "60")]).await?;
//!
//! let listener = tokio::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 9324)).await?;
//! tracing::info!(url = queue_url(listener.local_addr()?, "orders"), "listening");
//! serve(listener, queues, std::future::pending()).await?;
//! # Ok(())
//! # }
//! ```
//!
//! # What differs from SQS
//!
//! - Encryption settings and policies are stored and have no effect.
//!   `AddPermission` and `RemovePermission` are not supported.
//! - Counts are exact, and deletions and purges take effect immediately. A standard
//!   queue delivers a message once per visibility timeout, almost in order. SQS does
//!   not guarantee these properties.
//! - A message group id on a standard queue is stored and delivered, but groups that
//!   send many messages are not slowed down. No request is throttled.
//! - Every queue belongs to the account `000000000000` in `us-east-1`. The endpoint looks
//!   only at the name of the queue in a URL or ARN.
//! - While the listener has a loopback address, requests whose `Host` header does not
//!   name this machine are refused, as are requests from web pages of other sites.
//!
//! # Structure
//!
//! `queue` contains the rules for messages, without I/O and with the time as an argument.
//! `queues` holds all queues under one lock and passes every change to `persist`.
//! `operations` implements the API, and `http` and `query` the two protocols.

use std::future::Future;
use std::io;

use axum::Router;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::access::{self, HostCheck};
use crate::server;

mod arn;
mod changes;
mod clock;
mod dedup;
mod error;
mod fifo;
mod http;
mod inspect;
mod limits;
mod message;
mod move_task;
mod operations;
mod persist;
mod protocol;
mod query;
mod queue;
mod queues;
mod ready;
mod receipt_handle;
mod settings;

pub(crate) use arn::{endpoint_url, url};
pub use arn::{queue_arn, queue_url};
pub(crate) use inspect::InspectedMessage;
pub use persist::OpenError;
pub use queues::{CreateError, Queues};

/// Serves SQS requests on `listener` until `shutdown` completes.
///
/// When `shutdown` completes, long polls return without messages, requests in progress are
/// completed, and connections are closed.
///
/// # Errors
///
/// If the address of the listener cannot be determined.
///
/// # Cancel safety
///
/// Dropping the future closes the listener. Open connections remain until their clients
/// close them or the runtime ends.
pub async fn serve(
    listener: TcpListener,
    queues: Queues,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> io::Result<()> {
    let address = listener.local_addr()?;
    let stopping = CancellationToken::new();
    let router = router(queues, endpoint_url(address), stopping.clone());
    let check = match address.ip().is_loopback() {
        true => HostCheck::Loopback,
        false => HostCheck::Off,
    };
    server::serve(listener, access::protect(router, check), async move {
        shutdown.await;
        stopping.cancel();
    })
    .await
}

/// Returns the routes of the endpoint. `base_url` is the start of every queue URL. Long polls
/// end when `stopping` is cancelled.
#[doc(hidden)]
pub fn router(queues: Queues, base_url: String, stopping: CancellationToken) -> Router {
    http::router(operations::Endpoint::new(queues, base_url, stopping))
}
