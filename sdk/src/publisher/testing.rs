//! Tests of services without a network: an [`Sdk`] that records its events.
//!
//! Everything except SQS is real: the events are checked, encoded, batched and retried as in
//! production. For a test of the whole pipeline, use the embedded stack of the package
//! `domain-events-local`; the same test body runs against both.
//!
//! ```
//! use domain_events::testing::{Fault, Recorder};
//! use domain_events::{DomainEvent, EmitError, Emitter, Sdk, assert_emitted};
//! use serde::{Deserialize, Serialize};
//!
//! #[derive(Debug, Serialize, Deserialize, DomainEvent)]
//! struct OrderPlaced {
//!     #[event(id)]
//!     order_id: u64,
//!     cents: u64,
//! }
//!
//! /// The code under test.
//! async fn place_order(sdk: &Sdk, order_id: u64) -> Result<(), EmitError> {
//!     sdk.emit(OrderPlaced { order_id, cents: 4990 }).await?;
//!     Ok(())
//! }
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let recorder = Recorder::new();
//! let sdk = recorder.sdk(Emitter::system("shop")?);
//!
//! place_order(&sdk, 7).await?;
//! assert_eq!(recorder.only::<OrderPlaced>().cents, 4990);
//! assert_emitted!(recorder, OrderPlaced { order_id: 7, .. });
//!
//! recorder.inject(Fault::Refused);
//! assert!(place_order(&sdk, 8).await.is_err());
//! # Ok(())
//! # }
//! ```

use std::collections::VecDeque;
use std::fmt::{self, Write as _};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde::de::DeserializeOwned;
use tokio::sync::watch;

use super::builder::SdkBuilder;
use super::receipt::{Durability, Receipt};
use super::transport::{
    EntryResult, Message, RequestError, RequestErrorKind, SendFuture, Transport,
};
use crate::event::{DomainEvent, Emitter, Envelope, EventId};
use crate::publisher::Sdk;
use crate::wire;

/// The maximum number of attempts of a recording publisher. There is no delay between the
/// attempts, so that a test of a failure does not wait.
const MAX_ATTEMPTS: u32 = 3;

/// Records the events of the [`Sdk`]s that it creates.
///
/// This is a cheap handle: all clones record into the same list.
#[derive(Clone)]
pub struct Recorder(Arc<Shared>);

struct Shared {
    recorded: Mutex<Recorded>,
    /// Whether requests wait.
    paused: watch::Sender<bool>,
}

#[derive(Default)]
struct Recorded {
    events: Vec<Envelope>,
    faults: VecDeque<Fault>,
}

/// A failure of SQS, for [`Recorder::inject`].
///
/// # Examples
///
/// ```
/// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/doc/setup.rs"));
/// # example!(fn main(sdk, recorder) {
/// use domain_events::testing::Fault;
///
/// recorder.inject(Fault::Throttled);
/// sdk.emit(OrderPlaced { order_id: 7, cents: 4990 }).await?; // the publisher tries again
///
/// recorder.inject(Fault::AmbiguousOutcome);
/// let error = sdk.emit(OrderPlaced { order_id: 8, cents: 990 }).await.unwrap_err();
/// assert!(error.is_retryable());
/// assert_eq!(recorder.events().len(), 2); // SQS had accepted the event
/// # });
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fault {
    /// SQS throttles each entry of the request. The publisher retries, so one such fault is
    /// followed by a success.
    Throttled,
    /// The request fails, as if SQS could not be reached. Nothing is recorded.
    Unavailable,
    /// SQS refuses each entry because of a fault of the sender. Nothing is recorded.
    Refused,
    /// SQS accepts the events, and the response is lost: they are recorded, and `emit` returns
    /// an error that is retryable.
    AmbiguousOutcome,
}

/// A pause of the requests. While this value exists, requests do not complete. The publisher's
/// buffer fills, `emit` waits, and `try_emit` returns `Full` as soon as the buffer is full.
#[derive(Debug)]
#[must_use = "the pause ends when it is dropped"]
pub struct Pause(watch::Sender<bool>);

impl Drop for Pause {
    fn drop(&mut self) {
        self.0.send_replace(false);
    }
}

impl Recorder {
    /// Creates a recorder without events.
    pub fn new() -> Self {
        Self(Arc::new(Shared {
            recorded: Mutex::default(),
            paused: watch::Sender::new(false),
        }))
    }

    /// Creates an [`Sdk`] that records its events.
    ///
    /// # Panics
    ///
    /// If the operating system cannot start a thread.
    ///
    /// # Examples
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/doc/setup.rs"));
    /// # example!(fn main(sdk, recorder) {
    /// # let _ = sdk;
    /// use domain_events::Emitter;
    ///
    /// let sdk = recorder.sdk(Emitter::system("shop")?);
    /// sdk.emit(OrderPlaced { order_id: 7, cents: 4990 }).await?;
    /// assert_eq!(recorder.events().len(), 1);
    /// # });
    /// ```
    pub fn sdk(&self, emitter: Emitter) -> Sdk {
        self.build(Self::builder(emitter))
    }

    /// Returns the settings of [`sdk`](Self::sdk). Change them, for example to a small buffer,
    /// packing or a fixed clock, and pass them to [`build`](Self::build).
    ///
    /// # Examples
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/doc/setup.rs"));
    /// # example!(fn main(sdk, recorder) {
    /// # let _ = sdk;
    /// use domain_events::Emitter;
    /// use domain_events::testing::Recorder;
    ///
    /// let settings = Recorder::builder(Emitter::system("shop")?).max_buffered_events(1).packing(true);
    /// let sdk = recorder.build(settings);
    /// # sdk.emit(OrderPlaced { order_id: 7, cents: 4990 }).await?;
    /// # });
    /// ```
    pub fn builder(emitter: Emitter) -> SdkBuilder {
        // No request uses the URL. Its suffix determines whether the queue is a FIFO queue.
        Sdk::builder(
            "https://sqs.us-east-1.amazonaws.com/000000000000/recorded",
            emitter,
        )
        .max_attempts(MAX_ATTEMPTS)
        .backoff(Duration::ZERO, Duration::ZERO)
    }

    /// Builds an [`Sdk`] that records its events, with your settings.
    ///
    /// # Panics
    ///
    /// If a setting is invalid, or the operating system cannot start a thread.
    #[track_caller]
    pub fn build(&self, builder: SdkBuilder) -> Sdk {
        match builder.build_recording(Arc::new(Recording(self.clone()))) {
            Ok(sdk) => sdk,
            Err(error) => panic!("{error}"),
        }
    }

    /// Returns all recorded events, in the order in which SQS would have accepted them.
    ///
    /// # Examples
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/doc/setup.rs"));
    /// # example!(fn main(sdk, recorder) {
    /// sdk.with_correlation_id("request-1".parse()?).emit(OrderPlaced { order_id: 7, cents: 4990 }).await?;
    ///
    /// let events = recorder.events();
    /// assert_eq!(events[0].entity_id(), &"7");
    /// assert_eq!(events[0].correlation_id().unwrap(), &"request-1");
    /// # });
    /// ```
    pub fn events(&self) -> Vec<Envelope> {
        self.lock().events.clone()
    }

    /// Returns the recorded events whose types `E` knows, decoded.
    ///
    /// # Panics
    ///
    /// If an event of a known type cannot be decoded, because the type cannot read its own
    /// output.
    ///
    /// # Examples
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/doc/setup.rs"));
    /// # example!(fn main(sdk, recorder) {
    /// sdk.emit_all([7, 8].map(|order_id| OrderPlaced { order_id, cents: 100 })).await;
    ///
    /// let orders = recorder.of::<OrderPlaced>();
    /// assert_eq!(orders[1], OrderPlaced { order_id: 8, cents: 100 });
    /// # });
    /// ```
    #[track_caller]
    pub fn of<E: DomainEvent + DeserializeOwned>(&self) -> Vec<E> {
        let decoded =
            self.events()
                .into_iter()
                .filter_map(|envelope| match envelope.decode::<E>() {
                    Ok(event) => event,
                    Err(error) => panic!("a recorded event cannot be read back: {error}"),
                });
        decoded.collect()
    }

    /// Returns the only recorded event, as `E`.
    ///
    /// # Panics
    ///
    /// If there is not exactly one recorded event, or if it has another type. The message lists
    /// the expected event and the recorded events.
    ///
    /// # Examples
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/doc/setup.rs"));
    /// # example!(fn main(sdk, recorder) {
    /// sdk.emit(OrderPlaced { order_id: 7, cents: 4990 }).await?;
    /// assert_eq!(recorder.only::<OrderPlaced>().cents, 4990);
    /// # });
    /// ```
    #[track_caller]
    pub fn only<E: DomainEvent + DeserializeOwned>(&self) -> E {
        let mut known = self.of::<E>();
        if self.lock().events.len() == 1
            && let Some(event) = known.pop()
        {
            return event;
        }
        let expected: Vec<String> = E::DEFINITIONS
            .iter()
            .map(|d| d.event_type().to_string())
            .collect();
        panic!(
            "expected one event\n  expected: {}\n  recorded: {}",
            expected.join(" or "),
            self.listed()
        );
    }

    /// Removes all recorded events.
    ///
    /// # Examples
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/doc/setup.rs"));
    /// # example!(fn main(sdk, recorder) {
    /// sdk.emit(OrderPlaced { order_id: 7, cents: 4990 }).await?; // the set-up of the test
    /// recorder.clear();
    /// assert!(recorder.events().is_empty());
    /// # });
    /// ```
    pub fn clear(&self) {
        self.lock().events.clear();
    }

    /// Makes the next request fail. Several faults apply to successive requests.
    pub fn inject(&self, fault: Fault) {
        self.lock().faults.push_back(fault);
    }

    /// Makes requests wait until the returned value is dropped.
    ///
    /// # Examples
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/doc/setup.rs"));
    /// # example!(fn main(sdk, recorder) {
    /// let pause = recorder.pause();
    /// let waiting = tokio::spawn(sdk.emit(OrderPlaced { order_id: 7, cents: 4990 }));
    /// tokio::task::yield_now().await;
    /// assert!(!waiting.is_finished());
    ///
    /// drop(pause);
    /// waiting.await??;
    /// # });
    /// ```
    pub fn pause(&self) -> Pause {
        self.0.paused.send_replace(true);
        Pause(self.0.paused.clone())
    }

    /// Returns the recorded events, one per line, for the message of a failed assertion.
    pub fn listed(&self) -> String {
        let events = &self.lock().events;
        if events.is_empty() {
            return "nothing".to_owned();
        }
        events.iter().fold(String::new(), |mut text, event| {
            let emitter = event.emitter();
            let data = event.data().unwrap_or("no data");
            let _ = write!(
                text,
                "\n    {} of {} by {} {}: {data}",
                event.event_type(),
                event.entity_id(),
                emitter.kind(),
                emitter.id()
            );
            text
        })
    }

    fn lock(&self) -> MutexGuard<'_, Recorded> {
        self.0
            .recorded
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

impl Default for Recorder {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Recorder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Recorder")
            .field("events", &self.lock().events.len())
            .finish_non_exhaustive()
    }
}

/// Asserts that at least one recorded event matches a pattern, with an optional `if`.
///
/// ```
/// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/doc/setup.rs"));
/// # example!(fn main(sdk, recorder) {
/// use domain_events::assert_emitted;
///
/// sdk.emit(OrderPlaced { order_id: 7, cents: 4990 }).await?;
/// assert_emitted!(recorder, OrderPlaced { order_id: 7, .. });
/// assert_emitted!(recorder, OrderPlaced { cents, .. } if *cents > 4_000);
/// # });
/// ```
///
/// # Panics
///
/// If no recorded event matches. The message contains the pattern and the recorded events.
#[macro_export]
macro_rules! assert_emitted {
    ($recorder:expr, $type:ident $(:: $variant:ident)* { $($fields:tt)* } $(if $guard:expr)? $(,)?) => {{
        let recorder = &$recorder;
        let events = recorder.of::<$type>();
        let matches = |event: &$type| matches!(event, $type $(:: $variant)* { $($fields)* } $(if $guard)?);
        assert!(
            events.iter().any(matches),
            "no recorded event matches\n  expected: {}\n  recorded: {}",
            stringify!($type $(:: $variant)* { $($fields)* } $(if $guard)?),
            recorder.listed()
        );
    }};
}

/// Creates a receipt of `envelope`, as if SQS had accepted it, for tests of code that takes
/// receipts.
///
/// # Examples
///
/// ```
/// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/doc/setup.rs"));
/// # example!(fn main(sdk, recorder) {
/// use domain_events::testing::receipt;
///
/// let envelope = sdk.envelope(&OrderPlaced { order_id: 7, cents: 4990 })?;
/// let receipt = receipt(&envelope);
/// assert_eq!(&receipt.event_id, envelope.event_id());
/// # });
/// ```
pub fn receipt(envelope: &Envelope) -> Receipt {
    Receipt {
        entity_id: envelope.entity_id().clone(),
        event_id: envelope.event_id().clone(),
        timestamp: envelope.timestamp(),
        message_id: Some("recorded".to_owned()),
        sequence_number: None,
        durability: Durability::Queue,
    }
}

/// The transport of a recording publisher.
#[derive(Debug)]
struct Recording(Recorder);

impl Transport for Recording {
    fn send(&self, messages: Vec<Message>) -> SendFuture<'_> {
        Box::pin(async move {
            let mut paused = self.0.0.paused.subscribe();
            // The sender lives as long as the recorder.
            let _ = paused.wait_for(|paused| !paused).await;
            let mut recorded = self.0.lock();
            let fault = recorded.faults.pop_front();
            let refused = |code: &str, sender_fault| EntryResult::Refused {
                code: code.to_owned(),
                reason: "injected by the test".to_owned(),
                sender_fault,
            };
            let all = |result: EntryResult| Ok(vec![result; messages.len()]);
            match fault {
                Some(Fault::Throttled) => return all(refused("RequestThrottled", false)),
                Some(Fault::Refused) => return all(refused("InvalidMessageContents", true)),
                Some(Fault::Unavailable) => return Err(unavailable("injected by the test")),
                None | Some(Fault::AmbiguousOutcome) => {}
            }
            let mut results = Vec::with_capacity(messages.len());
            for message in &messages {
                let number = recorded.events.len();
                let message_id = format!("recorded-{number}");
                // The publisher encoded it: it is valid.
                let identity = EventId::from_static("recorded");
                let decoded = wire::decode(&message.body, &identity).unwrap_or_default();
                recorded
                    .events
                    .extend(decoded.into_iter().filter_map(|event| event.outcome.ok()));
                results.push(EntryResult::Accepted {
                    message_id,
                    sequence_number: message.group.is_some().then(|| format!("{number:020}")),
                });
            }
            match fault {
                Some(_) => Err(unavailable("the test discarded the response")),
                None => Ok(results),
            }
        })
    }
}

fn unavailable(cause: &str) -> RequestError {
    RequestError::new(RequestErrorKind::Unavailable, "recorded", cause)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{EmitError, EventDefinition};
    use serde::{Deserialize, Serialize};

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct OrderPlaced {
        order_id: String,
        cents: u64,
    }

    impl DomainEvent for OrderPlaced {
        const DEFINITIONS: &'static [EventDefinition] = &[EventDefinition::new("ORDER_PLACED")];

        fn entity_id(&self) -> &dyn fmt::Display {
            &self.order_id
        }
    }

    fn order(cents: u64) -> OrderPlaced {
        OrderPlaced {
            order_id: "order-7".to_owned(),
            cents,
        }
    }

    fn emitter() -> Emitter {
        Emitter::system("tests").unwrap()
    }

    #[tokio::test]
    async fn recorded_event_is_typed() {
        let recorder = Recorder::new();
        recorder.sdk(emitter()).emit(order(5)).await.unwrap();
        assert_eq!(recorder.only::<OrderPlaced>(), order(5));
        assert_emitted!(recorder, OrderPlaced { cents: 5, .. });
        assert_emitted!(recorder, OrderPlaced { cents, .. } if *cents > 4);
        recorder.clear();
        assert!(recorder.events().is_empty());
    }

    /// The publisher runs on a thread of its own, so a late release would be seen by this task.
    #[tokio::test]
    async fn outcome_comes_after_its_capacity_is_free() {
        let recorder = Recorder::new();
        let settings = Recorder::builder(emitter()).max_buffered_events(1);
        let sdk = recorder.build(settings);
        for n in 0..2_000 {
            let emitted = sdk.try_emit(order(n)).expect("the buffer is empty");
            let _ = emitted.await.unwrap();
        }
    }

    #[tokio::test]
    #[should_panic(
        expected = "expected: OrderPlaced { cents: 6, .. }\n  recorded: \n    ORDER_PLACED of order-7 by SYSTEM tests: {\"order_id\":\"order-7\",\"cents\":5}"
    )]
    async fn failed_assertion_lists_recorded_events() {
        let recorder = Recorder::new();
        recorder.sdk(emitter()).emit(order(5)).await.unwrap();
        assert_emitted!(recorder, OrderPlaced { cents: 6, .. });
    }

    #[tokio::test]
    async fn faults_have_the_outcomes_of_sqs() {
        let recorder = Recorder::new();
        let sdk = recorder.sdk(emitter());
        recorder.inject(Fault::Throttled);
        sdk.emit(order(1)).await.unwrap();
        assert_eq!(recorder.of::<OrderPlaced>(), [order(1)], "sent again");

        recorder.inject(Fault::Refused);
        let refused = sdk.emit(order(2)).await.unwrap_err();
        assert!(matches!(refused, EmitError::Refused { .. }) && !refused.is_retryable());
        recorder.inject(Fault::Unavailable);
        assert!(sdk.emit(order(3)).await.unwrap_err().is_retryable());
        assert_eq!(recorder.events().len(), 1);

        recorder.inject(Fault::AmbiguousOutcome);
        let ambiguous = sdk.emit(order(4)).await.unwrap_err();
        assert!(ambiguous.is_retryable());
        assert_eq!(recorder.of::<OrderPlaced>(), [order(1), order(4)]);
    }

    #[tokio::test]
    async fn paused_recorder_fills_the_buffer() {
        let recorder = Recorder::new();
        let sdk = recorder.build(Recorder::builder(emitter()).max_buffered_events(1));
        let pause = recorder.pause();
        let waiting = sdk.try_emit(order(1)).unwrap();
        assert!(sdk.try_emit(order(2)).unwrap_err().is_retryable());
        drop(pause);
        waiting.await.unwrap();
        assert_eq!(recorder.of::<OrderPlaced>(), [order(1)]);
    }
}
