//! The only file that calls SQS.

use std::sync::LazyLock;
use std::time::Duration;

use aws_config::SdkConfig;
use aws_credential_types::provider::ProvideCredentials as _;
use aws_sdk_sqs::Client;
use aws_sdk_sqs::config::retry::RetryConfig;
use aws_sdk_sqs::config::{Region, StalledStreamProtectionConfig};
use aws_sdk_sqs::error::SdkError;
use aws_sdk_sqs::operation::send_message_batch::{
    SendMessageBatch, SendMessageBatchError, SendMessageBatchOutput,
};
use aws_smithy_runtime_api::client::interceptors::context::Output;
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_types::config_bag::FrozenLayer;

use crate::aws::{self, AwsFailure};
use crate::exchange::{self, RequestBody, ResponseBody};
use crate::publisher::transport::{
    EntryResult, Message, RequestError, RequestErrorKind, SendFuture, Transport,
};
use crate::queue_url::{self, QueueUrl};

mod body;

/// The AWS SDK's configuration of the operation `SendMessageBatch`.
static OPERATION: LazyLock<FrozenLayer> =
    LazyLock::new(|| exchange::operation(&SendMessageBatch::new()));

/// The output that the AWS SDK returns. Its lists are required.
#[expect(clippy::expect_used, reason = "all required fields are set")]
fn empty_output() -> Output {
    let output = SendMessageBatchOutput::builder()
        .set_successful(Some(Vec::new()))
        .set_failed(Some(Vec::new()))
        .build();
    Output::erase(output.expect("both lists are set"))
}

/// The names of the entries of a request, by their position.
const ENTRY_IDS: [&str; 10] = ["0", "1", "2", "3", "4", "5", "6", "7", "8", "9"];
/// How long the start may wait for credentials. If the provider is slower than this, the
/// start continues without an error.
const CREDENTIALS_TIMEOUT: Duration = Duration::from_secs(5);

/// An SQS queue.
#[derive(Debug)]
pub(crate) struct SqsQueue {
    client: Client,
    url: QueueUrl,
    /// The name of the queue in error messages.
    label: String,
}

impl SqsQueue {
    pub(crate) fn new(client: Client, url: QueueUrl) -> Self {
        Self {
            label: url.to_string(),
            client,
            url,
        }
    }

    async fn request(&self, messages: Vec<Message>) -> Result<Vec<EntryResult>, RequestError> {
        let count = messages.len();
        let body = RequestBody::new(body::of_request(&self.url, &messages));
        drop(messages);
        let results = ResponseBody::new(OPERATION.clone(), body::results, empty_output);
        let request = self.client.send_message_batch().customize();
        let request = request.interceptor(body).interceptor(results.clone());
        match request.send().await {
            // Without results, it is unknown which entries SQS has accepted.
            Ok(_) => results
                .take()
                .map(|results| self.results(results, count))
                .ok_or_else(|| self.error(&AwsFailure::Response { status: 200 })),
            Err(error) => Err(self.request_error(&error)),
        }
    }

    /// The result of each entry. A response with HTTP status 200 may contain failed entries:
    /// each entry has its own result, and the results may be in any order.
    fn results(&self, results: body::Results, count: usize) -> Vec<EntryResult> {
        let mut ordered: Vec<Option<EntryResult>> = vec![None; count];
        let mut put = |id: &str, result: EntryResult| {
            let position = ENTRY_IDS.iter().position(|known| *known == id);
            if let Some(slot) = position.and_then(|position| ordered.get_mut(position)) {
                *slot = Some(result);
            }
        };
        for entry in results.successful.into_iter().flatten() {
            let result = EntryResult::Accepted {
                message_id: entry.message_id,
                sequence_number: entry.sequence_number,
            };
            put(&entry.id, result);
        }
        for entry in results.failed.into_iter().flatten() {
            let failure = AwsFailure::service(400, &entry.code, entry.message.as_deref());
            // SQS also sets `SenderFault` for throttling, although a retry can succeed.
            let permanent = entry.sender_fault && !failure.is_throttled();
            let result = if permanent && (is_denied(&entry.code) || failure.is_credentials()) {
                EntryResult::Denied(self.error(&failure))
            } else if let AwsFailure::Service { code, message, .. } = failure {
                EntryResult::Refused {
                    code,
                    reason: message,
                    sender_fault: permanent,
                }
            } else {
                EntryResult::missing()
            };
            put(&entry.id, result);
        }
        ordered
            .into_iter()
            .map(|result| result.unwrap_or_else(EntryResult::missing))
            .collect()
    }

    fn request_error(&self, error: &SdkError<SendMessageBatchError, HttpResponse>) -> RequestError {
        self.error(&AwsFailure::new(error))
    }

    fn error(&self, failure: &AwsFailure) -> RequestError {
        let code = failure.code();
        let kind = if code.is_some_and(|code| code.contains("BatchRequestTooLong")) {
            RequestErrorKind::TooLong
        } else if failure.is_credentials() {
            RequestErrorKind::Credentials
        } else if failure.is_transient() {
            RequestErrorKind::Unavailable
        } else {
            RequestErrorKind::Denied
        };
        let cause = match failure.queue_remedy("sqs:SendMessage") {
            Some(remedy) => format!("{failure}; {remedy}"),
            None => failure.to_string(),
        };
        RequestError::new(kind, &self.label, cause).with_code(code)
    }
}

impl Transport for SqsQueue {
    fn send(&self, messages: Vec<Message>) -> SendFuture<'_> {
        Box::pin(self.request(messages))
    }
}

/// Whether an error code is about the permissions, the queue's key or the queue itself, and
/// not about the message (API reference, "SendMessage", "Errors", and "Common Errors").
fn is_denied(code: &str) -> bool {
    [
        "AccessDenied",
        "NotAuthorized",
        "InvalidSecurity",
        "OptInRequired",
        "Kms",
        "KMS",
        "NonExistentQueue",
        "QueueDoesNotExist",
    ]
    .iter()
    .any(|word| code.contains(word))
}

/// Creates a client for the queue, with the environment variables and files that every AWS
/// SDK reads. The URL of the queue determines the region and, unless an endpoint is
/// configured, the host.
///
/// # Errors
///
/// Returns all problems of the configuration, one sentence for each.
pub async fn client(url: &QueueUrl) -> Result<Client, Vec<String>> {
    let mut loader = aws_config::defaults(aws::behavior_version())
        .retry_config(RetryConfig::standard().with_max_attempts(3))
        .timeout_config(aws::timeouts())
        // Stalled-stream protection also counts the time in which the process of a Lambda
        // function is frozen. The timeouts above replace it.
        .stalled_stream_protection(StalledStreamProtectionConfig::disabled());
    if let Some(region) = url.region() {
        report_other_region(region);
        loader = loader.region(Region::new(region.to_owned()));
    }
    let config = loader.load().await;
    let mut problems = Vec::new();
    if config.region().is_none() {
        problems.push(format!(
            "no AWS region is known: the queue URL {} does not name one; set AWS_REGION",
            queue_url::quoted(url.as_str()),
        ));
    }
    let mut builder = aws_sdk_sqs::config::Builder::from(&config);
    match aws::configured_sqs_endpoint(&config) {
        Some(endpoint) => {
            if let Err(reason) = queue_url::check_endpoint(&endpoint) {
                problems.push(format!(
                    "the endpoint of SQS (AWS_ENDPOINT_URL_SQS, AWS_ENDPOINT_URL or \
                     endpoint_url in the profile) is {}: {reason}",
                    queue_url::quoted(&endpoint),
                ));
            }
        }
        None => {
            if let Some(endpoint) = url.endpoint() {
                builder.set_endpoint_url(Some(endpoint.to_owned()));
                // The host is already fixed, and the AWS SDK refuses these settings
                // together with an endpoint.
                builder.set_use_fips(None);
                builder.set_use_dual_stack(None);
            }
        }
    }
    if problems.is_empty()
        && let Err(problem) = check_credentials(&config).await
    {
        problems.push(problem);
    }
    match problems.is_empty() {
        true => Ok(Client::from_conf(builder.build())),
        false => Err(problems),
    }
}

/// Logs a warning if the environment names a different region than the queue's URL. The
/// client uses the region of the URL, but the difference may be a mistake.
fn report_other_region(region: &str) {
    for name in ["AWS_REGION", "AWS_DEFAULT_REGION"] {
        if let Ok(other) = std::env::var(name)
            && !other.is_empty()
        {
            if other != region {
                tracing::warn!(
                    queue_region = region,
                    variable = name,
                    value = other,
                    "the region of the queue's URL differs from the environment; using the \
                     region of the URL"
                );
            }
            return;
        }
    }
}

/// Loads the credentials once, so that a missing configuration fails at the start. A
/// provider that fails for another reason may work later.
async fn check_credentials(config: &SdkConfig) -> Result<(), String> {
    let provider = config.credentials_provider();
    let provider = provider.ok_or_else(|| "no provider of AWS credentials is set".to_owned())?;
    let loaded = tokio::time::timeout(CREDENTIALS_TIMEOUT, provider.provide_credentials()).await;
    match loaded {
        Ok(Err(error)) => match AwsFailure::of_missing_credentials(&error) {
            Some(failure) => Err(failure.to_string()),
            None => Ok(()),
        },
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entry_is_refused_only_for_its_own_fault() {
        let config = aws_sdk_sqs::Config::builder()
            .behavior_version(aws::behavior_version())
            .build();
        let url = QueueUrl::parse("http://localhost/1/orders").unwrap();
        let queue = SqsQueue::new(Client::from_conf(config), url);
        let check = |code: &str, sender_fault: bool, expected: &str| {
            let response = format!(
                r#"{{"Failed":[{{"Id":"0","Code":"{code}","SenderFault":{sender_fault}}}]}}"#
            );
            let results = body::results(&response).unwrap();
            let found = match &queue.results(results, 1)[0] {
                EntryResult::Refused {
                    sender_fault: true, ..
                } => "refused",
                EntryResult::Refused { .. } => "again",
                EntryResult::Denied(_) => "denied",
                EntryResult::Accepted { .. } => "accepted",
            };
            assert_eq!(found, expected, "{code}");
        };
        check("InvalidMessageContents", true, "refused");
        check("InvalidParameterValue", true, "refused");
        check("InternalError", false, "again");
        for code in ["RequestThrottled", "ThrottlingException", "KmsThrottled"] {
            check(code, true, "again");
            check(code, false, "again");
        }
        for code in ["AccessDenied", "KmsAccessDenied", "KMS.DisabledException"] {
            check(code, true, "denied");
        }
    }
}
