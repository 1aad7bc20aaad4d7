use domain_events_cli::{Failure, Outcome};
use domain_events_consumer::config::WorkerConfig;
use domain_events_consumer::hosts::{stop_signal, worker};
use domain_events_consumer::log;

/// Receive events from a queue and store them, until SIGTERM or Ctrl-C.
///
/// Reads EVENT_QUEUE_URL, DEAD_LETTER_QUEUE_URL and EVENT_TABLE, and optionally
/// EVENT_RETENTION, EVENT_INDEX_SHARDS, EVENT_WORKER_POLLERS, EVENT_LOG and the variables of
/// the AWS SDKs.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {}

pub(crate) async fn run(_: Arguments) -> Result<Outcome, Failure> {
    let config = WorkerConfig::from_env().map_err(|e| Failure::Usage(e.to_string()))?;
    log::init(config.config.log);
    let stop = stop_signal().map_err(|e| Failure::environment("installing signal handlers", &e))?;
    worker::run(config, stop)
        .await
        .map_err(|e| Failure::Environment(e.to_string()))?;
    Ok(Outcome::Done)
}
