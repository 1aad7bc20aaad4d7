use std::io::{self, IsTerminal as _, Write};
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::mpsc;

use domain_events::store::Retention;
use domain_events_cli::outbox::{OutboxLocation, open};
use domain_events_cli::{Failure, Outcome};
use domain_events_consumer::hosts::stop_signal;
use domain_events_local::{Options, Outbox, Stack, StartError};
use domain_events_outbox::AnyOutbox;

use super::given;
use super::log_writer::{Flush, LogWriter};

mod first_steps;
pub(super) mod lines;

/// The port of the web page, unless another program uses it.
const PAGE_PORT: u16 = 8001;
/// The first line of a file that `--env-file` writes.
const ENV_FILE_HEADER: &str = "# Written by `domain-events local`, which overwrites it.";

/// Run SQS, DynamoDB and the consumer in this process, for development.
///
/// Prints the environment variables that other programs need, and then a line for each event:
/// short lines on a terminal, JSON otherwise. A web page shows events as they arrive,
/// histories, conversations, and rejected messages with the reason.
///
/// With --env-file FILE, the command also writes the variables to FILE, and every other command
/// reads them from it.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  domain-events local
  domain-events local --data .events --env-file local.env
  domain-events --env-file local.env history order-7")]
pub(crate) struct Arguments {
    /// Folder for the queues and the table. Without it, they are in memory.
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// Port of the SQS endpoint; 0 for a free port.
    #[arg(long, default_value_t = 9324, value_name = "PORT")]
    sqs_port: u16,
    /// Port of the DynamoDB endpoint; 0 for a free port.
    #[arg(long, default_value_t = 8000, value_name = "PORT")]
    dynamodb_port: u16,
    /// Port of the web page; 0 for a free port [default: 8001 if it is free].
    #[arg(long, value_name = "PORT")]
    page_port: Option<u16>,
    /// Do not serve the web page.
    #[arg(long, conflicts_with = "page_port")]
    no_page: bool,
    /// Create FIFO queues.
    #[arg(long)]
    fifo: bool,
    /// Address to listen on, for clients in containers and on other machines, for example
    /// 0.0.0.0. The endpoints do not authenticate clients, and accept any Host header with this
    /// option.
    #[arg(long, value_name = "ADDRESS")]
    host: Option<IpAddr>,
    /// Host name in the URLs that the command prints, if clients reach this machine under
    /// another name.
    #[arg(long, value_name = "NAME")]
    advertise: Option<String>,
    /// Shards of the index by event type; 0 for no index [default: 1].
    #[arg(long, env = "EVENT_INDEX_SHARDS", value_name = "N")]
    index_shards: Option<String>,
    /// How long events are kept, for example "SESSION_PINGED=30d,*=never" [default: forever].
    #[arg(long, env = "EVENT_RETENTION", value_name = "RULES")]
    retention: Option<String>,
    /// Run a relay for an outbox. `dynamodb` creates the table events-outbox;
    /// sqlite:FILE and postgres://USER@HOST/DATABASE name an existing database.
    #[arg(long, value_name = "PLACE")]
    outbox: Option<String>,
    /// Print JSON lines, also on a terminal.
    #[arg(long)]
    json: bool,
}

impl Arguments {
    fn options(&self) -> Result<Options, Failure> {
        let mut options = Options {
            data: self.data.clone(),
            sqs_port: self.sqs_port,
            dynamodb_port: self.dynamodb_port,
            page_port: (!self.no_page).then_some(self.page_port.unwrap_or(PAGE_PORT)),
            fifo: self.fifo,
            any_host_header: self.host.is_some(),
            advertise: self.advertise.clone(),
            retention: self.retention()?,
            ..Options::default()
        };
        if let Some(host) = self.host {
            options.host = host;
        }
        if let Some(text) = given(&self.index_shards) {
            let shards: u16 = text.parse().map_err(|_| {
                Failure::Usage(format!(
                    "--index-shards (EVENT_INDEX_SHARDS) is {text:?}; use a whole number from 0 to 65535"
                ))
            })?;
            options.index_shards = shards.try_into().ok();
        }
        Ok(options)
    }

    fn retention(&self) -> Result<Retention, Failure> {
        let text = given(&self.retention).unwrap_or_default();
        text.parse()
            .map_err(|error| Failure::Usage(format!("--retention (EVENT_RETENTION): {error}")))
    }
}

pub(crate) async fn run(
    arguments: Arguments,
    env_file: Option<PathBuf>,
) -> Result<Outcome, Failure> {
    let mut options = arguments.options()?;
    options.outbox = match arguments.outbox.as_deref() {
        None => None,
        Some("dynamodb") => Some(Outbox::DynamoDb),
        Some(location) => Some(Outbox::Other(sql_outbox(location).await?)),
    };
    if let Some(file) = &env_file {
        check_env_file(file)?;
    }
    let stop = stop_signal().map_err(|e| Failure::environment("installing signal handlers", &e))?;
    let text = !arguments.json && io::stdout().is_terminal();
    let log = Log::start(text);
    let stack = start(options, arguments.page_port.is_none()).await?;
    if let Some(file) = &env_file {
        write_env_file(file, &stack)?;
    }
    let mut screen: String = stack
        .environment()
        .iter()
        .map(|(name, value)| format!("export {name}={value}\n"))
        .collect();
    if text {
        screen += &first_steps::text(stack.page(), arguments.data.as_deref(), env_file.as_deref());
    }
    let mut out = io::stdout();
    out.write_all(screen.as_bytes())
        .and_then(|()| out.flush())
        .map_err(|e| domain_events_cli::output::closed(&e))?;
    log.release();
    if let Some(url) = stack.page()
        && !text
    {
        tracing::info!(url, "web page");
    }
    stop.cancelled().await;
    tracing::info!("stopping");
    stack.stop().await;
    Ok(Outcome::Done)
}

/// Returns the outbox of a service in a SQL database. It must exist.
async fn sql_outbox(location: &str) -> Result<AnyOutbox, Failure> {
    match location.parse::<OutboxLocation>() {
        Ok(OutboxLocation::DynamoDb(_)) => Err(Failure::Usage(
            "--outbox: the embedded stack creates its own table; use --outbox dynamodb".to_owned(),
        )),
        Ok(location) => open(&location).await,
        Err(error) => Err(Failure::Usage(format!("--outbox: {error}"))),
    }
}

/// Starts the stack. If another program uses the default port of the web page, the page
/// gets a free port.
async fn start(options: Options, any_page_port: bool) -> Result<Stack, Failure> {
    let started = match Stack::start(options.clone()).await {
        Err(StartError::Port {
            endpoint: "the web page",
            ..
        }) if any_page_port => {
            let page_port = Some(0);
            Stack::start(Options {
                page_port,
                ..options
            })
            .await
        }
        started => started,
    };
    started.map_err(|error| {
        let option = match &error {
            StartError::Port { endpoint, .. } => match *endpoint {
                "SQS" => " (--sqs-port, --host)",
                "DynamoDB" => " (--dynamodb-port, --host)",
                _ => " (--page-port)",
            },
            StartError::Data { .. } => " (--data)",
            _ => "",
        };
        Failure::environment(format!("starting the embedded stack{option}"), &error)
    })
}

/// The log on standard output. A separate thread writes the lines, and drops them if the reader
/// is too slow, so that neither a full pipe nor a slow terminal stops the stack.
struct Log {
    exports_written: mpsc::Sender<()>,
    _flush: Flush,
}

impl Log {
    fn start(text: bool) -> Self {
        let (exports_written, wait) = mpsc::channel();
        let (writer, flush) = LogWriter::start(AfterExports(Some(wait)));
        install(text, writer);
        Self {
            exports_written,
            _flush: flush,
        }
    }

    /// Starts the log. The log waits until the exports have been written, because they must be
    /// the first lines of the output.
    fn release(&self) {
        // An error means that the writer's thread has ended.
        let _ = self.exports_written.send(());
    }
}

fn install(text: bool, writer: LogWriter) {
    // The message of the panic is omitted, because it may quote the value that caused it.
    std::panic::set_hook(Box::new(|panic| {
        let location = panic.location().map(ToString::to_string);
        tracing::error!(location, "panicked");
    }));
    let level = tracing::Level::INFO;
    if text {
        let color = domain_events_cli::output::has_colors();
        lines::init(level, color, writer);
    } else {
        let subscriber = domain_events_consumer::log::subscriber(level, writer);
        // This fails only if a subscriber is already installed, and no other code installs one.
        let _ = tracing::subscriber::set_global_default(subscriber);
    }
}

/// Standard output, which blocks until the exports have been written.
struct AfterExports(Option<mpsc::Receiver<()>>);

impl Write for AfterExports {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if let Some(wait) = self.0.take() {
            // An error means that the command failed before the exports.
            let _ = wait.recv();
        }
        io::stdout().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        match self.0 {
            Some(_) => Ok(()),
            None => io::stdout().flush(),
        }
    }
}

/// Refuses to overwrite a file that another program or a person wrote.
fn check_env_file(file: &Path) -> Result<(), Failure> {
    match std::fs::read_to_string(file) {
        Ok(text) if text.is_empty() || text.starts_with(ENV_FILE_HEADER) => Ok(()),
        Ok(_) => Err(Failure::Usage(format!(
            "{} exists, and `domain-events local` did not write it; choose another file for --env-file",
            file.display()
        ))),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(Failure::file("read", file, &error)),
    }
}

fn write_env_file(file: &Path, stack: &Stack) -> Result<(), Failure> {
    let mut text = format!("{ENV_FILE_HEADER}\n");
    for (name, value) in stack.environment() {
        text.push_str(&format!("{name}={value}\n"));
    }
    std::fs::write(file, text).map_err(|error| Failure::file("write", file, &error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn log_waits_for_the_exports() {
        let (release, wait) = mpsc::channel();
        let mut out = AfterExports(Some(wait));
        let (written, done) = mpsc::channel();
        std::thread::spawn(move || {
            let _ = out.write(b"");
            let _ = written.send(());
        });
        let pause = std::time::Duration::from_millis(50);
        assert!(done.recv_timeout(pause).is_err());
        release.send(()).unwrap();
        done.recv().unwrap();
    }
}
