use std::io::Write as _;
use std::time::Duration;

use domain_events::{EventStore, Timestamp};
use domain_events_cli::output::printable;
use domain_events_cli::read::{print, tail, trace};
use domain_events_cli::{Failure, Outcome, connection, time};

use super::Printing;

/// The table, and the number of its index shards.
#[derive(Debug, clap::Args)]
pub(crate) struct Table {
    /// Name of the table.
    #[arg(long, env = "EVENT_TABLE", value_name = "NAME")]
    table: Option<String>,
    /// Shards of the index by event type, as many as the consumer uses.
    #[arg(long, env = "EVENT_INDEX_SHARDS", value_name = "N")]
    index_shards: Option<String>,
}

impl Table {
    pub(crate) async fn open(self) -> Result<EventStore, Failure> {
        let name = super::TABLE.of(self.table)?;
        let name = connection::table_name(name, &super::TABLE.name())?;
        let shards = super::index_shards(&self.index_shards)?;
        let client = aws_sdk_dynamodb::Client::new(&connection::load().await?);
        let store = EventStore::new(client, name);
        Ok(match shards {
            Some(shards) => store.with_index_shards(shards),
            None => store,
        })
    }
}

/// Which events.
#[derive(Debug, clap::Args)]
pub(crate) struct Range {
    /// Only events from this time on: 2026-11-24T08:00:00Z, 2026-11-24 (UTC), 36h, 7d, today,
    /// yesterday, or seconds since 1970.
    #[arg(long, value_name = "TIME", value_parser = time::parse)]
    since: Option<Timestamp>,
    /// Only events before this time, in the same forms.
    #[arg(long, value_name = "TIME", value_parser = time::parse)]
    until: Option<Timestamp>,
    /// Print the latest events first.
    #[arg(long)]
    latest_first: bool,
    /// Print at most this many events.
    #[arg(long, value_name = "N")]
    limit: Option<u64>,
}

impl Range {
    fn of(self, mut events: domain_events::store::Events) -> domain_events::store::Events {
        if let Some(since) = self.since {
            events = events.since(since);
        }
        if let Some(until) = self.until {
            events = events.until(until);
        }
        if let Some(limit) = self.limit {
            events = events.limit(limit);
        }
        if self.latest_first {
            events = events.latest_first();
        }
        events
    }
}

/// Print the history of one entity, in time order.
///
/// The exit code is 1 if an item of the table is not a readable event.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  domain-events history order-7
  domain-events history order-7 --since 36h --json")]
pub(crate) struct History {
    /// ID of the entity.
    id: String,
    #[command(flatten)]
    range: Range,
    #[command(flatten)]
    table: Table,
    #[command(flatten)]
    printing: Printing,
}

/// Print the events of one type, in time order.
///
/// Needs the index by event type (the Terraform variable index_shards) and the number of its
/// shards.
///
/// The exit code is 1 if an item of the table is not a readable event.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  domain-events by-type ORDER_PLACED --since today --latest-first --limit 20")]
pub(crate) struct ByType {
    /// EventType, for example ORDER_PLACED.
    event_type: String,
    #[command(flatten)]
    range: Range,
    #[command(flatten)]
    table: Table,
    #[command(flatten)]
    printing: Printing,
}

/// Print a conversation as a tree of causes and effects.
///
/// A conversation consists of the events with one CorrelationId. An event is indented below
/// the event that its CausationId names. Needs the index by conversation (the Terraform
/// variable correlation_index).
///
/// The exit code is 1 if an item of the table is not a readable event.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  domain-events trace checkout-1001")]
pub(crate) struct Trace {
    /// CorrelationId of the conversation.
    correlation_id: String,
    #[command(flatten)]
    table: Table,
    #[command(flatten)]
    printing: Printing,
}

/// Print events as they are stored, until Ctrl-C.
///
/// Reads the whole table every few seconds, and DynamoDB bills each read: use this command
/// for development and for small tables.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  domain-events tail --type ORDER_PLACED")]
pub(crate) struct Tail {
    /// Only events of this entity.
    #[arg(long)]
    id: Option<String>,
    /// Only events of this type.
    #[arg(long = "type", value_name = "TYPE")]
    event_type: Option<String>,
    /// Seconds between two reads of the table.
    #[arg(long, value_name = "SECONDS", default_value_t = 2)]
    interval: u64,
    #[command(flatten)]
    table: Table,
    #[command(flatten)]
    printing: Printing,
}

fn none_found(count: u64, store: &EventStore, what: &str) {
    if count == 0 {
        let (what, table) = (printable(what), store.table());
        let _ = writeln!(
            std::io::stderr(),
            "no events of {what} in the table {table}"
        );
    }
}

pub(crate) async fn history(arguments: History) -> Result<Outcome, Failure> {
    let store = arguments.table.open().await?;
    let events = arguments.range.of(store.history(&arguments.id));
    let (outcome, count) =
        print(events, &mut std::io::stdout(), arguments.printing.format()).await?;
    none_found(count, &store, &format!("the entity {}", arguments.id));
    Ok(outcome)
}

pub(crate) async fn by_type(arguments: ByType) -> Result<Outcome, Failure> {
    let store = arguments.table.open().await?;
    let events = store
        .by_type(&arguments.event_type)
        .map_err(|e| Failure::read("reading by type", &e))?;
    let events = arguments.range.of(events);
    let (outcome, count) =
        print(events, &mut std::io::stdout(), arguments.printing.format()).await?;
    none_found(count, &store, &format!("the type {}", arguments.event_type));
    Ok(outcome)
}

pub(crate) async fn conversation(arguments: Trace) -> Result<Outcome, Failure> {
    let store = arguments.table.open().await?;
    let format = arguments.printing.format();
    let (outcome, count) = trace(
        &store,
        &arguments.correlation_id,
        &mut std::io::stdout(),
        format,
    )
    .await?;
    let conversation = format!("the conversation {}", arguments.correlation_id);
    none_found(count as u64, &store, &conversation);
    Ok(outcome)
}

pub(crate) async fn follow(arguments: Tail) -> Result<Outcome, Failure> {
    let Tail {
        id,
        event_type,
        interval,
        table,
        printing,
    } = arguments;
    let store = table.open().await?;
    let select = move |event: &domain_events::StoredEvent| {
        id.as_ref()
            .is_none_or(|id| event.entity_id() == id.as_str())
            && event_type
                .as_ref()
                .is_none_or(|kind| event.event_type() == kind.as_str())
    };
    let interval = Duration::from_secs(interval.max(1));
    let mut out = std::io::stdout();
    tokio::select! {
        result = tail(&store, interval, select, &mut out, printing.format()) => result,
        _ = tokio::signal::ctrl_c() => Ok(Outcome::Done),
    }
}
