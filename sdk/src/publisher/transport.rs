//! The seam between the sender and SQS. No AWS types.

use std::error::Error;
use std::fmt;
use std::pin::Pin;
use std::sync::Arc;

/// A message as it goes to the queue.
#[derive(Debug, Clone)]
pub(crate) struct Message {
    pub(crate) body: String,
    pub(crate) group: Option<Arc<str>>,
    pub(crate) deduplication: Option<String>,
}

/// What became of one message of a request.
#[derive(Debug, Clone)]
pub(crate) enum Answer {
    Accepted {
        message_id: String,
        sequence_number: Option<String>,
    },
    Refused {
        code: String,
        reason: String,
        /// It would be refused again.
        sender_fault: bool,
    },
    /// Refused for a reason that stays and is none of the message: permission,
    /// key, queue.
    Denied { code: String, reason: String },
}

pub(crate) type Sending<'a> =
    Pin<Box<dyn Future<Output = Result<Vec<Answer>, RequestError>> + Send + 'a>>;

/// Sends messages: one request, however often it has to be repeated on the way.
pub(crate) trait Transport: Send + Sync + fmt::Debug {
    /// One answer per message, in their order.
    fn send(&self, messages: Vec<Message>) -> Sending<'_>;
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
