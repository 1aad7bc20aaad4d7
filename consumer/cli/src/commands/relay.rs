use std::io::{self, IsTerminal as _};
use std::time::Duration;

use domain_events::{Emitter, Sdk};
use domain_events_cli::outbox::{OutboxLocation, open};
use domain_events_cli::relay::{list, measure};
use domain_events_cli::{Failure, Outcome};
use domain_events_consumer::hosts::stop_signal;
use domain_events_outbox::{AnyOutbox, OutboxRows as _, Relay, RelayReport};

use super::Printing;
use super::log_writer::LogWriter;

/// How long requests in flight may take after SIGTERM or Ctrl-C.
const STOP_TIMEOUT: Duration = Duration::from_secs(10);

/// Send the rows of an outbox to the queue, until SIGTERM or Ctrl-C.
///
/// The outbox is a DynamoDB table, or the table domain_events_outbox of a Postgres or SQLite
/// database. Each row is deleted after SQS has accepted its message. Any number of relays can
/// run at the same time.
///
/// Log lines go to standard error. If standard output is not a terminal, the command writes
/// the age of the oldest row there every 30 seconds, as a metric for CloudWatch.
///
/// Exit codes: 0 all rows were sent, or the relay was stopped; 1 with --once, rows that can
/// never be sent are left, and with --dry-run, rows wait; 3 the queue or the database does
/// not respond.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  domain-events relay --outbox dynamodb:orders-outbox
  domain-events relay --outbox sqlite:shop.db --once
  EVENT_OUTBOX=postgres://shop:secret@db/shop domain-events relay --dry-run")]
pub(crate) struct Arguments {
    /// dynamodb:TABLE, sqlite:FILE or postgres://USER:PASSWORD@HOST/DATABASE. Other users of
    /// this machine can read a password on the command line: prefer the variable.
    #[arg(
        long,
        env = "EVENT_OUTBOX",
        hide_env_values = true,
        value_name = "PLACE"
    )]
    outbox: Option<OutboxLocation>,
    /// Outbox table in DynamoDB, without --outbox.
    #[arg(long = "table", env = "EVENT_OUTBOX_TABLE", value_name = "TABLE")]
    table: Option<String>,
    /// URL of the queue.
    #[arg(long, env = "EVENT_QUEUE_URL", value_name = "URL")]
    queue_url: Option<String>,
    /// Send all rows that exist now, and exit.
    #[arg(long)]
    once: bool,
    /// List the rows that wait, oldest identity first, and change nothing.
    #[arg(long, conflicts_with = "once")]
    dry_run: bool,
    /// How old a row must be before it is sent, in seconds. Use 2 if the service sends rows
    /// right after its commits.
    #[arg(long, default_value_t = 0, value_name = "SECONDS")]
    grace: u64,
    #[command(flatten)]
    printing: Printing,
}

impl Arguments {
    fn location(&self) -> Result<OutboxLocation, Failure> {
        match (&self.outbox, &self.table) {
            (Some(location), _) => Ok(location.clone()),
            (None, Some(table)) => Ok(OutboxLocation::DynamoDb(table.clone())),
            (None, None) => Err(Failure::Usage(
                "no outbox is given; set EVENT_OUTBOX or EVENT_OUTBOX_TABLE, or give --outbox PLACE, for example --outbox dynamodb:orders-outbox, or give --env-file FILE with the variables of a set-up".to_owned(),
            )),
        }
    }
}

pub(crate) async fn run(arguments: Arguments) -> Result<Outcome, Failure> {
    let location = arguments.location()?;
    let outbox = open(&location).await?;
    if arguments.dry_run {
        let format = arguments.printing.format();
        return list(&outbox, format, &mut io::stdout().lock()).await;
    }
    let stop = stop_signal().map_err(|e| Failure::environment("installing signal handlers", &e))?;
    let (log, _flush_log) = LogWriter::start(io::stderr());
    let (metrics, _flush_metrics) = LogWriter::start(io::stdout());
    start_log(arguments.printing.json, log);
    let sdk = publisher(&arguments).await?;
    // If the outbox cannot be read at the start, the configuration is wrong. The command ends
    // in this case, because retries would not help.
    let backlog = outbox
        .backlog()
        .await
        .map_err(|error| Failure::environment(format_args!("reading {}", outbox.name()), &error))?;
    tracing::info!(outbox = outbox.name(), rows = backlog.rows, "relaying");
    let relay = Relay::builder(sdk.clone(), outbox.clone())
        .grace(Duration::from_secs(arguments.grace))
        .stop_timeout(STOP_TIMEOUT)
        .build();
    let result = if arguments.once {
        once(
            &outbox,
            tokio::select! {
                report = relay.sweep() => Some(report),
                () = stop.cancelled() => None,
            },
        )
    } else {
        let running = relay.run(stop.cancelled());
        let report = match io::stdout().is_terminal() {
            true => running.await,
            false => {
                let name = location.name();
                tokio::select! {
                    report = running => report,
                    () = measure(&outbox, &name, metrics) => RelayReport::default(),
                }
            }
        };
        tracing::info!(sent = report.sent, refused = report.refused, "stopped");
        Ok(Outcome::Done)
    };
    let _ = sdk.shutdown(STOP_TIMEOUT).await;
    result
}

async fn publisher(arguments: &Arguments) -> Result<Sdk, Failure> {
    let Some(queue_url) = &arguments.queue_url else {
        return Err(Failure::Usage(
            "the queue is missing; give --queue-url or set EVENT_QUEUE_URL".to_owned(),
        ));
    };
    // The emitter is required but not used: every row contains its own emitter.
    let emitter = Emitter::system("relay").map_err(|e| Failure::Usage(e.to_string()))?;
    let sdk = Sdk::builder(queue_url, emitter).build().await;
    sdk.map_err(|e| Failure::Usage(e.to_string()))
}

fn once(outbox: &AnyOutbox, report: Option<RelayReport>) -> Result<Outcome, Failure> {
    let Some(report) = report else {
        tracing::warn!("stopped before every row was sent");
        return Ok(Outcome::Found);
    };
    tracing::info!(sent = report.sent, refused = report.refused, "swept");
    match report.failure {
        Some(failure) => Err(Failure::Environment(format!(
            "{} rows of {} were sent, and then the sweep failed: {failure}; the other rows are still in the outbox, so run the command again",
            report.sent,
            outbox.name()
        ))),
        None if report.refused > 0 || report.undetermined > 0 => Ok(Outcome::Found),
        None => Ok(Outcome::Done),
    }
}

/// Starts the log: short lines on a terminal, and JSON lines otherwise.
fn start_log(json: bool, writer: LogWriter) {
    let text = !json && io::stderr().is_terminal();
    let level = tracing::Level::INFO;
    if text {
        let color = domain_events_cli::output::has_colors();
        super::local::lines::init(level, color, writer);
    } else {
        use tracing_subscriber::util::SubscriberInitExt as _;
        domain_events_consumer::log::subscriber(level, writer).init();
    }
}
