//! The command `domain-events`.

#![forbid(unsafe_code)]

use std::ffi::OsString;
use std::io::Write as _;
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use domain_events_cli::output::printable;
use domain_events_cli::{Failure, Outcome, exit_code};

mod commands;

use commands::{
    check, completions, doctor, emit, local, read, rejected, relay, schema, transfer, worker,
};

const VERSION: &str = concat!(
    env!("CARGO_PKG_VERSION"),
    " (",
    env!("DOMAIN_EVENTS_COMMIT"),
    ")"
);

/// Emit, store, read and repair domain events.
///
/// The commands use the AWS region, credentials and endpoints that every AWS SDK uses, and the
/// queues and the table in the variables EVENT_QUEUE_URL, DEAD_LETTER_QUEUE_URL and
/// EVENT_TABLE. `domain-events local` runs all of them on this machine and prints the
/// variables.
///
/// Data goes to standard output; logs, progress and errors go to standard error. Progress and
/// colors are shown on a terminal only, and no colors if NO_COLOR is set.
///
/// Exit codes: 0 done, also if Ctrl-C ends a command that runs until then; 1 the command found
/// what it looks for, for example invalid events; 2 incorrect usage; 3 AWS, the disk or another
/// program failed or does not respond.
#[derive(Debug, Parser)]
#[command(
    name = "domain-events",
    version = VERSION,
    max_term_width = 100,
    after_help = "Examples:
  domain-events local --env-file local.env
  domain-events --env-file local.env history order-7
  domain-events rejected pull --to letters

`domain-events help COMMAND` describes a command."
)]
struct Arguments {
    /// Read environment variables from this file, one NAME=value per line. The command `local`
    /// writes the file.
    #[arg(
        long,
        global = true,
        value_name = "FILE",
        help_heading = "Global options"
    )]
    env_file: Option<PathBuf>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Local(local::Arguments),
    Worker(worker::Arguments),
    Relay(relay::Arguments),
    Emit(emit::Arguments),
    Check(check::Arguments),
    History(read::History),
    ByType(read::ByType),
    Tail(read::Tail),
    Trace(read::Trace),
    Doctor(doctor::Arguments),
    #[command(subcommand)]
    Rejected(rejected::Command),
    Export(transfer::Export),
    Import(transfer::Import),
    Replay(transfer::ReplayArguments),
    #[command(subcommand)]
    Schema(schema::Command),
    Completions(completions::Arguments),
}

#[tokio::main]
async fn main() -> ExitCode {
    // The file is read before the arguments are parsed, because the defaults of the arguments
    // come from the environment.
    let result = match env_file() {
        Some(file) => Err(restart_with(&file)),
        None => run(Arguments::parse()).await,
    };
    if let Err(error) = &result
        && !matches!(error, Failure::OutputClosed)
    {
        let text = error.to_string();
        let lines: Vec<String> = text.lines().map(printable).collect();
        let _ = writeln!(std::io::stderr(), "domain-events: {}", lines.join("\n"));
    }
    exit_code(&result)
}

/// Returns the value of `--env-file`, if the command reads the file.
fn env_file() -> Option<PathBuf> {
    let arguments = || std::env::args_os().skip(1).take_while(|a| a != "--");
    if is_local(arguments()) {
        return None;
    }
    let mut arguments = arguments();
    while let Some(argument) = arguments.next() {
        if argument == "--env-file" {
            return arguments.next().map(PathBuf::from);
        }
        if let Some(file) = argument
            .to_str()
            .and_then(|a| a.strip_prefix("--env-file="))
        {
            return Some(file.into());
        }
    }
    None
}

/// Returns true if the command is `local`. The command is the first argument that is not an
/// option.
fn is_local(mut arguments: impl Iterator<Item = OsString>) -> bool {
    while let Some(argument) = arguments.next() {
        if argument == "--env-file" {
            arguments.next();
        } else if !argument.as_encoded_bytes().starts_with(b"-") {
            return argument == "local";
        }
    }
    false
}

async fn run(arguments: Arguments) -> Result<Outcome, Failure> {
    match arguments.command {
        Command::Local(local) => local::run(local, arguments.env_file).await,
        Command::Worker(arguments) => worker::run(arguments).await,
        Command::Relay(arguments) => relay::run(arguments).await,
        Command::Emit(arguments) => emit::run(arguments).await,
        Command::Check(arguments) => check::run(arguments),
        Command::History(arguments) => read::history(arguments).await,
        Command::ByType(arguments) => read::by_type(arguments).await,
        Command::Tail(arguments) => read::follow(arguments).await,
        Command::Trace(arguments) => read::conversation(arguments).await,
        Command::Export(arguments) => transfer::export(arguments).await,
        Command::Import(arguments) => transfer::import(arguments).await,
        Command::Replay(arguments) => transfer::replay(arguments).await,
        Command::Doctor(arguments) => doctor::run(arguments).await,
        Command::Rejected(command) => rejected::run(command).await,
        Command::Schema(command) => schema::run(command),
        Command::Completions(arguments) => completions::run::<Arguments>(&arguments),
    }
}

/// Starts this program again with the variables of `file`, because a running process cannot
/// change its environment safely. Returns only on failure.
fn restart_with(file: &std::path::Path) -> Failure {
    let variables = match commands::env_file::read(file) {
        Ok(variables) => variables,
        Err(failure) => return failure,
    };
    let mut arguments: Vec<OsString> = std::env::args_os().skip(1).collect();
    let named = |a: &OsString| a.as_encoded_bytes().starts_with(b"--env-file");
    if let Some(at) = arguments.iter().position(named) {
        let length = if arguments[at] == "--env-file" { 2 } else { 1 };
        arguments.drain(at..(at + length).min(arguments.len()));
    }
    let program = match std::env::current_exe() {
        Ok(program) => program,
        Err(error) => return Failure::environment("finding this program", &error),
    };
    let error = std::process::Command::new(program)
        .args(arguments)
        .envs(variables)
        .exec();
    Failure::environment("starting this program again", &error)
}
