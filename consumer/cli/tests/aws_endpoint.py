"""The command against an AWS-like endpoint (ministack): `doctor`, and the three questions.

Creates a complete set-up in which `doctor` finds nothing to change, and then makes one mistake
at a time. `doctor` must report each mistake with its consequence and a remedy. If the remedy
is a command of the AWS CLI, the test runs it, and `doctor` must find nothing afterwards.

DOMAIN_EVENTS is the command; without it, Cargo builds the command.
"""

import io
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import zipfile

import boto3

from three_questions import COMMAND

QUESTIONS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "three_questions.py")
REGION = "eu-central-1"
DAY = 86_400


def start_endpoint(folder):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    for name in [name for name in os.environ if name.startswith(("AWS_", "EVENT_", "DEAD_LETTER_"))]:
        del os.environ[name]
    # Nothing of this machine gives credentials, a region or an endpoint. The key `test` is
    # the administrator of the endpoint.
    os.environ |= {
        "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}", "AWS_REGION": REGION, "AWS_DEFAULT_REGION": REGION,
        "AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_CONFIG_FILE": "/dev/null", "AWS_SHARED_CREDENTIALS_FILE": "/dev/null",
    }
    environment = os.environ | {"HOME": folder, "BIND_HOST": "127.0.0.1", "GATEWAY_PORT": str(port), "AUTH": "true"}
    log = open(os.path.join(folder, "endpoint.log"), "w")
    process = subprocess.Popen([sys.executable, "-c", "from ministack.app import main; main()"], env=environment, stdout=log, stderr=log)
    for _ in range(300):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return process
        time.sleep(0.1)
    sys.exit("the endpoint does not start")


def aws_cli(folder):
    """Puts an `aws` into PATH that uses the endpoint: version 1 does not read the variable for
    SQS. Returns whether there is one."""
    real = shutil.which("aws")
    if real:
        wrapper = os.path.join(folder, "aws")
        with open(wrapper, "w") as file:
            file.write(f'#!/bin/sh\nexec "{real}" --endpoint-url "$AWS_ENDPOINT_URL" "$@"\n')
        os.chmod(wrapper, 0o755)
        os.environ["PATH"] = f"{folder}:{os.environ['PATH']}"
    return bool(real)


def queue(name, **attributes):
    created = boto3.client("sqs").create_queue(QueueName=name, Attributes=attributes)
    return created["QueueUrl"]


def arn(url):
    attributes = boto3.client("sqs").get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])
    return attributes["Attributes"]["QueueArn"]


def table(name, hash_key="ID", kind="N", index=True):
    attributes = {hash_key: "S", "Timestamp": kind} | ({"IndexKey": "S"} if index else {})
    keys = lambda first: [{"AttributeName": first, "KeyType": "HASH"}, {"AttributeName": "Timestamp", "KeyType": "RANGE"}]
    indexes = [{"IndexName": "by-type", "KeySchema": keys("IndexKey"), "Projection": {"ProjectionType": "ALL"}}]
    boto3.client("dynamodb").create_table(
        TableName=name, KeySchema=keys(hash_key), BillingMode="PAY_PER_REQUEST", DeletionProtectionEnabled=True,
        AttributeDefinitions=[{"AttributeName": key, "AttributeType": value} for key, value in attributes.items()],
        **({"GlobalSecondaryIndexes": indexes} if index else {}),
    )


class Setup:
    """A complete set-up, with a function behind an alias."""

    def __init__(self):
        self.sqs, self.dynamodb, self.lambda_ = (boto3.client(name) for name in ("sqs", "dynamodb", "lambda"))
        self.dead_letters = queue("events-dead-letters", MessageRetentionPeriod=str(14 * DAY))
        self.queue = queue("events", VisibilityTimeout="360", MessageRetentionPeriod=str(14 * DAY), MaximumMessageSize="1048576",
                           RedrivePolicy=self.redrive(self.dead_letters, 20))
        self.other_queue = queue("other")
        table("events")
        self.dynamodb.update_time_to_live(TableName="events", TimeToLiveSpecification={"Enabled": True, "AttributeName": "ExpiresAt"})
        self.recovery(True)
        for name, options in {"other-keys": {"hash_key": "Key", "index": False}, "text-sort-key": {"kind": "S", "index": False},
                              "no-index": {"index": False}}.items():
            table(name, **options)
        role = boto3.client("iam").create_role(RoleName="consumer", AssumeRolePolicyDocument=json.dumps({
            "Version": "2012-10-17", "Statement": [
                {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}]}))
        code = io.BytesIO()
        with zipfile.ZipFile(code, "w") as package:
            package.writestr("function.py", "def handle(event, context): raise RuntimeError\n")
        self.lambda_.create_function(
            FunctionName="events", Role=role["Role"]["Arn"], Runtime="python3.12", Handler="function.handle", Timeout=60,
            Code={"ZipFile": code.getvalue()}, Environment={"Variables": {
                "EVENT_TABLE": "events", "DEAD_LETTER_QUEUE_URL": self.dead_letters, "EVENT_INDEX_SHARDS": "4"}},
        )
        self.variables = {
            "EVENT_QUEUE_URL": self.queue, "DEAD_LETTER_QUEUE_URL": self.dead_letters, "EVENT_TABLE": "events", "EVENT_INDEX_SHARDS": "4",
        }
        version = self.lambda_.publish_version(FunctionName="events")["Version"]
        self.alias = self.lambda_.create_alias(FunctionName="events", Name="live", FunctionVersion=version)["AliasArn"]
        self.map(self.queue)

    def redrive(self, url, receives):
        return json.dumps({"deadLetterTargetArn": arn(url), "maxReceiveCount": str(receives)})

    def recovery(self, enabled):
        self.dynamodb.update_continuous_backups(
            TableName="events", PointInTimeRecoverySpecification={"PointInTimeRecoveryEnabled": enabled})

    def map(self, url):
        self.mapping = self.lambda_.create_event_source_mapping(
            EventSourceArn=arn(url), FunctionName=self.alias, FunctionResponseTypes=["ReportBatchItemFailures"])["UUID"]

    def unmap(self):
        for mapping in self.lambda_.list_event_source_mappings()["EventSourceMappings"]:
            self.lambda_.delete_event_source_mapping(UUID=mapping["UUID"])

    def set(self, url=None, **attributes):
        self.sqs.set_queue_attributes(QueueUrl=url or self.queue, Attributes=attributes)

    def change(self, **mapping):
        self.lambda_.update_event_source_mapping(UUID=self.mapping, **mapping)

    def repair(self):
        """Restores what a mistake without a command has changed."""
        self.set(VisibilityTimeout="360", RedrivePolicy=self.redrive(self.dead_letters, 20))
        self.unmap()
        self.map(self.queue)

    def expire_by(self, attribute):
        self.dynamodb.update_time_to_live(TableName="events", TimeToLiveSpecification={"Enabled": True, "AttributeName": attribute})


def doctor(variables, function="events"):
    environment = {name: value for name, value in (os.environ | variables).items() if value}
    arguments = [COMMAND, "doctor", "--json", "--function", function]
    done = subprocess.run(arguments, env=environment, capture_output=True, text=True, timeout=120)
    assert done.returncode in (0, 1), f"exit code {done.returncode}: {done.stderr}"
    findings = [json.loads(line) for line in done.stdout.splitlines()]
    bad = [finding for finding in findings if finding["severity"] in ("error", "warning")]
    assert done.returncode == (1 if bad else 0), findings
    for finding in findings:
        if finding["severity"] != "ok":
            assert finding["remedy"], finding
        if finding in bad:
            assert finding["consequence"], finding
    return findings


def report(title, detail=""):
    print(f"  ok    {title}{f' ({detail})' if detail else ''}", flush=True)


def check_mistakes(setup, has_cli, folder):
    """Each mistake, what `doctor` finds, and a part of the remedy."""
    s = setup
    mistakes = [
        # The event source mapping.
        (lambda: s.change(FunctionResponseTypes=[]), {}, "error", "does not report partial batch failures", "update-event-source-mapping"),
        (lambda: s.change(Enabled=False), {}, "error", "its mapping is Disabled", "--enabled"),
        (lambda: s.unmap(), {}, "error", "no event source mapping", "create-event-source-mapping"),
        (lambda: (s.unmap(), s.map(s.other_queue)), {}, "warning", "receives from other, not from events", "--function and EVENT_QUEUE_URL"),
        # The queue.
        (lambda: s.set(VisibilityTimeout="30"), {}, "warning", "visibility timeout of the queue is 30 seconds", "VisibilityTimeout=360"),
        (lambda: s.set(RedrivePolicy=""), {}, "error", "no redrive policy", "RedrivePolicy"),
        (lambda: s.set(RedrivePolicy=s.redrive(s.dead_letters, 2)), {}, "warning", "after 2 receives", "RedrivePolicy"),
        (lambda: s.set(RedrivePolicy=s.redrive(s.other_queue, 20)), {}, "warning", "names the queue other", "RedrivePolicy"),
        (lambda: s.set(MaximumMessageSize="1024"), {}, "warning", "at most 1024 bytes", "MaximumMessageSize=1048576"),
        (lambda: s.set(MessageRetentionPeriod="3600"), {}, "warning", "keeps messages for 1 hour", "MessageRetentionPeriod=1209600"),
        (lambda: s.set(DelaySeconds="30"), {}, "warning", "delays each message by 30 seconds", "DelaySeconds=0"),
        # The dead-letter queue.
        (lambda: s.set(s.dead_letters, MessageRetentionPeriod=str(DAY)), {}, "warning", "keeps messages for 1 day", "MessageRetentionPeriod=1209600"),
        (lambda: s.sqs.send_message(QueueUrl=s.dead_letters, MessageBody="{}"), {}, "warning", "contains 1 message", "rejected pull"),
        # The table.
        (lambda: s.dynamodb.update_table(TableName="events", DeletionProtectionEnabled=False), {}, "warning",
         "not protected against deletion", "update-table"),
        (lambda: s.recovery(False), {}, "warning", "point-in-time recovery is off", "update-continuous-backups"),
        (lambda: s.expire_by("When"), {}, "error", "expiry attribute is When", "update-time-to-live"),
        # The variables of this shell and of the function.
        (None, {"EVENT_TABLE": "other-keys"}, "error", "its keys are not ID (string)", "set EVENT_TABLE"),
        (None, {"EVENT_TABLE": "text-sort-key"}, "error", "its keys are not ID (string)", "set EVENT_TABLE"),
        (None, {"EVENT_TABLE": "no-index"}, "error", "no index by event type", "unset EVENT_INDEX_SHARDS"),
        (None, {"EVENT_TABLE": "no-index"}, "warning", 'its EVENT_TABLE is "events"', "set EVENT_TABLE"),
        (None, {"EVENT_TABLE": "missing"}, "error", "does not exist", "check EVENT_TABLE"),
        (None, {"EVENT_INDEX_SHARDS": ""}, "warning", "EVENT_INDEX_SHARDS is not set here", "set EVENT_INDEX_SHARDS"),
        (None, {"EVENT_INDEX_SHARDS": "2"}, "warning", 'its EVENT_INDEX_SHARDS is "4"', "set EVENT_INDEX_SHARDS"),
        (None, {"EVENT_QUEUE_URL": s.queue + "-missing"}, "error", "does not exist", "check the URL"),
        (None, {"DEAD_LETTER_QUEUE_URL": s.other_queue}, "warning", "its DEAD_LETTER_QUEUE_URL is", "set DEAD_LETTER_QUEUE_URL"),
        (None, {"AWS_ACCESS_KEY_ID": "AKIAUNKNOWN000000000", "AWS_SECRET_ACCESS_KEY": "x"}, "error", "cannot be checked", "renew the AWS credentials"),
    ]
    commands = 0
    for make, changes, severity, found, remedy in mistakes:
        if make:
            make()
        findings = doctor(s.variables | changes)
        matching = [f for f in findings if f["severity"] == severity and found in f["found"]]
        assert matching, f"no {severity} {found!r} in {json.dumps(findings, indent=1)}"
        assert remedy in matching[0]["remedy"], matching[0]
        command = re.search(r"`((?:aws|domain-events) [^`]*)`", matching[0]["remedy"])
        if make and command and has_cli:
            text = command[1].replace("--to DIR", f"--to '{folder}/letters'").replace("domain-events", f"'{COMMAND}'", command[1].startswith("domain-events"))
            subprocess.run(["bash", "-euc", text], check=True, stdout=subprocess.DEVNULL, env=os.environ | s.variables)
            commands += 1
        elif make:
            s.repair()
        if make:
            left = [f for f in doctor(s.variables) if f["severity"] != "ok"]
            assert not left, f"{found}: {left}"
        report(found, "repaired by its command" if make and command and has_cli else "")
    assert commands >= 12 or not has_cli, commands


def check_permissions(setup):
    """A caller without permissions: nothing is wrong, and `doctor` says what it could not check."""
    iam = boto3.client("iam")
    iam.create_user(UserName="stranger")
    key = iam.create_access_key(UserName="stranger")["AccessKey"]
    findings = doctor(setup.variables | {"AWS_ACCESS_KEY_ID": key["AccessKeyId"], "AWS_SECRET_ACCESS_KEY": key["SecretAccessKey"]})
    severities = {finding["severity"] for finding in findings}
    assert severities == {"unknown"}, findings
    remedies = " ".join(finding["remedy"] for finding in findings)
    for policy in ("operator_policy_arn", "producer_policy_arn", "reader_policy_arn"):
        assert policy in remedies, remedies
    report("a caller without permissions gets the names of the policies")


def check_questions():
    environment = os.environ | {"DOMAIN_EVENTS": COMMAND}
    workers = []
    try:
        for prefix, suffix in (("", ""), ("STAGING_", ".fifo")):
            fifo = {"FifoQueue": "true"} if suffix else {}
            name = f"{prefix.lower().replace('_', '-')}orders"
            dead_letters = queue(f"{name}-dead-letters{suffix}", **fifo)
            url = queue(f"{name}{suffix}", VisibilityTimeout="30", RedrivePolicy=json.dumps(
                {"deadLetterTargetArn": arn(dead_letters), "maxReceiveCount": "20"}), **fifo)
            table(name)
            variables = {"EVENT_QUEUE_URL": url, "DEAD_LETTER_QUEUE_URL": dead_letters, "EVENT_TABLE": name}
            environment |= {f"STAGING_{key.removeprefix('EVENT_')}": value for key, value in variables.items()} if prefix else variables
            workers.append(subprocess.Popen([COMMAND, "worker"], env=os.environ | variables, stdout=subprocess.DEVNULL))
        subprocess.run([sys.executable, QUESTIONS], env=environment, check=True)
    finally:
        for worker in workers:
            worker.terminate()
            worker.wait()


def main():
    with tempfile.TemporaryDirectory() as folder:
        endpoint = start_endpoint(folder)
        try:
            has_cli = aws_cli(folder)
            setup = Setup()
            findings = doctor(setup.variables)
            assert {finding["severity"] for finding in findings} == {"ok"}, findings
            report(f"{len(findings)} checks of a complete set-up find nothing to change")
            check_mistakes(setup, has_cli, folder)
            check_permissions(setup)
            check_questions()
            if not has_cli:
                print("  --    the remedies were not run: the AWS CLI is not installed")
        finally:
            endpoint.terminate()
            endpoint.wait()


if __name__ == "__main__":
    main()
