//! The emitter as its users see it.

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
mod receipt;
mod retry;
mod runtime;
mod sender;
#[cfg(feature = "spool")]
mod spool;
mod sqs;
#[cfg(feature = "opentelemetry")]
mod trace;
mod transport;

pub use builder::SdkBuilder;
pub use emit_future::EmitFuture;
pub use error::{BuildError, EmitError, TryEmitError};
pub use receipt::{Durability, Receipt, ShutdownReport};
#[cfg(feature = "spool")]
pub use spool::error::{SpoolDamage, SpoolError};
pub use transport::RequestError;

use buffer::capacity::CapacityError;
use buffer::pending::{EncodeFailed, Pending, group_name, group_of};
use sender::Sender;

/// Emits events to an SQS queue.
///
/// A cheap handle: clone it, share it, make others with another
/// [emitter](Self::on_behalf_of) or [context](Self::with_correlation_id). They all feed
/// one engine, which sends an event at once when nothing is in flight, and
/// fills batches by itself when there is load.
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
/// println!("SQS has {}", receipt.event_id);
/// # Ok(())
/// # }
/// ```
///
/// # Without waiting
///
/// There is no fire-and-forget: an event whose outcome nobody looks at is an
/// event that may be lost without a word. What is wanted instead is seldom more
/// than a line. To do something meanwhile, join:
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
/// To answer your own caller first, spawn, and say what happens on failure. The
/// error holds the event:
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
/// # At the end
///
/// [`shutdown`](Self::shutdown) waits, and hands back what could not be sent.
/// When the last handle is dropped without it, what is pending is still sent as
/// long as the tokio runtime lives; how much that was is logged.
///
/// # Runtimes
///
/// The emitter's tasks run in the tokio runtime of whoever emits, and a task that
/// sends takes along what others have given. So every runtime that emits with a
/// handle has to be driven for as long as any of them waits for an outcome. One
/// runtime for all is, and each multi-threaded one; of several current-thread
/// runtimes, one whose `block_on` has returned is not: a request that it had begun
/// stands still until it is driven again, with the events of the others in it.
///
/// A runtime that ends gives back what it had, and the one in which the emitter was
/// built goes on with it. If that has ended as well, whoever emits next does.
///
/// # What it tells
///
/// Spans and events through `tracing`, and with the feature `metrics` these
/// through the `metrics` facade, for the whole process. Neither shows a payload.
///
/// | name | kind | what |
/// |---|---|---|
/// | `domain_events_emitted_total` | counter | events that SQS has accepted |
/// | `domain_events_failed_total` | counter | events whose `emit` returned an error |
/// | `domain_events_retried_total` | counter | events that are sent again after SQS failed at them |
/// | `domain_events_sent_bytes_total` | counter | bytes of message bodies |
/// | `domain_events_batch_messages`, `domain_events_batch_events` | histogram | how full a request is; they differ with packing |
/// | `domain_events_waiting` | gauge | events that wait to be sent |
/// | `domain_events_oldest_waiting_seconds` | gauge | for how many seconds the oldest of them has waited |
///
/// The gauges are set when a request goes out and, while no further request may,
/// when an event comes.
///
/// # In a Lambda function
///
/// The process is frozen as soon as an invocation has its response. Nothing of
/// the emitter runs on after the outcome of the last event is there, so all it
/// takes is to await every `emit` before returning:
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
///     sdk.emit(placed).await?; // SQS has it when this returns
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

/// What all handles of one emitter share.
struct Handle {
    sender: Arc<Sender>,
}

impl Sdk {
    /// Settings for an emitter to the queue at `queue_url`. A queue whose name
    /// ends in `.fifo` keeps the order of each entity's events.
    ///
    /// `emitter` is who causes the events that do not name their own emitter.
    pub fn builder(queue_url: impl Into<String>, emitter: Emitter) -> SdkBuilder {
        SdkBuilder::new(queue_url.into(), emitter)
    }

    /// An emitter from the environment: `EVENT_QUEUE_URL`, `EVENT_EMITTER_ID`,
    /// `EVENT_EMITTER_TYPE` (`SYSTEM` unless set), and what the AWS SDK reads
    /// itself: `AWS_REGION`, credentials, `AWS_ENDPOINT_URL_SQS`.
    ///
    /// # Errors
    ///
    /// [`BuildError`] with every variable that is missing or wrong.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future leaves nothing behind.
    pub async fn from_env() -> Result<Self, BuildError> {
        builder::from_env(|name| std::env::var(name).ok())?
            .build()
            .await
    }

    pub(crate) fn new(sender: Arc<Sender>, context: Context, tenant: Option<Arc<str>>) -> Self {
        Self {
            handle: Arc::new(Handle { sender }),
            context: Arc::new(context),
            tenant,
        }
    }

    /// Sends `event` and returns once SQS has accepted it; with a
    /// [spool](SdkBuilder::spool), perhaps once the disk has it:
    /// [`Receipt::durability`] tells.
    ///
    /// The event gets its identity and its timestamp, and is written, before
    /// this function returns; what it returns is a future that borrows nothing.
    /// It waits while the emitter is [full](SdkBuilder::max_buffered_events). Once
    /// it is polled, poll it on: a [`flush`](Self::flush) waits for it.
    ///
    /// # Order
    ///
    /// A history is ordered by the events' timestamps, whatever arrives first. A
    /// FIFO queue gets the events of one entity in the order in which their futures
    /// were first polled, while there is room. One that waits for room is given
    /// when it is polled after there is; another one, polled before that, may find
    /// room too and go first. Where a full emitter must not change the order of the
    /// queue, await one event of an entity before the next, or use
    /// [`emit_all`](Self::emit_all).
    ///
    /// # Errors
    ///
    /// [`EmitError::Invalid`] if the event could never be stored. Other errors
    /// are about delivery, and hand the event back;
    /// [`EmitError::is_retryable`] tells which may pass.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future before it is polled, or while it waits for room, takes
    /// the event back. After that it is sent all the same; see [`EmitFuture`].
    pub fn emit<E: DomainEvent>(&self, event: E) -> EmitFuture {
        let envelope = self.write(&event).map_err(EmitError::from);
        let pending = envelope.and_then(|envelope| Ok(self.pending(envelope)?));
        EmitFuture::new(self.sender(), pending)
    }

    /// Sends an envelope as it is, and returns once SQS has accepted it: to
    /// emit again what an error has handed back, or what is no Rust type.
    ///
    /// # Errors
    ///
    /// As of [`emit`](Self::emit).
    ///
    /// # Cancel safety
    ///
    /// Dropping the future before it is polled, or while it waits for room, takes
    /// the event back. After that it is sent all the same; see [`EmitFuture`].
    pub fn emit_envelope(&self, envelope: Envelope) -> EmitFuture {
        let pending = self.pending(envelope).map_err(EmitError::from);
        EmitFuture::new(self.sender(), pending)
    }

    /// Sends many events, in their order, with one outcome for each, in the
    /// same order. Each is given before the next, also while the emitter is full.
    ///
    /// They are taken from the iterator as room for them is found, so that it
    /// may give more than fit into memory at a time. The outcomes are kept: for
    /// an endless stream of events, spawn or join `emit`.
    ///
    /// # Errors
    ///
    /// Each event has its own, as of [`emit`](Self::emit): one that fails
    /// holds up no other.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future takes no further events. Those taken may still be
    /// sent.
    pub async fn emit_all<E: DomainEvent>(
        &self,
        events: impl IntoIterator<Item = E>,
    ) -> Vec<Result<Receipt, EmitError>> {
        let events = events.into_iter();
        let mut given = Vec::with_capacity(events.size_hint().0);
        for event in events {
            let emission = self.emit(event);
            given.push(emission.give().await);
        }
        let mut outcomes = Vec::with_capacity(given.len());
        for emission in given {
            outcomes.push(emission.await);
        }
        outcomes
    }

    /// Takes `event` if there is room for it, and returns the future of its
    /// outcome. It is sent even if that is dropped.
    ///
    /// # Errors
    ///
    /// [`TryEmitError::Full`] if there is no room. Every error hands the event
    /// back.
    pub fn try_emit<E: DomainEvent>(&self, event: E) -> Result<EmitFuture, TryEmitError<E>> {
        let envelope = self.write(&event);
        let pending = envelope.and_then(|e| self.pending(e).map_err(|refused| refused.source));
        let pending = match pending {
            Ok(pending) => pending,
            Err(source) => return Err(TryEmitError::Invalid { event, source }),
        };
        match self.sender().try_submit(pending) {
            Ok(outcome) => Ok(EmitFuture::given(outcome)),
            Err((CapacityError::Full, _)) => Err(TryEmitError::Full(event)),
            Err((CapacityError::Closed, _)) => Err(TryEmitError::ShutDown(event)),
        }
    }

    /// A handle whose events are caused by `emitter`, unless they name their
    /// own.
    #[must_use]
    pub fn on_behalf_of(&self, emitter: Emitter) -> Self {
        self.with(|context| context.with_emitter(emitter))
    }

    /// A handle whose events are part of a conversation.
    #[must_use]
    pub fn with_correlation_id(&self, id: CorrelationId) -> Self {
        self.with(|context| context.with_correlation_id(id))
    }

    /// A handle whose events are caused by another event, say by the one that
    /// is just being handled.
    #[must_use]
    pub fn caused_by(&self, cause: impl Into<CausationId>) -> Self {
        self.with(|context| context.with_causation_id(cause.into()))
    }

    /// A handle whose events are sent on a tenant's account: on a standard
    /// queue they carry it as their message group, and SQS keeps one tenant's
    /// flood from delaying the others (developer guide, "Amazon SQS fair
    /// queues"). It orders nothing. FIFO queues take no notice of it: their
    /// groups are entities.
    ///
    /// A name that SQS cannot take as a message group (1 to 128 visible ASCII
    /// characters) is replaced by its hash.
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

    /// Returns when all that was given before has an outcome, and all that waits
    /// for room.
    ///
    /// An [`EmitFuture`] that has been polled and still waits for room is waited for
    /// until it is polled to its end or dropped. So do not await this in the task
    /// that holds such a one, unless both are joined: it would wait for itself.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future changes nothing for the events.
    pub async fn flush(&self) {
        self.sender().flush().await;
    }

    /// Ends the emitter, for all its handles: takes no event any more, waits
    /// until every one has its outcome, at most for `deadline`, and reports.
    ///
    /// What a spool holds is sent as well, as far as the deadline allows; the
    /// rest waits on disk for the next start. The folder is free for another
    /// emitter then, or as soon as the requests under way have ended.
    ///
    /// Whoever still waits in `emit` at the deadline gets an error. Events that
    /// were given to the emitter come back in the report as well, for callers
    /// that dropped the future.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future leaves the emitter closed, and its events on their
    /// way. Calling it again waits again.
    pub async fn shutdown(&self, deadline: Duration) -> ShutdownReport {
        self.sender().shutdown(deadline).await
    }

    fn sender(&self) -> &Arc<Sender> {
        &self.handle.sender
    }

    fn write<E: DomainEvent>(&self, event: &E) -> Result<Envelope, InvalidEvent> {
        #[cfg(feature = "opentelemetry")]
        let context = trace::in_current_span(&self.context);
        #[cfg(not(feature = "opentelemetry"))]
        let context = &*self.context;
        #[cfg_attr(not(feature = "opentelemetry"), expect(clippy::needless_borrow))]
        Envelope::new(event, &context)
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

/// Neither waits nor pretends.
impl Drop for Handle {
    fn drop(&mut self) {
        let pending = self.sender.in_flight().pending();
        if pending > 0 {
            tracing::warn!(
                pending,
                "the last handle of an emitter was dropped without a shutdown; its events are \
                 sent if the runtime lives long enough"
            );
        }
    }
}
