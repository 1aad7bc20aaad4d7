use std::fs::File;
use std::io::{BufWriter, Write as _};
use std::num::NonZeroU32;
use std::path::PathBuf;

use domain_events::Timestamp;
use domain_events::store::Scan;
use domain_events_cli::connection::{Queue, queue_name};
use domain_events_cli::output::line_of;
use domain_events_cli::progress::Progress;
use domain_events_cli::transfer::{self, Replay};
use domain_events_cli::{Failure, Outcome, time};

use super::read::Table;

/// Which events of the table.
#[derive(Debug, clap::Args)]
struct Selection {
    /// Only events with a timestamp from this time on, for example yesterday.
    #[arg(long, value_name = "TIME", value_parser = time::parse)]
    since: Option<Timestamp>,
    /// Only events with a timestamp before this time, for example today.
    #[arg(long, value_name = "TIME", value_parser = time::parse)]
    until: Option<Timestamp>,
    /// Only events that were stored from this time on.
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
/// The lines are wire JSON, which `check`, `import` and `emit` read. Their order is not
/// defined. DynamoDB bills the whole table, also for a part of it.
#[derive(Debug, clap::Args)]
pub(crate) struct Export {
    /// The file; standard output for `-` or without a file.
    #[arg(value_name = "FILE")]
    file: Option<PathBuf>,
    #[command(flatten)]
    selection: Selection,
    #[command(flatten)]
    table: Table,
}

/// Store events from a file in the table, without the queue.
///
/// Events that the table contains already are duplicates, so an import can be repeated. The
/// credentials need dynamodb:PartiQLInsert and dynamodb:GetItem on the table.
#[derive(Debug, clap::Args)]
pub(crate) struct Import {
    /// File of events, one per line; standard input for `-` or without a file.
    #[arg(value_name = "FILE")]
    file: Option<PathBuf>,
    #[command(flatten)]
    table: Table,
}

/// Send events of the table to a queue.
///
///   domain-events replay --to STAGING_QUEUE_URL --since yesterday --until today --dry-run=false
///
/// The messages have the attribute Replayed. Events keep their identity and timestamp, so a
/// consumer stores each of them once. Without --dry-run=false the command only counts.
#[derive(Debug, clap::Args)]
pub(crate) struct ReplayArguments {
    /// URL of the queue.
    #[arg(long, value_name = "URL")]
    to: String,
    /// The most events per second.
    #[arg(long, value_name = "N")]
    rate: Option<NonZeroU32>,
    /// Count the events, and send none.
    #[arg(long, default_value_t = true, num_args = 0..=1, default_missing_value = "true", action = clap::ArgAction::Set)]
    dry_run: bool,
    /// Allow the queue that this table is filled from: its consumer finds only duplicates.
    #[arg(long)]
    allow_source_queue: bool,
    /// The queue that fills the table.
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
            let file = File::create_new(path).map_err(|e| Failure::file("create", path, &e))?;
            let mut out = BufWriter::new(file);
            let result = transfer::export(scan, &mut out, |n| progress.set(n)).await?;
            let file = out
                .into_inner()
                .map_err(|e| Failure::file("write", path, e.error()))?;
            file.sync_all()
                .map_err(|e| Failure::file("write", path, &e))?;
            result
        }
    };
    progress.finish();
    let _ = writeln!(std::io::stderr(), "{count} events exported");
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
            "{} stored, {} duplicates, {} failed",
            imported.stored, imported.duplicates, imported.failed
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
    let queue = Queue::open(&to, "--to").await?;
    let store = table.open().await?;
    let scan = selection.of(store.scan());
    if dry_run {
        let (outcome, count) = transfer::export(scan, &mut std::io::sink(), |_| {}).await?;
        line_of(
            &mut std::io::stdout(),
            &format!(
                "{count} events would be sent to {}; send them with --dry-run=false",
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
        &format!("{count} events sent to {}", queue.label()),
    )?;
    Ok(outcome)
}
