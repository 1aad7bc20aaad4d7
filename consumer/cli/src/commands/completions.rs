use std::io::Write as _;

use clap::CommandFactory;
use clap_complete::Shell;
use domain_events_cli::output::closed;
use domain_events_cli::{Failure, Outcome};

/// Print a script that completes commands and options in a shell.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  domain-events completions bash > ~/.local/share/bash-completion/completions/domain-events
  domain-events completions zsh > ~/.zfunc/_domain-events
  domain-events completions fish > ~/.config/fish/completions/domain-events.fish")]
pub(crate) struct Arguments {
    /// The shell.
    shell: Shell,
}

pub(crate) fn run<C: CommandFactory>(arguments: &Arguments) -> Result<Outcome, Failure> {
    // clap_complete panics if it cannot write.
    let mut script = Vec::new();
    let name = "domain-events";
    clap_complete::generate(arguments.shell, &mut C::command(), name, &mut script);
    let mut out = std::io::stdout();
    out.write_all(&script)
        .and_then(|()| out.flush())
        .map_err(|error| closed(&error))?;
    Ok(Outcome::Done)
}
