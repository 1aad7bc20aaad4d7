use std::io::{BufWriter, Write as _};
use std::path::PathBuf;

use domain_events_cli::{Failure, Outcome, check};

use super::Printing;

/// Check messages offline, with the consumer's own rules.
///
/// Each line of the file is the body of one SQS message: an event, or an array of events.
/// The command prints every invalid event with its code, a JSON pointer and the reason. It
/// needs no network, and is the conformance test for producers in other languages.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// File of messages, one per line; standard input for `-` or without a file.
    #[arg(value_name = "FILE")]
    file: Option<PathBuf>,
    #[command(flatten)]
    printing: Printing,
}

pub(crate) fn run(arguments: Arguments) -> Result<Outcome, Failure> {
    let input = super::input(arguments.file.as_deref())?;
    let mut out = BufWriter::new(std::io::stdout().lock());
    let (outcome, _) = check::check(input, &mut out, arguments.printing.format())?;
    out.flush()
        .map_err(|e| domain_events_cli::output::closed(&e))?;
    Ok(outcome)
}
