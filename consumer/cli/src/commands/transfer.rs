use std::fs::File;
use std::io::{BufWriter, Write as _};
use std::num::NonZeroU32;
use std::path::PathBuf;

use domain_events::Timestamp;
use domain_events::store::Scan;
use domain_events_cli::connection::{Queue, queue_name};
use domain_events_cli::output::{counted, line_of};
use domain_events_cli::progress::Progress;
use domain_events_cli::transfer::{self, Replay};
use domain_events_cli::{Failure, Outcome, time};

use super::read::Table;

/// Which events of the table.
#[derive(Debug, clap::Args)]
struct Selection {
    /// Only events with a timestamp from this time on: 2026-11-24T08:00:00Z, 2026-11-24 (UTC),
    /// 36h, 7d, today, yesterday, or seconds since 1970.
    #[arg(long, value_name = "TIME", value_parser = time::parse)]
    since: Option<Timestamp>,
    /// Only events with a timestamp before this time, in the same forms.
    #[arg(long, value_name = "TIME", value_parser = time::parse)]
    until: Option<Timestamp>,
    /// Only events that were stored from this time on, whatever their timestamp is.
    #[arg(long, value_name = "TIME", value_parser = time::parse)]
    stored_since: Option<Timestamp>,
}

impl Selection {
    fn of(self, mut scan: Scan) -> Scan {
        if let Some(since) = self.since {
            scan = scan.since(since);
        }
        if let Some(until) = self.until {
            scan = scan.until(until);
        }
        if let Some(time) = self.stored_since {
            scan = scan.stored_since(time);
        }
        scan
    }
}

/// Write the events of the table to a file, one per line.
///
/// The lines are wire JSON, which `check`, `import` and `emit` read. They have no defined
/// order. The command reads the whole table, and DynamoDB bills the whole table, even if
/// --since or --until selects a part of it.
///
/// The exit code is 1 if an item of the table is not a readable event; the other events are
/// exported.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  domain-events export events.jsonl
  domain-events export --since yesterday --until today | gzip > yesterday.jsonl.gz")]
pub(crate) struct Export {
    /// The file, which must not exist; standard output for `-` or without a file. While the
    /// command runs, the file is called FILE.part.
    #[arg(value_name = "FILE")]
    file: Option<PathBuf>,
    #[command(flatten)]
    selection: Selection,
    #[command(flatten)]
    table: Table,
}

/// Store events from a file in the table, without the queue.
///
/// An event that the table already contains is a duplicate and changes nothing, so an import
/// can be repeated. The credentials need dynamodb:PartiQLInsert and dynamodb:GetItem on the
/// table.
///
/// The exit code is 1 if DynamoDB did not store an event.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  domain-events import events.jsonl
  domain-events --env-file staging.env import events.jsonl")]
pub(crate) struct Import {
    /// File of events, one per line; standard input for `-` or without a file.
    #[arg(value_name = "FILE")]
    file: Option<PathBuf>,
    #[command(flatten)]
    table: Table,
}

/// Send events of the table to a queue, for example to the queue of another environment.
///
/// The events keep their identity and timestamp, so the consumer of the queue stores each of
/// them once, even if they are sent again. The messages have the attribute Replayed. Without
/// --dry-run=false, the command only counts the events.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  domain-events replay --to STAGING_QUEUE_URL --since yesterday --until today
  domain-events replay --to STAGING_QUEUE_URL --since yesterday --until today --dry-run=false")]
pub(crate) struct ReplayArguments {
    /// URL of the queue to send to. Requests go to the host of this URL, even if
    /// AWS_ENDPOINT_URL is set.
    #[arg(long, value_name = "URL")]
    to: String,
    /// Send at most this many events per second.
    #[arg(long, value_name = "N")]
    rate: Option<NonZeroU32>,
    /// Count the events, and send none.
    #[arg(long, value_name = "true|false", hide_possible_values = true, default_value_t = true, num_args = 0..=1, default_missing_value = "true", action = clap::ArgAction::Set)]
    dry_run: bool,
    /// Allow --to to be the queue that fills this table, although every event is then a
    /// duplicate.
    #[arg(long)]
    allow_source_queue: bool,
    /// URL of the queue that fills the table, so that it is not used as --to by mistake.
    #[arg(long, env = "EVENT_QUEUE_URL", value_name = "URL")]
    queue_url: Option<String>,
    #[command(flatten)]
    selection: Selection,
    #[command(flatten)]
    table: Table,
}

pub(crate) async fn export(arguments: Export) -> Result<Outcome, Failure> {
    let store = arguments.table.open().await?;
    let scan = arguments.selection.of(store.scan());
    let progress = Progress::new("events exported", None);
    let path = arguments.file.filter(|path| path.as_os_str() != "-");
    let (outcome, count) = match &path {
        None => {
            let mut out = BufWriter::new(std::io::stdout().lock());
            transfer::export(scan, &mut out, |n| progress.set(n)).await?
        }
        Some(path) => {
            if path.exists() {
                let error = std::io::ErrorKind::AlreadyExists.into();
                return Err(Failure::file("create", path, &error));
            }
            // The file gets its name after the last event: an export that was interrupted must
            // not look like a complete one.
            let mut part = path.as_os_str().to_owned();
            part.push(".part");
            let part = PathBuf::from(part);
            let file = File::create(&part).map_err(|e| Failure::file("create", &part, &e))?;
            let mut out = BufWriter::new(file);
            let result = transfer::export(scan, &mut out, |n| progress.set(n)).await?;
            let file = out
                .into_inner()
                .map_err(|e| Failure::file("write", &part, e.error()))?;
            file.sync_all()
                .and_then(|()| std::fs::rename(&part, path))
                .map_err(|e| Failure::file("write", path, &e))?;
            result
        }
    };
    progress.finish();
    let _ = writeln!(std::io::stderr(), "{} exported", counted(count, "event"));
    Ok(outcome)
}

pub(crate) async fn import(arguments: Import) -> Result<Outcome, Failure> {
    let store = arguments.table.open().await?;
    let input = super::input(arguments.file.as_deref())?;
    let progress = Progress::new("events imported", None);
    let (outcome, imported) = transfer::import(&store, input, |n| progress.set(n)).await?;
    progress.finish();
    line_of(
        &mut std::io::stdout(),
        &format!(
            "{} stored, {}, {} failed",
            imported.stored,
            counted(imported.duplicates, "duplicate"),
            imported.failed
        ),
    )?;
    Ok(outcome)
}

pub(crate) async fn replay(arguments: ReplayArguments) -> Result<Outcome, Failure> {
    let ReplayArguments {
        to,
        rate,
        dry_run,
        allow_source_queue,
        queue_url,
        selection,
        table,
    } = arguments;
    if queue_url.as_deref() == Some(&*to) && !allow_source_queue {
        return Err(Failure::Usage(format!(
            "{} is the queue that fills this table (EVENT_QUEUE_URL), so every event would be a duplicate; \
             give another queue, or --allow-source-queue",
            queue_name(&to)
        )));
    }
    let queue = Queue::open_elsewhere(&to, "--to").await?;
    let store = table.open().await?;
    let scan = selection.of(store.scan());
    if dry_run {
        let (outcome, count) = transfer::export(scan, &mut std::io::sink(), |_| {}).await?;
        line_of(
            &mut std::io::stdout(),
            &format!(
                "{} would be sent to {}; send with --dry-run=false",
                counted(count, "event"),
                queue.label()
            ),
        )?;
        return Ok(outcome);
    }
    let replay = Replay {
        queue: &queue,
        rate: rate.map(NonZeroU32::get),
    };
    let progress = Progress::new("events sent", None);
    let (outcome, count) = replay.run(scan, |n| progress.set(n)).await?;
    progress.finish();
    line_of(
        &mut std::io::stdout(),
        &format!("{} sent to {}", counted(count, "event"), queue.label()),
    )?;
    Ok(outcome)
}
