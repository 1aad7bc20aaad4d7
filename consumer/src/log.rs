//! Log lines and metrics on standard output, as JSON. They contain ids and verdicts,
//! never payloads.

use std::fmt::Write as _;
use std::io::{self, Write};
use std::sync::OnceLock;

use domain_events::__internals::is_unsafe_to_print;
use tracing::Level;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::util::SubscriberInitExt as _;

/// Starts logging to standard output.
///
/// `level` applies to the crates of this project. Other crates log warnings and errors
/// only: at finer levels, the AWS SDK prints whole requests, and payloads with them.
///
/// A panic is logged with its location and without its message, because a message may
/// quote the value that caused the panic.
pub fn init(level: Level) {
    init_with(level, io::stdout);
}

/// Starts logging like [`init`], with another destination for log lines and metrics. A
/// process that must continue if nothing reads its output needs a writer that does not
/// block.
pub fn init_with<W>(level: Level, writer: W)
where
    W: for<'w> MakeWriter<'w> + Clone + Send + Sync + 'static,
{
    std::panic::set_hook(Box::new(|panic| {
        let location = panic.location().map(ToString::to_string);
        tracing::error!(location, "panicked");
    }));
    let metrics = writer.clone();
    let write = move |line: &str| {
        // An event must not fail because its metric could not be written.
        let _ = metrics.make_writer().write_all(line.as_bytes());
    };
    let _ = METRICS.set(Box::new(write));
    subscriber(level, writer).init();
}

type WriteLine = Box<dyn Fn(&str) + Send + Sync>;

/// The destination of metrics.
static METRICS: OnceLock<WriteLine> = OnceLock::new();

/// Returns the subscriber that [`init`] installs, with another destination.
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
        .with_writer(Escaped(writer))
        // It would report a closed standard output on standard error, and panic if that is
        // closed, too. A consumer must not end because nothing reads its log.
        .log_internal_errors(false)
        .finish()
}

/// Prints a line of CloudWatch's embedded metric format.
pub(crate) fn metric(line: &str) {
    let line = format!("{}\n", escaped(line));
    match METRICS.get() {
        Some(write) => write(&line),
        None => drop(io::stdout().write_all(line.as_bytes())),
    }
}

/// Makes writers that escape what a terminal or a log viewer would interpret.
struct Escaped<W>(W);

impl<'w, W: MakeWriter<'w>> MakeWriter<'w> for Escaped<W> {
    type Writer = EscapedWriter<W::Writer>;

    fn make_writer(&'w self) -> Self::Writer {
        EscapedWriter(self.0.make_writer())
    }
}

struct EscapedWriter<W>(W);

impl<W: Write> Write for EscapedWriter<W> {
    // The formatter writes each line in one call.
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0
            .write_all(escaped(&String::from_utf8_lossy(bytes)).as_bytes())?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

/// Escapes characters in JSON text as JSON does. They can only stand in strings, so the
/// meaning stays the same.
#[doc(hidden)]
pub fn escaped(json: &str) -> std::borrow::Cow<'_, str> {
    // The end of a line separates JSON values.
    let is_unsafe = |character| character != '\n' && is_unsafe_to_print(character);
    if !json.contains(is_unsafe) {
        return json.into();
    }
    let mut out = String::with_capacity(json.len() + 64);
    for character in json.chars() {
        if is_unsafe(character) {
            for unit in character.encode_utf16(&mut [0; 2]) {
                let _ = write!(out, "\\u{unit:04x}");
            }
        } else {
            out.push(character);
        }
    }
    out.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn terminal_and_bidi_characters_are_escaped() {
        let text = "é漢🦀 \u{7f}\u{85}\u{9b}\u{2028}\u{2029}\u{202e}\u{2066}\u{e0041}";
        let json = serde_json::to_string(text).unwrap();
        let line = escaped(&json);
        assert_eq!(
            line,
            r#""é漢🦀 \u007f\u0085\u009b\u2028\u2029\u202e\u2066\udb40\udc41""#
        );
        assert_eq!(serde_json::from_str::<String>(&line).unwrap(), text);
        assert_eq!(escaped("{\"a\":1}\n"), "{\"a\":1}\n");
    }
}
