//! Describes why an AWS request failed.
//!
//! The error texts of the AWS SDK may quote the request, including the payload: for example,
//! if an endpoint has no scheme, the error prints the body. This module therefore does not use
//! these texts. It determines the kind of failure from the types, and keeps only the code and
//! the message that the service returned.

use std::error::Error;
use std::fmt;
use std::io;
use std::time::Duration;

use aws_credential_types::provider::error::CredentialsError;
use aws_smithy_runtime_api::client::behavior_version::BehaviorVersion;
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use aws_smithy_types::timeout::TimeoutConfig;
use aws_types::SdkConfig;
use aws_types::service_config::ServiceConfigKey;

use crate::error::is_unsafe_to_print;

/// The timeout for connecting to an endpoint.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);
/// The timeout of one attempt of a request. Both services usually respond within tens of
/// milliseconds.
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(10);
/// The timeout of a request with all its attempts.
const OPERATION_TIMEOUT: Duration = Duration::from_secs(30);
/// The maximum length of a service's message, in bytes. The rest is cut off.
const MAX_MESSAGE_BYTES: usize = 300;

/// Returns the timeouts of every client that this project creates. Without timeouts, a
/// connection that a firewall has dropped blocks its caller forever.
pub fn timeouts() -> TimeoutConfig {
    TimeoutConfig::builder()
        .connect_timeout(CONNECT_TIMEOUT)
        .operation_attempt_timeout(ATTEMPT_TIMEOUT)
        .operation_timeout(OPERATION_TIMEOUT)
        .build()
}

/// Returns the version of the AWS SDK's defaults with which this project was tested. The
/// version is fixed, so that an update of a dependency does not change the behaviour of a
/// deployed service.
pub fn behavior_version() -> BehaviorVersion {
    BehaviorVersion::v2026_01_12()
}

/// The endpoint of SQS from the environment or the profile, as the client reads it.
pub fn configured_sqs_endpoint(config: &SdkConfig) -> Option<String> {
    let key = ServiceConfigKey::builder()
        .service_id("SQS")
        .env("AWS_ENDPOINT_URL")
        .profile("endpoint_url")
        .build()
        .ok()?;
    let service = config.service_config();
    service
        .and_then(|service| service.load_config(key))
        .or_else(|| config.endpoint_url().map(str::to_owned))
}

/// Why a request to an AWS service failed.
///
/// `Display` prints one line without payload. It does not name the operation and the object,
/// because the caller knows them and prints them before this text.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum AwsFailure {
    /// No credentials are configured, or their provider failed.
    Credentials(&'static str),
    /// The endpoint did not respond in time.
    Timeout,
    /// The connection to the endpoint could not be established, or was lost.
    Connection(Option<io::ErrorKind>),
    /// The service responded with an error.
    Service {
        /// HTTP status.
        status: u16,
        /// The service's error code, `AccessDeniedException` for example.
        code: String,
        /// The service's message. `…` replaces the first value that it quotes, and what follows.
        message: String,
    },
    /// The response does not come from the service, for example because a proxy responded, or
    /// it is truncated.
    Response {
        /// HTTP status.
        status: u16,
    },
    /// The AWS SDK could not build the request, for example because the endpoint is
    /// not a URL.
    Request,
}

impl AwsFailure {
    /// Describes an error of an AWS client.
    pub fn new<E>(error: &SdkError<E, HttpResponse>) -> Self
    where
        E: ProvideErrorMetadata + Error + 'static,
    {
        if let Some(credentials) = cause::<CredentialsError>(error) {
            return Self::of_credentials(credentials);
        }
        match error {
            SdkError::TimeoutError(_) => Self::Timeout,
            SdkError::DispatchFailure(failure) if failure.is_timeout() => Self::Timeout,
            SdkError::DispatchFailure(failure) if failure.is_user() => Self::Request,
            SdkError::DispatchFailure(_) => Self::of_client(error).unwrap_or_else(|| {
                Self::Connection(cause::<io::Error>(error).map(io::Error::kind))
            }),
            SdkError::ServiceError(service) => {
                let status = service.raw().status().as_u16();
                match service.err().code() {
                    Some(code) => Self::service(status, code, service.err().message()),
                    None => Self::Response { status },
                }
            }
            SdkError::ResponseError(response) => Self::Response {
                status: response.raw().status().as_u16(),
            },
            _ => Self::Request,
        }
    }

    /// An error that the service returned, for a request or for a part of it.
    pub(crate) fn service(status: u16, code: &str, message: Option<&str>) -> Self {
        Self::Service {
            status,
            code: bounded(code),
            message: bounded(&without_quotations(message.unwrap_or_default())),
        }
    }

    /// A fault in the configuration of the client. The AWS SDK reports it like a failed
    /// connection, with types that are not public, so that only the beginning of the text
    /// identifies it. Any other text counts as a failed connection, which may be temporary.
    fn of_client(error: &(dyn Error + 'static)) -> Option<Self> {
        /// The rest of these texts may quote the request.
        const INVALID: [&str; 3] = [
            "failed to apply endpoint",
            "Invalid Configuration: ",
            "unsupported scheme",
        ];
        causes(error).find_map(|cause| {
            let text = cause.to_string();
            if text.starts_with("failed to select an auth scheme") {
                return Some(Self::Credentials(
                    "the AWS client has no provider of credentials",
                ));
            }
            let invalid = INVALID.iter().any(|beginning| text.starts_with(beginning));
            invalid.then_some(Self::Request)
        })
    }

    /// Reads the facts from an error of a credentials provider.
    pub(crate) fn of_credentials(error: &CredentialsError) -> Self {
        Self::Credentials(match error {
            CredentialsError::CredentialsNotLoaded(_) => "no AWS credentials were found",
            CredentialsError::ProviderTimedOut(_) => {
                "the provider of AWS credentials did not respond in time"
            }
            CredentialsError::InvalidConfiguration(_) => {
                "the configuration of the AWS credentials is invalid"
            }
            _ => "the provider of AWS credentials failed",
        })
    }

    /// The facts of an error that says that no credentials are configured, or invalid ones.
    /// `None` for a provider that failed for another reason: it may work later.
    pub fn of_missing_credentials(error: &CredentialsError) -> Option<Self> {
        matches!(
            error,
            CredentialsError::CredentialsNotLoaded(_) | CredentialsError::InvalidConfiguration(_)
        )
        .then(|| Self::of_credentials(error))
    }

    /// The service's error code, if the service responded with one.
    pub fn code(&self) -> Option<&str> {
        match self {
            Self::Service { code, .. } => Some(code),
            _ => None,
        }
    }

    /// Returns true if the service limited the rate of requests.
    pub fn is_throttled(&self) -> bool {
        let throttled = |code: &str| {
            [
                "Throttl",
                "TooManyRequests",
                "SlowDown",
                "RequestLimitExceeded",
                "ProvisionedThroughputExceeded",
            ]
            .iter()
            .any(|word| code.contains(word))
        };
        self.code().is_some_and(throttled)
            || matches!(
                self,
                Self::Service { status: 429, .. } | Self::Response { status: 429 }
            )
    }

    /// Returns true if the credentials are missing, invalid or expired.
    pub fn is_credentials(&self) -> bool {
        matches!(self, Self::Credentials(_))
            || self.code().is_some_and(|code| {
                [
                    "ExpiredToken",
                    "InvalidClientTokenId",
                    "UnrecognizedClient",
                    "InvalidSignature",
                    "SignatureDoesNotMatch",
                    "InvalidAccessKeyId",
                    "MissingAuthenticationToken",
                    "IncompleteSignature",
                ]
                .iter()
                .any(|word| code.contains(word))
            })
    }

    /// What to do next about a request to an SQS queue, for the end of an error message.
    /// `action` is the IAM action of the request. It is `None` if `Display` says so itself.
    pub fn queue_remedy(&self, action: &str) -> Option<String> {
        let has = |words: &[&str]| {
            self.code()
                .is_some_and(|code| words.iter().any(|word| code.contains(word)))
        };
        if self.is_throttled() {
            return Some("try again later".to_owned());
        }
        let text = match self {
            Self::Credentials(_) | Self::Request | Self::Response { .. } => return None,
            Self::Timeout | Self::Connection(_) => {
                "try again; if it persists, check the network, the queue URL and AWS_ENDPOINT_URL_SQS"
            }
            Self::Service { .. } if self.is_credentials() => {
                "renew the AWS credentials, or check which ones the process uses"
            }
            Self::Service { .. } if has(&["NonExistentQueue", "QueueDoesNotExist"]) => {
                "check the queue URL, its region, and the account of the AWS credentials"
            }
            Self::Service { .. } if has(&["Kms", "KMS"]) => {
                "check the queue's KMS key, and that its policy permits these AWS credentials"
            }
            Self::Service { .. } if has(&["AccessDenied", "NotAuthorized", "InvalidSecurity"]) => {
                return Some(format!(
                    "grant {action} on the queue to these AWS credentials"
                ));
            }
            Self::Service { status, .. } if *status >= 500 => "try again later",
            Self::Service { .. } => "look the code up in the SQS API reference",
        };
        Some(text.to_owned())
    }

    /// Returns true if the same request may succeed later without a change by an operator.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Timeout | Self::Connection(_) => true,
            Self::Service { status, .. } => {
                !self.is_credentials() && (*status >= 500 || self.is_throttled())
            }
            // The response is truncated, or is the error page of a gateway.
            Self::Response { status } => *status >= 500 || *status < 300 || *status == 429,
            Self::Credentials(_) | Self::Request => false,
        }
    }
}

impl fmt::Display for AwsFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Credentials(what) => write!(
                f,
                "{what}; set AWS_PROFILE, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or give the process a role"
            ),
            Self::Timeout => f.write_str("the endpoint did not respond in time"),
            Self::Connection(None) => f.write_str("there is no connection to the endpoint"),
            Self::Connection(Some(kind)) => {
                write!(f, "there is no connection to the endpoint: {kind}")
            }
            Self::Service { code, message, .. } if message.is_empty() => f.write_str(code),
            // The remedy follows after this text.
            Self::Service { code, message, .. } => {
                write!(f, "{code}: {}", message.trim_end_matches('.'))
            }
            Self::Response { status } => write!(
                f,
                "the response (HTTP {status}) is not one of the AWS service; check the endpoint and proxies"
            ),
            Self::Request => f.write_str(
                "the AWS SDK could not build the request; check that the endpoint is a URL and that a region is set",
            ),
        }
    }
}

impl Error for AwsFailure {}

/// The error and its causes.
fn causes<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    std::iter::successors(Some(error), |error| (**error).source())
}

/// The first cause of this type.
fn cause<'a, T: Error + 'static>(error: &'a (dyn Error + 'static)) -> Option<&'a T> {
    causes(error).find_map(|error| error.downcast_ref::<T>())
}

/// Returns a message of a service with `…` in place of the first value that it quotes and
/// everything after it. A service may quote the request, as in `Value '[…]' at 'entries' failed
/// to satisfy constraint` and `Value … for parameter MessageBody is invalid`, and the request
/// contains events. The end of a quoted value is unknown, because it may contain any text and may
/// be cut off.
fn without_quotations(message: &str) -> String {
    const VALUE: &str = "Value ";
    let value = message.find(VALUE).map(|at| at + VALUE.len());
    match value.into_iter().chain(quotation(message)).min() {
        Some(start) => format!("{}…", &message[..start]),
        None => message.to_owned(),
    }
}

/// The offset of the first opening quotation mark or bracket.
fn quotation(text: &str) -> Option<usize> {
    const OPENING: [char; 8] = ['\'', '"', '`', '{', '[', '<', '\u{201c}', '\u{2018}'];
    // A mark within a word is an apostrophe or belongs to an index.
    let mut is_in_word = false;
    let (start, _) = text.char_indices().find(|(_, c)| {
        let is_opening = OPENING.contains(c) && !is_in_word;
        is_in_word = c.is_alphanumeric();
        is_opening
    })?;
    Some(start)
}

/// Returns a text of the service with a limited length and without control characters.
fn bounded(text: &str) -> String {
    let end = text.floor_char_boundary(MAX_MESSAGE_BYTES);
    text[..end]
        .chars()
        .map(|c| if is_unsafe_to_print(c) { ' ' } else { c })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn service_text_is_bounded_and_printable() {
        assert_eq!(bounded("a\u{9b}b\nc"), "a b c");
        assert_eq!(bounded(&"é".repeat(400)).len(), 300);
    }

    #[test]
    fn message_does_not_quote_the_request() {
        for (message, expected) in [
            (
                "Value '[{\"a\":'secret'}]' at 'entries.1.member.messageBody' failed to satisfy constraint",
                "Value …",
            ),
            (
                "Value sec ret for parameter MessageBody is invalid. Reason: x",
                "Value …",
            ),
            // The value itself contains the words that follow a value.
            ("Value a for parameter secret", "Value …"),
            ("Entry 'secret' is invalid. Value a", "Entry …"),
            (
                "Value a for parameter b is invalid. Reason: 'secret'",
                "Value …",
            ),
            (
                "Unexpected token “secret”: expected null",
                "Unexpected token …",
            ),
            ("Value secret", "Value …"),
            ("cannot parse {\"Data\":{\"a\":\"sec", "cannot parse …"),
            ("invalid item: [secret, `secret`].", "invalid item: …"),
            // Nothing is quoted.
            (
                "The queue's key doesn't exist",
                "The queue's key doesn't exist",
            ),
            (
                "User: arn:aws:iam::1:user/a is not authorized to perform: sqs:sendmessage",
                "User: arn:aws:iam::1:user/a is not authorized to perform: sqs:sendmessage",
            ),
            ("statements[0] is refused", "statements[0] is refused"),
            ("", ""),
        ] {
            let AwsFailure::Service { message, .. } = AwsFailure::service(400, "x", Some(message))
            else {
                panic!("{message}");
            };
            assert_eq!(message, expected);
        }
    }

    #[test]
    fn expired_token_is_not_transient() {
        let failure = |status, code: &str| AwsFailure::Service {
            status,
            code: code.to_owned(),
            message: String::new(),
        };
        assert!(failure(403, "ExpiredTokenException").is_credentials());
        assert!(!failure(403, "ExpiredTokenException").is_transient());
        assert!(failure(400, "ThrottlingException").is_transient());
        assert!(failure(503, "ServiceUnavailable").is_transient());
        assert!(!failure(400, "AWS.SimpleQueueService.NonExistentQueue").is_transient());
    }

    #[test]
    fn unreadable_response_of_a_gateway_is_transient() {
        for (status, expected) in [
            (200, true),
            (302, false),
            (403, false),
            (404, false),
            (429, true),
            (500, true),
            (502, true),
        ] {
            let failure = AwsFailure::Response { status };
            assert_eq!(failure.is_transient(), expected, "{status}");
        }
    }
}
