//! Checks the table.

use std::collections::HashMap;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::{
    AttributeValue, ContinuousBackupsDescription, KeyType, PointInTimeRecoveryStatus,
    ScalarAttributeType, TableDescription, TimeToLiveStatus,
};
use domain_events::__internals::AwsFailure;
use domain_events::store::table;

use super::{Finding, Findings};

/// The number of index entries that are compared with the number of shards. Reading them
/// consumes only a few read units.
const SHARD_SAMPLE: i32 = 500;

pub(super) async fn check(client: &Client, name: &str, index_shards: Option<u16>) -> Vec<Finding> {
    let mut findings = Findings::about(format!("table {name}"));
    let described = match client.describe_table().table_name(name).send().await {
        Ok(output) => output.table,
        Err(error) => {
            let failure = AwsFailure::new(&error);
            if failure
                .code()
                .is_some_and(|code| code.contains("ResourceNotFound"))
            {
                findings.error(
                    "it does not exist in this account and region",
                    "no event is stored; messages wait in the queue and then move to the dead-letter queue",
                    "check EVENT_TABLE, AWS_REGION and the account of the credentials",
                );
            } else {
                findings.failed(
                    "its definition",
                    &failure,
                    "dynamodb:DescribeTable",
                    "operator_policy_arn",
                );
            }
            return findings.all;
        }
    };
    let Some(description) = described else {
        return findings.all;
    };
    keys(&description, &mut findings);
    if index(&description, index_shards, &mut findings)
        && let Some(shards) = index_shards
    {
        check_shards(client, name, shards, &mut findings).await;
    }
    if description.deletion_protection_enabled == Some(true) {
        findings.ok("it is protected against deletion");
    } else {
        findings.warning(
            "it is not protected against deletion",
            "one command deletes the whole history",
            format!(
                "run `aws dynamodb update-table --table-name {name} --deletion-protection-enabled`"
            ),
        );
    }
    expiry(client, name, &mut findings).await;
    recovery(client, name, &mut findings).await;
    findings.all
}

fn keys(description: &TableDescription, findings: &mut Findings) {
    let types = description.attribute_definitions();
    let key = |kind: KeyType| {
        let name = description
            .key_schema()
            .iter()
            .find(|key| *key.key_type() == kind)?
            .attribute_name();
        let kind = types
            .iter()
            .find(|t| t.attribute_name() == name)?
            .attribute_type()
            .clone();
        Some((name.to_owned(), kind))
    };
    let expected = (
        Some((table::HASH_KEY.to_owned(), ScalarAttributeType::S)),
        Some((table::SORT_KEY.to_owned(), ScalarAttributeType::N)),
    );
    if (key(KeyType::Hash), key(KeyType::Range)) == expected {
        findings.ok("its keys are ID (string) and Timestamp (number)");
    } else {
        findings.error(
            "its keys are not ID (string) and Timestamp (number)",
            "no event can be stored in it or read from it",
            "set EVENT_TABLE (--table) to the event table, which the Terraform output EVENT_TABLE names; the keys of a table cannot be changed",
        );
    }
}

/// Checks that the index by event type exists if it is configured; returns whether it exists.
fn index(description: &TableDescription, shards: Option<u16>, findings: &mut Findings) -> bool {
    let index = description
        .global_secondary_indexes()
        .iter()
        .find(|index| index.index_name() == Some(table::INDEX_NAME));
    match (index, shards) {
        (Some(_), Some(_)) => findings.ok("it has the index by event type"),
        (None, Some(_)) => findings.error(
            "EVENT_INDEX_SHARDS is set, and the table has no index by event type",
            "reading by type fails",
            "set `index_shards` in Terraform, or unset EVENT_INDEX_SHARDS",
        ),
        (Some(_), None) => findings.warning(
            "it has the index by event type, and EVENT_INDEX_SHARDS is not set here",
            "a consumer without the variable writes no entries into the index, and a reader cannot use it",
            "set EVENT_INDEX_SHARDS to the value of the deployment",
        ),
        (None, None) => findings.ok("it has no index by event type, and none is configured"),
    }
    index.is_some()
}

/// Compares the configured number of shards with the entries of the index. A reader that reads
/// fewer shards than the consumer writes would miss events.
async fn check_shards(client: &Client, name: &str, shards: u16, findings: &mut Findings) {
    let scan = client
        .scan()
        .table_name(name)
        .index_name(table::INDEX_NAME)
        .projection_expression(table::INDEX_KEY)
        .limit(SHARD_SAMPLE);
    match scan.send().await {
        Ok(output) => {
            let shard = |item: &HashMap<String, AttributeValue>| {
                let key = item.get(table::INDEX_KEY)?.as_s().ok()?;
                key.rsplit_once('#')?.1.parse::<u16>().ok()
            };
            match output.items().iter().filter_map(shard).max() {
                Some(greatest) if greatest >= shards => findings.error(
                    format!(
                        "EVENT_INDEX_SHARDS is {shards}, and its index contains entries of shard {greatest} (shards are numbered from 0)"
                    ),
                    "reading by type stops with the error TooFewShards",
                    format!(
                        "set EVENT_INDEX_SHARDS to the greatest value that a consumer of this table has used, at least {}",
                        u32::from(greatest) + 1
                    ),
                ),
                Some(_) => findings.ok(format!(
                    "a sample of its index has no entry beyond the {shards} configured shards"
                )),
                None => findings.ok("its index by event type is empty"),
            }
        }
        Err(error) => findings.failed(
            "the shards of its index",
            &AwsFailure::new(&error),
            "dynamodb:Scan",
            "operator_policy_arn",
        ),
    }
}

async fn expiry(client: &Client, name: &str, findings: &mut Findings) {
    match client.describe_time_to_live().table_name(name).send().await {
        Ok(output) => {
            let description = output.time_to_live_description;
            let enabled = description
                .as_ref()
                .is_some_and(|d| d.time_to_live_status() == Some(&TimeToLiveStatus::Enabled));
            let attribute = description
                .as_ref()
                .and_then(|d| d.attribute_name())
                .unwrap_or_default();
            match enabled {
                true if attribute == table::EXPIRES_AT => {
                    findings.ok("it deletes events after their ExpiresAt")
                }
                true => findings.error(
                    format!("its expiry attribute is {attribute}, not ExpiresAt"),
                    "DynamoDB deletes events by an attribute that producers can set",
                    format!(
                        "run `aws dynamodb update-time-to-live --table-name {name} --time-to-live-specification Enabled=false,AttributeName={attribute}`, and enable it again with AttributeName=ExpiresAt if events are to expire"
                    ),
                ),
                false => findings.ok("it never deletes an event"),
            }
        }
        Err(error) => findings.failed(
            "its expiry",
            &AwsFailure::new(&error),
            "dynamodb:DescribeTimeToLive",
            "operator_policy_arn",
        ),
    }
}

async fn recovery(client: &Client, name: &str, findings: &mut Findings) {
    match client
        .describe_continuous_backups()
        .table_name(name)
        .send()
        .await
    {
        Ok(output) => {
            let status = output
                .continuous_backups_description
                .as_ref()
                .and_then(ContinuousBackupsDescription::point_in_time_recovery_description)
                .and_then(|recovery| recovery.point_in_time_recovery_status());
            if status == Some(&PointInTimeRecoveryStatus::Enabled) {
                findings.ok("it can be restored to any second of its recovery period");
            } else {
                findings.warning(
                    "point-in-time recovery is off",
                    "a table that is damaged by accident cannot be restored",
                    format!(
                        "run `aws dynamodb update-continuous-backups --table-name {name} \
                         --point-in-time-recovery-specification PointInTimeRecoveryEnabled=true`"
                    ),
                );
            }
        }
        Err(error) => findings.failed(
            "its point-in-time recovery",
            &AwsFailure::new(&error),
            "dynamodb:DescribeContinuousBackups",
            "operator_policy_arn",
        ),
    }
}
