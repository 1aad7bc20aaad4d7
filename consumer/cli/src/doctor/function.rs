//! The function and its event source mapping.

use std::collections::HashMap;

use aws_sdk_lambda::Client;
use aws_sdk_lambda::types::{EventSourceMappingConfiguration, FunctionResponseType};
use domain_events::__internals::AwsFailure;

use super::queue::{Described, set_attribute};
use super::{Finding, Findings, Setup};
use crate::connection::queue_name;

pub(super) async fn check(
    client: &Client,
    function: &str,
    setup: &Setup,
    queue: &Described,
) -> Vec<Finding> {
    let mut findings = Findings::about(format!("function {function}"));
    let mappings = mappings(client, function, queue).await;
    // A mapping invokes a version or an alias, whose configuration may differ from the
    // latest one.
    let qualifier = match &mappings {
        Ok(mappings) => mappings
            .iter()
            .find_map(|mapping| qualifier(mapping.function_arn()?)),
        Err(_) => None,
    };
    let request = client.get_function_configuration().function_name(function);
    match request
        .set_qualifier(qualifier.map(str::to_owned))
        .send()
        .await
    {
        Ok(configuration) => {
            timeouts(configuration.timeout(), queue, setup, &mut findings);
            let variables = configuration.environment().and_then(|e| e.variables());
            environment(variables, setup, &mut findings);
        }
        Err(error) => {
            let failure = AwsFailure::new(&error);
            if failure
                .code()
                .is_some_and(|code| code.contains("ResourceNotFound"))
            {
                findings.error(
                    "it does not exist in this account and region",
                    "events are stored only if a worker receives them",
                    "check the name (the Terraform output function_name), AWS_REGION and the account of the AWS credentials",
                );
                return findings.all;
            }
            findings.failed(
                "its configuration",
                &failure,
                "lambda:GetFunctionConfiguration",
                "operator_policy_arn",
            );
        }
    }
    match mappings {
        Ok(mappings) if mappings.is_empty() => findings.error(
            "it has no event source mapping",
            "it is never invoked, and messages wait in the queue",
            format!(
                "apply the Terraform configuration, or run `aws lambda create-event-source-mapping --function-name {function} --event-source-arn {} --function-response-types ReportBatchItemFailures`",
                queue.arn.as_deref().unwrap_or("ARN-OF-THE-QUEUE")
            ),
        ),
        Ok(mappings) => {
            for mapping in &mappings {
                check_mapping(mapping, setup, &mut findings);
            }
        }
        Err(failure) => findings.failed(
            "its event source mapping",
            &failure,
            "lambda:ListEventSourceMappings",
            "operator_policy_arn",
        ),
    }
    findings.all
}

/// Returns the mappings from the queue to the function. If there are none, the mappings from
/// other queues to the function.
async fn mappings(
    client: &Client,
    function: &str,
    queue: &Described,
) -> Result<Vec<EventSourceMappingConfiguration>, AwsFailure> {
    let list = || client.list_event_source_mappings();
    if let Some(arn) = &queue.arn {
        // The request names the queue, because Lambda does not list the mappings of an alias
        // for the name of the function.
        let output = list().event_source_arn(arn).send().await;
        let output = output.map_err(|error| AwsFailure::new(&error))?;
        let mut found = output.event_source_mappings.unwrap_or_default();
        found.retain(|m| {
            m.function_arn()
                .is_some_and(|arn| name(arn) == name(function))
        });
        if !found.is_empty() {
            return Ok(found);
        }
    }
    let output = list().function_name(function).send().await;
    let output = output.map_err(|error| AwsFailure::new(&error))?;
    Ok(output.event_source_mappings.unwrap_or_default())
}

/// Returns the name of a function and its version or alias, from an ARN or from `NAME:ALIAS`.
fn parts(function: &str) -> (&str, Option<&str>) {
    let function = function
        .rsplit_once(":function:")
        .map_or(function, |(_, name)| name);
    match function.split_once(':') {
        Some((name, qualifier)) => (name, Some(qualifier)),
        None => (function, None),
    }
}

fn name(function: &str) -> &str {
    parts(function).0
}

fn qualifier(function: &str) -> Option<&str> {
    parts(function).1
}

fn check_mapping(
    mapping: &EventSourceMappingConfiguration,
    setup: &Setup,
    findings: &mut Findings,
) {
    let source = mapping.event_source_arn().unwrap_or_default();
    let source = source.rsplit(':').next().unwrap_or_default();
    if let Some(queue) = &setup.queue
        && queue_name(queue.url()) != source
    {
        findings.warning(
            format!(
                "its mapping receives from {source}, not from {}",
                queue_name(queue.url())
            ),
            "this function does not store the events of the queue that was checked",
            "set --function and EVENT_QUEUE_URL to the function and the queue of one deployment",
        );
        return;
    }
    if mapping
        .function_response_types()
        .contains(&FunctionResponseType::ReportBatchItemFailures)
    {
        findings.ok("its mapping reports partial batch failures");
    } else {
        findings.error(
            "its mapping does not report partial batch failures",
            "Lambda deletes the messages that the function reports as failed, and their events are lost",
            mapping_command(mapping, "--function-response-types ReportBatchItemFailures"),
        );
    }
    match mapping.state() {
        Some("Enabled" | "Creating" | "Enabling" | "Updating") => {
            findings.ok("its mapping is enabled")
        }
        state => findings.error(
            format!("its mapping is {}", state.unwrap_or("in an unknown state")),
            "it is not invoked, and messages wait in the queue",
            mapping_command(mapping, "--enabled"),
        ),
    }
}

/// Returns the command that changes a mapping.
fn mapping_command(mapping: &EventSourceMappingConfiguration, option: &str) -> String {
    format!(
        "apply the Terraform configuration, or run `aws lambda update-event-source-mapping --uuid {} {option}`",
        mapping.uuid().unwrap_or("UUID")
    )
}

/// Compares the variables of the function with the set-up that `doctor` checks.
fn environment(
    variables: Option<&HashMap<String, String>>,
    setup: &Setup,
    findings: &mut Findings,
) {
    let dead_letter_queue = setup
        .dead_letter_queue
        .as_ref()
        .map(|queue| queue.url().to_owned());
    // The Terraform variable is 0 without an index; unset means the same.
    let shards = setup.index_shards.unwrap_or(0).to_string();
    for (name, expected, consequence) in [
        (
            "EVENT_TABLE",
            setup.table.clone(),
            "events are stored in another table than the one that was checked",
        ),
        (
            "DEAD_LETTER_QUEUE_URL",
            dead_letter_queue,
            "rejected messages are in another queue than the one that was checked",
        ),
        (
            "EVENT_INDEX_SHARDS",
            Some(shards),
            "a reader with fewer shards than the consumer fails, and a consumer without the variable writes no entries into the index",
        ),
    ] {
        let Some(expected) = expected else { continue };
        let default = if name == "EVENT_INDEX_SHARDS" {
            "0"
        } else {
            ""
        };
        let found = variables
            .and_then(|all| all.get(name))
            .map_or(default, String::as_str);
        if found == expected {
            findings.ok(format!("its {name} is the one that is set here"));
        } else {
            findings.warning(
                format!("its {name} is {found:?}, and here it is {expected:?}"),
                consequence,
                format!("set {name} here to the value of the function, or change the deployment"),
            );
        }
    }
}

fn timeouts(timeout: Option<i32>, queue: &Described, setup: &Setup, findings: &mut Findings) {
    let (Some(timeout), Some(visibility)) = (
        timeout.and_then(|t| u64::try_from(t).ok()),
        queue.visibility_timeout,
    ) else {
        return;
    };
    // Lambda developer guide, "Using Lambda with Amazon SQS": at least six times.
    let least = 6 * timeout;
    if visibility < least {
        let attribute = format!("VisibilityTimeout={least}");
        let remedy = setup
            .queue
            .as_ref()
            .map(|queue| set_attribute(queue, &attribute));
        findings.warning(
            format!(
                "its timeout is {timeout} seconds, and the visibility timeout of the queue is {visibility} seconds"
            ),
            "SQS delivers a message again while an invocation is still processing it",
            remedy.unwrap_or(attribute),
        );
    } else {
        findings.ok(format!("the visibility timeout of the queue ({visibility} s) is at least six times its timeout ({timeout} s)"));
    }
}

#[cfg(test)]
mod tests {
    use super::parts;

    #[test]
    fn function_is_a_name_with_or_without_an_alias() {
        let arn = "arn:aws:lambda:eu-west-1:123456789012:function:events";
        assert_eq!(parts("events"), ("events", None));
        assert_eq!(parts("events:live"), ("events", Some("live")));
        assert_eq!(parts(arn), ("events", None));
        assert_eq!(parts(&format!("{arn}:live")), ("events", Some("live")));
    }
}
