//! `doctor`: checks a live set-up, and reports what to change.
//!
//! No check changes anything. A permission is checked with an invalid request: if the service
//! reports the request as invalid, and not as denied, the request was permitted.

mod function;
mod permissions;
mod queue;
mod table;

use std::io::Write;

use aws_config::SdkConfig;
use domain_events::__internals::AwsFailure;
use serde::Serialize;

use crate::connection::Queue;
use crate::output::{json_line, line_of};
use crate::{Failure, Format, Outcome};

/// The resources that `doctor` checks.
#[derive(Debug, Clone, Default)]
pub struct Setup {
    /// The queue.
    pub queue: Option<Queue>,
    /// The dead-letter queue.
    pub dead_letter_queue: Option<Queue>,
    /// Name of the table.
    pub table: Option<String>,
    /// Name of the function, if there is one.
    pub function: Option<String>,
    /// The number of index shards that readers and consumers use.
    pub index_shards: Option<u16>,
}

/// The severity of a finding.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// There is nothing to change.
    Ok,
    /// Events are stored now, but a risk remains.
    Warning,
    /// Events are lost, refused or not stored.
    Error,
    /// The check was not possible.
    Unknown,
}

/// One result of a check.
#[derive(Debug, Clone, Serialize)]
pub struct Finding {
    /// The severity.
    pub severity: Severity,
    /// The queue, table or function that the finding is about.
    pub object: String,
    /// The result of the check.
    pub found: String,
    /// The consequence of the problem.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub consequence: Option<String>,
    /// The command or setting that solves the problem.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub remedy: Option<String>,
}

/// Collects findings about one object.
#[derive(Debug)]
pub(crate) struct Findings {
    object: String,
    all: Vec<Finding>,
}

impl Findings {
    fn about(object: impl Into<String>) -> Self {
        Self {
            object: object.into(),
            all: Vec::new(),
        }
    }

    fn ok(&mut self, found: impl Into<String>) {
        self.push(Severity::Ok, found, None, None);
    }

    fn warning(&mut self, found: impl Into<String>, consequence: &str, remedy: impl Into<String>) {
        self.push(
            Severity::Warning,
            found,
            Some(consequence),
            Some(remedy.into()),
        );
    }

    fn error(&mut self, found: impl Into<String>, consequence: &str, remedy: impl Into<String>) {
        self.push(
            Severity::Error,
            found,
            Some(consequence),
            Some(remedy.into()),
        );
    }

    /// Adds a finding for a check whose request failed. `what` completes the sentence "… cannot
    /// be checked", `action` is the IAM action of the request, and `policy` is the Terraform
    /// output of the policy that grants it.
    fn failed(&mut self, what: &str, failure: &AwsFailure, action: &str, policy: &str) {
        if failure.is_credentials() {
            self.error(
                format!("{what} cannot be checked: {failure}"),
                "AWS refuses every request of these credentials",
                "renew the AWS credentials, or check which ones this shell uses with `aws sts get-caller-identity`",
            );
        } else if denied(failure) {
            self.unknown(
                format!("{what} cannot be checked: these credentials may not call {action}"),
                format!("attach the policy {policy}, or run doctor with credentials that have it"),
            );
        } else if failure.is_transient() {
            self.error(
                format!("{what} cannot be checked: {failure}"),
                "a service in this environment cannot reach it either",
                "check the network, AWS_REGION and the AWS_ENDPOINT_URL variables, and try again",
            );
        } else {
            self.unknown(
                format!("{what} cannot be checked: {failure}"),
                format!("check the name, AWS_REGION, and that the endpoint supports {action}"),
            );
        }
    }

    fn unknown(&mut self, found: impl Into<String>, remedy: impl Into<String>) {
        self.push(Severity::Unknown, found, None, Some(remedy.into()));
    }

    fn push(
        &mut self,
        severity: Severity,
        found: impl Into<String>,
        consequence: Option<&str>,
        remedy: Option<String>,
    ) {
        self.all.push(Finding {
            severity,
            object: self.object.clone(),
            found: found.into(),
            consequence: consequence.map(str::to_owned),
            remedy,
        });
    }
}

/// Returns true if the credentials do not permit a request.
fn denied(failure: &AwsFailure) -> bool {
    failure
        .code()
        .is_some_and(|code| code.contains("AccessDenied") || code.contains("NotAuthorized"))
}

/// Checks everything that `setup` names.
///
/// # Cancel safety
///
/// Dropping the future leaves nothing behind, because no check changes anything.
pub async fn doctor(config: &SdkConfig, setup: &Setup) -> Vec<Finding> {
    let dynamodb = aws_sdk_dynamodb::Client::new(config);
    let mut findings = Vec::new();
    let mut dead_letters = queue::Described::default();
    match &setup.dead_letter_queue {
        Some(queue) => {
            let (found, described) = queue::check_dead_letters(queue).await;
            dead_letters = described;
            findings.extend(found);
        }
        None => findings.extend(missing(
            "dead-letter queue",
            "DEAD_LETTER_QUEUE_URL or --dead-letter-queue-url",
        )),
    }
    let mut described = queue::Described::default();
    match &setup.queue {
        Some(queue) => {
            let dead_letter_queue = setup.dead_letter_queue.as_ref();
            let (found, of_queue) = queue::check(queue, dead_letter_queue, &dead_letters).await;
            described = of_queue;
            findings.extend(found);
            findings.extend(permissions::send(queue).await);
        }
        None => findings.extend(missing("queue", "EVENT_QUEUE_URL or --queue-url")),
    }
    match &setup.table {
        Some(name) => {
            findings.extend(table::check(&dynamodb, name, setup.index_shards).await);
            findings.extend(permissions::read_and_insert(&dynamodb, name).await);
        }
        None => findings.extend(missing("table", "EVENT_TABLE or --table")),
    }
    match &setup.function {
        Some(name) => {
            let lambda = aws_sdk_lambda::Client::new(config);
            findings.extend(function::check(&lambda, name, setup, &described).await);
        }
        None => findings.extend(missing(
            "function",
            "--function to the Terraform output function_name; ignore this if a worker stores the events",
        )),
    }
    findings
}

fn missing(what: &str, how: &str) -> Vec<Finding> {
    let mut findings = Findings::about(what);
    findings.unknown(
        format!("the {what} was not checked: none is given"),
        format!("set {how}"),
    );
    findings.all
}

/// Prints the findings, the most severe first. The outcome states whether there is something
/// to change.
///
/// # Errors
///
/// `out` cannot be written.
pub fn print<W: Write>(
    findings: &[Finding],
    out: &mut W,
    format: Format,
) -> Result<Outcome, Failure> {
    let rank = |finding: &&Finding| match finding.severity {
        Severity::Error => 0,
        Severity::Warning => 1,
        Severity::Unknown => 2,
        Severity::Ok => 3,
    };
    let mut sorted: Vec<&Finding> = findings.iter().collect();
    sorted.sort_by_key(rank);
    for finding in &sorted {
        match format {
            Format::Json => json_line(out, finding)?,
            Format::Text => {
                let mark = match finding.severity {
                    Severity::Ok => "ok     ",
                    Severity::Warning => "warning",
                    Severity::Error => "ERROR  ",
                    Severity::Unknown => "unknown",
                };
                line_of(
                    out,
                    &format!("{mark} {}: {}", finding.object, finding.found),
                )?;
                if let Some(consequence) = &finding.consequence {
                    line_of(out, &format!("        consequence: {consequence}"))?;
                }
                if let Some(remedy) = &finding.remedy {
                    line_of(out, &format!("        to do: {remedy}"))?;
                }
            }
        }
    }
    let worst = sorted.first().map(|finding| finding.severity);
    Ok(match worst {
        Some(Severity::Error | Severity::Warning) => Outcome::Found,
        _ => Outcome::Done,
    })
}
