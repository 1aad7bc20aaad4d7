//! Settings of an emitter, from code or from the environment.

use std::sync::Arc;
use std::time::Duration;

use crate::event::Context;
use crate::event::{Emitter, EmitterId, EmitterType};
use crate::publisher::Sdk;
use crate::publisher::buffer::batch::Limits;
use crate::publisher::buffer::in_flight::InFlight;
use crate::publisher::buffer::pending::group_name;
use crate::publisher::error::BuildError;
use crate::publisher::retry::RetryPolicy;
use crate::publisher::runtime::PublisherThread;
use crate::publisher::sender::{Sender, SenderSettings};
#[cfg(feature = "spool")]
use crate::publisher::spool::{Spool, SpoolSettings, error::SpoolDamage};
use crate::publisher::sqs::{self, SqsQueue};
use crate::publisher::transport::Transport;

/// SQS bills a request by each 64 KiB of it (pricing page).
const BILLING_UNIT: usize = 64 * 1024;

/// Settings of an [`Sdk`]; the defaults suit a service with some thousand
/// events a second.
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
    emitter: Emitter,
    client: Option<aws_sdk_sqs::Client>,
    max_in_flight: usize,
    max_events: usize,
    max_bytes: usize,
    linger: Duration,
    packing: bool,
    tenant: Option<String>,
    retry: RetryPolicy,
    #[cfg(feature = "spool")]
    spool: Option<std::path::PathBuf>,
    #[cfg(feature = "spool")]
    spool_damage: SpoolDamage,
}

impl SdkBuilder {
    pub(crate) fn new(queue_url: String, emitter: Emitter) -> Self {
        Self {
            queue_url,
            emitter,
            client: None,
            max_in_flight: 16,
            max_events: 10_000,
            max_bytes: 64 * 1024 * 1024,
            linger: Duration::ZERO,
            packing: false,
            tenant: None,
            retry: RetryPolicy::default(),
            #[cfg(feature = "spool")]
            spool: None,
            #[cfg(feature = "spool")]
            spool_damage: SpoolDamage::default(),
        }
    }

    /// A client of your own, with its own region, credentials, timeouts and
    /// retries. Without one, the client is configured from the environment, as
    /// every AWS SDK is, with three attempts a request and ten seconds an
    /// attempt.
    ///
    /// A request that fails as a whole is repeated by the client only, never by
    /// the emitter on top of it.
    pub fn sqs_client(mut self, client: aws_sdk_sqs::Client) -> Self {
        self.client = Some(client);
        self
    }

    /// Requests that may be in flight at a time, at least 1; 16 unless set.
    pub fn max_in_flight(mut self, requests: usize) -> Self {
        self.max_in_flight = requests;
        self
    }

    /// Events that the emitter holds at a time, at least 1; 10,000 unless set.
    /// When it is full, `emit` waits.
    pub fn max_buffered_events(mut self, events: usize) -> Self {
        self.max_events = events;
        self
    }

    /// Bytes of encoded events that the emitter holds at a time, up to 4 GiB;
    /// 64 MiB unless set. An event takes some three times its encoded size in
    /// memory. One that is larger than the bound goes alone.
    pub fn max_buffered_bytes(mut self, bytes: usize) -> Self {
        self.max_bytes = bytes;
        self
    }

    /// How long an event may wait for others when nothing is in flight, at most
    /// one minute; not at all unless set.
    ///
    /// Under load, batches fill without it. It saves requests where events come
    /// singly, and makes each of them later by as much.
    pub fn linger(mut self, linger: Duration) -> Self {
        self.linger = linger;
        self
    }

    /// Whether one message may carry several events, as a JSON array of up to
    /// 64 KiB, which is what SQS bills as one; not unless set.
    ///
    /// It is done only while more events wait than a request has entries, on
    /// FIFO queues only with events of one entity. Events of one message share
    /// its fate: they are accepted or refused together. The consumer of this
    /// project takes arrays and judges each event by itself; make sure that
    /// other readers of your queue do.
    pub fn packing(mut self, packing: bool) -> Self {
        self.packing = packing;
        self
    }

    /// The tenant on whose account the events are, for fair queues: a message
    /// group on a standard queue, without order. See [`Sdk::for_tenant`]. FIFO
    /// queues refuse it: their groups are entities.
    pub fn tenant(mut self, tenant: impl Into<String>) -> Self {
        self.tenant = Some(tenant.into());
        self
    }

    /// How often an event is sent at most, the first time included, when SQS
    /// answers with a failure of its own at this event; 5 unless set. What is
    /// the sender's fault is never sent again.
    pub fn max_attempts(mut self, attempts: u32) -> Self {
        self.retry.max_attempts = attempts;
        self
    }

    /// The waits between these attempts: they double from `initial`, up to
    /// `longest`, each spread by up to a half; 50 ms and 5 s unless set, and at
    /// most one hour.
    pub fn backoff(mut self, initial: Duration, longest: Duration) -> Self {
        self.retry.initial_backoff = initial;
        self.retry.max_backoff = longest;
        self
    }

    /// A folder for events that cannot be sent because SQS is unavailable. One
    /// publisher uses it at a time.
    ///
    /// While the spool holds events, new events go behind them, and `emit` returns
    /// once the disk has confirmed the event
    /// ([`Durability::Spool`](crate::Durability::Spool)). They are sent as soon as SQS
    /// is available again, also by the next process. A killed process or a power
    /// failure loses no confirmed event, and may send events twice.
    ///
    /// An event that the disk cannot take is sent to SQS directly, on a FIFO queue
    /// after the events of its entity that are on disk. `emit` returns
    /// [`EmitError::Spool`](crate::EmitError::Spool) if SQS does not accept it either.
    /// Events that SQS refuses for good stay on disk, in files whose names contain
    /// `set-aside`, and are logged.
    ///
    /// The folder is created if it does not exist, with mode 700. The files have mode
    /// 600 and hold whole events, unencrypted. Sending continues after `emit` has
    /// returned, so a spool does not suit Lambda functions, which are frozen then.
    ///
    /// `build` fails if another publisher uses the folder, if it cannot be created or
    /// locked, or if a later version has written to it. It does not need disk space
    /// in a folder that a publisher has used before.
    #[cfg(feature = "spool")]
    pub fn spool(mut self, dir: impl Into<std::path::PathBuf>) -> Self {
        self.spool = Some(dir.into());
        self
    }

    /// What `build` does when it finds damaged records in the spool's folder;
    /// [`SpoolDamage::SetAside`] unless set.
    #[cfg(feature = "spool")]
    pub fn spool_damage(mut self, damage: SpoolDamage) -> Self {
        self.spool_damage = damage;
        self
    }

    /// Makes the emitter. Nothing is sent to SQS, unless a spool holds events of an
    /// earlier process: those are sent from now on.
    ///
    /// # Errors
    ///
    /// [`BuildError`] with every setting that is wrong.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future leaves nothing behind.
    pub async fn build(self) -> Result<Sdk, BuildError> {
        let mut problems = self.problems();
        let thread = match PublisherThread::start() {
            Ok(thread) => thread,
            Err(error) => {
                problems.push(format!("the publisher's thread cannot be started: {error}"));
                return Err(BuildError::new(problems));
            }
        };
        let client = match &self.client {
            Some(client) => Some(client.clone()),
            None => {
                let queue_url = self.queue_url.clone();
                let client = thread
                    .run(async move { sqs::client(&queue_url).await })
                    .await;
                match client {
                    Some(client) => client.map_err(|problem| problems.push(problem)).ok(),
                    None => {
                        problems.push("loading the AWS configuration panicked".to_owned());
                        None
                    }
                }
            }
        };
        match client {
            Some(client) if problems.is_empty() => {
                let queue = SqsQueue::new(client, self.queue_url.clone());
                self.build_with(Arc::new(queue), thread)
            }
            _ => Err(BuildError::new(problems)),
        }
    }

    /// Builds a publisher on a thread of its own, as [`build`](Self::build) does.
    #[cfg(test)]
    pub(crate) fn build_on_thread(self, transport: Arc<dyn Transport>) -> Sdk {
        self.build_with(transport, PublisherThread::start().unwrap())
            .unwrap()
    }

    /// Builds a publisher whose tasks run on the runtime of the test.
    #[cfg(test)]
    pub(crate) fn build_on(self, transport: Arc<dyn Transport>) -> Result<Sdk, BuildError> {
        self.build_with(transport, PublisherThread::of_caller())
    }

    pub(crate) fn build_with(
        self,
        transport: Arc<dyn Transport>,
        thread: PublisherThread,
    ) -> Result<Sdk, BuildError> {
        let settings = SenderSettings {
            fifo: self.is_fifo(),
            limits: Limits {
                pack_bytes: self.packing.then_some(BILLING_UNIT),
                ..Limits::SQS
            },
            max_in_flight: self.max_in_flight,
            linger: self.linger,
            retry: self.retry,
        };
        let in_flight = Arc::new(InFlight::new(self.max_events, self.max_bytes));
        #[cfg(feature = "spool")]
        let spool = match self.spool {
            Some(folder) => match Spool::open(
                &SpoolSettings {
                    folder,
                    damage: self.spool_damage,
                },
                settings.fifo,
                in_flight.clone(),
            ) {
                Ok(spool) => Some(Arc::new(spool)),
                Err(error) => {
                    let problem = format!("spool: {}", error.explain());
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
        Ok(Sdk::new(sender, Context::new(self.emitter), tenant))
    }

    fn is_fifo(&self) -> bool {
        self.queue_url.ends_with(".fifo")
    }

    fn problems(&self) -> Vec<String> {
        let rules = [
            (
                self.queue_url.starts_with("https://") || self.queue_url.starts_with("http://"),
                "the queue's URL must start with https:// (or http:// for a local endpoint)",
            ),
            (
                (1..=1_000).contains(&self.max_in_flight),
                "max_in_flight must be 1 to 1,000 requests",
            ),
            (
                self.max_events > 0,
                "max_buffered_events must be at least 1",
            ),
            (
                (1..=u32::MAX as usize).contains(&self.max_bytes),
                "max_buffered_bytes must be 1 byte to 4 GiB",
            ),
            (
                self.linger <= Duration::from_secs(60),
                "linger must be at most one minute",
            ),
            (
                self.retry.max_attempts > 0,
                "max_attempts must be at least 1: it counts the first",
            ),
            (
                self.retry.initial_backoff <= self.retry.max_backoff,
                "the first backoff must not be longer than the longest",
            ),
            (
                self.retry.max_backoff <= Duration::from_secs(3_600),
                "the longest backoff must be at most one hour",
            ),
            (
                !(self.is_fifo() && self.tenant.is_some()),
                "a FIFO queue's message groups are entities: leave out the tenant",
            ),
            (
                self.tenant.as_deref() != Some(""),
                "the tenant must not be empty",
            ),
        ];
        let broken = rules.into_iter().filter(|(kept, _)| !kept);
        broken.map(|(_, rule)| rule.to_owned()).collect()
    }
}

/// The settings that stand in the environment.
pub(crate) fn from_env(
    variable: impl Fn(&str) -> Option<String>,
) -> Result<SdkBuilder, BuildError> {
    let mut problems = Vec::new();
    let mut required = |name: &str| {
        let value = variable(name).filter(|value| !value.is_empty());
        if value.is_none() {
            problems.push(format!("{name} is not set"));
        }
        value
    };
    let queue_url = required("EVENT_QUEUE_URL");
    let emitter_id = required("EVENT_EMITTER_ID");
    let kind = variable("EVENT_EMITTER_TYPE").unwrap_or_else(|| "SYSTEM".to_owned());
    let mut checked = |name: &str, error: crate::InvalidEvent| {
        problems.push(format!("{name}: {}", error.reason()));
    };
    let id = emitter_id
        .map(EmitterId::new)
        .and_then(|id| id.map_err(|error| checked("EVENT_EMITTER_ID", error)).ok());
    let kind = EmitterType::new(kind)
        .map_err(|error| checked("EVENT_EMITTER_TYPE", error))
        .ok();
    match (queue_url, id, kind) {
        (Some(queue_url), Some(id), Some(kind)) => {
            let builder = SdkBuilder::new(queue_url, Emitter::new(kind, id));
            match builder.problems() {
                none if none.is_empty() => Ok(builder),
                problems => Err(BuildError::new(problems)),
            }
        }
        (queue_url, ..) => {
            if let Some(url) = queue_url {
                let placeholder = Emitter::new(
                    EmitterType::from_static("SYSTEM"),
                    EmitterId::from_static("none"),
                );
                problems.extend(SdkBuilder::new(url, placeholder).problems());
            }
            Err(BuildError::new(problems))
        }
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
    fn the_environment_is_judged_as_a_whole() {
        let url = (
            "EVENT_QUEUE_URL",
            "https://sqs.eu-west-1.amazonaws.com/1/events",
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
            &["EVENT_EMITTER_ID", "EVENT_EMITTER_TYPE", "https://"],
        );
    }
}
