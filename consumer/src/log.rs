//! JSON lines on standard output: ids and verdicts, never payloads.

use std::io::Write as _;

use tracing_subscriber::EnvFilter;

/// Starts logging. `EVENT_LOG` filters (`warn`, `domain_events_consumer=debug`);
/// without it everything from `info` on is logged, of our own crates only.
pub fn init() {
    let filter = EnvFilter::try_from_env("EVENT_LOG")
        .unwrap_or_else(|_| EnvFilter::new("warn,domain_events=info,domain_events_consumer=info"));
    tracing_subscriber::fmt()
        .json()
        .flatten_event(true)
        .with_current_span(false)
        .with_span_list(false)
        .with_env_filter(filter)
        .with_writer(std::io::stdout)
        .init();
}

/// Prints a line of the embedded metric format; CloudWatch reads it from there.
pub(crate) fn metric(line: &str) {
    // A log that nobody takes is no reason to fail events.
    let _ = writeln!(std::io::stdout().lock(), "{line}");
}
