//! What can go wrong while emitting.

use std::fmt;

use crate::error::InvalidEvent;
use crate::event::envelope::Envelope;
use crate::publisher::RequestError;

/// Why an event was not emitted.
///
/// All but [`Invalid`](Self::Invalid) hand the event back, so that it can be
/// kept and emitted again: [`into_envelope`](Self::into_envelope), then
/// `Sdk::emit_envelope`. It keeps its identity and its timestamp, so that an
/// event which SQS had accepted after all is still stored once.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EmitError {
    /// The event breaks the contract or could never be stored. There is no
    /// envelope, since there is no way to hold an invalid one.
    #[error(transparent)]
    Invalid(#[from] InvalidEvent),
    /// The event is larger than the queue takes: its `MaximumMessageSize` is
    /// below SQS's own limit of 1,048,576 bytes, or the event's message is above
    /// that, since much of its text has to be escaped.
    #[error("an event of {message_bytes} bytes is larger than the queue takes: {reason}")]
    TooLargeForQueue {
        /// The event.
        envelope: Envelope,
        /// Size of its message, in bytes.
        message_bytes: usize,
        /// SQS's own words, where it was asked.
        reason: String,
    },
    /// SQS refused the event for a fault of the sender, and would again.
    #[error("SQS refused the event with {code}: {reason}")]
    Refused {
        /// The event.
        envelope: Envelope,
        /// SQS's error code.
        code: String,
        /// SQS's own words.
        reason: String,
    },
    /// SQS took the request and failed at this event, on every attempt.
    #[error("SQS failed at the event {attempts} times, the last time with {code}: {reason}")]
    RetriesExhausted {
        /// The event.
        envelope: Envelope,
        /// How often it was sent.
        attempts: u32,
        /// SQS's error code of the last attempt.
        code: String,
        /// SQS's own words.
        reason: String,
    },
    /// The whole request failed. After a timeout SQS may have accepted the
    /// event nevertheless.
    #[error("the request to SQS that carried the event failed")]
    Request {
        /// The event.
        envelope: Envelope,
        /// What failed.
        source: RequestError,
    },
    /// The emitter was shut down before the event was given to SQS.
    #[error("the emitter is shut down")]
    ShutDown {
        /// The event.
        envelope: Envelope,
    },
    /// The emitter ended while the event was on its way: SQS may have accepted
    /// it.
    #[error("the emitter ended while the event was on its way")]
    Interrupted {
        /// The event.
        envelope: Envelope,
    },
    /// The spool could not write the event, because its disk is full or broken, and
    /// SQS did not accept the event either.
    #[cfg(feature = "spool")]
    #[error("SQS is unavailable, and the event could not be written to the spool")]
    Spool {
        /// The event.
        envelope: Envelope,
        /// What failed.
        source: crate::publisher::spool::error::SpoolError,
    },
}

impl EmitError {
    /// The event, where there is a valid one.
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

    /// Hands the event back, where there is a valid one.
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

    /// Whether the same event may be accepted later as it is, with nothing
    /// changed. For [`ShutDown`](Self::ShutDown) and
    /// [`Interrupted`](Self::Interrupted) that needs another emitter.
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Invalid(_) | Self::TooLargeForQueue { .. } | Self::Refused { .. } => false,
            Self::RetriesExhausted { .. } | Self::ShutDown { .. } | Self::Interrupted { .. } => {
                true
            }
            Self::Request { source, .. } => source.is_retryable(),
            #[cfg(feature = "spool")]
            Self::Spool { .. } => true,
        }
    }
}

/// Why `Sdk::try_emit` did not take an event. It hands the event back.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TryEmitError<E> {
    /// The emitter holds as many events or bytes as it may.
    #[error("the emitter is full")]
    Full(E),
    /// The emitter was shut down.
    #[error("the emitter is shut down")]
    ShutDown(E),
    /// The event breaks the contract or could never be stored.
    #[error("the event cannot be emitted")]
    Invalid {
        /// The event.
        event: E,
        /// What it breaks.
        source: InvalidEvent,
    },
}

impl<E> TryEmitError<E> {
    /// Hands the event back.
    pub fn into_event(self) -> E {
        match self {
            Self::Full(event) | Self::ShutDown(event) | Self::Invalid { event, .. } => event,
        }
    }

    /// Whether the same event may be taken later.
    pub fn is_retryable(&self) -> bool {
        matches!(self, Self::Full(_))
    }
}

/// Every setting that keeps an emitter from being built.
#[derive(Debug)]
pub struct BuildError {
    problems: Vec<String>,
}

impl BuildError {
    pub(crate) fn new(problems: Vec<String>) -> Self {
        Self { problems }
    }

    /// The problems, each a sentence that names its setting.
    pub fn problems(&self) -> impl Iterator<Item = &str> {
        self.problems.iter().map(String::as_str)
    }
}

impl fmt::Display for BuildError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cannot build the emitter: {}", self.problems.join("; "))
    }
}

impl std::error::Error for BuildError {}
