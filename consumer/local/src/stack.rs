//! The embedded stack: SQS and DynamoDB on this machine, in this process.
//!
//! Queue, dead-letter queue, table and worker, behind the real protocols on
//! loopback ports, so that everything from the AWS SDK on is as in production.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_sdk_sqs::config::{Credentials, SharedCredentialsProvider};
use domain_events::EventStore;
use domain_events_consumer::hosts::worker::Worker;
use domain_events_consumer::{DeadLetterQueue, Handler};
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::sqs;
use crate::table::create_table;

/// Credentials and region that the endpoints take, as they would any others.
const REGION: &str = "us-east-1";
const ACCESS_KEY: &str = "local";
const QUEUE: &str = "events";
const DEAD_LETTER_QUEUE: &str = "events-dead-letters";
const TABLE: &str = "events";

/// How the embedded stack is started.
#[derive(Debug, Clone)]
pub struct Options {
    /// Folder for queues and table; in memory if there is none.
    pub data: Option<PathBuf>,
    /// Port of the SQS endpoint; any free one for 0.
    pub sqs_port: u16,
    /// Port of the DynamoDB endpoint; any free one for 0.
    pub dynamodb_port: u16,
    /// Whether the queue is FIFO.
    pub fifo: bool,
    /// Pollers of the worker; none for 0.
    pub pollers: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            data: None,
            sqs_port: 0,
            dynamodb_port: 0,
            fifo: false,
            pollers: 2,
        }
    }
}

/// The embedded stack could not be started.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// A port cannot be listened on.
    #[error("cannot listen on 127.0.0.1:{port}; give another port, or 0 for a free one")]
    Port {
        /// The port that was asked for.
        port: u16,
        /// What the system said.
        source: std::io::Error,
    },
    /// The folder for the data cannot be used.
    #[error("cannot keep data in {}", folder.display())]
    Data {
        /// The folder.
        folder: PathBuf,
        /// What is wrong with it.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A queue or the table cannot be created.
    #[error("cannot create {what}")]
    Create {
        /// What was to be created.
        what: &'static str,
        /// Why not.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

/// How often [`Stack::wait_until_drained`] looks.
const LOOK: Duration = Duration::from_millis(10);

/// A running embedded stack. It ends when it is dropped; [`stop`](Self::stop)
/// ends it in order.
///
/// # Examples
///
/// A test of a service, with everything in memory and on free ports, so that
/// tests can run at the same time:
///
/// ```
/// use domain_events::{DomainEvent, Emitter, Sdk};
/// use domain_events_local::{Options, Stack};
/// use futures::TryStreamExt;
/// use serde::{Deserialize, Serialize};
///
/// #[derive(Debug, PartialEq, Serialize, Deserialize, DomainEvent)]
/// struct OrderPlaced {
///     #[event(id)]
///     order_id: u64,
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let stack = Stack::start(Options::default()).await?;
/// let sdk = Sdk::builder(stack.queue_url(), Emitter::system("shop")?)
///     .sqs_client(stack.sqs_client())
///     .build()
///     .await?;
///
/// sdk.emit(OrderPlaced { order_id: 7 }).await?; // what the service does
///
/// stack.wait_until_drained().await;
/// let store = stack.store();
/// let mut history = store.history("7").decode::<OrderPlaced>();
/// let event = history.try_next().await?.expect("the event is in the table");
/// assert_eq!(event.known(), Some(OrderPlaced { order_id: 7 }));
/// assert_eq!(stack.dead_letters(), 0);
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Stack {
    queues: sqs::Queues,
    sqs_address: SocketAddr,
    dynamodb_address: SocketAddr,
    fifo: bool,
    config: SdkConfig,
    stop_worker: CancellationToken,
    stop_endpoints: CancellationToken,
    worker: JoinSet<()>,
    endpoints: JoinSet<()>,
}

impl Stack {
    /// Starts endpoints on loopback, creates what is missing, starts the worker.
    ///
    /// # Errors
    ///
    /// [`StartError`], if a port is taken or the data folder cannot be used.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future stops what was started.
    pub async fn start(options: Options) -> Result<Self, StartError> {
        let sqs_listener = listen(options.sqs_port).await?;
        let dynamodb_listener = listen(options.dynamodb_port).await?;
        let (queues, database) = open(options.data.as_deref())?;
        let stop_endpoints = CancellationToken::new();
        let mut endpoints = JoinSet::new();

        let sqs_address = address(&sqs_listener, options.sqs_port)?;
        let dynamodb_address = address(&dynamodb_listener, options.dynamodb_port)?;
        create_queues(&queues, options.fifo).await?;
        let stop = stop_endpoints.clone().cancelled_owned();
        let served = queues.clone();
        endpoints.spawn(async move {
            if let Err(error) = sqs::serve(sqs_listener, served, stop).await {
                tracing::error!(%error, "the SQS endpoint ended");
            }
        });
        let stop = stop_endpoints.clone().cancelled_owned();
        endpoints.spawn(async move {
            if let Err(error) =
                dynoxide::server::serve_with_shutdown(dynamodb_listener, database, stop).await
            {
                tracing::error!(%error, "the DynamoDB endpoint ended");
            }
        });

        let config = SdkConfig::builder()
            .behavior_version(BehaviorVersion::v2026_01_12())
            .region(Region::from_static(REGION))
            .credentials_provider(SharedCredentialsProvider::new(Credentials::new(
                ACCESS_KEY, ACCESS_KEY, None, None, "embedded",
            )))
            .build();
        let mut stack = Self {
            queues,
            sqs_address,
            dynamodb_address,
            fifo: options.fifo,
            config,
            stop_worker: CancellationToken::new(),
            stop_endpoints,
            worker: JoinSet::new(),
            endpoints,
        };
        create_table(&stack.dynamodb_client(), TABLE)
            .await
            .map_err(|source| StartError::Create {
                what: "the table",
                source: source.into(),
            })?;
        if options.pollers > 0 {
            let worker = Worker::new(stack.sqs_client(), stack.queue_url(), stack.handler());
            stack
                .worker
                .spawn(worker.run(options.pollers, stack.stop_worker.clone()));
        }
        Ok(stack)
    }

    /// Finishes the batches under way, then stops the endpoints.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future stops the rest at once, as dropping the stack does.
    pub async fn stop(mut self) {
        self.stop_worker.cancel();
        while self.worker.join_next().await.is_some() {}
        self.stop_endpoints.cancel();
        while self.endpoints.join_next().await.is_some() {}
    }

    /// Waits until the queue holds no message: each one that was sent before is
    /// in the table or in the dead-letter queue.
    ///
    /// What an emitter still holds is not in the queue: wait for its outcomes
    /// first, which `Sdk::emit` and `Sdk::flush` do. Without a worker
    /// ([`Options::pollers`]) it waits for somebody else to take the messages;
    /// put a `tokio::time::timeout` around it where that may never happen.
    ///
    /// # Cancel safety
    ///
    /// It only looks, so that it may be dropped and called again.
    pub async fn wait_until_drained(&self) {
        while self.messages() > 0 {
            tokio::time::sleep(LOOK).await;
        }
    }

    /// Messages in the queue: waiting, delayed, or with a consumer.
    pub fn messages(&self) -> usize {
        self.queues.messages(&queue_name(QUEUE, self.fifo))
    }

    /// Messages in the dead-letter queue.
    pub fn dead_letters(&self) -> usize {
        self.queues
            .messages(&queue_name(DEAD_LETTER_QUEUE, self.fifo))
    }

    /// `EVENT_QUEUE_URL`.
    pub fn queue_url(&self) -> String {
        sqs::queue_url(self.sqs_address, &queue_name(QUEUE, self.fifo))
    }

    /// `DEAD_LETTER_QUEUE_URL`.
    pub fn dead_letter_queue_url(&self) -> String {
        sqs::queue_url(self.sqs_address, &queue_name(DEAD_LETTER_QUEUE, self.fifo))
    }

    /// `EVENT_TABLE`.
    pub fn table(&self) -> &'static str {
        TABLE
    }

    /// `AWS_ENDPOINT_URL_SQS`.
    pub fn sqs_endpoint(&self) -> String {
        format!("http://{}", self.sqs_address)
    }

    /// `AWS_ENDPOINT_URL_DYNAMODB`.
    pub fn dynamodb_endpoint(&self) -> String {
        format!("http://{}", self.dynamodb_address)
    }

    /// A client of the SQS endpoint.
    pub fn sqs_client(&self) -> aws_sdk_sqs::Client {
        let config =
            aws_sdk_sqs::config::Builder::from(&self.config).endpoint_url(self.sqs_endpoint());
        aws_sdk_sqs::Client::from_conf(config.build())
    }

    /// A client of the DynamoDB endpoint.
    pub fn dynamodb_client(&self) -> aws_sdk_dynamodb::Client {
        let config = aws_sdk_dynamodb::config::Builder::from(&self.config)
            .endpoint_url(self.dynamodb_endpoint());
        aws_sdk_dynamodb::Client::from_conf(config.build())
    }

    /// The event store in the table.
    pub fn store(&self) -> EventStore {
        EventStore::new(self.dynamodb_client(), TABLE)
    }

    /// The handler that the worker runs.
    pub fn handler(&self) -> Handler {
        let dead_letters = DeadLetterQueue::new(self.sqs_client(), self.dead_letter_queue_url());
        Handler::new(self.store(), dead_letters)
    }

    /// The variables that a service needs to talk to the stack, in any language.
    pub fn environment(&self) -> Vec<(&'static str, String)> {
        vec![
            ("EVENT_QUEUE_URL", self.queue_url()),
            ("DEAD_LETTER_QUEUE_URL", self.dead_letter_queue_url()),
            ("EVENT_TABLE", TABLE.to_owned()),
            ("AWS_ENDPOINT_URL_SQS", self.sqs_endpoint()),
            ("AWS_ENDPOINT_URL_DYNAMODB", self.dynamodb_endpoint()),
            ("AWS_REGION", REGION.to_owned()),
            // What boto3 and the AWS CLI of version 1 read instead.
            ("AWS_DEFAULT_REGION", REGION.to_owned()),
            ("AWS_ACCESS_KEY_ID", ACCESS_KEY.to_owned()),
            ("AWS_SECRET_ACCESS_KEY", ACCESS_KEY.to_owned()),
        ]
    }
}

async fn listen(port: u16) -> Result<TcpListener, StartError> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, port))
        .await
        .map_err(|source| StartError::Port { port, source })
}

fn address(listener: &TcpListener, port: u16) -> Result<SocketAddr, StartError> {
    listener
        .local_addr()
        .map_err(|source| StartError::Port { port, source })
}

fn open(data: Option<&Path>) -> Result<(sqs::Queues, dynoxide::Database), StartError> {
    let failed = |folder: &Path, source| StartError::Data {
        folder: folder.to_owned(),
        source,
    };
    match data {
        None => {
            let database = dynoxide::Database::memory().map_err(|e| StartError::Create {
                what: "the database",
                source: e.into(),
            })?;
            Ok((sqs::Queues::memory(), database))
        }
        Some(folder) => {
            std::fs::create_dir_all(folder).map_err(|e| failed(folder, e.into()))?;
            let queues = sqs::Queues::open(folder.join("sqs.sqlite"))
                .map_err(|e| failed(folder, e.into()))?;
            let path = folder.join("dynamodb.sqlite");
            let database = dynoxide::Database::new(&path.to_string_lossy())
                .map_err(|e| failed(folder, e.into()))?;
            Ok((queues, database))
        }
    }
}

fn queue_name(name: &str, fifo: bool) -> String {
    if fifo {
        format!("{name}.fifo")
    } else {
        name.to_owned()
    }
}

/// As the Terraform module creates them, but for two things: a message is hidden for
/// a shorter time, and moved after fewer receives, so that one need not wait an hour
/// to see it.
async fn create_queues(queues: &sqs::Queues, fifo: bool) -> Result<(), StartError> {
    let failed = |source: sqs::CreateError| StartError::Create {
        what: "the queues",
        source: source.into(),
    };
    let dead_letters = queue_name(DEAD_LETTER_QUEUE, fifo);
    let redrive = format!(
        r#"{{"deadLetterTargetArn":"{}","maxReceiveCount":5}}"#,
        sqs::queue_arn(&dead_letters)
    );
    let fifo_attributes: &[(&str, &str)] = if fifo {
        &[
            ("FifoQueue", "true"),
            ("DeduplicationScope", "messageGroup"),
            ("FifoThroughputLimit", "perMessageGroupId"),
        ]
    } else {
        &[]
    };
    let two_weeks = [("MessageRetentionPeriod", "1209600")];
    queues
        .create(
            &dead_letters,
            two_weeks.iter().chain(fifo_attributes).copied(),
        )
        .await
        .map_err(failed)?;
    let attributes = [("VisibilityTimeout", "60"), ("RedrivePolicy", &*redrive)];
    queues
        .create(
            &queue_name(QUEUE, fifo),
            attributes.iter().chain(fifo_attributes).copied(),
        )
        .await
        .map_err(failed)?;
    Ok(())
}
