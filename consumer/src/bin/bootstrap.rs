//! The Lambda function.

#![forbid(unsafe_code)]

use std::sync::Arc;

use domain_events::EventStore;
use domain_events_consumer::config::Config;
use domain_events_consumer::{DeadLetterQueue, Handler, clients, lambda, log};
use lambda_runtime::{Error, LambdaEvent, service_fn};

// One thread: at the CPU share of a small function a second one only takes
// turns with the first.
#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let config = Config::from_env()?;
    log::init(config.log);
    let aws = clients::load().await;
    let (dynamodb, requests) = clients::dynamodb(&aws);
    let mut store = EventStore::new(dynamodb, config.table).with_retention(config.retention);
    if let Some(shards) = config.index_shards {
        store = store.with_index_shards(shards);
    }
    let dead_letters = DeadLetterQueue::new(clients::sqs(&aws), config.dead_letter_queue_url);
    let handler = Arc::new(Handler::new(store, dead_letters).with_request_counter(requests));
    lambda_runtime::run(service_fn(|event: LambdaEvent<_>| {
        let handler = Arc::clone(&handler);
        async move { lambda::invoke(&handler, event).await.map_err(Error::from) }
    }))
    .await
}
