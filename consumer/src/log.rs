//! JSON lines on standard output: ids and verdicts, never payloads.

use std::io::Write as _;

use tracing::Level;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::util::SubscriberInitExt as _;

/// Starts logging from `level` on. That is of our own crates: of the others
/// only warnings are logged, since the AWS SDK's finer levels print whole
/// requests, and with them payloads.
pub fn init(level: Level) {
    subscriber(level, std::io::stdout).init();
}

/// What [`init`] starts, with another place for the lines.
pub fn subscriber<W>(level: Level, writer: W) -> impl tracing::Subscriber + Send + Sync
where
    W: for<'w> MakeWriter<'w> + Send + Sync + 'static,
{
    let filter = EnvFilter::new(format!(
        "warn,domain_events={level},domain_events_consumer={level},domain_events_local={level}"
    ));
    tracing_subscriber::fmt()
        .json()
        .flatten_event(true)
        .with_current_span(false)
        .with_span_list(false)
        .with_env_filter(filter)
        .with_writer(writer)
        .finish()
}

/// Prints a line of the embedded metric format; CloudWatch reads it from there.
pub(crate) fn metric(line: &str) {
    // A log that nobody takes is no reason to fail events.
    let _ = writeln!(std::io::stdout().lock(), "{line}");
}
