use std::io::Write as _;
use std::path::PathBuf;

use domain_events_cli::{Failure, Outcome};
use domain_events_consumer::hosts::stop_signal;
use domain_events_consumer::log;
use domain_events_local::{Options, Stack};

/// Run SQS, DynamoDB and the consumer in this process, on loopback ports.
///
/// Prints the environment variables for other programs first, then a line for each event.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// Folder to keep queues and table in; without it they are in memory.
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// Port of the SQS endpoint; 0 for a free one.
    #[arg(long, default_value_t = 9324)]
    sqs_port: u16,
    /// Port of the DynamoDB endpoint; 0 for a free one.
    #[arg(long, default_value_t = 8000)]
    dynamodb_port: u16,
    /// Make the queues FIFO.
    #[arg(long)]
    fifo: bool,
}

pub(crate) async fn run(arguments: Arguments) -> Result<Outcome, Failure> {
    let Arguments {
        data,
        sqs_port,
        dynamodb_port,
        fifo,
    } = arguments;
    log::init(tracing::Level::INFO);
    let stop = stop_signal().map_err(|e| Failure::environment("installing signal handlers", &e))?;
    let options = Options {
        data,
        sqs_port,
        dynamodb_port,
        fifo,
        ..Options::default()
    };
    let stack = Stack::start(options)
        .await
        .map_err(|e| Failure::environment("starting the embedded stack", &e))?;
    let mut out = std::io::stdout();
    let written = stack
        .environment()
        .iter()
        .try_for_each(|(name, value)| writeln!(out, "export {name}={value}"))
        .and_then(|()| out.flush());
    written.map_err(|e| Failure::environment("writing to standard output", &e))?;
    stop.cancelled().await;
    stack.stop().await;
    Ok(Outcome::Done)
}
