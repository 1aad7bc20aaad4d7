//! The public interface of the relay.

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
/// - After a commit, the service passes the event to the relay through the [`FastPath`], and
///   the relay sends it at once.
/// - In a sweep, the relay reads all rows that are older than the
///   [grace period](RelayBuilder::grace). These rows remain if their fast path failed or their
///   process ended.
///
/// Both use the publisher of the [`Sdk`], which sends full batches under load, so a backlog is
/// sent at the speed of the publisher. At most about 4,000 rows and 8 MiB of messages are in
/// memory at the same time.
///
/// Any number of relays may use the same rows, in one or many processes. If there is a backlog,
/// each relay sends every row that it reads, and the consumer recognises the duplicates.
///
/// # Rows that cannot be sent
///
/// If the message of a row is not a valid event, or if SQS refuses it permanently (for example
/// because the maximum message size of the queue is too small), the row stays in the table. The
/// relay logs the row once, counts it ([`RelayStatus::refused`]), continues with the other
/// rows, and retries the row every ten minutes. Correct or delete such a row.
///
/// During an outage of SQS, a sweep ends at the first request that fails. The next sweep begins
/// with a single request, after a delay that doubles up to 30 seconds.
///
/// # A publisher with a spool
///
/// A row is deleted only after SQS has accepted its message
/// ([`Durability::Queue`](domain_events::Durability)). If the publisher has written an event to
/// its [spool](domain_events::SdkBuilder), its row stays in the table, because the database
/// outlives the disk of a container. The relay sends such a row again after ten minutes. A
/// relay needs no spool, so give it an `Sdk` without a spool.
///
/// # Tenants
///
/// The message group of a tenant on a standard queue is a setting of the `Sdk` handle, not
/// a part of the message. The fast path keeps the message group of the prepared event. A sweep
/// uses the tenant of the relay's `Sdk`.
///
/// # Metrics
///
/// The feature `metrics` records these metrics for the whole process:
///
/// | name | kind | meaning |
/// |---|---|---|
/// | `domain_events_outbox_oldest_seconds` | gauge | the age of the oldest row, or 0 if there is no row. If the rows cannot be counted: the time since the last count, if it is longer. |
/// | `domain_events_outbox_rows` | gauge | the number of rows in the table |
/// | `domain_events_outbox_refused` | gauge | the number of rows that cannot be sent |
/// | `domain_events_outbox_sent_total` | counter | the number of rows that SQS has accepted |
///
/// In an alarm on the first metric, treat missing data as breaching, because a relay that does
/// not run reports no data. [`status`](Self::status) returns the same values.
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
/// drop(stop); // stop the relay before the publisher
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

/// The state that the parts of a relay share.
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
///
/// # Examples
///
/// ```no_run
/// # use domain_events::Sdk;
/// # use domain_events_outbox::{OutboxRows, Relay};
/// # async fn example(sdk: Sdk, outbox: impl OutboxRows) -> Result<(), Box<dyn std::error::Error>> {
/// use std::time::Duration;
///
/// let relay = Relay::builder(sdk, outbox)
///     .sweep_interval(Duration::from_secs(5))
///     .grace(Duration::ZERO) // no service uses the fast path
///     .measure_interval(Duration::from_secs(60))
///     .stop_timeout(Duration::from_secs(10))
///     .build();
/// # let _ = relay;
/// # Ok(())
/// # }
/// ```
#[must_use = "a builder does nothing until `build` is called"]
pub struct RelayBuilder {
    sdk: Sdk,
    rows: Arc<dyn DynRows>,
    settings: Settings,
}

impl Relay {
    /// Starts to build a relay that sends the rows of `rows` through the publisher of `sdk`.
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

    /// Returns a handle that sends events immediately after their commit.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # use domain_events::Sdk;
    /// # use domain_events_outbox::{OutboxRows, Relay};
    /// # async fn example(relay: Relay, event: domain_events::Prepared) -> Result<(), Box<dyn std::error::Error>> {
    /// let fast_path = relay.fast_path();
    /// // … in a request handler, after the transaction has committed:
    /// fast_path.committed(event);
    /// # Ok(())
    /// # }
    /// ```
    pub fn fast_path(&self) -> FastPath {
        self.fast_path.clone()
    }

    /// Returns a receiver of the state of the relay. The state changes when the rows are
    /// counted, and when messages are sent.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # use domain_events::Sdk;
    /// # use domain_events_outbox::{OutboxRows, Relay};
    /// # async fn example(relay: Relay) -> Result<(), Box<dyn std::error::Error>> {
    /// let mut status = relay.status();
    /// tokio::spawn(async move {
    ///     while status.changed().await.is_ok() {
    ///         let status = status.borrow_and_update();
    ///         println!("{:?}, {} rows sent", status.backlog, status.sent);
    ///     }
    /// });
    /// # Ok(())
    /// # }
    /// ```
    pub fn status(&self) -> watch::Receiver<RelayStatus> {
        self.shared.status.subscribe()
    }

    /// Runs until `stop` completes, and then finishes its work: it sends the events that it
    /// has received through the fast path, waits for the requests in flight, and deletes the
    /// rows that SQS has accepted. This takes at most the
    /// [stop timeout](RelayBuilder::stop_timeout).
    ///
    /// Stop the relay before the publisher. Errors of the database and of SQS do not end the
    /// relay: they are logged and reported by [`status`](Self::status).
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped, no row is lost. A row whose message SQS has accepted may
    /// still exist, and the next relay sends it again.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # use domain_events::Sdk;
    /// # use domain_events_outbox::{OutboxRows, Relay};
    /// # async fn example(relay: Relay, stop: tokio::sync::oneshot::Receiver<()>) -> Result<(), Box<dyn std::error::Error>> {
    /// let report = relay.run(async { drop(stop.await) }).await;
    /// println!("{} rows sent, {} refused", report.sent, report.refused);
    /// # Ok(())
    /// # }
    /// ```
    pub async fn run(self, stop: impl Future<Output = ()> + Send) -> RelayReport {
        let Self {
            shared, committed, ..
        } = self;
        Engine::new(shared).run(committed, stop).await
    }

    /// Sends all rows that exist now, regardless of their age, and returns after each row was
    /// tried once. Use it in a job that runs at intervals.
    ///
    /// [`RelayReport::failure`] says why the sweep did not reach all rows.
    ///
    /// # Cancel safety
    ///
    /// As for [`run`](Self::run).
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # use domain_events::Sdk;
    /// # use domain_events_outbox::{OutboxRows, Relay};
    /// # async fn example(relay: Relay) -> Result<(), Box<dyn std::error::Error>> {
    /// let report = relay.sweep().await;
    /// if let Some(failure) = report.failure {
    ///     eprintln!("{failure}");
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub async fn sweep(&self) -> RelayReport {
        Engine::new(self.shared.clone()).sweep().await
    }

    /// Sends these rows, and deletes each row that SQS accepts. Use it if you already have the
    /// rows, for example from the stream of a table. The outcomes are in the order of the
    /// rows.
    ///
    /// # Cancel safety
    ///
    /// As for [`run`](Self::run).
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # use domain_events::Sdk;
    /// # use domain_events_outbox::{OutboxRows, Relay};
    /// # async fn example(relay: Relay, rows: Vec<domain_events_outbox::Row>) -> Result<(), Box<dyn std::error::Error>> {
    /// for delivery in relay.deliver(rows).await {
    ///     if let Err(error) = delivery.outcome {
    ///         eprintln!("{}: {error}; retryable: {}", delivery.event_id, error.is_retryable());
    ///     }
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub async fn deliver(&self, rows: Vec<Row>) -> Vec<Delivery> {
        delivery::deliver(&self.shared, rows).await
    }
}

impl RelayBuilder {
    /// Sets the time between two sweeps. The default is 1 second. Each delay is a random value
    /// between half of this time and this time, so that several relays do not sweep at the
    /// same time.
    pub fn sweep_interval(mut self, interval: Duration) -> Self {
        self.settings.interval = interval;
        self
    }

    /// Sets how old a row must be before a sweep sends it. The default is 2 seconds. Younger
    /// rows are sent by the fast path. If no service uses a fast path, set it to zero.
    pub fn grace(mut self, grace: Duration) -> Self {
        self.settings.grace = grace;
        self
    }

    /// Sets how often the relay counts the rows, for the metrics and the status. The default
    /// is 10 seconds.
    pub fn measure_interval(mut self, interval: Duration) -> Self {
        self.settings.measure_interval = interval;
        self
    }

    /// Sets how long [`Relay::run`] may take to finish after `stop`. The default is 20
    /// seconds.
    pub fn stop_timeout(mut self, timeout: Duration) -> Self {
        self.settings.stop_timeout = timeout;
        self
    }

    /// Builds the relay. The relay does nothing until [`Relay::run`] or another method is
    /// called.
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
