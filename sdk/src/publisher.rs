//! The public interface of the publisher.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::error::InvalidEvent;
use crate::event::{CausationId, CorrelationId, DomainEvent, Emitter};
use crate::event::{Context, Envelope};

pub(crate) mod buffer;
mod builder;
mod emit_future;
mod error;
mod metrics;
mod prepared;
mod receipt;
mod retry;
mod runtime;
mod sender;
#[cfg(feature = "spool")]
mod spool;
pub(crate) mod sqs;
#[cfg(feature = "testing")]
pub mod testing;
#[cfg(feature = "opentelemetry")]
mod trace;
mod transport;

pub use builder::SdkBuilder;
pub use emit_future::EmitFuture;
pub use error::{BuildError, EmitError, TryEmitError};
pub use prepared::Prepared;
pub use receipt::{Durability, Receipt, ShutdownReport};
#[cfg(feature = "spool")]
pub use spool::error::{SpoolDamage, SpoolError};
pub use transport::RequestError;

use buffer::capacity::CapacityError;
use buffer::pending::{EncodeFailed, Pending, group_name, group_of};
use builder::Stamps;
use sender::Sender;

/// Emits events to an SQS queue.
///
/// This is a cheap handle: clone it, share it, and derive handles with another
/// [emitter](Self::on_behalf_of) or [context](Self::with_correlation_id) from it. All these
/// handles share one publisher. If no request is in flight, the publisher sends an event at
/// once. Under load, it sends full batches.
///
/// # Examples
///
/// ```no_run
/// use domain_events::{DomainEvent, Sdk};
///
/// # #[derive(serde::Serialize)] struct OrderPlaced { order_id: String }
/// # impl DomainEvent for OrderPlaced {
/// #     const DEFINITIONS: &'static [domain_events::EventDefinition] =
/// #         &[domain_events::EventDefinition::new("ORDER_PLACED")];
/// #     fn entity_id(&self) -> &dyn std::fmt::Display { &self.order_id }
/// # }
/// # async fn run() -> Result<(), Box<dyn std::error::Error>> {
/// let sdk = Sdk::from_env().await?;
/// let receipt = sdk.emit(OrderPlaced { order_id: "order-1".into() }).await?;
/// println!("SQS accepted event {}", receipt.event_id);
/// # Ok(())
/// # }
/// ```
///
/// # Without waiting
///
/// There is no fire-and-forget function, because an event whose outcome is not checked can be
/// lost without an error. To do other work in the meantime, join the futures:
///
/// ```no_run
/// # use domain_events::{DomainEvent, Sdk};
/// # async fn update_the_index() {}
/// # async fn run<E: DomainEvent>(sdk: Sdk, event: E) -> Result<(), Box<dyn std::error::Error>> {
/// let (receipt, ()) = tokio::join!(sdk.emit(event), update_the_index());
/// # let _ = receipt?;
/// # Ok(())
/// # }
/// ```
///
/// To respond to your own caller first, spawn the future and handle its error. The error
/// contains the event:
///
/// ```no_run
/// # use domain_events::{DomainEvent, Envelope, Sdk};
/// # fn keep_for_later(_: Option<Envelope>) {}
/// # async fn run<E: DomainEvent>(sdk: Sdk, event: E) {
/// let emission = sdk.emit(event);
/// tokio::spawn(async move {
///     if let Err(error) = emission.await {
///         keep_for_later(error.into_envelope());
///     }
/// });
/// # }
/// ```
///
/// # Shutdown
///
/// [`shutdown`](Self::shutdown) waits for the pending events, and returns the events that
/// could not be sent. If the last handle is dropped without a shutdown, the publisher logs the
/// number of pending events and continues to send them as long as the process runs.
///
/// # Executors
///
/// `emit` and the other functions work on any executor, and without an executor. The publisher
/// owns one thread, which sleeps while there is nothing to send. Requests that are started from
/// a multi-threaded Tokio runtime run on that runtime, because this is faster. If the runtime
/// ends, the thread sends their events again.
///
/// # Metrics and logs
///
/// The publisher writes spans and events through `tracing` and, with the feature
/// `metrics`, the following metrics through the `metrics` facade, for the whole process.
/// They contain no payload.
///
/// | name | kind | meaning |
/// |---|---|---|
/// | `domain_events_emitted_total` | counter | events that SQS has accepted |
/// | `domain_events_failed_total` | counter | events whose `emit` returned an error, including invalid events |
/// | `domain_events_dropped_total` | counter | events that were not sent because the future of `emit` was dropped before the publisher took the event |
/// | `domain_events_retried_total` | counter | events that are sent again because SQS did not accept them |
/// | `domain_events_sent_bytes_total` | counter | bytes of message bodies |
/// | `domain_events_batch_messages`, `domain_events_batch_events` | histogram | messages and events in a request; they differ with packing |
/// | `domain_events_waiting` | gauge | events that wait to be sent |
/// | `domain_events_oldest_waiting_seconds` | gauge | how long the oldest of these events has waited |
///
/// The gauges are set when a request is sent and, while the maximum number of requests
/// is in flight, when an event is submitted.
///
/// # In a Lambda function
///
/// Lambda freezes the process as soon as an invocation has returned its response. The
/// publisher has no work after the last event has its outcome, so it is sufficient to await
/// every `emit` before returning:
///
/// ```no_run
/// # use domain_events::{DomainEvent, EventDefinition, Sdk};
/// use lambda_runtime::{Error, LambdaEvent, service_fn};
///
/// # #[derive(serde::Deserialize)] struct Order { id: String }
/// # #[derive(serde::Serialize)] struct OrderPlaced { id: String }
/// # impl DomainEvent for OrderPlaced {
/// #     const DEFINITIONS: &'static [EventDefinition] = &[EventDefinition::new("ORDER_PLACED")];
/// #     fn entity_id(&self) -> &dyn std::fmt::Display { &self.id }
/// # }
/// # async fn run() -> Result<(), Error> {
/// let sdk = &Sdk::from_env().await?; // once, before the first invocation
/// lambda_runtime::run(service_fn(|order: LambdaEvent<Order>| async move {
///     let placed = OrderPlaced { id: order.payload.id };
///     sdk.emit(placed).await?; // returns after SQS has accepted the event
///     Ok::<_, Error>(())
/// }))
/// .await
/// # }
/// ```
#[derive(Clone)]
pub struct Sdk {
    handle: Arc<Handle>,
    context: Arc<Context>,
    tenant: Option<Arc<str>>,
}

/// The state that all handles of one publisher share.
struct Handle {
    sender: Arc<Sender>,
    stamps: Stamps,
}

impl Sdk {
    /// Starts to build a publisher for the queue at `queue_url`. On a queue whose name ends in
    /// `.fifo`, the publisher keeps the order of the events of each entity.
    ///
    /// `emitter` is the emitter of events that do not state an emitter.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # async fn run() -> Result<(), Box<dyn std::error::Error>> {
    /// use domain_events::{Emitter, Sdk};
    ///
    /// let url = "https://sqs.eu-west-1.amazonaws.com/123456789012/events";
    /// let sdk = Sdk::builder(url, Emitter::system("billing")?).build().await?;
    /// # let _ = sdk;
    /// # Ok(())
    /// # }
    /// ```
    pub fn builder(queue_url: impl Into<String>, emitter: Emitter) -> SdkBuilder {
        SdkBuilder::new(queue_url.into(), emitter)
    }

    /// Builds a publisher from the environment: `EVENT_QUEUE_URL`, `EVENT_EMITTER_ID`,
    /// `EVENT_EMITTER_TYPE` (`SYSTEM` by default), and the variables of the AWS SDK:
    /// credentials, `AWS_ENDPOINT_URL_SQS` and, if the queue's URL does not name a region,
    /// `AWS_REGION`.
    ///
    /// # Errors
    ///
    /// [`BuildError`] with every variable that is missing or invalid.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future has no effect.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # async fn run() -> Result<(), Box<dyn std::error::Error>> {
    /// use domain_events::Sdk;
    ///
    /// // EVENT_QUEUE_URL=https://sqs.eu-west-1.amazonaws.com/123456789012/events
    /// // EVENT_EMITTER_ID=billing
    /// let sdk = Sdk::from_env().await?;
    /// # let _ = sdk;
    /// # Ok(())
    /// # }
    /// ```
    pub async fn from_env() -> Result<Self, BuildError> {
        builder::from_env(|name| std::env::var(name).ok())?
            .build()
            .await
    }

    fn new(
        sender: Arc<Sender>,
        context: Context,
        tenant: Option<Arc<str>>,
        stamps: Stamps,
    ) -> Self {
        Self {
            handle: Arc::new(Handle { sender, stamps }),
            context: Arc::new(context),
            tenant,
        }
    }

    /// Sends `event` and returns once SQS has accepted it. With a
    /// [spool](SdkBuilder::spool), it may instead return once the event is on disk:
    /// [`Receipt::durability`] says which.
    ///
    /// The event gets its timestamp and identity and is encoded before this function
    /// returns. The returned future borrows nothing. It waits while the publisher is
    /// [full](SdkBuilder::max_buffered_events). After the first poll, poll it to its end,
    /// because a [`flush`](Self::flush) waits for it.
    ///
    /// # Order
    ///
    /// A history is ordered by the timestamps of its events, and not by the order of arrival.
    /// On a FIFO queue, the events of one entity are enqueued in the order in which their
    /// futures are first polled. While the publisher is full, the order can differ, because an
    /// event that is polled later may overtake an event that waits for capacity. To keep the
    /// order in this case, too, await each event before you emit the next event, or use
    /// [`emit_all`](Self::emit_all).
    ///
    /// # Errors
    ///
    /// [`EmitError::Invalid`] if the event can never be stored. Other errors are about
    /// delivery and return the event; [`EmitError::is_retryable`] says which may succeed
    /// on a retry.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped before its first poll, or while it waits for capacity, the
    /// event is not sent, and is counted as dropped. Later, the event is sent even if the
    /// future is dropped; see [`EmitFuture`].
    ///
    /// # Examples
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/doc/setup.rs"));
    /// # example!(fn main(sdk, recorder) {
    /// match sdk.emit(OrderPlaced { order_id: 7, cents: 4990 }).await {
    ///     Ok(receipt) => assert_eq!(receipt.entity_id, "7"),
    ///     Err(error) if error.is_retryable() => { /* keep `error.into_envelope()` and try again later */ }
    ///     Err(error) => return Err(error.into()), // this event can never be sent
    /// }
    /// # });
    /// ```
    pub fn emit<E: DomainEvent>(&self, event: E) -> EmitFuture {
        EmitFuture::new(self.sender(), self.encode(&event))
    }

    /// Sends an envelope unchanged, and returns once SQS has accepted it. Use it to emit an
    /// event again that an error has returned, or an event that has no Rust type.
    ///
    /// # Errors
    ///
    /// As for [`emit`](Self::emit).
    ///
    /// # Cancel safety
    ///
    /// As for [`emit`](Self::emit).
    ///
    /// # Examples
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/doc/setup.rs"));
    /// # example!(fn main(sdk, recorder) {
    /// # use domain_events::testing::Fault;
    /// # recorder.inject(Fault::AmbiguousOutcome);
    /// // The response was lost, so it is unknown whether SQS has accepted the event.
    /// let error = sdk.emit(OrderPlaced { order_id: 7, cents: 4990 }).await.unwrap_err();
    /// if error.is_retryable() && let Some(envelope) = error.into_envelope() {
    ///     sdk.emit_envelope(envelope).await?; // the same identity: the store keeps the event once
    /// }
    /// # let events = recorder.events();
    /// # assert_eq!(events.len(), 2);
    /// # assert_eq!(events[0], events[1]);
    /// # });
    /// ```
    pub fn emit_envelope(&self, envelope: Envelope) -> EmitFuture {
        let pending = self.pending(envelope);
        let pending = pending.map_err(|error| error.into_error(self.queue()));
        EmitFuture::new(self.sender(), pending)
    }

    /// Wraps `event` as [`emit`](Self::emit) does, with a timestamp, an identity, an emitter
    /// and a context, but does not send it.
    ///
    /// # Errors
    ///
    /// [`InvalidEvent`] if the event can never be stored.
    ///
    /// # Examples
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/doc/setup.rs"));
    /// # example!(fn main(sdk, recorder) {
    /// let envelope = sdk.envelope(&OrderPlaced { order_id: 7, cents: 4990 })?;
    /// assert_eq!(envelope.event_type(), &"ORDER_PLACED");
    /// assert_eq!(envelope.emitter().id(), &"shop");
    ///
    /// sdk.emit_envelope(envelope).await?; // later
    /// # });
    /// ```
    pub fn envelope<E: DomainEvent>(&self, event: &E) -> Result<Envelope, InvalidEvent> {
        #[cfg(feature = "opentelemetry")]
        let context = &*trace::in_current_span(&self.context);
        #[cfg(not(feature = "opentelemetry"))]
        let context = &*self.context;
        let envelope = Envelope::new(event, context)?;
        let Stamps { clock, ids } = &self.handle.stamps;
        if clock.is_none() && ids.is_none() {
            return Ok(envelope);
        }
        let timestamp = clock
            .as_ref()
            .map_or_else(|| envelope.timestamp(), |clock| clock());
        let id = ids
            .as_ref()
            .map_or_else(|| envelope.event_id().clone(), |ids| ids());
        Ok(envelope.stamped(timestamp, id))
    }

    /// Checks and encodes `event` as [`emit`](Self::emit) does, but does not send it.
    ///
    /// Use it to commit an event together with your own state: store
    /// [`Prepared::body`] in the same transaction, and send it after the commit. CALL THIS
    /// FUNCTION AFTER THE TRANSACTION HAS LOCKED THE ENTITY, because it assigns the timestamp.
    /// Otherwise, transactions can commit in another order than their timestamps, and the
    /// history has the wrong order.
    ///
    /// # Errors
    ///
    /// [`EmitError::Invalid`] or [`EmitError::TooLargeForQueue`].
    ///
    /// # Examples
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/doc/setup.rs"));
    /// # example!(fn main(sdk, recorder) {
    /// // In the transaction that changes the order:
    /// let prepared = sdk.prepare(&OrderPlaced { order_id: 7, cents: 4990 })?;
    /// assert!(prepared.body().contains(r#""EventType":"ORDER_PLACED""#));
    /// // … insert `prepared.event_id()` and `prepared.body()`, and commit.
    ///
    /// sdk.emit_prepared(prepared).await?;
    /// # });
    /// ```
    pub fn prepare<E: DomainEvent>(&self, event: &E) -> Result<Prepared, EmitError> {
        let pending = self.encode(event)?;
        Ok(Prepared::new(pending, self.sender().is_fifo()))
    }

    /// Sends a prepared event, and returns once SQS has accepted it.
    ///
    /// # Errors
    ///
    /// As for [`emit`](Self::emit).
    ///
    /// # Cancel safety
    ///
    /// As for [`emit`](Self::emit).
    ///
    /// # Examples
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/doc/setup.rs"));
    /// # example!(fn main(sdk, recorder) {
    /// let prepared = sdk.prepare(&OrderPlaced { order_id: 7, cents: 4990 })?;
    /// let id = prepared.event_id().clone();
    /// let receipt = sdk.emit_prepared(prepared).await?;
    /// assert_eq!(receipt.event_id, id);
    /// # });
    /// ```
    pub fn emit_prepared(&self, prepared: Prepared) -> EmitFuture {
        EmitFuture::new(self.sender(), Ok(prepared.into_pending()))
    }

    /// Sends many events in their order, and returns one outcome per event, in the same
    /// order. Each event is submitted before the next event, even while the publisher is full.
    ///
    /// Events are taken from the iterator as capacity becomes free, so the iterator may
    /// yield more events than fit into memory at once. The outcomes are kept in memory:
    /// for an endless stream of events, spawn or join `emit`.
    ///
    /// # Errors
    ///
    /// Each event has its own outcome, as for [`emit`](Self::emit). An event that fails
    /// does not affect the others.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped, no further events are taken from the iterator. The events that
    /// were already taken are sent.
    ///
    /// # Examples
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/doc/setup.rs"));
    /// # example!(fn main(sdk, recorder) {
    /// let orders = (1..=3).map(|order_id| OrderPlaced { order_id, cents: 100 });
    /// for outcome in sdk.emit_all(orders).await {
    ///     outcome?;
    /// }
    /// assert_eq!(recorder.events().len(), 3);
    /// # });
    /// ```
    pub async fn emit_all<E: DomainEvent>(
        &self,
        events: impl IntoIterator<Item = E>,
    ) -> Vec<Result<Receipt, EmitError>> {
        let events = events.into_iter();
        let mut submitted = Vec::with_capacity(events.size_hint().0);
        for event in events {
            submitted.push(self.emit(event).submit().await);
        }
        let mut outcomes = Vec::with_capacity(submitted.len());
        for emission in submitted {
            outcomes.push(emission.await);
        }
        outcomes
    }

    /// Submits `event` if the publisher is not full, and returns the future of its
    /// outcome. The event is sent even if that future is dropped.
    ///
    /// # Errors
    ///
    /// [`TryEmitError::Full`] if the publisher is full. Every error returns the event.
    ///
    /// # Examples
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/doc/setup.rs"));
    /// # example!(fn main(sdk, recorder) {
    /// use domain_events::TryEmitError;
    ///
    /// match sdk.try_emit(OrderPlaced { order_id: 7, cents: 4990 }) {
    ///     Ok(outcome) => { outcome.await?; }
    ///     Err(TryEmitError::Full(order)) => println!("try order {} again later", order.order_id),
    ///     Err(error) => return Err(error.to_string().into()),
    /// }
    /// # });
    /// ```
    pub fn try_emit<E: DomainEvent>(&self, event: E) -> Result<EmitFuture, TryEmitError<E>> {
        let envelope = self.envelope(&event);
        let pending = envelope.and_then(|e| self.pending(e).map_err(|failed| failed.source));
        let pending = match pending {
            Ok(pending) => pending,
            Err(source) => {
                self.sender().in_flight().reject();
                return Err(TryEmitError::Invalid { event, source });
            }
        };
        match self.sender().try_submit(pending) {
            Ok(outcome) => Ok(EmitFuture::submitted(self.sender(), outcome)),
            Err((CapacityError::Full, _)) => Err(TryEmitError::Full(event)),
            Err((CapacityError::Closed, _)) => Err(TryEmitError::ShutDown(event)),
        }
    }

    /// Returns a handle whose events are caused by `emitter`, unless they state an emitter.
    ///
    /// # Examples
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/doc/setup.rs"));
    /// # example!(fn main(sdk, recorder) {
    /// use domain_events::Emitter;
    ///
    /// let as_user = sdk.on_behalf_of(Emitter::user("u-42")?); // for one request
    /// as_user.emit(OrderPlaced { order_id: 7, cents: 4990 }).await?;
    /// assert_eq!(recorder.events()[0].emitter(), &Emitter::user("u-42")?);
    /// # });
    /// ```
    #[must_use]
    pub fn on_behalf_of(&self, emitter: Emitter) -> Self {
        self.with(|context| context.with_emitter(emitter))
    }

    /// Returns a handle whose events belong to a conversation.
    ///
    /// # Examples
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/doc/setup.rs"));
    /// # example!(fn main(sdk, recorder) {
    /// let request = sdk.with_correlation_id("request-9f2c".parse()?);
    /// request.emit(OrderPlaced { order_id: 7, cents: 4990 }).await?;
    /// assert_eq!(recorder.events()[0].correlation_id().map(|id| id.as_str()), Some("request-9f2c"));
    /// # });
    /// ```
    #[must_use]
    pub fn with_correlation_id(&self, id: CorrelationId) -> Self {
        self.with(|context| context.with_correlation_id(id))
    }

    /// Returns a handle whose events are caused by another event, for example by the event that
    /// the service is handling.
    ///
    /// # Examples
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/doc/setup.rs"));
    /// # example!(fn main(sdk, recorder) {
    /// let placed = sdk.emit(OrderPlaced { order_id: 7, cents: 4990 }).await?;
    ///
    /// let reaction = sdk.caused_by(placed.event_id);
    /// reaction.emit(OrderPlaced { order_id: 8, cents: 0 }).await?; // the free gift
    /// let events = recorder.events();
    /// assert_eq!(events[1].causation_id().unwrap().as_str(), events[0].event_id().as_str());
    /// # });
    /// ```
    #[must_use]
    pub fn caused_by(&self, cause: impl Into<CausationId>) -> Self {
        self.with(|context| context.with_causation_id(cause.into()))
    }

    /// Returns a handle whose events belong to a tenant. On a standard queue, the tenant is the
    /// message group of the events, and SQS prevents the load of one tenant from delaying other
    /// tenants (developer guide, "Amazon SQS fair queues"). The message group does not order
    /// the events. FIFO queues ignore the tenant, because their message groups are entities.
    ///
    /// A name that SQS does not accept as a message group (1 to 128 visible ASCII
    /// characters) is replaced by its hash.
    ///
    /// # Examples
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/doc/setup.rs"));
    /// # example!(fn main(sdk, recorder) {
    /// let sdk = sdk.for_tenant("customer-17");
    /// let prepared = sdk.prepare(&OrderPlaced { order_id: 7, cents: 4990 })?;
    /// assert_eq!(prepared.group_id(), Some("customer-17"));
    /// # });
    /// ```
    #[must_use]
    pub fn for_tenant(&self, tenant: &str) -> Self {
        Self {
            tenant: Some(group_name(tenant)),
            ..self.clone()
        }
    }

    fn with(&self, change: impl FnOnce(Context) -> Context) -> Self {
        Self {
            context: Arc::new(change(Context::clone(&self.context))),
            ..self.clone()
        }
    }

    /// Returns when every event that was submitted before this call has an outcome, including
    /// the events that wait for capacity.
    ///
    /// If an [`EmitFuture`] has been polled and waits for capacity, this function waits until
    /// that future completes or is dropped. Do not await this function in the task that holds
    /// such a future, unless you join both: the task would wait for itself.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future does not affect the events.
    ///
    /// # Examples
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/doc/setup.rs"));
    /// # example!(fn main(sdk, recorder) {
    /// let pending = sdk.try_emit(OrderPlaced { order_id: 7, cents: 4990 })?;
    /// sdk.flush().await;
    /// assert_eq!(recorder.events().len(), 1);
    /// # pending.await?;
    /// # });
    /// ```
    pub async fn flush(&self) {
        self.sender().flush().await;
    }

    /// Shuts the publisher down for all its handles: it refuses further events, waits for the
    /// outcomes of the submitted events until `deadline`, and returns a report.
    ///
    /// The publisher also sends the events in the spool until the deadline. Events that remain
    /// stay on disk for the next start. Afterwards, another publisher can use the folder, at
    /// the latest when the requests in flight have ended.
    ///
    /// At the deadline, every caller that still waits in `emit` gets an error. The report also
    /// contains these events, for callers that have dropped the future.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped, the publisher stays closed and continues to send its
    /// events. You can call this function again to wait.
    ///
    /// # Examples
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/doc/setup.rs"));
    /// # example!(fn main(sdk, recorder) {
    /// use std::time::Duration;
    ///
    /// # sdk.emit(OrderPlaced { order_id: 7, cents: 4990 }).await?;
    /// let report = sdk.shutdown(Duration::from_secs(10)).await; // after SIGTERM
    /// println!("{} events accepted, {} failed", report.accepted, report.failed);
    /// for envelope in report.unsent.iter().chain(&report.undetermined) {
    ///     println!("keep {} of {}", envelope.event_type(), envelope.entity_id());
    /// }
    /// # assert!(report.is_complete());
    /// # });
    /// ```
    pub async fn shutdown(&self, deadline: Duration) -> ShutdownReport {
        self.sender().shutdown(deadline).await
    }

    fn sender(&self) -> &Arc<Sender> {
        &self.handle.sender
    }

    /// Returns the name of the queue in errors.
    fn queue(&self) -> &Arc<str> {
        self.sender().in_flight().queue()
    }

    fn encode<E: DomainEvent>(&self, event: &E) -> Result<Pending, EmitError> {
        let envelope = self.envelope(event)?;
        self.pending(envelope)
            .map_err(|error| error.into_error(self.queue()))
    }

    fn pending(&self, envelope: Envelope) -> Result<Pending, EncodeFailed> {
        let group = if self.sender().is_fifo() {
            Some(group_of(envelope.entity_id()))
        } else {
            self.tenant.clone()
        };
        Pending::new(envelope, group)
    }
}

impl fmt::Debug for Sdk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sdk")
            .field("context", &self.context)
            .field("tenant", &self.tenant)
            .field("pending", &self.sender().in_flight().pending())
            .finish_non_exhaustive()
    }
}

/// Logs the number of pending events. It does not wait for them.
impl Drop for Handle {
    fn drop(&mut self) {
        let pending = self.sender.in_flight().pending();
        if pending > 0 {
            tracing::warn!(
                pending,
                queue = &**self.sender.in_flight().queue(),
                "the last handle of a publisher was dropped without a shutdown; its events are \
                 sent if the process runs long enough"
            );
        }
    }
}
