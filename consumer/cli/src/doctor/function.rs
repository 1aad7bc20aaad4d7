//! The function and its event source mapping.

use aws_sdk_lambda::Client;
use aws_sdk_lambda::types::{EventSourceMappingConfiguration, FunctionResponseType};
use domain_events::__internals::AwsFailure;

use super::{Finding, Findings};

pub(super) async fn check(
    client: &Client,
    name: &str,
    visibility_timeout: Option<u64>,
) -> Vec<Finding> {
    let mut findings = Findings::about(format!("function {name}"));
    match client.get_function_configuration().function_name(name).send().await {
        Ok(configuration) => timeouts(configuration.timeout(), visibility_timeout, &mut findings),
        Err(error) => findings.unknown(
            format!("its configuration cannot be read: {}", AwsFailure::new(&error)),
            "check the name; the permission is lambda:GetFunctionConfiguration, in the `operator` policy",
        ),
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
                check_mapping(mapping, &mut findings);
            }
        }
        Err(error) => findings.unknown(
            format!(
                "its event source mappings cannot be read: {}",
                AwsFailure::new(&error)
            ),
            "the permission is lambda:ListEventSourceMappings, in the `operator` policy",
        ),
    }
    findings.all
}

fn check_mapping(mapping: &EventSourceMappingConfiguration, findings: &mut Findings) {
    if mapping
        .function_response_types()
        .contains(&FunctionResponseType::ReportBatchItemFailures)
    {
        findings.ok("its mapping reports partial batch failures");
    } else {
        findings.error(
            "its mapping does not report partial batch failures",
            "the messages that the function reports as failed are deleted, and their events are lost",
            "set FunctionResponseTypes to ReportBatchItemFailures",
        );
    }
    match mapping.state() {
        Some("Enabled" | "Creating" | "Enabling" | "Updating") => {
            findings.ok("its mapping is enabled")
        }
        state => findings.error(
            format!("its mapping is {}", state.unwrap_or("in an unknown state")),
            "it is not invoked, and messages wait in the queue",
            "enable the event source mapping",
        ),
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
                "set the queue's visibility timeout to at least {} seconds",
                6 * timeout
            ),
        );
    } else {
        findings.ok(format!("the queue's visibility timeout ({visibility} s) is at least six times its timeout ({timeout} s)"));
    }
}
