use std::io::{BufWriter, Write as _};
use std::path::PathBuf;

use domain_events_cli::{Failure, Outcome, check, vectors};

use super::Printing;

/// Check messages offline, with the consumer's own rules.
///
/// Each line of the file is the body of one SQS message: an event or an array of events. The
/// command prints each fault with its code, a JSON pointer and the reason. It needs no
/// network, and is the conformance test for producers in other languages.
///
/// The exit code is 1 if an event is invalid or a vector differs.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  my-producer --print | domain-events check
  domain-events check --json events.jsonl")]
pub(crate) struct Arguments {
    /// File of messages, one per line; standard input for `-` or without a file.
    #[arg(value_name = "FILE")]
    file: Option<PathBuf>,
    /// FILE contains conformance vectors, like docs/vectors.jsonl of the source code. Print each
    /// vector for which this program has another result than the file.
    #[arg(long)]
    vectors: bool,
    #[command(flatten)]
    printing: Printing,
}

pub(crate) fn run(arguments: Arguments) -> Result<Outcome, Failure> {
    let input = super::input(arguments.file.as_deref())?;
    let mut out = BufWriter::new(std::io::stdout().lock());
    let format = arguments.printing.format();
    let outcome = match arguments.vectors {
        true => vectors::compare(input, &mut out, format)?,
        false => check::check(input, &mut out, format)?.0,
    };
    out.flush()
        .map_err(|e| domain_events_cli::output::closed(&e))?;
    Ok(outcome)
}
