//! The metrics of a batch, in CloudWatch's embedded metric format.

use std::collections::BTreeMap;
use std::time::{SystemTime, UNIX_EPOCH};

use domain_events::{Envelope, RejectionCode, Timestamp};
use serde_json::{Value, json};

/// The maximum number of values of one metric in one log line (CloudWatch user guide,
/// "Embedded metric format specification").
const MAX_VALUES: usize = 100;
const NAMESPACE: &str = "DomainEvents";

/// The counts of one batch, and the ages of its stored events.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Metrics {
    stored: u64,
    duplicate: u64,
    failed: u64,
    tied: u64,
    rejected: BTreeMap<&'static str, u64>,
    ages: Vec<u64>,
    requests: u64,
    retries: u64,
}

impl Metrics {
    /// Counts a stored event that is `age` milliseconds old.
    pub(crate) fn stored(&mut self, age: u64, tie: bool) {
        self.stored += 1;
        self.tied += u64::from(tie);
        self.ages.push(age);
    }

    pub(crate) fn duplicate(&mut self) {
        self.duplicate += 1;
    }

    pub(crate) fn failed(&mut self) {
        self.failed += 1;
    }

    pub(crate) fn rejected(&mut self, code: RejectionCode) {
        *self.rejected.entry(code.as_str()).or_default() += 1;
    }

    pub(crate) fn requests(&mut self, (requests, retries): (u64, u64)) {
        self.requests = requests;
        self.retries = retries;
    }

    /// Returns the number of events per verdict: stored, duplicate, rejected, failed. A
    /// message that could not be decoded counts as one failed event.
    pub fn verdicts(&self) -> [u64; 4] {
        [
            self.stored,
            self.duplicate,
            self.rejected.values().sum(),
            self.failed,
        ]
    }

    /// Returns the log lines from which CloudWatch extracts the metrics of the function or
    /// service with this name.
    pub fn lines(&self, function: &str) -> Vec<String> {
        let millis = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .map_or(0, |d| d.as_millis() as u64);
        let line = |dimensions: &[&str], metrics: Value, mut values: Value| {
            values["Function"] = function.into();
            values["_aws"] = json!({
                "Timestamp": millis,
                "CloudWatchMetrics": [{ "Namespace": NAMESPACE, "Dimensions": [dimensions], "Metrics": metrics }],
            });
            values.to_string()
        };
        let [stored, duplicate, rejected, failed] = self.verdicts();
        let count = |name: &str| json!({ "Name": name, "Unit": "Count" });
        let age = json!({ "Name": "AgeWhenStored", "Unit": "Milliseconds" });
        let mut ages = self.ages.chunks(MAX_VALUES);
        let mut metrics = vec![
            count("Stored"),
            count("Duplicate"),
            count("Rejected"),
            count("Failed"),
            count("Tie"),
            count("DynamoDbRequests"),
            count("DynamoDbRetries"),
        ];
        let mut values = json!({
            "Stored": stored,
            "Duplicate": duplicate,
            "Rejected": rejected,
            "Failed": failed,
            "Tie": self.tied,
            "DynamoDbRequests": self.requests,
            "DynamoDbRetries": self.retries,
        });
        // CloudWatch refuses a whole line if one of its metrics has no value. The
        // counts of failed and rejected events would then be missing exactly when no
        // event is stored.
        if let Some(first) = ages.next() {
            metrics.push(age.clone());
            values["AgeWhenStored"] = first.into();
        }
        let mut lines = vec![line(&["Function"], metrics.into(), values)];
        lines.extend(ages.map(|ages| {
            line(
                &["Function"],
                json!([age]),
                json!({ "AgeWhenStored": ages }),
            )
        }));
        for (code, count_of_code) in &self.rejected {
            lines.push(line(
                &["Function", "Code"],
                json!([count("Rejected")]),
                json!({ "Code": code, "Rejected": count_of_code }),
            ));
        }
        lines
    }
}

/// Returns the age of an event in milliseconds, or 0 if the clock of its producer is ahead.
pub(crate) fn age_millis(envelope: &Envelope) -> u64 {
    Timestamp::now()
        .as_nanos()
        .saturating_sub(envelope.timestamp().as_nanos())
        / 1_000_000
}

#[cfg(test)]
mod tests {
    use super::*;

    /// "Embedded metric format specification": each metric has a number, or a
    /// list of 1 to 100 numbers, and each dimension a string.
    fn check(lines: &[String]) -> Vec<Value> {
        let lines: Vec<Value> = lines
            .iter()
            .map(|l| serde_json::from_str(l).unwrap())
            .collect();
        for line in &lines {
            let directive = &line["_aws"]["CloudWatchMetrics"][0];
            assert_eq!(directive["Namespace"], "DomainEvents");
            for dimension in directive["Dimensions"][0].as_array().unwrap() {
                assert!(line[dimension.as_str().unwrap()].is_string());
            }
            for metric in directive["Metrics"].as_array().unwrap() {
                let value = &line[metric["Name"].as_str().unwrap()];
                let list = value.as_array();
                assert!(
                    value.is_u64() || list.is_some_and(|v| (1..=100).contains(&v.len())),
                    "{metric}: {value}"
                );
            }
        }
        lines
    }

    #[test]
    fn batch_of_250_events_has_valid_metric_lines() {
        let mut metrics = Metrics {
            stored: 250,
            ages: vec![7; 250],
            ..Metrics::default()
        };
        metrics.rejected(RejectionCode::NotJson);
        let lines = check(&metrics.lines("f"));
        assert_eq!(lines.len(), 4);
        assert_eq!(lines[3]["Code"], "NOT_JSON");
    }

    #[test]
    fn batch_that_stores_nothing_has_valid_lines() {
        let metrics = Metrics {
            failed: 10,
            ..Metrics::default()
        };
        let lines = check(&metrics.lines("f"));
        assert_eq!(lines.len(), 1);
        assert_eq!(lines[0]["Failed"], 10);
        assert!(lines[0].get("AgeWhenStored").is_none());
    }
}
