//! The embedded stack: SQS, DynamoDB and the consumer in this process.
//!
//! The queue, the dead-letter queue, the table and the worker use the real protocols on
//! loopback ports, so that a service uses the same AWS SDK clients as in production.

use std::num::NonZeroU16;
use std::sync::Arc;
use std::time::Duration;

use domain_events::{EventStore, ReadError, StoredEvent};
use domain_events_consumer::hosts::worker::Worker;
use domain_events_consumer::{DeadLetterQueue, Handler};
use futures::TryStreamExt as _;
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::access::HostCheck;
use crate::feed::Feed;
use crate::outage::{Availability, Outage};
use crate::page::Page;
use crate::table::create_table;
use crate::{dynamodb, sqs};

mod clients;
mod data;
mod endpoints;
mod options;
mod outbox;
mod queues;

use endpoints::{Endpoints, LOOPBACK, address, listen, port_error};
pub use options::{Options, Outbox, StartError};
use queues::{DEAD_LETTER_QUEUE, QUEUE, create_queues, queue_name};

const TABLE: &str = "events";

/// How often [`Stack::wait_until_drained`] checks the queue.
const POLL_INTERVAL: Duration = Duration::from_millis(5);

/// How long [`Stack::stop`] waits for requests in progress.
const STOP_TIMEOUT: Duration = Duration::from_secs(5);

/// A running embedded stack.
///
/// Dropping the stack stops it at once; [`stop`](Self::stop) first finishes the work in
/// progress. Any number of stacks can run at the same time.
///
/// # Examples
///
/// A test of a service. The stack keeps its data in memory and listens on free ports:
///
/// ```
/// use domain_events::{DomainEvent, Emitter, Sdk};
/// use domain_events_local::{Options, Stack};
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
/// let events = stack.events().await?;
/// assert_eq!(events[0].decode::<OrderPlaced>()?, Some(OrderPlaced { order_id: 7 }));
/// assert_eq!(stack.dead_letters(), 0);
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Stack {
    queues: sqs::Queues,
    sqs_endpoint: String,
    dynamodb_endpoint: String,
    page_endpoint: Option<String>,
    fifo: bool,
    index_shards: Option<NonZeroU16>,
    sqs: aws_sdk_sqs::Client,
    dynamodb: aws_sdk_dynamodb::Client,
    store: EventStore,
    sqs_availability: Availability,
    dynamodb_availability: Availability,
    has_outbox_table: bool,
    stop_worker: CancellationToken,
    stop_relay: CancellationToken,
    stop_endpoints: CancellationToken,
    worker: JoinSet<()>,
    relay: JoinSet<()>,
    endpoints: JoinSet<()>,
}

impl Stack {
    /// Starts the endpoints, creates the queues and the table if they do not exist, and
    /// starts the worker.
    ///
    /// # Errors
    ///
    /// [`StartError`] if a port is in use or the data folder cannot be used.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future stops the parts that were already started.
    ///
    /// # Examples
    ///
    /// ```
    /// # use domain_events_local::{Options, Stack};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let stack = Stack::start(Options { fifo: true, ..Options::default() }).await?;
    /// assert!(stack.queue_url().ends_with(".fifo"));
    /// # Ok(())
    /// # }
    /// ```
    pub async fn start(options: Options) -> Result<Self, StartError> {
        if !options.host.is_loopback() {
            tracing::warn!(
                host = %options.host,
                "the endpoints do not authenticate clients: every client that can connect to this \
                 address can read and change all queues and tables"
            );
        }
        let sqs_listener = listen("SQS", options.host, options.sqs_port).await?;
        let dynamodb_listener = listen("DynamoDB", options.host, options.dynamodb_port).await?;
        let page_listener = match options.page_port {
            Some(port) => Some(listen("the web page", LOOPBACK, port).await?),
            None => None,
        };
        let (worker_listener, dynoxide_listener) = (
            listen("the worker", LOOPBACK, 0).await?,
            dynamodb::listen()
                .await
                .map_err(|source| port_error("DynamoDB", LOOPBACK, 0, source))?,
        );
        let (queues, database) = data::open(options.data.as_deref())?;
        create_queues(&queues, options.fifo).await?;

        let advertised = |listener: &TcpListener| {
            let address = address(listener)?;
            Ok(match &options.advertise {
                Some(name) => format!("http://{name}:{}", address.port()),
                None => sqs::endpoint_url(address),
            })
        };
        let (sqs_endpoint, dynamodb_endpoint) =
            (advertised(&sqs_listener)?, advertised(&dynamodb_listener)?);
        let page_endpoint = match &page_listener {
            Some(listener) => Some(sqs::endpoint_url(address(listener)?)),
            None => None,
        };
        // The clients of the stack use the loopback address, even if `advertise` sets another
        // name for other clients.
        let config = clients::config();
        let sqs = clients::sqs(&config, &sqs::endpoint_url(address(&sqs_listener)?));
        let dynamodb = clients::dynamodb(&config, &sqs::endpoint_url(address(&dynamodb_listener)?));
        let worker_sqs = clients::sqs(&config, &sqs::endpoint_url(address(&worker_listener)?));
        let mut store =
            EventStore::new(dynamodb.clone(), TABLE).with_retention(options.retention.clone());
        if let Some(shards) = options.index_shards {
            store = store.with_index_shards(shards);
        }

        let mut endpoints = Endpoints {
            tasks: JoinSet::new(),
            stop: CancellationToken::new(),
            check: match options.host.is_loopback() && !options.any_host_header {
                true => HostCheck::Loopback,
                false => HostCheck::Off,
            },
        };
        let (sqs_availability, dynamodb_availability) = (Availability::new(), Availability::new());
        let (stop_endpoints, stop_worker) = (endpoints.stop.clone(), CancellationToken::new());
        let queue_api = |stop: &CancellationToken| {
            sqs::router(queues.clone(), sqs_endpoint.clone(), stop.clone())
        };
        endpoints.serve(
            "SQS",
            sqs_listener,
            sqs_availability.refuse(queue_api(&stop_endpoints)),
        );
        // A simulated outage delays the requests of the worker instead of refusing them.
        // Otherwise, the worker would increase the pause between its attempts, and a test would
        // have to wait for this pause after the outage. The long polls of the worker end when
        // the stack stops, because a stopping worker waits for its receive.
        endpoints.serve(
            "SQS of the worker",
            worker_listener,
            sqs_availability.delay(queue_api(&stop_worker)),
        );
        let feed = page_listener.as_ref().map(|_| Arc::new(Feed::new()));
        let upstream = address(&dynoxide_listener)?;
        endpoints.serve_dynoxide(dynoxide_listener, database.0.clone());
        endpoints.serve(
            "DynamoDB",
            dynamodb_listener,
            dynamodb_availability.refuse(dynamodb::router(upstream, TABLE, feed.clone())),
        );
        create_table(&dynamodb, TABLE)
            .await
            .map_err(|source| StartError::Create {
                object: "the table",
                source: source.into(),
            })?;
        let has_outbox_table = matches!(options.outbox, Some(Outbox::DynamoDb));
        let outbox = outbox::open(options.outbox, &dynamodb).await?;
        if let (Some(listener), Some(feed)) = (page_listener, feed) {
            let page = Page {
                queues: queues.clone(),
                queue: queue_name(QUEUE, options.fifo),
                dead_letter_queue: queue_name(DEAD_LETTER_QUEUE, options.fifo),
                database: database.clone(),
                table: TABLE,
                store: store.clone(),
                outbox: outbox.clone(),
                feed,
                stopping: endpoints.stop.clone(),
            };
            endpoints.serve_page(listener, page.router());
        }

        let mut stack = Self {
            queues,
            sqs_endpoint,
            dynamodb_endpoint,
            page_endpoint,
            fifo: options.fifo,
            index_shards: options.index_shards,
            sqs,
            dynamodb,
            store,
            sqs_availability,
            dynamodb_availability,
            has_outbox_table,
            stop_worker,
            stop_relay: CancellationToken::new(),
            stop_endpoints,
            worker: JoinSet::new(),
            relay: JoinSet::new(),
            endpoints: endpoints.tasks,
        };
        if options.pollers > 0 {
            let handler = stack.handler_with(worker_sqs.clone());
            // A stopping worker waits for its receive, and requests are free of charge here, so
            // the long poll is short.
            let worker = Worker::new(worker_sqs, stack.queue_url(), handler)
                .with_long_poll(Duration::from_secs(1));
            let stop = stack.stop_worker.clone();
            stack.worker.spawn(worker.run(options.pollers, stop));
        }
        if let Some(outbox) = outbox {
            let sdk = outbox::publisher(&stack).await?;
            let run = outbox::run(sdk, outbox, stack.stop_relay.clone());
            stack.relay.spawn(run);
        }
        Ok(stack)
    }

    /// Finishes the batches in progress, then stops the endpoints. Requests of clients that
    /// take longer than five seconds are aborted.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future stops the remaining parts at once, like dropping the stack.
    ///
    /// # Examples
    ///
    /// ```
    /// # use domain_events_local::{Options, Stack};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let stack = Stack::start(Options::default()).await?;
    /// stack.stop().await; // finishes the work in progress, unlike dropping the stack
    /// # Ok(())
    /// # }
    /// ```
    pub async fn stop(mut self) {
        // The relay stops before the worker, so that the worker stores the events that the
        // relay has sent.
        self.stop_relay.cancel();
        while self.relay.join_next().await.is_some() {}
        self.stop_worker.cancel();
        while self.worker.join_next().await.is_some() {}
        self.stop_endpoints.cancel();
        let ended = async { while self.endpoints.join_next().await.is_some() {} };
        if tokio::time::timeout(STOP_TIMEOUT, ended).await.is_err() {
            tracing::warn!("closed connections whose requests did not end");
        }
    }

    /// Waits until the queue contains no messages: every message that was sent before
    /// this call is then in the table or in the dead-letter queue.
    ///
    /// Events that the SDK has not sent yet are not in the queue. Wait for them first,
    /// with `Sdk::emit` or `Sdk::flush`. If the stack has no worker
    /// ([`Options::pollers`]), another consumer has to receive the messages. Use
    /// `tokio::time::timeout` if that may never happen.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future has no effect, and the function can be called again.
    ///
    /// # Examples
    ///
    /// ```
    /// # use domain_events_local::{Options, Stack};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use std::time::Duration;
    ///
    /// let stack = Stack::start(Options::default()).await?;
    /// tokio::time::timeout(Duration::from_secs(10), stack.wait_until_drained()).await?;
    /// assert_eq!((stack.messages(), stack.dead_letters()), (0, 0));
    /// # Ok(())
    /// # }
    /// ```
    pub async fn wait_until_drained(&self) {
        while self.messages() > 0 {
            tokio::time::sleep(POLL_INTERVAL).await;
        }
    }

    /// Returns the number of messages in the queue: visible, delayed and in flight.
    pub fn messages(&self) -> usize {
        self.queues.messages(&queue_name(QUEUE, self.fifo))
    }

    /// Returns the number of messages in the dead-letter queue.
    ///
    /// # Examples
    ///
    /// ```
    /// # use domain_events_local::{Options, Stack};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let stack = Stack::start(Options::default()).await?;
    /// let sqs = stack.sqs_client();
    /// sqs.send_message().queue_url(stack.queue_url()).message_body("not an event").send().await?;
    /// stack.wait_until_drained().await;
    /// assert_eq!(stack.dead_letters(), 1);
    /// # Ok(())
    /// # }
    /// ```
    pub fn dead_letters(&self) -> usize {
        self.queues
            .messages(&queue_name(DEAD_LETTER_QUEUE, self.fifo))
    }

    /// Returns all stored events in the order of their timestamps. This function is for tests,
    /// because it reads the whole table.
    ///
    /// # Errors
    ///
    /// [`ReadError`] if the table cannot be read, for example during an outage of
    /// DynamoDB, or if an item is not an event.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future has no effect, and the function can be called again.
    ///
    /// # Examples
    ///
    /// ```
    /// # use domain_events_local::{Options, Stack};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let stack = Stack::start(Options::default()).await?;
    /// let body = r#"{"Timestamp":1596719980,"EventType":"EVENT_TEST","ID":"7","EmitterId":"u-42","EmitterType":"USER"}"#;
    /// let sqs = stack.sqs_client();
    /// sqs.send_message().queue_url(stack.queue_url()).message_body(body).send().await?;
    /// stack.wait_until_drained().await;
    ///
    /// let events = stack.events().await?;
    /// assert_eq!(events[0].event_type(), &"EVENT_TEST");
    /// # Ok(())
    /// # }
    /// ```
    pub async fn events(&self) -> Result<Vec<StoredEvent>, ReadError> {
        let mut events: Vec<StoredEvent> = self.store.scan().try_collect().await?;
        let position = |event: &StoredEvent| (event.timestamp(), event.entity_id().to_string());
        events.sort_by_cached_key(|event| (position(event), event.sort_key().to_owned()));
        Ok(events)
    }

    /// Makes SQS unavailable until the returned guard is dropped or
    /// [ended](Outage::end): the endpoint responds to every request with HTTP status
    /// 503. The worker of the stack pauses in the meantime.
    ///
    /// # Examples
    ///
    /// ```
    /// # use domain_events_local::{Options, Stack};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let stack = Stack::start(Options::default()).await?;
    /// let outage = stack.outage();
    /// // … what the service does while SQS is unavailable …
    /// outage.end();
    /// # Ok(())
    /// # }
    /// ```
    pub fn outage(&self) -> Outage {
        self.sqs_availability.begin_outage()
    }

    /// Makes DynamoDB unavailable, like [`outage`](Self::outage). The worker cannot store
    /// events in the meantime: their messages return to the queue and are received again later.
    ///
    /// # Examples
    ///
    /// ```
    /// # use domain_events_local::{Options, Stack};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let stack = Stack::start(Options::default()).await?;
    /// let outage = stack.dynamodb_outage();
    /// assert!(stack.store().check_table().await.is_err());
    /// outage.end();
    /// stack.store().check_table().await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn dynamodb_outage(&self) -> Outage {
        self.dynamodb_availability.begin_outage()
    }

    /// Returns the URL of the queue, for `EVENT_QUEUE_URL`.
    pub fn queue_url(&self) -> String {
        sqs::url(&self.sqs_endpoint, &queue_name(QUEUE, self.fifo))
    }

    /// Returns the URL of the dead-letter queue, for `DEAD_LETTER_QUEUE_URL`.
    pub fn dead_letter_queue_url(&self) -> String {
        let name = queue_name(DEAD_LETTER_QUEUE, self.fifo);
        sqs::url(&self.sqs_endpoint, &name)
    }

    /// Returns the name of the table, for `EVENT_TABLE`.
    pub fn table(&self) -> &'static str {
        TABLE
    }

    /// Returns the name of the outbox table in the embedded DynamoDB, for
    /// `EVENT_OUTBOX_TABLE`, if [`Options::outbox`] is [`Outbox::DynamoDb`].
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
    /// assert!(stack.outbox_table().is_some());
    /// # Ok(())
    /// # }
    /// ```
    pub fn outbox_table(&self) -> Option<&'static str> {
        self.has_outbox_table.then_some(outbox::TABLE)
    }

    /// Returns the URL of the SQS endpoint, for `AWS_ENDPOINT_URL_SQS`.
    pub fn sqs_endpoint(&self) -> String {
        self.sqs_endpoint.clone()
    }

    /// Returns the URL of the DynamoDB endpoint, for `AWS_ENDPOINT_URL_DYNAMODB`.
    pub fn dynamodb_endpoint(&self) -> String {
        self.dynamodb_endpoint.clone()
    }

    /// Returns the URL of the web page, if [`Options::page_port`] is set.
    ///
    /// # Examples
    ///
    /// ```
    /// # use domain_events_local::{Options, Stack};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let stack = Stack::start(Options { page_port: Some(0), ..Options::default() }).await?;
    /// println!("open {}", stack.page().unwrap_or_default());
    /// # Ok(())
    /// # }
    /// ```
    pub fn page(&self) -> Option<&str> {
        self.page_endpoint.as_deref()
    }

    /// Creates a client of the SQS endpoint. It ignores the environment, including proxies.
    ///
    /// # Examples
    ///
    /// ```
    /// # use domain_events_local::{Options, Stack};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let stack = Stack::start(Options::default()).await?;
    /// let sdk = domain_events::Sdk::builder(stack.queue_url(), domain_events::Emitter::system("shop")?)
    ///     .sqs_client(stack.sqs_client())
    ///     .build()
    ///     .await?;
    /// # let _ = sdk;
    /// # Ok(())
    /// # }
    /// ```
    pub fn sqs_client(&self) -> aws_sdk_sqs::Client {
        self.sqs.clone()
    }

    /// Creates a client of the DynamoDB endpoint. It ignores the environment, including proxies.
    pub fn dynamodb_client(&self) -> aws_sdk_dynamodb::Client {
        self.dynamodb.clone()
    }

    /// Creates an event store for the table, with the index by event type.
    ///
    /// # Examples
    ///
    /// ```
    /// # use domain_events_local::{Options, Stack};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let stack = Stack::start(Options::default()).await?;
    /// stack.store().check_table().await?;
    /// let orders = stack.store().by_type("ORDER_PLACED")?;
    /// # let _ = orders;
    /// # Ok(())
    /// # }
    /// ```
    pub fn store(&self) -> EventStore {
        self.store.clone()
    }

    /// Creates a handler with the same settings as the handler of the worker.
    ///
    /// # Examples
    ///
    /// ```
    /// # use domain_events_local::{Options, Stack};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use domain_events_consumer::Record;
    ///
    /// let stack = Stack::start(Options::default()).await?;
    /// let body = r#"{"Timestamp":1596719980,"EventType":"EVENT_TEST","ID":"7","EmitterId":"u-42","EmitterType":"USER"}"#;
    /// let report = stack.handler().handle(&[Record::new("message-1", body)], None).await;
    /// assert!(report.failed.is_empty());
    /// assert_eq!(stack.events().await?[0].event_id(), &"message-1");
    /// # Ok(())
    /// # }
    /// ```
    pub fn handler(&self) -> Handler {
        self.handler_with(self.sqs_client())
    }

    fn handler_with(&self, sqs: aws_sdk_sqs::Client) -> Handler {
        let dead_letters = DeadLetterQueue::new(sqs, self.dead_letter_queue_url());
        Handler::new(self.store(), dead_letters)
    }

    /// Returns the environment variables with which a service in any language uses the stack.
    ///
    /// # Examples
    ///
    /// ```
    /// # use domain_events_local::{Options, Stack};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let stack = Stack::start(Options::default()).await?;
    /// let mut producer = std::process::Command::new("python3");
    /// producer.arg("producer.py").envs(stack.environment());
    /// # Ok(())
    /// # }
    /// ```
    pub fn environment(&self) -> Vec<(&'static str, String)> {
        let mut variables = vec![
            ("EVENT_QUEUE_URL", self.queue_url()),
            ("DEAD_LETTER_QUEUE_URL", self.dead_letter_queue_url()),
            ("EVENT_TABLE", TABLE.to_owned()),
        ];
        if let Some(shards) = self.index_shards {
            variables.push(("EVENT_INDEX_SHARDS", shards.to_string()));
        }
        if let Some(table) = self.outbox_table() {
            variables.push(("EVENT_OUTBOX_TABLE", table.to_owned()));
        }
        variables.extend([
            ("AWS_ENDPOINT_URL_SQS", self.sqs_endpoint()),
            ("AWS_ENDPOINT_URL_DYNAMODB", self.dynamodb_endpoint()),
            ("AWS_REGION", clients::REGION.to_owned()),
            // boto3 and version 1 of the AWS CLI read this variable.
            ("AWS_DEFAULT_REGION", clients::REGION.to_owned()),
            ("AWS_ACCESS_KEY_ID", clients::ACCESS_KEY.to_owned()),
            ("AWS_SECRET_ACCESS_KEY", clients::ACCESS_KEY.to_owned()),
        ]);
        variables
    }
}
