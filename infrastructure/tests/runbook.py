"""Extracts every command of the runbook and runs it on an applied deployment.

    runbook.py REPOSITORY STATE DEPLOYER PACKAGE PIPELINE

REPOSITORY is a folder with a copy of `infrastructure`, whose state is applied.
STATE holds the credentials that end_to_end.py created, and DEPLOYER is the name
of the deployer among them. Commands about alarms and the dead-letter queue run
with the operator's policy, the others with the deployer's or as administrator.
PIPELINE is "true" if the function can run.

Each block of the page runs in a separate shell, with the variables of the
block that sets them. A block fails if one of its commands fails, or if a check
below does not find the block's effect.
"""

import json
import os
import re
import shutil
import subprocess
import sys
import time
import uuid

from end_to_end import ADMINISTRATOR, EXAMPLE, LOCAL, PATIENCE, Report, arn, client, read, read_text, role_name, until

PAGE = os.path.join(os.path.dirname(os.path.abspath(__file__)), os.pardir, "README.md")

OPERATOR_SECTIONS = {
    "dead-letter-queue-not-empty", "dead-letter-queue-expiring", "oldest-message-too-old", "events-failing", "function-errors",
    "function-throttles", "table-throttles", "rejected-events", "metrics-invalid", "Read the dead-letter queue", "Redrive",
    "Save to a file", "Delete one", "outbox-oldest-row",
}
DEPLOYER_SECTIONS = {"Stop consuming", "Roll back the function", "In your own Terraform", "Replace or destroy"}

ERASURE = "Erase the events of a person"

# Commands that do not run here, each with the reason. A command that is no longer
# on the page fails the test.
NOT_RUN = {
    "infrastructure/run.sh package\n": "check.sh runs it before this test",
    "cargo build --release -p domain-events-cli --bin domain-events\ntarget/release/domain-events worker\n":
        "a release build, and a program that runs until it is stopped; the worker has its own tests",
    "infrastructure/tests/check.sh\n": "it runs this test",
}


def blocks():
    """Each block of commands, with the heading above it."""
    section, result, block = None, [], None
    for line in read_text(PAGE).splitlines(keepends=True):
        if block is not None:
            if line.startswith("```"):
                result.append((section, "".join(block)))
                block = None
            else:
                block.append(line)
        elif line.startswith("```bash"):
            block = []
        elif line.startswith("#"):
            section = line.lstrip("#").strip()
    return result


class Runbook:
    def __init__(self, repository, state, deployer, package, pipeline):
        self.repository = repository
        self.who = read(state)
        self.deployer = deployer
        self.package = package
        self.pipeline = pipeline == "true"
        self.report = Report()
        self.outputs = {
            name: output["value"]
            for name, output in json.loads(self.terraform("output", "-json")).items()
        }
        self.name = self.outputs["deployment"]["name"]
        self.queue = self.outputs["EVENT_QUEUE_URL"]
        self.dead_letter = self.outputs["DEAD_LETTER_QUEUE_URL"]
        self.table = self.outputs["EVENT_TABLE"]
        self.fifo = self.queue.endswith(".fifo")
        self.sqs = client("sqs", ADMINISTRATOR)
        self.variables = {}

    def terraform(self, *arguments):
        return subprocess.run(
            ["terraform", f"-chdir={self.repository}/infrastructure", *arguments], check=True, stdout=subprocess.PIPE, text=True
        ).stdout

    def adapted(self, block):
        """The block with what differs in a test: no question, a built package and built examples."""
        # The page names one deployment, and two are tested at the same time.
        block = block.replace("--policy-name domain-events-deployer", f"--policy-name {self.name}-deployer")
        block = block.replace("s/NAME/domain-events/g", f"s/NAME/{self.name}/g")
        package = f"'{self.package}'"
        block = re.sub(r"^infrastructure/run\.sh plan$", f"infrastructure/run.sh plan --package {package}", block, flags=re.M)
        block = re.sub(r"^infrastructure/run\.sh(?! plan)", f"infrastructure/run.sh --yes --package {package}", block, flags=re.M)
        block = re.sub(r"cargo run --bin emit\b", lambda _: os.environ["PRODUCER_CMD"].removeprefix("exec "), block)
        block = re.sub(r"cargo run --bin read\b", lambda _: os.environ["READER_CMD"].removeprefix("exec "), block)
        # Local: the endpoint has no message move tasks. The CLI checks the arguments.
        return re.sub(r"^(aws sqs (?:start|list)-message-move-tasks?\b.*)$", r"\1 --generate-cli-skeleton output", block, flags=re.M)

    def run(self, section, block):
        environment = {**os.environ, **self.variables}
        user = None
        if section in OPERATOR_SECTIONS:
            user = "operator"
        elif section in DEPLOYER_SECTIONS or block.startswith("infrastructure/run.sh"):
            user = self.deployer
        if user:
            environment |= {"AWS_ACCESS_KEY_ID": self.who[user]["key"], "AWS_SECRET_ACCESS_KEY": self.who[user]["secret"]}
        # `terraform init` needs the folder of the provider, as run.sh passes it.
        if os.environ.get("TF_PLUGIN_DIR"):
            environment["TF_CLI_ARGS_init"] = f"-plugin-dir={os.environ['TF_PLUGIN_DIR']} -lockfile=readonly -input=false"
        return subprocess.run(
            ["bash", "-euo", "pipefail", "-c", self.adapted(block)], cwd=self.repository, env=environment,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=5 * PATIENCE,
        )

    # What must be there before a block, and its effect after it.

    def dead_letters(self, count):
        """Puts messages into the empty dead-letter queue."""
        self.sqs.purge_queue(QueueUrl=self.dead_letter)
        bodies = [json.dumps({"letter": n}) for n in range(count)]
        for body in bodies:
            more = {"MessageGroupId": body[-4:], "MessageDeduplicationId": str(uuid.uuid4())} if self.fifo else {}
            self.sqs.send_message(
                QueueUrl=self.dead_letter, MessageBody=body,
                MessageAttributes={"RejectionCode": {"DataType": "String", "StringValue": "NOT_JSON"}},
                **{key: re.sub(r"\W", "", value) for key, value in more.items()},
            )
        return bodies

    def depth(self, url):
        attributes = self.sqs.get_queue_attributes(
            QueueUrl=url, AttributeNames=["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        )["Attributes"]
        return sum(int(value) for value in attributes.values())

    def history(self, entity, table=None):
        return client("dynamodb", ADMINISTRATOR).query(
            TableName=table or self.table, KeyConditionExpression="ID = :id", ExpressionAttributeValues={":id": {"S": entity}}
        )["Items"]

    def mapping(self):
        mapping = client("lambda", ADMINISTRATOR).get_event_source_mapping(UUID=self.outputs["event_source_mapping_id"])
        return mapping["State"]

    def live(self):
        return client("lambda", ADMINISTRATOR).get_alias(FunctionName=self.outputs["function_name"], Name="live")["FunctionVersion"]

    def prepare(self, section, block):
        if "attach-role-policy" in block:
            trust = {"Version": "2012-10-17", "Statement": [
                {"Effect": "Allow", "Principal": {"Service": "ecs-tasks.amazonaws.com"}, "Action": "sts:AssumeRole"}]}
            iam = client("iam", ADMINISTRATOR)
            try:
                iam.create_role(RoleName="my-service", AssumeRolePolicyDocument=json.dumps(trust))
            except iam.exceptions.EntityAlreadyExistsException:
                pass
        elif section == "Read the dead-letter queue":
            self.letters = self.dead_letters(3)
        elif section == "Delete one":
            self.letters = self.dead_letters(1)
        elif section == "Save to a file":
            # An earlier receive hides ten of fourteen messages.
            self.letters = self.dead_letters(14)
            self.sqs.receive_message(QueueUrl=self.dead_letter, MaxNumberOfMessages=10, VisibilityTimeout=8)
        elif section == ERASURE and "dynamodb query" in block:
            for entity, key in [("customer-42", "1"), ("customer-42", "2.000000001"), ("customer-43", "1")]:
                client("dynamodb", ADMINISTRATOR).put_item(TableName=self.table, Item={
                    "ID": {"S": entity}, "Timestamp": {"N": key}, "EventType": {"S": "ERASED"}, "EventId": {"S": f"{entity}-{key}"},
                    "EmitterId": {"S": "me"}, "EmitterType": {"S": "USER"}, "StoredAt": {"N": "1"}})
        elif "restore-table-to-point-in-time" in block:
            # One event that only this table has before the restore.
            client("dynamodb", ADMINISTRATOR).put_item(TableName=self.table, Item={
                "ID": {"S": "before-the-restore"}, "Timestamp": {"N": "1"}, "EventType": {"S": "KEPT"}, "EventId": {"S": "kept"},
                "EmitterId": {"S": "me"}, "EmitterType": {"S": "USER"}, "StoredAt": {"N": "1"}})
        elif block.startswith("domain-events export"):
            # The accident: the event is deleted from the present table only.
            client("dynamodb", ADMINISTRATOR).delete_item(TableName=self.table, Key={"ID": {"S": "before-the-restore"}, "Timestamp": {"N": "1"}})
        elif section == "outbox-oldest-row":
            client("dynamodb", ADMINISTRATOR).put_item(TableName=self.outputs["EVENT_OUTBOX_TABLE"], Item={
                "EventId": {"S": "waiting-row"}, "Message": {"S": json.dumps(EXAMPLE)}, "At": {"N": "1"}})
        elif "dynamodb query" in block and self.pipeline:
            until(PATIENCE, lambda: self.history("first"))

    def check(self, section, block, done):
        check = self.report.check
        if block.startswith("infrastructure/run.sh plan"):
            check("terraform plan" in done.stdout, "run.sh plans and applies", done.stdout[-200:] if done.returncode else "")
        elif section == ERASURE and "dynamodb query" in block:
            keys = read_text(os.path.join(self.repository, "keys.jsonl")).splitlines()
            check(len(keys) == 2, "the keys of the person are in the file", str(keys))
        elif section == ERASURE:
            check(not self.history("customer-42"), "the events of the person are erased")
            check(len(self.history("customer-43")) == 1, "the events of others remain")
        elif "dynamodb query" in block and self.pipeline:
            check(len(json.loads(done.stdout)["Items"]) == 1, "the event that was sent by hand is stored")
        elif "cargo run --bin emit" in block and self.pipeline:
            check(bool(until(PATIENCE, lambda: self.history("second"))), "the event of the example is stored")
        elif section == "outbox-oldest-row":
            check("waiting-row" in done.stdout, "the row that waits is listed", done.stdout)
        elif section == "Read the dead-letter queue" and "receive-message" in block:
            found = re.findall(r'"code": "NOT_JSON"', done.stdout)
            check(len(found) == 3, "three messages are shown with their code", f"{len(found)}")
        elif section == "Save to a file":
            lines = [json.loads(line) for line in read_text(os.path.join(self.repository, "dead-letters.jsonl")).splitlines()]
            check(sorted(line["Body"] for line in lines) == sorted(self.letters), "all fourteen messages are in the file", str(len(lines)))
            check(all(line["MessageAttributes"]["RejectionCode"]["StringValue"] == "NOT_JSON" for line in lines), "with their attributes")
            check(self.depth(self.dead_letter) == 0, "the dead-letter queue is empty")
            self.saves_report_hidden_messages()
        elif section == "Delete one":
            check(self.depth(self.dead_letter) == 0, "the message is deleted")
        elif "--no-enabled" in block and section == "Stop consuming":
            check(self.mapping() in ("Disabled", "Disabling"), "the mapping is disabled", self.mapping())
        elif "--enabled" in block and section == "Stop consuming":
            check(self.mapping() in ("Enabled", "Enabling"), "the mapping is enabled", self.mapping())
        elif section == "Roll back the function":
            check(self.live() == "1", "the alias points to version 1", self.live())
        elif "-replace" in block:
            for url in (self.queue, self.dead_letter):
                size = self.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["MaximumMessageSize"])["Attributes"]
                check(size["MaximumMessageSize"] == "1048576", "the size is 1 MiB", str(size))
        elif block.startswith("domain-events export"):
            check(len(self.history("before-the-restore")) == 1, "the deleted event is in the present table again")
        elif "state rm" in block:
            self.restored()

    def saves_report_hidden_messages(self):
        """What the script cannot receive, it reports, and it fails."""
        self.dead_letters(2)
        self.sqs.receive_message(QueueUrl=self.dead_letter, MaxNumberOfMessages=1, VisibilityTimeout=600)
        done = self.run("Save to a file", "infrastructure/save-dead-letters.sh hidden.jsonl --wait 1\n")
        self.report.check(
            done.returncode == 1 and "1 messages are still in the queue" in done.stderr and "Saved to hidden.jsonl: 1" in done.stderr,
            "a hidden message is reported, and the exit code is 1", done.stderr.strip(),
        )

    def restored(self):
        """The restored table has every protection, and the function uses it."""
        check = self.report.check
        dynamodb = client("dynamodb", ADMINISTRATOR)
        table = f"{self.table}-restored"
        description = dynamodb.describe_table(TableName=table)["Table"]
        check(description["DeletionProtectionEnabled"], "the restored table is protected against deletion")
        expiry = dynamodb.describe_time_to_live(TableName=table)["TimeToLiveDescription"]
        check(expiry["TimeToLiveStatus"] == "ENABLED" and expiry["AttributeName"] == "ExpiresAt", "its events expire", str(expiry))
        recovery = dynamodb.describe_continuous_backups(TableName=table)["ContinuousBackupsDescription"]
        check(recovery["PointInTimeRecoveryDescription"]["PointInTimeRecoveryStatus"] == "ENABLED", "it can be restored itself")
        check(len(self.history("before-the-restore", table)) == 1, "it has the events of the former table")
        function = client("lambda", ADMINISTRATOR)
        environment = function.get_function_configuration(FunctionName=self.outputs["function_name"], Qualifier="live")["Environment"]
        check(environment["Variables"]["EVENT_TABLE"] == table, "the function stores events there", environment["Variables"]["EVENT_TABLE"])
        check(self.mapping() in ("Enabled", "Enabling"), "the apply enables the mapping again", self.mapping())
        check(
            len(self.history("before-the-restore")) == 1 and dynamodb.describe_table(TableName=self.table)["Table"]["DeletionProtectionEnabled"],
            "the former table is unchanged",
        )
        iam = client("iam", ADMINISTRATOR)
        policy = iam.get_policy(PolicyArn=self.outputs["reader_policy_arn"])["Policy"]
        document = iam.get_policy_version(PolicyArn=policy["Arn"], VersionId=policy["DefaultVersionId"])["PolicyVersion"]["Document"]
        check(f"table/{table}" in json.dumps(document), "readers may read it")

    def go(self):
        page = blocks()
        # Local: the function needs more than on AWS, see end_to_end.py.
        client("iam", ADMINISTRATOR).put_role_policy(
            RoleName=role_name(self.outputs), PolicyName=LOCAL,
            PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [
                {"Effect": "Allow", "Action": "sqs:SendMessageBatch", "Resource": arn(self.dead_letter)},
                {"Effect": "Allow", "Action": ["dynamodb:BatchExecuteStatement", "dynamodb:ExecuteStatement"], "Resource": "*"},
            ]}),
        )
        client("iam", ADMINISTRATOR).put_user_policy(
            UserName="operator", PolicyName=f"operator-{self.name}",
            PolicyDocument=json.dumps(self.operator_document()),
        )
        # Local: DeleteMessageBatch is a separate action; on AWS, DeleteMessage covers it.
        client("iam", ADMINISTRATOR).put_user_policy(
            UserName="operator", PolicyName=f"{LOCAL}-{self.name}",
            PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [
                {"Effect": "Allow", "Action": "sqs:DeleteMessageBatch", "Resource": arn(self.dead_letter)},
            ]}),
        )
        self.sqs.purge_queue(QueueUrl=self.queue)

        prelude = next(block for _, block in page if block.startswith("export AWS_REGION="))
        names = re.findall(r"^(?:export )?([A-Z_]+)=", prelude, flags=re.M)
        shown = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", prelude + "".join(f'printf "%s\\n" "${name}"\n' for name in names)],
            cwd=self.repository, check=True, stdout=subprocess.PIPE, text=True,
        ).stdout.splitlines()
        self.variables = dict(zip(names, shown, strict=True))
        self.report.check(all(shown), f"the variables {', '.join(names)} are set")

        not_run = dict(NOT_RUN)
        if not os.environ.get("PRODUCER_CMD") or not os.environ.get("READER_CMD"):
            block = next(block for _, block in page if "cargo run --bin emit" in block)
            not_run[block] = "the examples are not built"
        if not shutil.which("domain-events", path=os.environ["PATH"]):
            for _, block in page:
                if block.startswith("domain-events "):
                    not_run[block] = "cargo has not built the command"
        skipped = set()
        for section, block in page:
            if block == prelude:
                continue
            title = f"{section}: {block.splitlines()[0][:70]}"
            if block in not_run:
                skipped.add(block)
                print(f"  --    {title} (not run: {not_run[block]})", flush=True)
                continue
            began = time.monotonic()
            self.prepare(section, block)
            done = self.run(section, block)
            detail = f"{time.monotonic() - began:.1f} s" if done.returncode == 0 else f"exit {done.returncode}\n{done.stdout[-1500:]}\n{done.stderr[-1500:]}"
            # `relay --dry-run` exits with 1 if rows wait, and one does.
            as_expected = done.returncode == (1 if section == "outbox-oldest-row" else 0)
            self.report.check(as_expected, title, detail)
            if as_expected:
                self.check(section, block, done)
        self.report.check(skipped == set(not_run), "every block that is not run is on the page", str(set(not_run) - skipped))
        self.report.check(len(page) >= 25, "the blocks of the page are found", str(len(page)))
        self.report.end()

    def operator_document(self):
        iam = client("iam", ADMINISTRATOR)
        policy = iam.get_policy(PolicyArn=self.outputs["operator_policy_arn"])["Policy"]
        return iam.get_policy_version(PolicyArn=policy["Arn"], VersionId=policy["DefaultVersionId"])["PolicyVersion"]["Document"]


if __name__ == "__main__":
    if len(sys.argv) != 6:
        sys.exit(__doc__)
    if not shutil.which("jq"):
        sys.exit("not installed: jq")
    Runbook(*sys.argv[1:]).go()
