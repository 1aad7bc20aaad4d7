//! The interface between the sender and SQS, without AWS types.

use std::error::Error;
use std::fmt;
use std::pin::Pin;
use std::sync::Arc;

/// A message in the form in which it is sent to the queue.
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
    /// Refused for a permanent reason that is not about the message: a permission, a key, or
    /// the queue.
    Denied(RequestError),
}

impl EntryResult {
    /// Returns the result of an entry that the response does not contain. SQS may or may not
    /// have accepted it, so it is sent again.
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

/// Why a request as a whole failed, after the retries of the AWS SDK.
///
/// `Display` is one line: the operation, the queue, its region or endpoint, and the
/// cause. It contains no payload.
///
/// # Examples
///
/// ```
/// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/doc/setup.rs"));
/// # example!(fn main(sdk, recorder) {
/// # use domain_events::testing::Fault;
/// use domain_events::EmitError;
///
/// # recorder.inject(Fault::Unavailable);
/// let error = sdk.emit(OrderPlaced { order_id: 7, cents: 4990 }).await.unwrap_err();
/// if let EmitError::Request { error, .. } = error {
///     assert!(error.is_retryable() && !error.is_credentials());
///     println!("{error}, code {:?}", error.code());
/// }
/// # });
/// ```
#[derive(Debug, Clone)]
pub struct RequestError {
    kind: RequestErrorKind,
    code: Option<Arc<str>>,
    text: Arc<str>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RequestErrorKind {
    /// The messages together are more than the endpoint accepts.
    TooLong,
    /// Throttled, timed out, not connected, or a failure of SQS.
    Unavailable,
    /// The credentials are missing, invalid or expired.
    Credentials,
    /// Refused for another permanent reason: a permission, the queue, the endpoint.
    Denied,
}

impl RequestError {
    /// `queue` is the queue as errors name it, `cause` a sentence without payload.
    pub(crate) fn new(kind: RequestErrorKind, queue: &str, cause: impl fmt::Display) -> Self {
        Self {
            kind,
            code: None,
            text: format!("SendMessageBatch to queue {queue} failed: {cause}").into(),
        }
    }

    pub(crate) fn with_code(self, code: Option<&str>) -> Self {
        Self {
            code: code.map(Arc::from),
            ..self
        }
    }

    pub(crate) fn kind(&self) -> RequestErrorKind {
        self.kind
    }

    /// Returns true if the same request may succeed later without a change by an operator,
    /// because SQS could not be reached, limited the rate, or failed.
    pub fn is_retryable(&self) -> bool {
        self.kind == RequestErrorKind::Unavailable
    }

    /// Returns true if the AWS credentials are missing, invalid or expired.
    pub fn is_credentials(&self) -> bool {
        self.kind == RequestErrorKind::Credentials
    }

    /// Returns the error code of SQS, if it responded with one.
    pub fn code(&self) -> Option<&str> {
        self.code.as_deref()
    }
}

impl fmt::Display for RequestError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl Error for RequestError {}
