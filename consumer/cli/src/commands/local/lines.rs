//! Log lines for people: `12:03:04Z stored    ORDER_PLACED 7 (3 ms old)`.

use std::collections::BTreeMap;
use std::fmt;

use domain_events::Timestamp;
use domain_events_cli::output::printable;
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::format::{FormatEvent, FormatFields, Writer};
use tracing_subscriber::fmt::{FmtContext, MakeWriter};
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::SubscriberInitExt as _;

/// Prints the log lines of the domain-events crates from `level` on, and the warnings of other
/// crates.
pub(in crate::commands) fn init<W>(level: Level, color: bool, writer: W)
where
    W: for<'w> MakeWriter<'w> + Send + Sync + 'static,
{
    let filter = EnvFilter::new(format!(
        "warn,domain_events={level},domain_events_consumer={level},\
         domain_events_local={level},domain_events_cli={level}"
    ));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .event_format(Lines { color })
        .with_writer(writer)
        .finish()
        .init();
}

struct Lines {
    color: bool,
}

impl<S, N> FormatEvent<S, N> for Lines
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        _context: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let mut fields = Fields::default();
        event.record(&mut fields);
        let time = Timestamp::now().to_datetime().format("%H:%M:%SZ");
        let line = fields.line(*event.metadata().level(), self.color);
        writeln!(writer, "{time} {line}")
    }
}

/// The fields of an event, safe to print.
#[derive(Default)]
struct Fields(BTreeMap<&'static str, String>);

impl Visit for Fields {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.0.insert(field.name(), printable(value));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.0
            .insert(field.name(), printable(&format!("{value:?}")));
    }
}

impl Fields {
    fn take(&mut self, name: &str) -> String {
        self.0.remove(name).unwrap_or_default()
    }

    fn line(mut self, level: Level, color: bool) -> String {
        let verdict = self.take("verdict");
        let paint = |code: &str, text: &str| match color {
            true => format!("\x1b[{code}m{text}\x1b[0m"),
            false => text.to_owned(),
        };
        let label = format!("{verdict:<9}");
        match verdict.as_str() {
            "stored" | "duplicate" => {
                let code = if verdict == "stored" { "32" } else { "2" };
                let (kind, id) = (self.take("event_type"), self.take("entity_id"));
                let age = self.take("age_ms");
                let age = paint("2", &format!("({age} ms old)"));
                format!("{} {kind} {id} {age}", paint(code, &label))
            }
            "rejected" if self.0.contains_key("code") => {
                let (code, pointer) = (self.take("code"), self.take("pointer"));
                let at = match pointer.is_empty() {
                    true => String::new(),
                    false => format!(" at {pointer}"),
                };
                let (reason, id) = (self.take("reason"), self.take("message_id"));
                let id = paint("2", &format!("(message {id})"));
                format!("{} {code}{at}: {reason} {id}", paint("31", &label))
            }
            "failed" => {
                let (reason, id) = (self.take("reason"), self.take("message_id"));
                let id = paint("2", &format!("(message {id}, SQS delivers it again)"));
                format!("{} {reason} {id}", paint("31", &label))
            }
            _ => {
                let message = self.take("message");
                let mut line = match level {
                    Level::ERROR => paint("31", "error: "),
                    Level::WARN => paint("33", "warning: "),
                    _ => String::new(),
                };
                line.push_str(verdict.as_str());
                line.push_str(&message);
                for (name, value) in self.0 {
                    line.push_str(&format!(" {name}={value}"));
                }
                line
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(level: Level, fields: &[(&'static str, &str)]) -> String {
        let fields = fields
            .iter()
            .map(|(name, value)| (*name, printable(value)))
            .collect();
        Fields(fields).line(level, false)
    }

    #[test]
    fn verdicts_have_short_lines() {
        for (fields, expected) in [
            (
                &[
                    ("verdict", "stored"),
                    ("event_type", "ORDER_PLACED"),
                    ("entity_id", "7\u{1b}[2J"),
                    ("age_ms", "3"),
                ][..],
                "stored    ORDER_PLACED 7\\u{1b}[2J (3 ms old)",
            ),
            (
                &[
                    ("verdict", "rejected"),
                    ("code", "WRONG_TYPE"),
                    ("pointer", "/ID"),
                    ("reason", "found a number"),
                    ("message_id", "m"),
                ],
                "rejected  WRONG_TYPE at /ID: found a number (message m)",
            ),
            (
                &[
                    ("verdict", "failed"),
                    ("reason", "throttled"),
                    ("message_id", "m"),
                ],
                "failed    throttled (message m, SQS delivers it again)",
            ),
        ] {
            assert_eq!(line(Level::INFO, fields), expected);
        }
    }

    #[test]
    fn other_lines_have_all_fields() {
        let fields = [("message", "an endpoint ended"), ("error", "broken")];
        assert_eq!(
            line(Level::WARN, &fields),
            "warning: an endpoint ended error=broken"
        );
    }
}
