//! Amazon SQS on this machine, in this process.
//!
//! [`serve`] answers the AWS JSON 1.0 protocol, so that the AWS SDKs, the AWS
//! CLI and Terraform can be pointed at it. It takes any credentials. It keeps
//! the limits of SQS, because a queue that accepts what SQS refuses hides
//! errors until production.
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
//! - Permissions, encryption and policies are stored, but not applied;
//!   `AddPermission` and `RemovePermission` are refused.
//! - Counts are exact, deletions and purges immediate, and a standard queue
//!   delivers once for each visibility timeout, nearly in order. Do not rely on
//!   it.
//! - A message group id on a standard queue is kept and delivered, but noisy
//!   groups are not slowed down. No request is throttled.
//! - Everything belongs to account `000000000000` in `us-east-1`; URLs and ARNs
//!   are matched by the queue's name alone.
//!
//! # Structure
//!
//! `queue` decides what may happen to messages, without I/O and with the time
//! as an argument. `queues` holds all of them under one lock and hands every
//! change to `persist`. `operations` speaks in requests and responses, `http`
//! in bytes.

use std::future::Future;
use std::io;

use axum::serve::ListenerExt as _;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

mod arn;
mod changes;
mod clock;
mod dedup;
mod error;
mod fifo;
mod http;
mod limits;
mod message;
mod move_task;
mod operations;
mod persist;
mod protocol;
mod queue;
mod queues;
mod ready;
mod receipt_handle;
mod settings;

pub use arn::{queue_arn, queue_url};
pub use persist::OpenError;
pub use queues::{CreateError, Queues};

/// Answers SQS requests on `listener` until `shutdown` is ready.
///
/// Long polls that wait are then answered with no messages, requests under way
/// are finished, and connections are closed.
///
/// # Errors
///
/// If the listener's address cannot be read.
///
/// # Cancel safety
///
/// Dropping the future closes the listener; connections that are open go on
/// until their clients close them or the runtime ends.
pub async fn serve(
    listener: TcpListener,
    queues: Queues,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> io::Result<()> {
    let address = listener.local_addr()?;
    let stopping = CancellationToken::new();
    let router = http::router(operations::Endpoint::new(queues, address, stopping.clone()));
    // A small answer must not wait for more data to fill its packet.
    let listener = listener.tap_io(|connection| {
        if let Err(error) = connection.set_nodelay(true) {
            tracing::debug!(%error, "cannot set TCP_NODELAY");
        }
    });
    axum::serve(listener, router)
        .with_graceful_shutdown(async move {
            shutdown.await;
            stopping.cancel();
        })
        .await
}
