//! The interface between the sender and SQS, without AWS types.

use std::error::Error;
use std::fmt;
use std::pin::Pin;
use std::sync::Arc;

/// A message as it is sent to the queue.
#[derive(Debug, Clone)]
pub(crate) struct Message {
    pub(crate) body: String,
    pub(crate) group: Option<Arc<str>>,
    pub(crate) deduplication: Option<String>,
}

/// The result of one entry of a request: SQS's "result entry".
#[derive(Debug, Clone)]
pub(crate) enum EntryResult {
    Accepted {
        message_id: String,
        sequence_number: Option<String>,
    },
    Refused {
        code: String,
        reason: String,
        /// SQS would refuse it again.
        sender_fault: bool,
    },
    /// Refused for a permanent reason that does not concern the message: a
    /// permission, a key, the queue.
    Denied(RequestError),
}

impl EntryResult {
    /// The result of an entry that the response does not contain. SQS may or may
    /// not have accepted it, so it is sent again.
    pub(crate) fn missing() -> Self {
        Self::Refused {
            code: "NoAnswer".to_owned(),
            reason: "the response did not contain a result for the entry".to_owned(),
            sender_fault: false,
        }
    }
}

pub(crate) type SendFuture<'a> =
    Pin<Box<dyn Future<Output = Result<Vec<EntryResult>, RequestError>> + Send + 'a>>;

/// Sends messages in one request, which the implementation may retry.
pub(crate) trait Transport: Send + Sync + fmt::Debug {
    /// Returns one result per message, in the same order.
    fn send(&self, messages: Vec<Message>) -> SendFuture<'_>;
}

/// Why a request as a whole failed, after the AWS SDK's own retries.
#[derive(Debug, Clone)]
pub struct RequestError {
    kind: RequestErrorKind,
    source: Arc<dyn Error + Send + Sync>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RequestErrorKind {
    /// The messages together are more than the endpoint takes.
    TooLong,
    /// Throttled, timed out, not reached, or SQS's own fault.
    Unavailable,
    /// Refused for a reason that stays: permission, queue, credentials.
    Denied,
}

impl RequestError {
    pub(crate) fn new(
        kind: RequestErrorKind,
        source: impl Into<Box<dyn Error + Send + Sync>>,
    ) -> Self {
        Self {
            kind,
            source: Arc::from(source.into()),
        }
    }

    pub(crate) fn kind(&self) -> RequestErrorKind {
        self.kind
    }

    /// Whether the cause may pass by itself: SQS not reached, busy or broken.
    /// `false` where somebody has to change something, say a permission.
    pub fn is_retryable(&self) -> bool {
        self.kind == RequestErrorKind::Unavailable
    }
}

impl fmt::Display for RequestError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.kind {
            RequestErrorKind::TooLong => "the request is longer than the queue's endpoint takes",
            RequestErrorKind::Unavailable => "SQS could not be reached or did not answer in time",
            RequestErrorKind::Denied => "SQS refused the request",
        })
    }
}

impl Error for RequestError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&*self.source)
    }
}
