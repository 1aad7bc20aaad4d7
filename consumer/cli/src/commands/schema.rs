use std::ffi::OsString;
use std::path::PathBuf;

use domain_events::__internals::with_causes;
use domain_events::schema::{self, LockError};
use domain_events_cli::output::lines_of;
use domain_events_cli::{Failure, Outcome};

/// Export and check the schemas of a program's events.
#[derive(Debug, clap::Subcommand)]
pub(crate) enum Command {
    Check(Check),
}

/// Compare a program's events with the committed lock file.
///
/// The program prints its events with `domain_events::schema::print_document`. If the command
/// runs the program, the program also reads the examples that the lock file contains.
/// Otherwise, give the output of the program as a file or on standard input.
///
/// The exit code is 1 if a change would make stored events unreadable.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  domain-events schema check -- cargo run --example events
  domain-events schema check --update -- cargo run --example events")]
pub(crate) struct Check {
    /// The lock file.
    #[arg(long, value_name = "FILE", default_value = "events.lock")]
    lock: PathBuf,
    /// Update the lock file, unless a change is breaking.
    #[arg(long)]
    update: bool,
    /// Fail if the lock file does not contain every event in its present form. This is the
    /// default if the variable CI is set.
    #[arg(long, conflicts_with = "update")]
    locked: bool,
    /// The output of the program; standard input for `-` or without a file.
    #[arg(value_name = "DOCUMENT", conflicts_with = "program")]
    document: Option<PathBuf>,
    /// The program that prints its events, with its arguments.
    #[arg(last = true, value_name = "PROGRAM")]
    program: Vec<OsString>,
}

pub(crate) fn run(command: Command) -> Result<Outcome, Failure> {
    let Command::Check(Check {
        lock,
        update,
        locked,
        document,
        program,
    }) = command;
    let document = match &program[..] {
        [] => {
            let mut text = String::new();
            super::input(document.as_deref())?
                .read_to_string(&mut text)
                .map_err(|e| Failure::environment("reading the document", &e))?;
            text
        }
        program => schema::run_program(program, &lock).map_err(failure)?,
    };
    let mode = match (update, locked) {
        (true, _) => schema::Mode::Update,
        (false, true) => schema::Mode::Locked,
        (false, false) => schema::Mode::from_env(),
    };
    match schema::check_document(&document, &lock, mode) {
        Ok(report) => {
            lines_of(&mut std::io::stdout(), &report.to_string())?;
            Ok(Outcome::Done)
        }
        Err(error @ (LockError::Incompatible { .. } | LockError::OutOfDate { .. })) => {
            let _ = lines_of(&mut std::io::stderr(), &error.to_string());
            Ok(Outcome::Found)
        }
        Err(error) => Err(failure(error)),
    }
}

fn failure(error: LockError) -> Failure {
    let text = with_causes(&error);
    match error {
        LockError::Document { .. } => Failure::Usage(text),
        _ => Failure::Environment(text),
    }
}
