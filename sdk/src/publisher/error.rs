//! The errors of the publisher.

use std::fmt;
use std::sync::Arc;

use crate::error::InvalidEvent;
use crate::event::envelope::Envelope;
use crate::publisher::transport::RequestError;

/// Why an event was not emitted.
///
/// All variants except [`Invalid`](Self::Invalid) return the event, so that it can be
/// kept and emitted again with [`into_envelope`](Self::into_envelope) and
/// `Sdk::emit_envelope`. The event keeps its identity and its timestamp, so it is stored once
/// even if SQS had accepted it despite the error.
///
/// `Display` is one line that names the queue and the cause. Neither `Display` nor
/// `Debug` contains the event's data.
///
/// # Examples
///
/// ```
/// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/doc/setup.rs"));
/// # example!(fn main(sdk, recorder) {
/// # use domain_events::testing::Fault;
/// use domain_events::EmitError;
///
/// # recorder.inject(Fault::Refused);
/// match sdk.emit(OrderPlaced { order_id: 7, cents: 4990 }).await {
///     Ok(_) => {}
///     Err(EmitError::Invalid(error)) => println!("a defect of this program: {error}"),
///     Err(EmitError::Refused { code, reason, .. }) => println!("{code}: {reason}"),
///     Err(EmitError::Request { error, .. }) if error.is_credentials() => println!("{error}"),
///     Err(error) => println!("{error}; retryable: {}", error.is_retryable()),
/// }
/// # });
/// ```
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EmitError {
    /// The event violates the contract or could never be stored. There is no envelope,
    /// because an invalid envelope cannot exist.
    #[error(transparent)]
    Invalid(#[from] InvalidEvent),
    /// The event is larger than the queue accepts. Either the queue's
    /// `MaximumMessageSize` is below SQS's own limit of 1,048,576 bytes, or the message
    /// is above that limit because much of its text must be escaped.
    #[error("an event of {message_bytes} bytes is larger than queue {queue} accepts: {reason}")]
    TooLargeForQueue {
        /// The event.
        envelope: Envelope,
        /// The queue, and its region or endpoint.
        queue: Arc<str>,
        /// Size of its message, in bytes.
        message_bytes: usize,
        /// The message of SQS, or the limit that the SDK checked.
        reason: String,
    },
    /// SQS refused the event because of a fault of the sender, and would refuse it again.
    #[error("queue {queue} refused the event with {code}: {reason}")]
    Refused {
        /// The event.
        envelope: Envelope,
        /// The queue, and its region or endpoint.
        queue: Arc<str>,
        /// The error code of SQS.
        code: String,
        /// The message of SQS.
        reason: String,
    },
    /// On every attempt, SQS accepted the request, but not this event.
    #[error(
        "queue {queue} did not accept the event after {attempts} attempts; the last error was \
         {code}: {reason}"
    )]
    RetriesExhausted {
        /// The event.
        envelope: Envelope,
        /// The queue, and its region or endpoint.
        queue: Arc<str>,
        /// How often the event was sent.
        attempts: u32,
        /// The error code of SQS, of the last attempt.
        code: String,
        /// The message of SQS, of the last attempt.
        reason: String,
    },
    /// The whole request failed. After a timeout, SQS may have accepted the event
    /// nevertheless.
    #[error("the event was not sent: {error}")]
    Request {
        /// The event.
        envelope: Envelope,
        /// Why the request failed. [`RequestError::is_credentials`] distinguishes missing or
        /// expired credentials from an outage.
        error: RequestError,
    },
    /// The publisher was shut down before the event was sent.
    #[error("the publisher was shut down before the event was sent")]
    ShutDown {
        /// The event.
        envelope: Envelope,
    },
    /// The publisher was shut down while a request with the event was in flight. SQS may have
    /// accepted the event.
    #[error("the publisher was shut down while the event was on its way")]
    Interrupted {
        /// The event.
        envelope: Envelope,
    },
    /// The spool could not write the event, because its disk is full or broken, and
    /// SQS did not accept the event either.
    #[cfg(feature = "spool")]
    #[error(
        "SQS is unavailable, and the event was not written to the spool: {}",
        error.explain()
    )]
    Spool {
        /// The event.
        envelope: Envelope,
        /// Why the write failed.
        error: crate::publisher::spool::error::SpoolError,
    },
}

impl EmitError {
    /// Returns the event, or `None` if it is invalid.
    pub fn envelope(&self) -> Option<&Envelope> {
        match self {
            Self::Invalid(_) => None,
            Self::TooLargeForQueue { envelope, .. }
            | Self::Refused { envelope, .. }
            | Self::RetriesExhausted { envelope, .. }
            | Self::Request { envelope, .. }
            | Self::ShutDown { envelope }
            | Self::Interrupted { envelope } => Some(envelope),
            #[cfg(feature = "spool")]
            Self::Spool { envelope, .. } => Some(envelope),
        }
    }

    /// Returns the event. `None` if it is invalid.
    ///
    /// # Examples
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/doc/setup.rs"));
    /// # example!(fn main(sdk, recorder) {
    /// # use domain_events::testing::Fault;
    /// # recorder.inject(Fault::Unavailable);
    /// let error = sdk.emit(OrderPlaced { order_id: 7, cents: 4990 }).await.unwrap_err();
    /// if let Some(envelope) = error.into_envelope() {
    ///     let body = domain_events::wire::encode(&envelope)?; // store it, and send it later
    ///     # assert!(body.contains("ORDER_PLACED"));
    /// }
    /// # });
    /// ```
    pub fn into_envelope(self) -> Option<Envelope> {
        match self {
            Self::Invalid(_) => None,
            Self::TooLargeForQueue { envelope, .. }
            | Self::Refused { envelope, .. }
            | Self::RetriesExhausted { envelope, .. }
            | Self::Request { envelope, .. }
            | Self::ShutDown { envelope }
            | Self::Interrupted { envelope } => Some(envelope),
            #[cfg(feature = "spool")]
            Self::Spool { envelope, .. } => Some(envelope),
        }
    }

    /// Returns true if the same event may be accepted later without a change by an operator.
    /// After [`ShutDown`](Self::ShutDown) and [`Interrupted`](Self::Interrupted), a new
    /// publisher is needed.
    ///
    /// # Examples
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/doc/setup.rs"));
    /// # example!(fn main(sdk, recorder) {
    /// # use domain_events::testing::Fault;
    /// recorder.inject(Fault::Unavailable);
    /// let outage = sdk.emit(OrderPlaced { order_id: 7, cents: 4990 }).await.unwrap_err();
    /// assert!(outage.is_retryable());
    ///
    /// recorder.inject(Fault::Refused);
    /// let refused = sdk.emit(OrderPlaced { order_id: 7, cents: 4990 }).await.unwrap_err();
    /// assert!(!refused.is_retryable());
    /// # });
    /// ```
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Invalid(_) | Self::TooLargeForQueue { .. } | Self::Refused { .. } => false,
            Self::RetriesExhausted { .. } | Self::ShutDown { .. } | Self::Interrupted { .. } => {
                true
            }
            Self::Request { error, .. } => error.is_retryable(),
            #[cfg(feature = "spool")]
            Self::Spool { .. } => true,
        }
    }
}

/// Why `Sdk::try_emit` did not accept an event. The error contains the event.
///
/// `Debug` does not print the event, so that `unwrap` does not log its data.
///
/// # Examples
///
/// ```
/// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/doc/setup.rs"));
/// # example!(fn main(sdk, recorder) {
/// # use domain_events::{Emitter, TryEmitError, testing::Recorder};
/// let sdk = recorder.build(Recorder::builder(Emitter::system("shop")?).max_buffered_events(1));
/// let pause = recorder.pause(); // SQS does not respond
/// let waiting = sdk.try_emit(OrderPlaced { order_id: 7, cents: 4990 })?;
///
/// let error = sdk.try_emit(OrderPlaced { order_id: 8, cents: 990 }).unwrap_err();
/// assert!(matches!(&error, TryEmitError::Full(_)) && error.is_retryable());
/// assert_eq!(error.into_event().order_id, 8);
/// # drop(pause);
/// # waiting.await?;
/// # });
/// ```
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum TryEmitError<E> {
    /// The publisher holds the maximum number of events or bytes.
    #[error("the publisher's buffer is full")]
    Full(E),
    /// The publisher was shut down.
    #[error("the publisher was shut down")]
    ShutDown(E),
    /// The event violates the contract or could never be stored.
    #[error("the event cannot be emitted")]
    Invalid {
        /// The event.
        event: E,
        /// Why the event is invalid.
        source: InvalidEvent,
    },
}

impl<E> TryEmitError<E> {
    /// Returns the event.
    pub fn into_event(self) -> E {
        match self {
            Self::Full(event) | Self::ShutDown(event) | Self::Invalid { event, .. } => event,
        }
    }

    /// Returns true if the same event may be accepted later.
    pub fn is_retryable(&self) -> bool {
        matches!(self, Self::Full(_))
    }
}

impl<E> fmt::Debug for TryEmitError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Full(_) => f.write_str("Full(..)"),
            Self::ShutDown(_) => f.write_str("ShutDown(..)"),
            Self::Invalid { source, .. } => f
                .debug_struct("Invalid")
                .field("source", source)
                .finish_non_exhaustive(),
        }
    }
}

/// Every setting that prevents a publisher from being built.
///
/// `Display` and `Debug` print a list with one problem per line, so that a `main` that
/// returns this error prints it readably.
///
/// # Examples
///
/// ```no_run
/// # async fn run() -> Result<(), Box<dyn std::error::Error>> {
/// use domain_events::Sdk;
///
/// if let Err(error) = Sdk::from_env().await {
///     for problem in error.problems() {
///         eprintln!("{problem}"); // EVENT_QUEUE_URL is not set: give the URL of the event queue
///     }
/// }
/// # Ok(())
/// # }
/// ```
pub struct BuildError {
    problems: Vec<String>,
}

impl BuildError {
    pub(crate) fn new(problems: Vec<String>) -> Self {
        Self { problems }
    }

    /// Returns the problems. Each one names its setting.
    pub fn problems(&self) -> impl Iterator<Item = &str> {
        self.problems.iter().map(String::as_str)
    }
}

impl fmt::Display for BuildError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the publisher cannot be built:")?;
        self.problems()
            .try_for_each(|problem| write!(f, "\n  - {problem}"))
    }
}

impl fmt::Debug for BuildError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl std::error::Error for BuildError {}
