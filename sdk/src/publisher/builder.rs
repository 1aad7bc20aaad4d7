//! The settings of a publisher, from code or from the environment.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::event::Context;
use crate::event::timestamp::Timestamp;
use crate::event::{Emitter, EmitterId, EmitterType, EventId};
use crate::publisher::Sdk;
use crate::publisher::buffer::batch::Limits;
use crate::publisher::buffer::in_flight::InFlight;
use crate::publisher::buffer::pending::group_name;
use crate::publisher::error::BuildError;
use crate::publisher::retry::RetryPolicy;
use crate::publisher::runtime::{Executor, PublisherThread};
use crate::publisher::sender::{Sender, SenderSettings};
#[cfg(feature = "spool")]
use crate::publisher::spool::{Spool, SpoolSettings, error::SpoolDamage};
use crate::publisher::sqs::{self, SqsQueue};
use crate::publisher::transport::Transport;
use crate::queue_url::{QueueUrl, quoted};

/// SQS bills each 64 KiB of a request as one request (SQS pricing page).
const BILLING_UNIT: usize = 64 * 1024;
/// The name of the setting in errors, if it was set in code.
const QUEUE_URL_SETTING: &str = "the queue URL";

/// Builds an [`Sdk`]. The defaults are suitable for a service with some thousand events per
/// second.
///
/// # Examples
///
/// ```no_run
/// # use domain_events::{Emitter, Sdk};
/// # use std::time::Duration;
/// # async fn run() -> Result<(), Box<dyn std::error::Error>> {
/// let sdk = Sdk::builder("https://sqs.eu-west-1.amazonaws.com/123456789012/events", Emitter::system("billing")?)
///     .max_in_flight(32)
///     .max_buffered_bytes(16 * 1024 * 1024)
///     .build()
///     .await?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
#[must_use = "a builder does nothing until it is built"]
pub struct SdkBuilder {
    queue_url: String,
    queue_url_setting: &'static str,
    emitter: Emitter,
    client: Option<aws_sdk_sqs::Client>,
    max_in_flight: usize,
    max_events: usize,
    max_bytes: usize,
    linger: Duration,
    packing: bool,
    tenant: Option<String>,
    retry: RetryPolicy,
    stamps: Stamps,
    executor: Option<Executor>,
    #[cfg(feature = "spool")]
    spool: Option<std::path::PathBuf>,
    #[cfg(feature = "spool")]
    spool_damage: SpoolDamage,
}

/// The sources of the timestamps and identities of new events, if they are not the defaults.
#[derive(Clone, Default)]
pub(crate) struct Stamps {
    pub(crate) clock: Option<Arc<dyn Fn() -> Timestamp + Send + Sync>>,
    pub(crate) ids: Option<Arc<dyn Fn() -> EventId + Send + Sync>>,
}

impl fmt::Debug for Stamps {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stamps")
            .field("clock", &self.clock.is_some())
            .field("ids", &self.ids.is_some())
            .finish()
    }
}

impl SdkBuilder {
    pub(crate) fn new(queue_url: String, emitter: Emitter) -> Self {
        Self {
            queue_url,
            queue_url_setting: QUEUE_URL_SETTING,
            emitter,
            client: None,
            max_in_flight: 16,
            max_events: 10_000,
            max_bytes: 64 * 1024 * 1024,
            linger: Duration::ZERO,
            packing: false,
            tenant: None,
            retry: RetryPolicy::default(),
            stamps: Stamps::default(),
            executor: None,
            #[cfg(feature = "spool")]
            spool: None,
            #[cfg(feature = "spool")]
            spool_damage: SpoolDamage::default(),
        }
    }

    /// Uses your own client, with its own region, endpoint, credentials, timeouts and
    /// retries. By default, the client is configured from the environment like every
    /// AWS SDK, with three attempts per request and ten seconds per attempt. The queue URL
    /// determines its region and host, unless an endpoint is configured.
    ///
    /// Only the client retries a request that fails as a whole. The publisher does not
    /// retry it again.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # async fn run(client: aws_sdk_sqs::Client) -> Result<(), Box<dyn std::error::Error>> {
    /// use domain_events::{Emitter, Sdk};
    ///
    /// # let url = "https://sqs.eu-west-1.amazonaws.com/123456789012/events";
    /// // `client` is the client that your program has already configured.
    /// let sdk = Sdk::builder(url, Emitter::system("billing")?).sqs_client(client).build().await?;
    /// # let _ = sdk;
    /// # Ok(())
    /// # }
    /// ```
    pub fn sqs_client(mut self, client: aws_sdk_sqs::Client) -> Self {
        self.client = Some(client);
        self
    }

    /// Sets the maximum number of requests in flight: 1 to 1,000, by default 16.
    ///
    /// # Examples
    ///
    /// ```
    /// # use domain_events::{Emitter, Sdk};
    /// # use std::time::Duration;
    /// # let url = "https://sqs.eu-west-1.amazonaws.com/123456789012/events";
    /// # let builder = Sdk::builder(url, Emitter::system("billing")?);
    /// let builder = builder.max_in_flight(32); // requests at the same time
    /// # Ok::<(), domain_events::InvalidEvent>(())
    /// ```
    pub fn max_in_flight(mut self, requests: usize) -> Self {
        self.max_in_flight = requests;
        self
    }

    /// Sets the maximum number of events that the publisher holds: at least 1, by default
    /// 10,000. While the publisher is full, `emit` waits.
    ///
    /// # Examples
    ///
    /// ```
    /// # use domain_events::{Emitter, Sdk};
    /// # use std::time::Duration;
    /// # let url = "https://sqs.eu-west-1.amazonaws.com/123456789012/events";
    /// # let builder = Sdk::builder(url, Emitter::system("billing")?);
    /// let builder = builder.max_buffered_events(50_000);
    /// # Ok::<(), domain_events::InvalidEvent>(())
    /// ```
    pub fn max_buffered_events(mut self, events: usize) -> Self {
        self.max_events = events;
        self
    }

    /// Sets the maximum size of the encoded events that the publisher holds, in bytes: up to
    /// 4 GiB, by default 64 MiB. In memory, an event takes about three times its encoded size.
    /// An event that is larger than this maximum is sent alone.
    ///
    /// # Examples
    ///
    /// ```
    /// # use domain_events::{Emitter, Sdk};
    /// # use std::time::Duration;
    /// # let url = "https://sqs.eu-west-1.amazonaws.com/123456789012/events";
    /// # let builder = Sdk::builder(url, Emitter::system("billing")?);
    /// let builder = builder.max_buffered_bytes(16 * 1024 * 1024); // 16 MiB
    /// # Ok::<(), domain_events::InvalidEvent>(())
    /// ```
    pub fn max_buffered_bytes(mut self, bytes: usize) -> Self {
        self.max_bytes = bytes;
        self
    }

    /// Sets how long an event may wait for further events while no request is in flight: at
    /// most one minute, by default zero.
    ///
    /// Under load, batches are full without this setting. If events are emitted one at a time,
    /// it reduces the number of requests, but delays each event by this time.
    ///
    /// # Examples
    ///
    /// ```
    /// # use domain_events::{Emitter, Sdk};
    /// # use std::time::Duration;
    /// # let url = "https://sqs.eu-west-1.amazonaws.com/123456789012/events";
    /// # let builder = Sdk::builder(url, Emitter::system("billing")?);
    /// let builder = builder.linger(Duration::from_millis(20));
    /// # Ok::<(), domain_events::InvalidEvent>(())
    /// ```
    pub fn linger(mut self, linger: Duration) -> Self {
        self.linger = linger;
        self
    }

    /// Sets whether one message may carry several events, as a JSON array of up to 64 KiB,
    /// which SQS bills as one request. Off by default.
    ///
    /// Events are packed only while more of them wait than a request has entries; on a
    /// FIFO queue, only events of one entity are packed together. The events of one
    /// message are accepted or refused together. The consumer of this project accepts arrays
    /// and stores or rejects each event separately. Check that other readers of your queue
    /// accept arrays.
    ///
    /// # Examples
    ///
    /// ```
    /// # use domain_events::{Emitter, Sdk};
    /// # use std::time::Duration;
    /// # let url = "https://sqs.eu-west-1.amazonaws.com/123456789012/events";
    /// # let builder = Sdk::builder(url, Emitter::system("billing")?);
    /// let builder = builder.packing(true);
    /// # Ok::<(), domain_events::InvalidEvent>(())
    /// ```
    pub fn packing(mut self, packing: bool) -> Self {
        self.packing = packing;
        self
    }

    /// Sets the tenant of the events, for fair queues: their message group on a standard queue,
    /// without order. See [`Sdk::for_tenant`]. FIFO queues refuse this setting, because their
    /// message groups are entities.
    ///
    /// # Examples
    ///
    /// ```
    /// # use domain_events::{Emitter, Sdk};
    /// # use std::time::Duration;
    /// # let url = "https://sqs.eu-west-1.amazonaws.com/123456789012/events";
    /// # let builder = Sdk::builder(url, Emitter::system("billing")?);
    /// let builder = builder.tenant("customer-17");
    /// # Ok::<(), domain_events::InvalidEvent>(())
    /// ```
    pub fn tenant(mut self, tenant: impl Into<String>) -> Self {
        self.tenant = Some(tenant.into());
        self
    }

    /// Sets the maximum number of attempts for an event for which SQS returns an internal
    /// failure, including the first attempt; by default 5. A failure that is the sender's fault
    /// is never retried.
    ///
    /// # Examples
    ///
    /// ```
    /// # use domain_events::{Emitter, Sdk};
    /// # use std::time::Duration;
    /// # let url = "https://sqs.eu-west-1.amazonaws.com/123456789012/events";
    /// # let builder = Sdk::builder(url, Emitter::system("billing")?);
    /// let builder = builder.max_attempts(3); // the first attempt and two retries
    /// # Ok::<(), domain_events::InvalidEvent>(())
    /// ```
    pub fn max_attempts(mut self, attempts: u32) -> Self {
        self.retry.max_attempts = attempts;
        self
    }

    /// Sets the delays between these attempts. They double from `initial` up to `longest`, and
    /// each delay is reduced by a random amount of up to a half. The defaults are 50 ms and
    /// 5 s, and the maximum is one hour.
    ///
    /// # Examples
    ///
    /// ```
    /// # use domain_events::{Emitter, Sdk};
    /// # use std::time::Duration;
    /// # let url = "https://sqs.eu-west-1.amazonaws.com/123456789012/events";
    /// # let builder = Sdk::builder(url, Emitter::system("billing")?);
    /// let builder = builder.backoff(Duration::from_millis(100), Duration::from_secs(10));
    /// # Ok::<(), domain_events::InvalidEvent>(())
    /// ```
    pub fn backoff(mut self, initial: Duration, longest: Duration) -> Self {
        self.retry.initial_backoff = initial;
        self.retry.max_backoff = longest;
        self
    }

    /// Takes the timestamps of new events from `clock`, for example a fixed time in a test, or
    /// the time of the original events in an import.
    ///
    /// `clock` must not return the same timestamp twice for one entity: two such events
    /// are a tie, which the store resolves, but their order in a history is then
    /// arbitrary. Without this setting, timestamps are strictly increasing within the
    /// process.
    ///
    /// # Examples
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/doc/setup.rs"));
    /// # example!(fn main(sdk, recorder) {
    /// # use domain_events::{Emitter, Timestamp, testing::Recorder};
    /// let noon: Timestamp = "1596715200".parse()?;
    /// let sdk = recorder.build(Recorder::builder(Emitter::system("shop")?).clock(move || noon));
    ///
    /// let receipt = sdk.emit(OrderPlaced { order_id: 7, cents: 4990 }).await?;
    /// assert_eq!(receipt.timestamp, noon);
    /// # });
    /// ```
    pub fn clock(mut self, clock: impl Fn() -> Timestamp + Send + Sync + 'static) -> Self {
        self.stamps.clock = Some(Arc::new(clock));
        self
    }

    /// Takes the identities of new events from `ids`, for example a counter in a test,
    /// or the original identities in an import that can be repeated.
    ///
    /// `ids` must return each identity once. The store keeps one of several events with
    /// the same entity, timestamp and identity.
    ///
    /// # Examples
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/doc/setup.rs"));
    /// # example!(fn main(sdk, recorder) {
    /// # use domain_events::{Emitter, EventId, testing::Recorder};
    /// use std::sync::atomic::{AtomicU64, Ordering};
    ///
    /// let next = AtomicU64::new(1);
    /// let ids = move || {
    ///     let number = next.fetch_add(1, Ordering::Relaxed);
    ///     EventId::new(format!("event-{number}")).expect("a short text is a valid id")
    /// };
    /// let sdk = recorder.build(Recorder::builder(Emitter::system("shop")?).ids(ids));
    ///
    /// let receipt = sdk.emit(OrderPlaced { order_id: 7, cents: 4990 }).await?;
    /// assert_eq!(receipt.event_id, "event-1");
    /// # });
    /// ```
    pub fn ids(mut self, ids: impl Fn() -> EventId + Send + Sync + 'static) -> Self {
        self.stamps.ids = Some(Arc::new(ids));
        self
    }

    /// Spawns the tasks of the publisher with `spawn`, on the Tokio runtime on which it is
    /// built, instead of on a separate thread. The task of the spool blocks that runtime while
    /// it writes. This setting is for the simulation of this project, which needs one thread
    /// and ends all tasks of a process at once.
    #[cfg(feature = "__internals")]
    #[doc(hidden)]
    pub fn executor(
        mut self,
        spawn: impl Fn(std::pin::Pin<Box<dyn Future<Output = ()> + Send>>) + Send + Sync + 'static,
    ) -> Self {
        self.executor = Some(Executor(Arc::new(spawn)));
        self
    }

    /// Sets a folder for events that cannot be sent because SQS is unavailable. Only one
    /// publisher can use the folder at a time.
    ///
    /// While the spool contains events, new events are appended to it, and `emit` returns once
    /// the disk has confirmed the event ([`Durability::Spool`](crate::Durability::Spool)). This
    /// process or the next process sends the events as soon as SQS is available again. After a
    /// kill or a power failure, no confirmed event is lost, but events may be sent twice.
    ///
    /// If the disk cannot store an event, the event is sent to SQS directly; on a FIFO queue,
    /// it is sent after the events of its entity that are on disk. `emit` returns
    /// [`EmitError::Spool`](crate::EmitError::Spool) if SQS does not accept the event either.
    /// Missing credentials and permissions are errors of `emit`, and not an outage. Events that
    /// SQS refuses permanently stay on disk, in files whose names contain `set-aside`, and are
    /// logged.
    ///
    /// The folder is created if it does not exist, with mode 700. The files have mode
    /// 600 and contain whole events, unencrypted. The publisher continues to send after `emit`
    /// has returned, so a spool is not suitable for Lambda functions, which are then frozen.
    ///
    /// `build` fails if another publisher uses the folder, if it cannot be created or
    /// locked, or if a later version has written to it. It does not need disk space
    /// in a folder that a publisher has used before.
    ///
    /// # Examples
    ///
    /// ```
    /// # use domain_events::{Emitter, Sdk};
    /// # use std::time::Duration;
    /// # let url = "https://sqs.eu-west-1.amazonaws.com/123456789012/events";
    /// # let builder = Sdk::builder(url, Emitter::system("billing")?);
    /// let builder = builder.spool("/var/lib/billing/spool");
    /// # Ok::<(), domain_events::InvalidEvent>(())
    /// ```
    #[cfg(feature = "spool")]
    pub fn spool(mut self, dir: impl Into<std::path::PathBuf>) -> Self {
        self.spool = Some(dir.into());
        self
    }

    /// Sets what `build` does when it finds damaged records in the spool's folder; by default
    /// [`SpoolDamage::SetAside`].
    ///
    /// # Examples
    ///
    /// ```
    /// # use domain_events::{Emitter, Sdk};
    /// # use std::time::Duration;
    /// # let url = "https://sqs.eu-west-1.amazonaws.com/123456789012/events";
    /// # let builder = Sdk::builder(url, Emitter::system("billing")?);
    /// use domain_events::SpoolDamage;
    ///
    /// let builder = builder.spool("/var/lib/billing/spool").spool_damage(SpoolDamage::Refuse);
    /// # Ok::<(), domain_events::InvalidEvent>(())
    /// ```
    #[cfg(feature = "spool")]
    pub fn spool_damage(mut self, damage: SpoolDamage) -> Self {
        self.spool_damage = damage;
        self
    }

    /// Builds the publisher. If the spool contains events of an earlier process, the publisher
    /// starts to send them. This function works on any executor.
    ///
    /// # Errors
    ///
    /// [`BuildError`] with every invalid setting, including an endpoint that is not a URL
    /// and missing AWS credentials.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future has no effect.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # async fn run() -> Result<(), Box<dyn std::error::Error>> {
    /// use domain_events::{Emitter, Sdk};
    ///
    /// let url = "https://sqs.eu-west-1.amazonaws.com/123456789012/events";
    /// match Sdk::builder(url, Emitter::system("billing")?).build().await {
    ///     Ok(sdk) => println!("ready: {sdk:?}"),
    ///     Err(error) => error.problems().for_each(|problem| eprintln!("{problem}")),
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub async fn build(self) -> Result<Sdk, BuildError> {
        let mut problems = Vec::new();
        let thread = match &self.executor {
            Some(executor) => Ok(PublisherThread::without_thread(executor.clone())),
            None => PublisherThread::start(),
        };
        let thread = thread
            .map_err(|error| problems.push(format!("a thread cannot be started: {error}")))
            .ok();
        let url = self.check(&mut problems);
        let client = match (&self.client, &url, &thread) {
            (Some(client), ..) => Some(client.clone()),
            (None, Some(url), Some(thread)) => {
                let url = url.clone();
                let client = thread.run(async move { sqs::client(&url).await }).await;
                client
                    .unwrap_or_else(|| {
                        Err(vec!["loading the AWS configuration panicked".to_owned()])
                    })
                    .map_err(|found| problems.extend(found))
                    .ok()
            }
            _ => None,
        };
        match (client, url, thread) {
            (Some(client), Some(url), Some(thread)) if problems.is_empty() => {
                let queue = Arc::new(SqsQueue::new(client, url.clone()));
                self.build_with(queue, &url, thread)
            }
            _ => Err(BuildError::new(problems)),
        }
    }

    /// Builds a publisher that passes its messages to `transport` instead of SQS.
    #[cfg(feature = "testing")]
    pub(crate) fn build_recording(self, transport: Arc<dyn Transport>) -> Result<Sdk, BuildError> {
        let mut problems = Vec::new();
        let thread = PublisherThread::start()
            .map_err(|error| problems.push(format!("a thread cannot be started: {error}")))
            .ok();
        let url = self.check(&mut problems);
        match (url, thread) {
            (Some(url), Some(thread)) if problems.is_empty() => {
                self.build_with(transport, &url, thread)
            }
            _ => Err(BuildError::new(problems)),
        }
    }

    /// Builds a publisher on a separate thread, as [`build`](Self::build) does.
    #[cfg(test)]
    pub(crate) fn build_on_thread(self, transport: Arc<dyn Transport>) -> Sdk {
        let url = QueueUrl::parse(&self.queue_url).unwrap();
        let thread = PublisherThread::start().unwrap();
        self.build_with(transport, &url, thread).unwrap()
    }

    /// Builds a publisher whose tasks run on the runtime of the test.
    #[cfg(test)]
    pub(crate) fn build_on(self, transport: Arc<dyn Transport>) -> Result<Sdk, BuildError> {
        let url = QueueUrl::parse(&self.queue_url).unwrap();
        self.build_with(transport, &url, PublisherThread::of_caller())
    }

    fn build_with(
        self,
        transport: Arc<dyn Transport>,
        url: &QueueUrl,
        thread: PublisherThread,
    ) -> Result<Sdk, BuildError> {
        let settings = SenderSettings {
            fifo: url.is_fifo(),
            limits: Limits {
                pack_bytes: self.packing.then_some(BILLING_UNIT),
                ..Limits::SQS
            },
            max_in_flight: self.max_in_flight,
            linger: self.linger,
            retry: self.retry,
        };
        let queue = url.to_string().into();
        let in_flight = Arc::new(InFlight::new(queue, self.max_events, self.max_bytes));
        #[cfg(feature = "spool")]
        let spool = match self.spool {
            Some(folder) => match Spool::open(
                &SpoolSettings {
                    folder,
                    damage: self.spool_damage,
                },
                settings.fifo,
                in_flight.clone(),
                thread.executor(),
            ) {
                Ok(spool) => Some(Arc::new(spool)),
                Err(error) => {
                    let mut problem = format!("spool: {}", error.explain());
                    let cause = std::error::Error::source(&error);
                    if cause.is_some_and(|cause| cause.is::<std::io::Error>()) {
                        problem.push_str("; give a folder that this process can create and write");
                    }
                    return Err(BuildError::new(vec![problem]));
                }
            },
            None => None,
        };
        let sender = Sender::new(
            settings,
            transport,
            in_flight,
            thread,
            #[cfg(feature = "spool")]
            spool,
        );
        let tenant = self.tenant.as_deref().map(group_name);
        Ok(Sdk::new(
            sender,
            Context::new(self.emitter),
            tenant,
            self.stamps,
        ))
    }

    /// Adds a problem for each invalid setting. Returns the queue URL if it is valid.
    fn check(&self, problems: &mut Vec<String>) -> Option<QueueUrl> {
        let url = QueueUrl::parse(&self.queue_url)
            .map_err(|error| {
                let (setting, value) = (self.queue_url_setting, quoted(&self.queue_url));
                problems.push(format!("{setting} is {value}: {error}"));
            })
            .ok();
        let fifo = url.as_ref().is_some_and(QueueUrl::is_fifo);
        let rules = [
            (
                (1..=1_000).contains(&self.max_in_flight),
                format!(
                    "max_in_flight is {}: it must be 1 to 1,000",
                    self.max_in_flight
                ),
            ),
            (
                self.max_events > 0,
                "max_buffered_events is 0: it must be at least 1".to_owned(),
            ),
            (
                (1..=u32::MAX as usize).contains(&self.max_bytes),
                format!(
                    "max_buffered_bytes is {}: it must be 1 byte to 4 GiB",
                    self.max_bytes
                ),
            ),
            (
                self.linger <= Duration::from_secs(60),
                format!("linger is {:?}: it must be at most 60s", self.linger),
            ),
            (
                self.retry.max_attempts > 0,
                "max_attempts is 0: it must be at least 1, because it includes the first attempt"
                    .to_owned(),
            ),
            (
                self.retry.initial_backoff <= self.retry.max_backoff,
                format!(
                    "backoff is {:?} to {:?}: the first must not be longer than the second",
                    self.retry.initial_backoff, self.retry.max_backoff
                ),
            ),
            (
                self.retry.max_backoff <= Duration::from_secs(3_600),
                format!(
                    "the longest backoff is {:?}: it must be at most 3600s",
                    self.retry.max_backoff
                ),
            ),
            (
                !(fifo && self.tenant.is_some()),
                "tenant is set: remove it, because the message groups of a FIFO queue are entities"
                    .to_owned(),
            ),
            (
                self.tenant.as_deref() != Some(""),
                "tenant is empty: give a name, or remove it".to_owned(),
            ),
        ];
        let broken = rules.into_iter().filter(|(valid, _)| !valid);
        problems.extend(broken.map(|(_, problem)| problem));
        url
    }
}

/// Reads the settings of the environment.
pub(crate) fn from_env(
    variable: impl Fn(&str) -> Option<String>,
) -> Result<SdkBuilder, BuildError> {
    let mut problems = Vec::new();
    let mut required = |name: &str, what: &str| {
        let value = variable(name).filter(|value| !value.is_empty());
        if value.is_none() {
            problems.push(format!("{name} is not set: {what}"));
        }
        value
    };
    let queue_url = required("EVENT_QUEUE_URL", "give the URL of the event queue");
    let id = required("EVENT_EMITTER_ID", "give the name of this service");
    let kind = variable("EVENT_EMITTER_TYPE").unwrap_or_else(|| "SYSTEM".to_owned());
    let mut invalid = |name: &str, value: &str, error: crate::InvalidEvent| {
        problems.push(format!("{name} is {}: {}", quoted(value), error.reason()));
    };
    let id = id.and_then(|id| {
        EmitterId::new(id.clone())
            .map_err(|error| invalid("EVENT_EMITTER_ID", &id, error))
            .ok()
    });
    let kind = EmitterType::new(kind.clone())
        .map_err(|error| invalid("EVENT_EMITTER_TYPE", &kind, error))
        .ok();
    // If the emitter is invalid, a placeholder is used, so that the URL is checked, too.
    let emitter = match (id, kind) {
        (Some(id), Some(kind)) => Emitter::new(kind, id),
        _ => Emitter::new(
            EmitterType::from_static("SYSTEM"),
            EmitterId::from_static("invalid"),
        ),
    };
    let builder = queue_url.map(|url| SdkBuilder {
        queue_url_setting: "EVENT_QUEUE_URL",
        ..SdkBuilder::new(url, emitter)
    });
    if let Some(builder) = &builder {
        builder.check(&mut problems);
    }
    match builder {
        Some(builder) if problems.is_empty() => Ok(builder),
        _ => Err(BuildError::new(problems)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problems(variables: &[(&str, &str)]) -> Vec<String> {
        let found = |name: &str| variables.iter().find(|(key, _)| *key == name);
        match from_env(|name| found(name).map(|(_, value)| (*value).to_owned())) {
            Ok(_) => Vec::new(),
            Err(error) => error.problems().map(str::to_owned).collect(),
        }
    }

    #[test]
    fn every_invalid_variable_is_reported() {
        let url = (
            "EVENT_QUEUE_URL",
            "https://sqs.eu-west-1.amazonaws.com/123456789012/events",
        );
        let id = ("EVENT_EMITTER_ID", "billing");
        let none: &[&str] = &[];
        let check = |variables: &[(&str, &str)], expected: &[&str]| {
            let problems = problems(variables);
            assert_eq!(problems.len(), expected.len(), "{problems:?}");
            for (problem, expected) in problems.iter().zip(expected) {
                assert!(problem.contains(expected), "{problem}");
            }
        };
        check(&[url, id], none);
        check(&[url, id, ("EVENT_EMITTER_TYPE", "USER")], none);
        check(&[], &["EVENT_QUEUE_URL", "EVENT_EMITTER_ID"]);
        check(
            &[url, ("EVENT_EMITTER_ID", "")],
            &["EVENT_EMITTER_ID is not set"],
        );
        check(
            &[("EVENT_QUEUE_URL", "events"), ("EVENT_EMITTER_TYPE", "")],
            &[
                "EVENT_EMITTER_ID is not set",
                "EVENT_EMITTER_TYPE is \"\"",
                "EVENT_QUEUE_URL is \"events\": it is not a URL",
            ],
        );
        check(
            &[("EVENT_QUEUE_URL", "http://localhost/1/events.fifo\n"), id],
            &["EVENT_QUEUE_URL is \"http://localhost/1/events.fifo\\n\": a URL contains no white"],
        );
    }

    #[test]
    fn build_error_is_a_list_in_debug_too() {
        let error = from_env(|_| None).unwrap_err();
        let expected = "the publisher cannot be built:\n  - EVENT_QUEUE_URL is not set: give the \
                        URL of the event queue\n  - EVENT_EMITTER_ID is not set: give the name of \
                        this service";
        assert_eq!(error.to_string(), expected);
        assert_eq!(format!("{error:?}"), expected);
    }
}
