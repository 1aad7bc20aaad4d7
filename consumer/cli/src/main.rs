//! The command `domain-events`: the worker, the embedded stack, and the
//! compatibility check of a program's events.

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
    /// Checks the schemas of a program's events.
    #[command(subcommand)]
    Schema(Schema),
}

#[derive(Debug, Subcommand)]
enum Schema {
    /// Compares a program's events with the lock, the file of all events ever written.
    ///
    /// The program prints its events with `domain_events::schema::print_document`. Either
    /// the command runs the program, which then also reads the lock's stored examples:
    ///
    ///   domain-events schema check -- cargo run --example events
    ///
    /// or you pass what it printed, as a file or on standard input.
    ///
    /// Exits with 1 if an event could no longer be read, or if the check is strict and
    /// the lock does not contain every event in its present form.
    Check {
        /// The lock.
        #[arg(long, value_name = "FILE", default_value = "events.lock")]
        lock: PathBuf,
        /// Brings the lock up to date, unless something breaks.
        #[arg(long, conflicts_with = "locked")]
        update: bool,
        /// Fails if the lock does not contain every event in its present form. This is the
        /// default if the variable CI is set.
        #[arg(long)]
        locked: bool,
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
            locked,
            document,
            program,
        }) => {
            let mode = match (update, locked) {
                (true, _) => schema::Mode::Update,
                (_, true) => schema::Mode::Locked,
                (false, false) => schema::Mode::from_env(),
            };
            schema_check(&lock, mode, document, &program)
        }
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
    worker::run(config, stop_signal()?).await;
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
    mode: schema::Mode,
    document: Option<PathBuf>,
    program: &[OsString],
) -> Result<(), Failure> {
    let document = match (program, document) {
        ([], Some(path)) if path.as_os_str() != "-" => std::fs::read_to_string(&path)
            .map_err(|error| format!("{} cannot be read: {error}", path.display()))?,
        ([], _) => std::io::read_to_string(std::io::stdin())
            .map_err(|error| format!("standard input cannot be read: {error}"))?,
        (program, _) => schema::run_program(program, lock)?,
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
