//! The checks of the worker before it receives its first message.

use std::fmt;

use aws_config::{Region, SdkConfig};
use aws_credential_types::provider::ProvideCredentials as _;
use aws_sdk_dynamodb::types::AttributeValue;
use aws_sdk_sqs::types::QueueAttributeName;
use domain_events::__internals::AwsFailure;

use crate::aws;
use crate::config::{QueueUrl, WorkerConfig};

/// The hash key of an item that the check reads. No item has this key.
const PROBE_ID: &str = "domain-events-startup-check";

/// Why the worker cannot start, with one line for each problem.
///
/// Only a problem that an operator has to correct is an error. An outage of SQS or
/// DynamoDB is logged, and the worker starts and retries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StartError(Vec<String>);

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the worker cannot start:")?;
        self.0
            .iter()
            .try_for_each(|problem| write!(f, "\n  - {problem}"))
    }
}

impl std::error::Error for StartError {}

/// Checks that both queues exist and that the table has the expected keys.
pub(super) async fn check(aws: &SdkConfig, config: &WorkerConfig) -> Result<(), StartError> {
    // Without a region, each request below would fail and its error would name a queue or
    // the table, which are not the cause.
    if aws.region().is_none() {
        return Err(StartError(vec![
            "no AWS region is set; set AWS_REGION to the region of the queue and the table"
                .to_owned(),
        ]));
    }
    if let Some(provider) = aws.credentials_provider()
        && let Err(error) = provider.provide_credentials().await
        && let Some(failure) = AwsFailure::of_missing_credentials(&error)
    {
        return Err(StartError(vec![failure.to_string()]));
    }
    let dead_letter_queue_url = &config.config.dead_letter_queue_url;
    let (queue, dead_letter_queue, table) = tokio::join!(
        check_queue(aws, "EVENT_QUEUE_URL", &config.queue_url),
        check_queue(aws, "DEAD_LETTER_QUEUE_URL", dead_letter_queue_url),
        check_table(aws, &config.config.table),
    );
    let problems: Vec<String> = [queue, dead_letter_queue, table]
        .into_iter()
        .flatten()
        .collect();
    match problems.is_empty() {
        true => Ok(()),
        false => Err(StartError(problems)),
    }
}

async fn check_queue(aws: &SdkConfig, variable: &str, url: &QueueUrl) -> Option<String> {
    let client = aws::sqs(aws, url);
    let region = client.config().region();
    if let Some(configured) = aws.region()
        && region != Some(configured)
    {
        tracing::warn!(
            queue = %url,
            configured = configured.as_ref(),
            "the region in {variable} differs from the configured region; the worker uses the \
             queue in the region of its URL"
        );
    }
    let request = client
        .get_queue_attributes()
        .queue_url(url.as_str())
        .attribute_names(QueueAttributeName::QueueArn);
    let error = request.send().await.err()?;
    let failure = AwsFailure::new(&error);
    let object = format!("the queue {} ({variable})", url.as_str());
    match failure.code() {
        Some(code) if code.contains("NonExistentQueue") || code.contains("QueueDoesNotExist") => {
            // Without an AWS host in the URL, AWS_REGION decides where the queue is looked for.
            let next = match url.region() {
                Some(_) => format!("create it, or correct {variable}"),
                None => format!("create it, or correct {variable} or AWS_REGION"),
            };
            Some(problem(region, &object, &failure, &next))
        }
        _ => problem_of_client(region, &object, &failure),
    }
}

async fn check_table(aws: &SdkConfig, table: &str) -> Option<String> {
    // `GetItem`, because the append needs the permission for it, too.
    let (client, _) = aws::dynamodb(aws);
    let request = client
        .get_item()
        .table_name(table)
        .key("ID", AttributeValue::S(PROBE_ID.to_owned()))
        .key("Timestamp", AttributeValue::N("0".to_owned()))
        .projection_expression("ID");
    let error = request.send().await.err()?;
    let region = aws.region();
    let failure = AwsFailure::new(&error);
    let object = format!("the table {table} (EVENT_TABLE)");
    match failure.code() {
        Some("ResourceNotFoundException") => {
            let next = "create it, or correct EVENT_TABLE or AWS_REGION";
            Some(problem(region, &object, &failure, next))
        }
        Some("ValidationException") => {
            let next = "use a table whose hash key is ID (a string) and whose sort key is Timestamp (a number)";
            Some(problem(region, &object, &failure, next))
        }
        Some("AccessDeniedException") => {
            let next = "allow dynamodb:GetItem and dynamodb:PartiQLInsert on the table";
            Some(problem(region, &object, &failure, next))
        }
        _ => problem_of_client(region, &object, &failure),
    }
}

/// Returns a problem of the client's configuration. Any other failure is only logged: it may be
/// temporary, or concern a permission that only this check needs.
fn problem_of_client(
    region: Option<&Region>,
    object: &str,
    failure: &AwsFailure,
) -> Option<String> {
    if failure.is_credentials() || *failure == AwsFailure::Request {
        let next = "check the AWS credentials and the AWS_ENDPOINT_URL variables of the process";
        return Some(problem(region, object, failure, next));
    }
    tracing::warn!(reason = %failure, "could not check {object} at start");
    None
}

fn problem(region: Option<&Region>, object: &str, failure: &AwsFailure, next: &str) -> String {
    let region = region.map_or("no region".to_owned(), |region| format!("region {region}"));
    format!("{object} cannot be used in {region}: {failure}; {next}")
}
