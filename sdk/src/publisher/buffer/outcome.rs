//! The outcome of a message, which all of its events share.

use std::sync::Arc;

use crate::publisher::buffer::pending::Pending;
use crate::publisher::error::EmitError;
#[cfg(feature = "spool")]
use crate::publisher::spool::error::SpoolError;
use crate::publisher::transport::{RequestError, RequestErrorKind};

/// The outcome of a message.
#[derive(Debug, Clone)]
pub(crate) enum MessageOutcome {
    Accepted {
        message_id: String,
        sequence_number: Option<String>,
    },
    Refused {
        code: String,
        reason: String,
    },
    RetriesExhausted {
        code: String,
        reason: String,
    },
    RequestFailed(RequestError),
    /// The event is on disk.
    #[cfg(feature = "spool")]
    Spooled,
    #[cfg(feature = "spool")]
    SpoolFailed(SpoolError),
    /// The publisher was shut down before it sent the message.
    ShutDown,
    /// The publisher was shut down while a request with the message was in flight.
    Interrupted,
}

impl MessageOutcome {
    /// Returns true if the same event may be accepted later without a change.
    #[cfg(feature = "spool")]
    pub(crate) fn is_transient(&self) -> bool {
        match self {
            Self::RetriesExhausted { .. } => true,
            Self::RequestFailed(error) => error.is_retryable(),
            _ => false,
        }
    }

    /// Returns true if the event is not the cause of the failure.
    #[cfg(feature = "spool")]
    pub(crate) fn is_transport_failure(&self) -> bool {
        match self {
            Self::RetriesExhausted { .. } => true,
            Self::RequestFailed(error) => error.kind() != RequestErrorKind::TooLong,
            _ => false,
        }
    }

    /// Sends the outcome to the caller that emitted `event`.
    pub(super) fn resolve(&self, event: Pending, queue: &Arc<str>) {
        let (message_bytes, attempts) = (event.bytes(), event.attempts);
        let queue = queue.clone();
        match self {
            Self::Accepted {
                message_id,
                sequence_number,
            } => event.accepted(message_id, sequence_number.as_deref()),
            Self::Refused { reason, .. } if is_size(reason) => {
                event.failed(|envelope| EmitError::TooLargeForQueue {
                    envelope,
                    queue,
                    message_bytes,
                    reason: reason.clone(),
                })
            }
            Self::Refused { code, reason } => event.failed(|envelope| EmitError::Refused {
                envelope,
                queue,
                code: code.clone(),
                reason: reason.clone(),
            }),
            Self::RetriesExhausted { code, reason } => {
                event.failed(|envelope| EmitError::RetriesExhausted {
                    envelope,
                    queue,
                    attempts,
                    code: code.clone(),
                    reason: reason.clone(),
                })
            }
            Self::RequestFailed(error) if error.kind() == RequestErrorKind::TooLong => event
                .failed(|envelope| EmitError::TooLargeForQueue {
                    envelope,
                    queue,
                    message_bytes,
                    reason: "the request was larger than the endpoint accepts".to_owned(),
                }),
            Self::RequestFailed(error) => event.failed(|envelope| EmitError::Request {
                envelope,
                error: error.clone(),
            }),
            #[cfg(feature = "spool")]
            Self::Spooled => event.spooled(),
            #[cfg(feature = "spool")]
            Self::SpoolFailed(error) => event.failed(|envelope| EmitError::Spool {
                envelope,
                error: error.clone(),
            }),
            Self::ShutDown => event.failed(|envelope| EmitError::ShutDown { envelope }),
            Self::Interrupted => event.failed(|envelope| EmitError::Interrupted { envelope }),
        }
    }
}

/// Returns true if the message exceeds the `MaximumMessageSize` of the queue. SQS has no error
/// code for this: it responds with `InvalidParameterValue` and "Message must be shorter than
/// 1024 bytes".
fn is_size(reason: &str) -> bool {
    reason.contains("must be shorter than")
}
