//! `history`, `by-type`, `trace` and `tail`: print stored events.

use std::collections::HashSet;
use std::io::Write;
use std::time::Duration;

use domain_events::store::causation_tree;
use domain_events::{EventStore, ReadError, StoredEvent, Timestamp};
use futures::{Stream, StreamExt as _};

use crate::output::{json_line, line_of, printable};
use crate::{Failure, Format, Outcome};

/// The period before the last round that `tail` reads again in each round. An event becomes
/// visible to a scan as soon as it is stored, but the clocks of two consumers may differ.
const TAIL_WINDOW: Duration = Duration::from_secs(10);

/// Prints a stream of events, one per line. An item that is not an event is reported on
/// standard error, and makes the outcome [`Outcome::Found`].
///
/// # Errors
///
/// DynamoDB fails, or `out` cannot be written.
///
/// # Cancel safety
///
/// Dropping the future leaves nothing behind.
pub async fn print<W, S>(events: S, out: &mut W, format: Format) -> Result<(Outcome, u64), Failure>
where
    W: Write,
    S: Stream<Item = Result<StoredEvent, ReadError>>,
{
    let mut events = std::pin::pin!(events);
    let (mut outcome, mut count) = (Outcome::Done, 0);
    while let Some(event) = events.next().await {
        match event {
            Ok(event) => {
                count += 1;
                print_one(&event, out, format)?;
            }
            Err(error) if error.is_about_one_event() => {
                outcome = Outcome::Found;
                crate::output::warn(&error);
            }
            Err(error) => return Err(Failure::read("reading events", &error)),
        }
    }
    Ok((outcome, count))
}

/// Prints one event.
///
/// # Errors
///
/// `out` cannot be written.
pub fn print_one<W: Write>(
    event: &StoredEvent,
    out: &mut W,
    format: Format,
) -> Result<(), Failure> {
    match format {
        Format::Json => json_line(out, event),
        Format::Text => line_of(out, &text(event)),
    }
}

fn text(event: &StoredEvent) -> String {
    let emitter = event.emitter();
    let mut line = format!(
        "{}  {}  {}  {} {}",
        event
            .timestamp()
            .to_datetime()
            .format("%Y-%m-%dT%H:%M:%S%.6fZ"),
        event.event_type(),
        printable(event.entity_id().as_str()),
        printable(emitter.kind().as_str()),
        printable(emitter.id().as_str()),
    );
    if event.version() != 1 {
        line.push_str(&format!("  version {}", event.version()));
    }
    if let Some(data) = event.data() {
        line.push_str("  ");
        line.push_str(&printable(data));
    }
    line
}

/// Prints a conversation as a tree of causes and effects.
///
/// # Errors
///
/// DynamoDB fails, the table has no index by conversation, or `out` cannot be written.
///
/// # Cancel safety
///
/// Dropping the future leaves nothing behind.
pub async fn trace<W: Write>(
    store: &EventStore,
    correlation_id: &str,
    out: &mut W,
    format: Format,
) -> Result<(Outcome, usize), Failure> {
    let mut events = store.conversation(correlation_id);
    let (mut found, mut outcome) = (Vec::new(), Outcome::Done);
    while let Some(event) = events.next().await {
        match event {
            Ok(event) => found.push(event),
            Err(error) if error.is_about_one_event() => {
                outcome = Outcome::Found;
                crate::output::warn(&error);
            }
            Err(error) => return Err(Failure::read("reading the conversation", &error)),
        }
    }
    let nodes = causation_tree(found);
    for node in &nodes {
        match format {
            Format::Json => json_line(out, &node.event)?,
            Format::Text => line_of(
                out,
                &format!("{}{}", "  ".repeat(node.depth), text(&node.event)),
            )?,
        }
    }
    Ok((outcome, nodes.len()))
}

/// Prints events as they are stored, until the future is dropped. Each round reads the
/// whole table: DynamoDB bills that, and a large table takes long.
///
/// # Errors
///
/// DynamoDB fails, or `out` cannot be written.
///
/// # Cancel safety
///
/// Dropping the future leaves nothing behind.
pub async fn tail<W: Write>(
    store: &EventStore,
    interval: Duration,
    select: impl Fn(&StoredEvent) -> bool,
    out: &mut W,
    format: Format,
) -> Result<Outcome, Failure> {
    let mut since = Timestamp::now();
    // The keys of printed events that the next scan may return again.
    let mut printed: HashSet<(String, String)> = HashSet::new();
    loop {
        let began = Timestamp::now();
        let mut round = HashSet::new();
        let mut events = store.scan().stored_since(since);
        let mut found = Vec::new();
        while let Some(event) = events.next().await {
            match event {
                Ok(event) => found.push(event),
                Err(error) if error.is_about_one_event() => crate::output::warn(&error),
                Err(error) => return Err(Failure::read("reading the table", &error)),
            }
        }
        found.sort_by_key(StoredEvent::stored_at);
        for event in found.iter().filter(|event| select(event)) {
            let key = (event.entity_id().to_string(), event.sort_key().to_owned());
            if !printed.contains(&key) {
                print_one(event, out, format)?;
            }
            round.insert(key);
        }
        out.flush().map_err(|error| crate::output::closed(&error))?;
        printed = round;
        let window = TAIL_WINDOW.as_nanos() as u64;
        since = Timestamp::from_nanos(began.as_nanos().saturating_sub(window))
            .unwrap_or(since)
            .max(since);
        tokio::time::sleep(interval).await;
    }
}
