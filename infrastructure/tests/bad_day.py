"""Steps of bad_day.sh.

    snapshot REGION NAME      print everything of a deployment that an apply sets
    difference A B            compare two snapshots, and fail if they differ
    events                    print 50 events, one per line
    delete TABLE              delete 7 of them, as an accident would
    compare TABLE OTHER       print how many events of OTHER are missing in TABLE or differ
    answer MEANWHILE COMMAND...   run COMMAND in a terminal; when it asks whether to
                              apply, run the shell command MEANWHILE, then answer yes
"""

import json
import os
import pty
import subprocess
import sys

import boto3

# What changes without an apply, or what the next apply may change without effect.
VOLATILE = {
    "ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible", "ApproximateNumberOfMessagesDelayed",
    "LastModifiedTimestamp", "ItemCount", "TableSizeBytes", "IndexSizeBytes", "LastModified", "RevisionId", "CodeSize",
    "StateUpdatedTimestamp", "AlarmConfigurationUpdatedTimestamp", "StateTransitionedTimestamp", "StateValue", "StateReason",
    "StateReasonData", "LastProcessingResult", "StateTransitionReason", "ResponseMetadata", "LatestRestorableDateTime",
    "EarliestRestorableDateTime", "LastIncreaseDateTime", "LastDecreaseDateTime", "RoleLastUsed",
}


def stable(value):
    if isinstance(value, dict):
        # -1 and absent both mean that there is no maximum.
        return {
            key: stable(item) for key, item in sorted(value.items())
            if key not in VOLATILE and not (key == "OnDemandThroughput" and set(item.values()) == {-1})
        }
    if isinstance(value, list):
        return [stable(item) for item in value]
    return value


def endpoint(service, region):
    return boto3.client(service, region_name=region)


def snapshot(region, name):
    sqs, dynamodb, iam = endpoint("sqs", region), endpoint("dynamodb", region), endpoint("iam", region)
    function, cloudwatch, logs = endpoint("lambda", region), endpoint("cloudwatch", region), endpoint("logs", region)
    role = f"{name}-consumer-{region}"
    account = endpoint("sts", region).get_caller_identity()["Account"]
    found = {
        "queues": {
            queue: sqs.get_queue_attributes(QueueUrl=sqs.get_queue_url(QueueName=queue)["QueueUrl"], AttributeNames=["All"])["Attributes"]
            for queue in (name, f"{name}-dead-letter")
        },
        "table": dynamodb.describe_table(TableName=name)["Table"],
        "expiry": dynamodb.describe_time_to_live(TableName=name)["TimeToLiveDescription"],
        "recovery": dynamodb.describe_continuous_backups(TableName=name)["ContinuousBackupsDescription"],
        "function": function.get_function_configuration(FunctionName=f"{name}-consumer", Qualifier="live"),
        "mappings": function.list_event_source_mappings(EventSourceArn=f"arn:aws:sqs:{region}:{account}:{name}")["EventSourceMappings"],
        "role": iam.get_role(RoleName=role)["Role"],
        "role policies": {
            policy: iam.get_role_policy(RoleName=role, PolicyName=policy)["PolicyDocument"]
            for policy in iam.list_role_policies(RoleName=role)["PolicyNames"]
        },
        "policies": {},
        "dashboard": cloudwatch.get_dashboard(DashboardName=f"{name}-{region}")["DashboardBody"],
        "alarms": sorted(cloudwatch.describe_alarms(AlarmNamePrefix=f"{name}-")["MetricAlarms"], key=lambda alarm: alarm["AlarmName"]),
        "log group": [
            group for group in logs.describe_log_groups(logGroupNamePrefix=f"/aws/lambda/{name}-consumer")["logGroups"]
        ],
    }
    for who in ("producer", "reader", "operator"):
        arn = f"arn:aws:iam::{account}:policy/{name}-{who}-{region}"
        version = iam.get_policy(PolicyArn=arn)["Policy"]["DefaultVersionId"]
        found["policies"][who] = iam.get_policy_version(PolicyArn=arn, VersionId=version)["PolicyVersion"]["Document"]
    # The size of the log grows, and an apply creates a deleted log group again.
    for group in found["log group"]:
        group.pop("storedBytes", None)
        group.pop("creationTime", None)
    print(json.dumps(stable(found), indent=1, default=str))


def paths(value, prefix=""):
    if isinstance(value, dict):
        for key, item in value.items():
            yield from paths(item, f"{prefix}/{key}")
    elif isinstance(value, list):
        for position, item in enumerate(value):
            yield from paths(item, f"{prefix}/{position}")
    else:
        yield prefix, value


def difference(before, after):
    documents = []
    for path in (before, after):
        with open(path, encoding="utf-8") as file:
            documents.append(dict(paths(json.load(file))))
    changed = [
        f"  {path}: {documents[0].get(path)!r} -> {documents[1].get(path)!r}"
        for path in sorted(documents[0].keys() | documents[1].keys()) if documents[0].get(path) != documents[1].get(path)
    ]
    if changed:
        sys.exit("the first deployment has changed:\n" + "\n".join(changed))


def items(table):
    found = {}
    for page in boto3.client("dynamodb").get_paginator("scan").paginate(TableName=table, ConsistentRead=True):
        for item in page["Items"]:
            # The time of storage is the only attribute that an import sets anew.
            item.pop("StoredAt", None)
            found[item["ID"]["S"], item["Timestamp"]["N"]] = item
    return found


def events():
    for n in range(50):
        # The last two events of an entity have one timestamp, which the store separates.
        print(json.dumps({
            "Timestamp": 1_700_000_000 + min(n // 10, 3), "EventType": "ORDER_PLACED", "ID": f"order-{n % 10}",
            "EmitterId": "shop", "EmitterType": "SYSTEM", "EventId": f"event-{n}", "Data": {"cents": n, "note": "é\u2028"},
        }))


def delete(table):
    # Both events with one timestamp, of three entities, and one other.
    keys = sorted(items(table))
    doomed = [key for key in keys if key[0] in ("order-1", "order-2", "order-3") and key[1].startswith("1700000003")] + keys[:1]
    for key in doomed:
        boto3.client("dynamodb").delete_item(TableName=table, Key={"ID": {"S": key[0]}, "Timestamp": {"N": key[1]}})


def compare(table, other):
    here, there = items(table), items(other)
    missing = len(there.keys() - here.keys())
    different = sum(here[key] != there[key] for key in here.keys() & there.keys())
    print(f"{len(there)} events, {missing} missing, {different} different, {len(here.keys() - there.keys())} new")


def answer(meanwhile, *command):
    process, terminal = pty.fork()
    if process == 0:
        os.execvp(command[0], command)
    output = b""
    asked = False
    while True:
        try:
            piece = os.read(terminal, 4096)
        except OSError:  # Linux reports the end of a terminal as an error
            piece = b""
        if not piece:
            break
        output += piece
        if not asked and b"Type yes to apply" in output:
            asked = True
            subprocess.run(["bash", "-euc", meanwhile], check=True)
            os.write(terminal, b"yes\n")
    _, status = os.waitpid(process, 0)
    print(output.decode(errors="replace"))
    sys.exit(os.waitstatus_to_exitcode(status) if asked else "the command asked no question")


if __name__ == "__main__":
    steps = {step.__name__: step for step in (snapshot, difference, events, delete, compare, answer)}
    if len(sys.argv) < 2 or sys.argv[1] not in steps:
        sys.exit(__doc__)
    steps[sys.argv[1]](*sys.argv[2:])
