//! The programs that run a [`Handler`].

use aws_config::SdkConfig;
use domain_events::EventStore;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use crate::config::Config;
use crate::{DeadLetterQueue, Handler, aws};

pub mod lambda;
mod startup;
pub mod worker;

pub use startup::StartError;

/// Creates the handler that `config` describes.
fn handler(aws: &SdkConfig, config: Config) -> Handler {
    let (dynamodb, requests) = aws::dynamodb(aws);
    let mut store = EventStore::new(dynamodb, config.table).with_retention(config.retention);
    if let Some(shards) = config.index_shards {
        store = store.with_index_shards(shards);
    }
    let dead_letters = DeadLetterQueue::new(aws::sqs(aws), config.dead_letter_queue_url);
    Handler::new(store, dead_letters).with_request_counter(requests)
}

/// Returns a token that is cancelled at the first SIGTERM or Ctrl-C.
///
/// # Errors
///
/// If the operating system refuses to install a signal handler.
///
/// # Panics
///
/// Outside a Tokio runtime.
pub fn stop_signal() -> std::io::Result<CancellationToken> {
    let stop = CancellationToken::new();
    let (mut terminate, mut interrupt) = (
        signal(SignalKind::terminate())?,
        signal(SignalKind::interrupt())?,
    );
    let cancel = stop.clone();
    tokio::spawn(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        cancel.cancel();
    });
    Ok(stop)
}
