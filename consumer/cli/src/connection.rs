//! The AWS clients of the commands, from the same environment as every AWS SDK.

use aws_config::SdkConfig;
use aws_credential_types::provider::ProvideCredentials as _;
use aws_sdk_sqs::Client;
use domain_events::__internals::{
    AwsFailure, QueueUrl, check_endpoint, is_table_name, quoted, sqs_client,
};
use domain_events_consumer::__internals;

use crate::Failure;

/// The variables from which the AWS clients read their endpoints.
const ENDPOINTS: [&str; 4] = [
    "AWS_ENDPOINT_URL",
    "AWS_ENDPOINT_URL_SQS",
    "AWS_ENDPOINT_URL_DYNAMODB",
    "AWS_ENDPOINT_URL_LAMBDA",
];

/// Loads region, credentials and endpoints from the environment.
///
/// # Errors
///
/// [`Failure::Usage`] if no region is set, an endpoint is not a URL, or there are no
/// credentials.
///
/// # Cancel safety
///
/// Dropping the future leaves nothing behind.
pub async fn load() -> Result<SdkConfig, Failure> {
    // For a malformed endpoint, the AWS clients would only report a failed connection.
    for name in ENDPOINTS {
        let endpoint = std::env::var(name).unwrap_or_default();
        if !endpoint.is_empty()
            && let Err(reason) = check_endpoint(&endpoint)
        {
            return Err(Failure::Usage(format!(
                "{name} is {}: {reason}",
                quoted(&endpoint)
            )));
        }
    }
    let config = __internals::load().await;
    if config.region().is_none() {
        return Err(Failure::Usage(
            "no AWS region is set; set AWS_REGION, choose a profile with one (AWS_PROFILE), or give --env-file"
                .to_owned(),
        ));
    }
    // Other errors of the provider may be temporary. If not, the request reports them.
    if let Some(provider) = config.credentials_provider()
        && let Err(error) = provider.provide_credentials().await
        && let Some(failure) = AwsFailure::of_missing_credentials(&error)
    {
        return Err(Failure::Usage(failure.to_string()));
    }
    Ok(config)
}

/// Checks the name of a table. `setting` names the option and the variable that set it.
///
/// # Errors
///
/// [`Failure::Usage`] if DynamoDB does not accept the name.
pub fn table_name(name: String, setting: &str) -> Result<String, Failure> {
    if is_table_name(&name) {
        return Ok(name);
    }
    Err(Failure::Usage(format!(
        "{setting} is {}; set it to the name of the DynamoDB table, 3 to 255 of the characters a-z, A-Z, 0-9, `_`, `-` and `.`",
        quoted(&name)
    )))
}

/// A queue from the arguments of a command, with a client for its region.
#[derive(Debug, Clone)]
pub struct Queue {
    client: Client,
    url: QueueUrl,
}

impl Queue {
    /// Opens the queue with this URL. `setting` names the option and the variable that set it.
    ///
    /// # Errors
    ///
    /// [`Failure::Usage`] with every problem of the URL and of the AWS configuration.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future leaves nothing behind.
    pub async fn open(url: &str, setting: &str) -> Result<Self, Failure> {
        let url = QueueUrl::parse(url)
            .map_err(|reason| Failure::Usage(format!("{setting} is {}: {reason}", quoted(url))))?;
        match sqs_client(&url).await {
            Ok(client) => Ok(Self { client, url }),
            Err(problems) => Err(Failure::Usage(format!(
                "cannot use the queue {url}: {}",
                problems.join("; ")
            ))),
        }
    }

    /// Opens the queue with this URL in another set-up than the one in the environment.
    /// Requests go to the host of the URL, even if AWS_ENDPOINT_URL names another host. The
    /// queues of two set-ups often have the same name, so an endpoint from the environment
    /// would accept the messages for the wrong queue.
    ///
    /// # Errors
    ///
    /// As for [`Self::open`].
    ///
    /// # Cancel safety
    ///
    /// Dropping the future leaves nothing behind.
    pub async fn open_elsewhere(url: &str, setting: &str) -> Result<Self, Failure> {
        let Self { mut client, url } = Self::open(url, setting).await?;
        if let Some(endpoint) = url.endpoint() {
            let mut config = client.config().to_builder().endpoint_url(endpoint);
            // The AWS SDK refuses these settings together with an endpoint.
            config.set_use_fips(None).set_use_dual_stack(None);
            client = Client::from_conf(config.build());
        }
        Ok(Self { client, url })
    }

    /// Returns a client for the queue's region.
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// Returns the queue's URL.
    pub fn url(&self) -> &str {
        self.url.as_str()
    }

    /// Returns the queue's name, with its region or endpoint.
    pub fn label(&self) -> String {
        self.url.to_string()
    }

    /// Returns true if this is a FIFO queue.
    pub fn is_fifo(&self) -> bool {
        self.url.is_fifo()
    }

    /// Returns the failure for a request to this queue that failed while `doing`. `action` is
    /// the IAM action of the request.
    pub fn failed(&self, doing: &str, action: &str, failure: &AwsFailure) -> Failure {
        let remedy = failure
            .queue_remedy(action)
            .map(|remedy| format!("; {remedy}"));
        Failure::Environment(format!(
            "{doing} the queue {} failed: {failure}{}",
            self.url,
            remedy.unwrap_or_default()
        ))
    }
}

/// Returns the last part of a queue URL, for messages.
pub fn queue_name(url: &str) -> &str {
    url.rsplit('/').next().unwrap_or(url)
}
