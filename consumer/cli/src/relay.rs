//! `relay`: lists the rows of an outbox, and reports the age of the oldest row.

use std::io::Write;
use std::time::Duration;

use domain_events::__internals::with_causes;
use domain_events::{EventId, Timestamp, wire};
use domain_events_outbox::{AnyOutbox, OutboxRows as _, PageRequest, Row, cloudwatch};
use serde::Serialize;
use tokio::time::{MissedTickBehavior, interval};

use crate::output::{Format, json_line, line_of, printable};
use crate::{Failure, Outcome};

/// The time between two values of the metric. The alarm on the age of the oldest row needs
/// one value per minute.
const METRIC_INTERVAL: Duration = Duration::from_secs(30);
/// The limits of one page of a list.
const MAX_PAGE_ROWS: usize = 1_000;
const MAX_PAGE_BYTES: usize = 4 * 1024 * 1024;

/// A row in the list, without the data of the event.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Listed {
    event_id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    event_type: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<String>,
    /// Seconds since the event was prepared.
    #[serde(skip_serializing_if = "Option::is_none")]
    age_seconds: Option<u64>,
    /// Why the row can never be sent.
    #[serde(skip_serializing_if = "Option::is_none")]
    problem: Option<String>,
}

impl Listed {
    fn new(row: Row) -> Self {
        let event = EventId::new(row.event_id.clone())
            .map_err(|error| error.to_string())
            .and_then(|key| wire::decode(&row.message, &key).map_err(|error| error.to_string()))
            .and_then(|mut events| match events.pop() {
                Some(event) if events.is_empty() => {
                    event.outcome.map_err(|error| error.to_string())
                }
                _ => Err("found an array; a row must contain one event".to_owned()),
            });
        let mut listed = Self {
            event_id: row.event_id,
            event_type: None,
            id: None,
            age_seconds: None,
            problem: None,
        };
        match event {
            Ok(event) => {
                let now = Timestamp::now().as_nanos();
                let age = now.saturating_sub(event.timestamp().as_nanos()) / 1_000_000_000;
                listed.event_type = Some(event.event_type().to_string());
                listed.id = Some(event.entity_id().to_string());
                listed.age_seconds = Some(age);
            }
            Err(problem) => listed.problem = Some(problem),
        }
        listed
    }

    fn text(&self) -> String {
        let text = |value: &Option<String>| printable(value.as_deref().unwrap_or("-"));
        let age = self
            .age_seconds
            .map_or("-".to_owned(), |age| format!("{age} s"));
        let problem = match &self.problem {
            None => String::new(),
            Some(problem) => format!("  cannot be sent: {}", printable(problem)),
        };
        format!(
            "{age:>9}  {}  {}  {}{problem}",
            text(&self.event_type),
            text(&self.id),
            printable(&self.event_id)
        )
    }
}

/// Lists the rows of an outbox. Returns [`Outcome::Found`] if the outbox contains rows.
///
/// # Errors
///
/// Returns an error if the rows cannot be read, or if standard output is closed.
///
/// # Cancel safety
///
/// The future can be dropped at any point, because the function only reads.
pub async fn list<W: Write>(
    outbox: &AnyOutbox,
    format: Format,
    out: &mut W,
) -> Result<Outcome, Failure> {
    let failed = |error| Failure::environment(format_args!("reading {}", outbox.name()), &error);
    let mut count = 0_u64;
    let mut request = Some(PageRequest::first(MAX_PAGE_ROWS, MAX_PAGE_BYTES));
    while let Some(next) = request.take() {
        let page = outbox.page(next.clone()).await.map_err(failed)?;
        for row in page.rows {
            count += 1;
            let listed = Listed::new(row);
            match format {
                Format::Json => json_line(out, &listed)?,
                Format::Text => line_of(out, &listed.text())?,
            }
        }
        request = page.next.map(|cursor| next.after(cursor));
    }
    if format == Format::Text {
        let rows = if count == 1 { "row waits" } else { "rows wait" };
        line_of(out, &format!("{count} {rows} in {}", outbox.name()))?;
    }
    Ok(if count == 0 {
        Outcome::Done
    } else {
        Outcome::Found
    })
}

/// Writes the age of the oldest row as a metric to `out` until the future is dropped.
///
/// # Cancel safety
///
/// Dropping the future stops the measurement.
pub async fn measure(outbox: &AnyOutbox, name: &str, mut out: impl Write) {
    let mut ticks = interval(METRIC_INTERVAL);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        match outbox.backlog().await {
            Ok(backlog) => {
                // The relay must not end because the metric could not be written.
                let line = cloudwatch::metric_line(name, backlog);
                let _ = out.write_all(format!("{line}\n").as_bytes());
            }
            // Missing values of the metric trigger the alarm, so a log line is sufficient.
            Err(error) => tracing::warn!(
                outbox = outbox.name(),
                error = %with_causes(&error),
                "could not count the rows, so this value of the metric is missing"
            ),
        }
    }
}
