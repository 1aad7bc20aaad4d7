//! The options of the embedded stack, and the error if the stack cannot start.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::num::NonZeroU16;
use std::path::PathBuf;

use domain_events::store::Retention;
use domain_events_outbox::AnyOutbox;

/// The options with which the embedded stack starts.
///
/// # Examples
///
/// ```
/// use domain_events_local::Options;
///
/// let options = Options {
///     fifo: true,
///     ..Options::default()
/// };
/// ```
#[derive(Debug, Clone)]
pub struct Options {
    /// The folder in which the queues and the table are stored. Without a folder, they are in
    /// memory. On Unix, only the owner can read a folder and files that the stack creates.
    pub data: Option<PathBuf>,
    /// The port of the SQS endpoint; 0 means any free port.
    pub sqs_port: u16,
    /// The port of the DynamoDB endpoint; 0 means any free port.
    pub dynamodb_port: u16,
    /// The port of the web page; 0 means any free port. Without a port, there is no web
    /// page. The page always listens on 127.0.0.1.
    pub page_port: Option<u16>,
    /// The address that the SQS and DynamoDB endpoints listen on.
    ///
    /// On a loopback address, the endpoints refuse requests whose `Host` header does not
    /// name this machine, because a web page could send them. On other addresses, they
    /// accept any `Host` header. **The endpoints do not authenticate clients**: every
    /// client that can connect can read and change all data.
    pub host: IpAddr,
    /// Accept any `Host` header on a loopback address, too.
    pub any_host_header: bool,
    /// The host name or address in the URLs that the stack returns, for clients that reach the
    /// stack under another name. By default, the URLs contain the listening address.
    pub advertise: Option<String>,
    /// Whether the queues are FIFO queues.
    pub fifo: bool,
    /// The number of pollers of the worker. With 0 pollers, there is no worker.
    pub pollers: usize,
    /// The number of shards of the index by event type; `None` means no index.
    pub index_shards: Option<NonZeroU16>,
    /// How long events are kept, like `EVENT_RETENTION`. The worker sets their expiry.
    pub retention: Retention,
    /// The outbox for which the stack runs a relay; `None` means no relay.
    pub outbox: Option<Outbox>,
}

/// The outbox for which the stack runs a relay. The web page shows its rows.
///
/// # Examples
///
/// ```
/// # use domain_events_local::{Options, Stack};
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use domain_events_local::Outbox;
///
/// let options = Options { outbox: Some(Outbox::DynamoDb), ..Options::default() };
/// let stack = Stack::start(options).await?;
/// println!("{:?}", stack.outbox_table());
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Outbox {
    /// A table of the embedded DynamoDB, which the stack creates:
    /// [`Stack::outbox_table`](super::Stack::outbox_table).
    DynamoDb,
    /// An outbox of the application, for example in SQLite. Its table must exist.
    Other(AnyOutbox),
}

impl Default for Options {
    /// Returns the options of a stack that keeps its data in memory and listens on free
    /// loopback ports, with two pollers, an index by event type with one shard, no web page and
    /// no relay.
    fn default() -> Self {
        Self {
            data: None,
            sqs_port: 0,
            dynamodb_port: 0,
            page_port: None,
            host: IpAddr::V4(Ipv4Addr::LOCALHOST),
            any_host_header: false,
            advertise: None,
            fifo: false,
            pollers: 2,
            index_shards: Some(NonZeroU16::MIN),
            retention: Retention::default(),
            outbox: None,
        }
    }
}

/// Why the embedded stack cannot be started.
///
/// # Examples
///
/// ```
/// # use domain_events_local::{Options, Stack};
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use domain_events_local::StartError;
///
/// let first = Stack::start(Options::default()).await?;
/// let port = first.sqs_endpoint().rsplit(':').next().unwrap_or_default().parse()?;
/// let second = Stack::start(Options { sqs_port: port, ..Options::default() }).await;
/// assert!(matches!(second, Err(StartError::Port { endpoint: "SQS", .. })));
/// # Ok(())
/// # }
/// ```
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// The stack cannot listen on a port.
    #[error("cannot listen on {address} for {endpoint}; {}", port_remedy(source))]
    Port {
        /// The endpoint: SQS, DynamoDB or the web page.
        endpoint: &'static str,
        /// The address and port.
        address: SocketAddr,
        /// The error of the operating system.
        source: std::io::Error,
    },
    /// The folder for the data cannot be used.
    #[error("cannot use the data folder {}; give a folder that can be written and that no other stack uses", folder.display())]
    Data {
        /// The folder.
        folder: PathBuf,
        /// What failed in the folder.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The queues, the database or the table cannot be created.
    #[error("cannot create {object}")]
    Create {
        /// The object that cannot be created.
        object: &'static str,
        /// Why it cannot be created.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

fn port_remedy(error: &std::io::Error) -> &'static str {
    use std::io::ErrorKind as Kind;
    match error.kind() {
        Kind::AddrInUse => "choose another port, or 0 for a free one",
        Kind::AddrNotAvailable => "choose an address of this machine",
        Kind::PermissionDenied => "choose a port from 1024 on, or 0 for a free one",
        _ => "choose another address or port",
    }
}
