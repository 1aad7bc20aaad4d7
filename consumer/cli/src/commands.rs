//! The arguments of each command.

use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::num::NonZeroU16;
use std::path::Path;

use clap::Args;
use domain_events_cli::connection::Queue;
use domain_events_cli::{Failure, Format};

pub(crate) mod check;
pub(crate) mod completions;
pub(crate) mod doctor;
pub(crate) mod emit;
pub(crate) mod env_file;
pub(crate) mod local;
pub(crate) mod log_writer;
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

/// An option that can also be set with an environment variable.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Setting {
    what: &'static str,
    option: &'static str,
    variable: &'static str,
}

pub(crate) const QUEUE: Setting = Setting {
    what: "queue",
    option: "--queue-url",
    variable: "EVENT_QUEUE_URL",
};
pub(crate) const DEAD_LETTER_QUEUE: Setting = Setting {
    what: "dead-letter queue",
    option: "--dead-letter-queue-url",
    variable: "DEAD_LETTER_QUEUE_URL",
};
pub(crate) const TABLE: Setting = Setting {
    what: "table",
    option: "--table",
    variable: "EVENT_TABLE",
};

impl Setting {
    /// Returns the value of the option. clap does not check that it is present, because clap's
    /// message would name only the option and not the variable.
    pub(crate) fn of(self, value: Option<String>) -> Result<String, Failure> {
        let Self {
            what,
            option,
            variable,
        } = self;
        given(&value).map(str::to_owned).ok_or_else(|| {
            Failure::Usage(format!(
                "no {what} is given; set {variable}, or give {option}, or give --env-file FILE with the variables of a set-up"
            ))
        })
    }

    /// Opens the queue whose URL is the value of the option.
    pub(crate) async fn open(self, value: Option<String>) -> Result<Queue, Failure> {
        Queue::open(&self.of(value)?, &self.name()).await
    }

    /// Returns the name of the setting in messages.
    pub(crate) fn name(self) -> String {
        format!("{} ({})", self.variable, self.option)
    }
}

/// Returns the value of a setting, if there is one. An empty value counts as absent, because
/// templates produce it for an absent setting.
pub(crate) fn given(text: &Option<String>) -> Option<&str> {
    text.as_deref()
        .map(str::trim)
        .filter(|text| !text.is_empty())
}

/// Returns the number of shards of the index by event type, if it is set.
pub(crate) fn index_shards(text: &Option<String>) -> Result<Option<NonZeroU16>, Failure> {
    let parse = |text: &str| {
        text.parse().map_err(|_| {
            Failure::Usage(format!(
                "EVENT_INDEX_SHARDS (--index-shards) is {text:?}; set it to the number that the consumer uses, a whole number from 1 to 65,535"
            ))
        })
    };
    given(text).map(parse).transpose()
}

/// Opens a file, or standard input if the path is `-` or absent.
pub(crate) fn input(path: Option<&Path>) -> Result<Box<dyn BufRead>, Failure> {
    match path {
        None => Ok(Box::new(io::stdin().lock())),
        Some(path) if path.as_os_str() == "-" => Ok(Box::new(io::stdin().lock())),
        Some(path) if path.is_dir() => {
            let error = io::ErrorKind::IsADirectory.into();
            Err(Failure::file("read", path, &error))
        }
        Some(path) => match File::open(path) {
            Ok(file) => Ok(Box::new(BufReader::new(file))),
            Err(error) => Err(Failure::file("open", path, &error)),
        },
    }
}
