//! The command `domain-events`: the worker, the embedded stack, and the gate on
//! a program's events.

#![forbid(unsafe_code)]

use std::ffi::OsString;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use domain_events::schema;
use domain_events_consumer::config::WorkerConfig;
use domain_events_consumer::hosts::{stop_signal, worker};
use domain_events_consumer::log;
use domain_events_local::{Options, Stack};

/// Domain events: take them from SQS, store them in DynamoDB, and keep them readable.
#[derive(Debug, Parser)]
#[command(version)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Takes events from a queue and stores them, until SIGTERM or Ctrl-C.
    ///
    /// Reads EVENT_QUEUE_URL, DEAD_LETTER_QUEUE_URL and EVENT_TABLE, and if they
    /// are set EVENT_RETENTION, EVENT_INDEX_SHARDS, EVENT_WORKER_POLLERS,
    /// EVENT_LOG and the variables of the AWS SDKs.
    Worker,
    /// Runs SQS, DynamoDB and the worker in this process, on loopback ports.
    ///
    /// Prints the variables for other programs first, then a line for each event.
    Local {
        /// Folder to keep queues and table in; without it they are in memory.
        #[arg(long, value_name = "DIR")]
        data: Option<PathBuf>,
        /// Port of the SQS endpoint; 0 for a free one.
        #[arg(long, default_value_t = 9324)]
        sqs_port: u16,
        /// Port of the DynamoDB endpoint; 0 for a free one.
        #[arg(long, default_value_t = 8000)]
        dynamodb_port: u16,
        /// Makes the queues FIFO.
        #[arg(long)]
        fifo: bool,
    },
    /// Looks after the schemas of a program's events.
    #[command(subcommand)]
    Schema(Schema),
}

#[derive(Debug, Subcommand)]
enum Schema {
    /// Compares a program's events with those that were agreed on.
    ///
    /// The program prints its events with `domain_events::schema::print`. Either
    /// the command runs it, and it reads the lock's stored examples as well:
    ///
    ///   domain-events schema check -- cargo run --example events
    ///
    /// or what it printed is given, as a file or on standard input.
    ///
    /// Ends with 1 if somebody could no longer read an event.
    Check {
        /// The file with the events that were agreed on.
        #[arg(long, value_name = "FILE", default_value = "events.lock")]
        lock: PathBuf,
        /// Brings the file up to date, unless something breaks.
        #[arg(long)]
        update: bool,
        /// What the program printed; `-`, or nothing, for standard input.
        #[arg(value_name = "DOCUMENT", conflicts_with = "program")]
        document: Option<PathBuf>,
        /// The program that prints its events, with its arguments.
        #[arg(last = true, value_name = "PROGRAM")]
        program: Vec<OsString>,
    },
}

type Failure = Box<dyn std::error::Error + Send + Sync>;

#[tokio::main]
async fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let result = match arguments.command {
        Command::Worker => worker().await,
        Command::Local {
            data,
            sqs_port,
            dynamodb_port,
            fifo,
        } => {
            local(Options {
                data,
                sqs_port,
                dynamodb_port,
                fifo,
                ..Options::default()
            })
            .await
        }
        Command::Schema(Schema::Check {
            lock,
            update,
            document,
            program,
        }) => schema_check(&lock, update, document, &program),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "domain-events: {}", told(&*error));
            ExitCode::FAILURE
        }
    }
}

async fn worker() -> Result<(), Failure> {
    let config = WorkerConfig::from_env()?;
    log::init(config.config.log);
    worker::run(config, stop_signal()?).await?;
    Ok(())
}

async fn local(options: Options) -> Result<(), Failure> {
    log::init(tracing::Level::INFO);
    let stop = stop_signal()?;
    let stack = Stack::start(options).await?;
    let mut out = std::io::stdout();
    for (name, value) in stack.environment() {
        writeln!(out, "export {name}={value}")?;
    }
    out.flush()?;
    stop.cancelled().await;
    stack.stop().await;
    Ok(())
}

fn schema_check(
    lock: &Path,
    update: bool,
    document: Option<PathBuf>,
    program: &[OsString],
) -> Result<(), Failure> {
    let document = match (program, document) {
        ([], None) => std::io::read_to_string(std::io::stdin())?,
        ([], Some(path)) if path.as_os_str() == "-" => std::io::read_to_string(std::io::stdin())?,
        ([], Some(path)) => {
            std::fs::read_to_string(&path).map_err(|e| format!("{}: {e}", path.display()))?
        }
        (program, _) => schema::document_of(program, lock)?,
    };
    let mode = match update {
        true => schema::Mode::Update,
        false => schema::Mode::Check,
    };
    let report = schema::check_document(&document, lock, mode)?;
    write!(std::io::stdout(), "{report}")?;
    Ok(())
}

/// An error with its causes, on one line.
fn told(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(error.source(), |error| error.source());
    causes.fold(error.to_string(), |told, cause| format!("{told}: {cause}"))
}
