//! The arguments of each command.

use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::path::Path;

use clap::Args;
use domain_events_cli::{Failure, Format};

pub(crate) mod check;
pub(crate) mod completions;
pub(crate) mod doctor;
pub(crate) mod emit;
pub(crate) mod env_file;
pub(crate) mod local;
pub(crate) mod read;
pub(crate) mod rejected;
pub(crate) mod relay;
pub(crate) mod schema;
pub(crate) mod transfer;
pub(crate) mod worker;

/// How data is printed.
#[derive(Debug, Clone, Copy, Args)]
pub(crate) struct Printing {
    /// Print one JSON object per line.
    #[arg(long)]
    pub(crate) json: bool,
}

impl Printing {
    pub(crate) fn format(self) -> Format {
        if self.json {
            Format::Json
        } else {
            Format::Text
        }
    }
}

/// Opens a file, or standard input for `-` and for no path.
pub(crate) fn input(path: Option<&Path>) -> Result<Box<dyn BufRead>, Failure> {
    match path {
        None => Ok(Box::new(io::stdin().lock())),
        Some(path) if path.as_os_str() == "-" => Ok(Box::new(io::stdin().lock())),
        Some(path) => match File::open(path) {
            Ok(file) => Ok(Box::new(BufReader::new(file))),
            Err(error) => Err(Failure::file("open", path, &error)),
        },
    }
}
