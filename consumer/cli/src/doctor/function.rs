//! The function and its event source mapping.

use std::collections::HashMap;

use aws_sdk_lambda::Client;
use aws_sdk_lambda::types::{EventSourceMappingConfiguration, FunctionResponseType};
use domain_events::__internals::AwsFailure;

use super::{Finding, Findings, Setup};
use crate::connection::queue_name;

pub(super) async fn check(
    client: &Client,
    name: &str,
    setup: &Setup,
    visibility_timeout: Option<u64>,
) -> Vec<Finding> {
    let mut findings = Findings::about(format!("function {name}"));
    match client
        .get_function_configuration()
        .function_name(name)
        .send()
        .await
    {
        Ok(configuration) => {
            timeouts(configuration.timeout(), visibility_timeout, &mut findings);
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
    match client
        .list_event_source_mappings()
        .function_name(name)
        .send()
        .await
    {
        Ok(output) => {
            let mappings = output.event_source_mappings.unwrap_or_default();
            if mappings.is_empty() {
                findings.error(
                    "it has no event source mapping",
                    "it is never invoked, and messages wait in the queue",
                    "deploy it with Terraform, or create a mapping with ReportBatchItemFailures",
                );
            }
            for mapping in &mappings {
                check_mapping(mapping, setup, &mut findings);
            }
        }
        Err(error) => findings.failed(
            "its event source mapping",
            &AwsFailure::new(&error),
            "lambda:ListEventSourceMappings",
            "operator_policy_arn",
        ),
    }
    findings.all
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
            "compare --function and EVENT_QUEUE_URL: they belong to different deployments",
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
            "the messages that the function reports as failed are deleted, and their events are lost",
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

/// The command that changes a mapping.
fn mapping_command(mapping: &EventSourceMappingConfiguration, option: &str) -> String {
    format!(
        "apply the Terraform configuration, or run `aws lambda update-event-source-mapping --uuid {} {option}`",
        mapping.uuid().unwrap_or("UUID")
    )
}

/// Compares the function's variables with the set-up that is checked.
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

fn timeouts(timeout: Option<i32>, visibility_timeout: Option<u64>, findings: &mut Findings) {
    let (Some(timeout), Some(visibility)) = (
        timeout.and_then(|t| u64::try_from(t).ok()),
        visibility_timeout,
    ) else {
        return;
    };
    // Lambda developer guide, "Using Lambda with Amazon SQS": at least six times.
    if visibility < 6 * timeout {
        findings.warning(
            format!(
                "its timeout is {timeout} seconds, and the queue's visibility timeout {visibility}"
            ),
            "messages are delivered a second time while the first invocation still works on them",
            format!(
                "apply the Terraform configuration, or set the queue's attribute VisibilityTimeout to at least {} seconds",
                6 * timeout
            ),
        );
    } else {
        findings.ok(format!("the queue's visibility timeout ({visibility} s) is at least six times its timeout ({timeout} s)"));
    }
}
