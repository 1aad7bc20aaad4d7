//! The age of the oldest row as a CloudWatch metric.

use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::json;

use crate::rows::Backlog;

/// Returns a log line from which CloudWatch extracts the metrics of an outbox (embedded metric
/// format): `domain_events_outbox_oldest_seconds` and `domain_events_outbox_rows` in the
/// namespace `DomainEvents`, with the dimension `Outbox`.
///
/// Print the line once a minute in a process whose standard output is sent to CloudWatch Logs,
/// for example a Lambda function, or a container with the CloudWatch agent. Print nothing if
/// the rows cannot be counted: the alarm of the Terraform module treats missing data as
/// breaching.
///
/// `outbox` is the value of the dimension: the name of the DynamoDB table, or, for a SQL
/// database, a name of your choice.
///
/// # Examples
///
/// ```
/// use domain_events_outbox::Backlog;
/// use domain_events_outbox::cloudwatch::metric_line;
/// use std::time::Duration;
///
/// let backlog = Backlog { rows: 3, oldest: Some(Duration::from_secs(2)) };
/// let line = metric_line("orders-outbox", backlog);
/// assert!(line.contains(r#""domain_events_outbox_oldest_seconds":2.0"#));
/// println!("{line}"); // once a minute
/// ```
pub fn metric_line(outbox: &str, backlog: Backlog) -> String {
    let millis = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |d| d.as_millis() as u64);
    json!({
        "_aws": {
            "Timestamp": millis,
            "CloudWatchMetrics": [{
                "Namespace": "DomainEvents",
                "Dimensions": [["Outbox"]],
                "Metrics": [
                    { "Name": "domain_events_outbox_oldest_seconds", "Unit": "Seconds" },
                    { "Name": "domain_events_outbox_rows", "Unit": "Count" },
                ],
            }],
        },
        "Outbox": outbox,
        "domain_events_outbox_oldest_seconds": backlog.oldest.unwrap_or_default().as_secs_f64(),
        "domain_events_outbox_rows": backlog.rows,
    })
    .to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn empty_outbox_reports_an_age_of_zero() {
        let line = metric_line("orders-outbox", Backlog::default());
        let line: serde_json::Value = serde_json::from_str(&line).unwrap();
        assert_eq!(line["domain_events_outbox_oldest_seconds"], 0.0);
        assert_eq!(line["Outbox"], "orders-outbox");
    }
}
