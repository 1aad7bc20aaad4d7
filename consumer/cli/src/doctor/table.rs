//! The table.

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::{
    ContinuousBackupsDescription, KeyType, PointInTimeRecoveryStatus, ScalarAttributeType,
    TableDescription, TimeToLiveStatus,
};
use domain_events::__internals::AwsFailure;
use domain_events::store::table;

use super::{Finding, Findings};

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
                findings.unknown(
                    format!("it cannot be described: {failure}"),
                    "the permission is dynamodb:DescribeTable, in the `operator` policy",
                );
            }
            return findings.all;
        }
    };
    let Some(description) = described else {
        return findings.all;
    };
    keys(&description, &mut findings);
    index(&description, index_shards, &mut findings);
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
            "give the name of the event table; keys of an existing table cannot be changed",
        );
    }
}

fn index(description: &TableDescription, shards: Option<u16>, findings: &mut Findings) {
    let index = description
        .global_secondary_indexes()
        .iter()
        .find(|index| index.index_name() == Some(table::INDEX_NAME));
    match (index, shards) {
        (Some(_), Some(shards)) => findings.ok(format!("it has the index by event type; {shards} shards are configured")),
        (None, Some(_)) => findings.error(
            "EVENT_INDEX_SHARDS is set, and the table has no index by event type",
            "reading by type fails",
            "set `index_by_type = true` in Terraform, or unset EVENT_INDEX_SHARDS",
        ),
        (Some(_), None) => findings.warning(
            "it has the index by event type, and EVENT_INDEX_SHARDS is not set here",
            "a consumer without the variable writes no entries into the index, and a reader cannot use it",
            "set EVENT_INDEX_SHARDS to the value of the deployment",
        ),
        (None, None) => findings.ok("it has no index by event type, and none is configured"),
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
                    "events are deleted by an attribute that this project does not control",
                    "set the expiry attribute to ExpiresAt, or disable expiry",
                ),
                false => findings.ok("it never deletes an event"),
            }
        }
        Err(error) => findings.unknown(
            format!("its expiry cannot be read: {}", AwsFailure::new(&error)),
            "the permission is dynamodb:DescribeTimeToLive, in the `operator` policy",
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
        Err(error) => findings.unknown(
            format!("its backups cannot be read: {}", AwsFailure::new(&error)),
            "the permission is dynamodb:DescribeContinuousBackups, in the `operator` policy",
        ),
    }
}
