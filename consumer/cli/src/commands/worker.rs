use domain_events_cli::{Failure, Outcome};
use domain_events_consumer::config::WorkerConfig;
use domain_events_consumer::hosts::{stop_signal, worker};
use domain_events_consumer::log;

use super::log_writer::LogWriter;

/// Receive events from a queue and store them, until SIGTERM or Ctrl-C.
///
/// The worker replaces the Lambda function in a container or on a server. It is configured by
/// variables, and writes logs and metrics as JSON lines.
#[derive(Debug, clap::Args)]
#[command(after_help = "Variables:
  EVENT_QUEUE_URL        URL of the queue
  DEAD_LETTER_QUEUE_URL  URL of the dead-letter queue
  EVENT_TABLE            name of the table
  EVENT_INDEX_SHARDS     shards of the index by event type; no index without it
  EVENT_RETENTION        how long events are kept, for example SESSION_PINGED=30d,*=never
  EVENT_WORKER_POLLERS   receives at the same time, from 1 to 64
  EVENT_LOG              level of the log: error, warn, info or debug

Example:
  domain-events --env-file worker.env worker")]
pub(crate) struct Arguments {}

pub(crate) async fn run(_: Arguments) -> Result<Outcome, Failure> {
    let config = WorkerConfig::from_env().map_err(|e| Failure::Usage(e.to_string()))?;
    let (writer, _flush) = LogWriter::start(std::io::stdout());
    log::init_with(config.config.log, writer);
    let stop = stop_signal().map_err(|e| Failure::environment("installing signal handlers", &e))?;
    worker::run(config, stop)
        .await
        .map_err(|e| Failure::Environment(e.to_string()))?;
    Ok(Outcome::Done)
}
