//! The relay as its users see it.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use domain_events::Sdk;
use tokio::sync::watch;

use crate::rows::{DynRows, OutboxRows, Row};

mod delivery;
mod engine;
mod fast_path;
mod held;
mod status;

pub use delivery::{Delivery, DeliveryError};
pub use fast_path::FastPath;
pub use status::{RelayReport, RelayStatus};

use engine::Engine;
use fast_path::Committed;

/// Sends the rows of an outbox to SQS, and deletes each row after SQS has accepted its
/// message.
///
/// - After a commit, the [`FastPath`] hands the event to the relay, which sends it at once.
/// - In a sweep, the relay reads all rows that are older than the
///   [grace period](RelayBuilder::grace): their fast path failed, or their process died.
///
/// Both use the publisher of the [`Sdk`]: it fills batches under load, so a backlog drains
/// as fast as the publisher sends. At most about 4,000 rows and 8 MiB of messages are in
/// memory at the same time.
///
/// Any number of relays may run on the same rows, in one or many processes. With a backlog,
/// each of them sends every row that it sees; the consumer recognises the duplicates.
///
/// # Rows that cannot be sent
///
/// A row whose message is not a valid event, or that SQS refuses for good (for example
/// because the queue's maximum message size is too small), stays in the table. The relay
/// logs it once, counts it ([`RelayStatus::refused`]), goes on with the other rows, and
/// tries it again every ten minutes. Repair or delete the row.
///
/// During an outage of SQS, a sweep ends at the first request that fails. The next one
/// begins after a delay that doubles up to 30 seconds, with a single request.
///
/// # A publisher with a spool
///
/// A row is deleted only after SQS has accepted its message
/// ([`Durability::Queue`](domain_events::Durability)). An event that the publisher has
/// written to its [spool](domain_events::SdkBuilder) keeps its row, because the database
/// outlives the disk of a container; the relay sends it again after ten minutes. A relay
/// needs no spool: give it an `Sdk` without one, if your service uses one elsewhere.
///
/// # Tenants
///
/// The message group of a tenant on a standard queue is a setting of the `Sdk` handle, not
/// a part of the message. The fast path keeps the group of the prepared event; a sweep
/// sends with the tenant of the relay's `Sdk`.
///
/// # Metrics
///
/// With the feature `metrics`, for the whole process:
///
/// | name | kind | what |
/// |---|---|---|
/// | `domain_events_outbox_oldest_seconds` | gauge | the age of the oldest row; 0 if there is none. While the rows cannot be counted, the time since they could be, if that is longer. |
/// | `domain_events_outbox_rows` | gauge | rows in the table |
/// | `domain_events_outbox_refused` | gauge | rows that cannot be sent |
/// | `domain_events_outbox_sent_total` | counter | rows that SQS has accepted |
///
/// Treat missing data of the first one as breaching: a relay that does not run reports
/// nothing. [`status`](Self::status) returns the same values.
///
/// # Examples
///
/// ```no_run
/// use domain_events::{DomainEvent, Sdk};
/// use domain_events_outbox::{OutboxRows, Relay};
/// use tokio::sync::oneshot;
///
/// # async fn serve(sdk: Sdk, outbox: impl OutboxRows) {
/// let relay = Relay::builder(sdk.clone(), outbox).build();
/// let fast_path = relay.fast_path(); // for the request handlers
/// let (stop, stopped) = oneshot::channel::<()>();
/// let relay = tokio::spawn(relay.run(async move { drop(stopped.await) }));
///
/// // … serve requests; after each commit: fast_path.committed(event);
///
/// drop(stop); // first the relay, then the publisher
/// let report = relay.await;
/// let unsent = sdk.shutdown(std::time::Duration::from_secs(10)).await;
/// # let _ = (report, unsent, fast_path);
/// # }
/// ```
pub struct Relay {
    shared: Arc<Shared>,
    fast_path: FastPath,
    committed: Committed,
}

/// What the parts of a relay share.
struct Shared {
    sdk: Sdk,
    rows: Arc<dyn DynRows>,
    settings: Settings,
    status: watch::Sender<RelayStatus>,
}

/// The settings of a [`Relay`].
#[derive(Debug, Clone)]
struct Settings {
    interval: Duration,
    grace: Duration,
    measure_interval: Duration,
    stop_timeout: Duration,
}

/// Builds a [`Relay`].
#[must_use = "a builder does nothing until `build` is called"]
pub struct RelayBuilder {
    sdk: Sdk,
    rows: Arc<dyn DynRows>,
    settings: Settings,
}

impl Relay {
    /// The settings of a relay that sends the rows of `rows` through the publisher of
    /// `sdk`.
    pub fn builder(sdk: Sdk, rows: impl OutboxRows) -> RelayBuilder {
        RelayBuilder {
            sdk,
            rows: Arc::new(rows),
            settings: Settings {
                interval: Duration::from_secs(1),
                grace: Duration::from_secs(2),
                measure_interval: Duration::from_secs(10),
                stop_timeout: Duration::from_secs(20),
            },
        }
    }

    /// A handle that sends events right after their commit.
    pub fn fast_path(&self) -> FastPath {
        self.fast_path.clone()
    }

    /// The state of the relay. The value changes when the rows are counted, and when
    /// messages are sent.
    pub fn status(&self) -> watch::Receiver<RelayStatus> {
        self.shared.status.subscribe()
    }

    /// Runs until `stop` completes, and then finishes: it sends the events of the fast path
    /// that it already has, waits for the requests in flight, and deletes the rows that SQS
    /// has accepted, for at most the [stop timeout](RelayBuilder::stop_timeout).
    ///
    /// Stop the relay before the publisher. Errors of the database and of SQS do not end
    /// the relay; they are logged, and are in the [`status`](Self::status).
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped, no row is lost. Rows whose messages SQS has accepted may
    /// still exist, and are sent again by the next relay.
    pub async fn run(self, stop: impl Future<Output = ()> + Send) -> RelayReport {
        let Self {
            shared, committed, ..
        } = self;
        Engine::new(shared).run(committed, stop).await
    }

    /// Sends all rows that exist now, whatever their age, and returns when each of them was
    /// tried once: for a job that runs at intervals.
    ///
    /// [`RelayReport::failure`] says why the sweep did not reach all rows.
    ///
    /// # Cancel safety
    ///
    /// As for [`run`](Self::run).
    pub async fn sweep(&self) -> RelayReport {
        Engine::new(self.shared.clone()).sweep().await
    }

    /// Sends these rows, and deletes each one that SQS accepts: for a source that has the
    /// rows already, such as the stream of a table. The outcomes are in the order of the
    /// rows.
    ///
    /// # Cancel safety
    ///
    /// As for [`run`](Self::run).
    pub async fn deliver(&self, rows: Vec<Row>) -> Vec<Delivery> {
        delivery::deliver(&self.shared, rows).await
    }
}

impl RelayBuilder {
    /// The time between two sweeps; 1 second by default. Each delay is spread at random
    /// over the upper half of this value, so that several relays do not sweep together.
    pub fn sweep_interval(mut self, interval: Duration) -> Self {
        self.settings.interval = interval;
        self
    }

    /// How old a row must be before a sweep sends it; 2 seconds by default. Younger rows are
    /// left to the fast path. Without a fast path in any service, zero is right.
    pub fn grace(mut self, grace: Duration) -> Self {
        self.settings.grace = grace;
        self
    }

    /// How often the relay counts the rows, for the metrics and the status; every 10 seconds
    /// by default.
    pub fn measure_interval(mut self, interval: Duration) -> Self {
        self.settings.measure_interval = interval;
        self
    }

    /// How long [`Relay::run`] may take to finish after `stop`; 20 seconds by default.
    pub fn stop_timeout(mut self, timeout: Duration) -> Self {
        self.settings.stop_timeout = timeout;
        self
    }

    /// Builds the relay. It does nothing until it runs.
    pub fn build(self) -> Relay {
        let (fast_path, committed) = fast_path::channel();
        Relay {
            shared: Arc::new(Shared {
                sdk: self.sdk,
                rows: self.rows,
                settings: self.settings,
                status: watch::Sender::new(RelayStatus::default()),
            }),
            fast_path,
            committed,
        }
    }
}

impl fmt::Debug for Relay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Relay")
            .field("rows", &self.shared.rows.name())
            .field("settings", &self.shared.settings)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for RelayBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RelayBuilder")
            .field("rows", &self.rows.name())
            .field("settings", &self.settings)
            .finish_non_exhaustive()
    }
}
