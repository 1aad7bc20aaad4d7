"""Uses an applied deployment with the permissions that it created.

Called by the test scripts, one step per call:

    wait                          wait until the local endpoint responds
    principals STATE NAME...      create IAM users, with a deployer for each
                                  deployment NAME, and write their keys to STATE
    no-changes PLAN               the plan changes nothing
    permissions STATE OUTPUTS     each principal can do what it needs, and nothing else
    pipeline STATE OUTPUTS        events travel from producer to reader
    protected OUTPUTS             the table cannot be deleted
    leave STATE OUTPUTS           remove what only the local endpoint needed
    gone OUTPUTS                  nothing of the deployment is left

The endpoint differs from AWS in a few places. Each is marked with "Local:"; the
tests in *.tftest.hcl then assert the exact policy document.
"""

import functools
import json
import os
import re
import subprocess
import sys
import time
import uuid

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

ADMINISTRATOR = {"key": "test", "secret": "test"}
USERS = ["producer", "named-producer", "reader", "operator", "worker", "stranger"]
INFRASTRUCTURE = os.path.join(os.path.dirname(os.path.abspath(__file__)), os.pardir)
REGION = os.environ["AWS_REGION"]

# How long to wait for what takes a second on an idle machine.
PATIENCE = 180

# The event that every consumer of the wire format must accept and store.
EXAMPLE = {
    "Timestamp": 1596719980,
    "EventType": "EVENT_TEST",
    "ID": "53877b2e-e496-11ea-b678-9b42a44d5e59",
    "EmitterId": "6b04fd08-e496-11ea-8176-9f85e075569c",
    "EmitterType": "USER",
    "Data": {"foo": "bar"},
}


@functools.lru_cache(maxsize=None)
def cached_client(service, key, secret, token):
    return new_client(service, {"key": key, "secret": secret, "token": token})


def client(service, credentials):
    return cached_client(service, credentials["key"], credentials["secret"], credentials.get("token"))


def new_client(service, credentials):
    return boto3.client(
        service,
        region_name=REGION,
        endpoint_url=os.environ["AWS_ENDPOINT_URL"],
        aws_access_key_id=credentials["key"],
        aws_secret_access_key=credentials["secret"],
        aws_session_token=credentials.get("token"),
        config=Config(retries={"max_attempts": 1}, connect_timeout=30, read_timeout=120),
    )


def read_text(path):
    with open(path, encoding="utf-8") as file:
        return file.read()


def read(path):
    return json.loads(read_text(path))


def outputs_of(path):
    return {name: output["value"] for name, output in read(path).items()}


class Report:
    """Prints every check, and fails at the end if one failed."""

    def __init__(self):
        self.failures = []
        self.count = 0

    def check(self, passed, sentence, detail=""):
        self.count += 1
        print(f"  {'ok  ' if passed else 'FAIL'}  {sentence}{f' ({detail})' if detail else ''}", flush=True)
        if not passed:
            self.failures.append(sentence)

    def may(self, sentence, call):
        try:
            call()
        except (ClientError, BotoCoreError) as error:
            self.check(False, sentence, str(error))
            return
        self.check(True, sentence)

    def may_not(self, sentence, call):
        try:
            call()
        except ClientError as error:
            code = error.response["Error"]["Code"]
            # Only a refusal by IAM counts: a call that fails for another reason
            # would succeed with other arguments.
            self.check(code.split(".")[-1] in ("AccessDenied", "AccessDeniedException"), sentence, code)
        else:
            self.check(False, sentence, "it was allowed")

    def lets(self, sentence, call):
        """IAM allows the call, whether it succeeds or not."""
        try:
            call()
        except ClientError as error:
            code = error.response["Error"]["Code"]
            self.check(code.split(".")[-1] not in ("AccessDenied", "AccessDeniedException"), sentence, code)
        else:
            self.check(True, sentence)

    def end(self):
        if self.failures:
            sys.exit(f"{len(self.failures)} of {self.count} checks failed:\n  " + "\n  ".join(self.failures))
        print(f"  all {self.count} checks passed")


def until(seconds, condition):
    """The first truthy value of `condition`, or None after `seconds`."""
    end = time.monotonic() + seconds
    while True:
        value = condition()
        if value or time.monotonic() > end:
            return value or None
        time.sleep(0.25)


def wait():
    def answers():
        try:
            return client("sts", ADMINISTRATOR).get_caller_identity()["Account"]
        except (ClientError, BotoCoreError):
            return None

    if not until(PATIENCE, answers):
        sys.exit("the local endpoint does not respond")


def deployer_policy(name, file="deployer-policy.json"):
    """A document of the repository, filled in as the runbook says."""
    document = read_text(os.path.join(INFRASTRUCTURE, file))
    account = client("sts", ADMINISTRATOR).get_caller_identity()["Account"]
    for placeholder, value in (("REGION", REGION), ("ACCOUNT", account), ("NAME", name)):
        document = document.replace(placeholder, value)
    return document


def principals(state, *deployments):
    iam = client("iam", ADMINISTRATOR)
    users = {}
    for name in USERS + [f"deployer-{deployment}" for deployment in deployments]:
        user = iam.create_user(UserName=name)["User"]
        key = iam.create_access_key(UserName=name)["AccessKey"]
        users[name] = {"arn": user["Arn"], "key": key["AccessKeyId"], "secret": key["SecretAccessKey"]}
        print(f"  {user['Arn']}")
    for deployment in deployments:
        iam.put_user_policy(
            UserName=f"deployer-{deployment}", PolicyName="deployer", PolicyDocument=deployer_policy(deployment)
        )
        outbox = deployer_policy(deployment, "deployer-policy-outbox.json")
        iam.put_user_policy(UserName=f"deployer-{deployment}", PolicyName="outbox", PolicyDocument=outbox)
        named = [action for statement in json.loads(deployer_policy(deployment))["Statement"] for action in statement["Action"]]
        if not set(LOCAL_DEPLOYER) <= set(named):
            sys.exit(f"the deployer's policy does not contain {set(LOCAL_DEPLOYER) - set(named)}")
        iam.put_user_policy(
            UserName=f"deployer-{deployment}", PolicyName=LOCAL, PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [
                # Local: the endpoint checks GetAlias as ListAliases.
                {"Effect": "Allow", "Action": [*LOCAL_DEPLOYER, "lambda:ListAliases"], "Resource": "*"},
            ]}),
        )
    descriptor = os.open(state, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        json.dump(users, file)


# Local: the endpoint checks these actions against the resource `*`, and ignores
# the condition on the mapping's function. On AWS, the policy's own resources and
# condition allow them.
LOCAL_DEPLOYER = [
    "cloudwatch:DeleteAlarms", "cloudwatch:DeleteDashboards", "cloudwatch:DescribeAlarms", "cloudwatch:GetDashboard",
    "cloudwatch:ListTagsForResource", "cloudwatch:PutDashboard", "cloudwatch:PutMetricAlarm", "cloudwatch:TagResource",
    "dynamodb:ListTagsOfResource", "dynamodb:TagResource",
    "iam:CreatePolicy",
    "lambda:CreateEventSourceMapping", "lambda:CreateFunction", "lambda:DeleteEventSourceMapping", "lambda:UpdateEventSourceMapping",
    "sns:ListTagsForResource",
]


# Local: the endpoint stores alarms and the recovery period, but returns these
# attributes empty, so that a plan would set them again. Any other change, of these
# resources or of another one, fails the test.
FORGOTTEN = {
    "actions_enabled": False,
    "alarm_actions": [],
    "alarm_description": "",
    "dimensions": {},
    "metric_query": [],
    "ok_actions": [],
    "period": 0,
    "statistic": "",
    "treat_missing_data": "missing",
    "point_in_time_recovery": [{"enabled": True, "recovery_period_in_days": 0}],
}


def no_changes(path):
    report = Report()
    plan = read(path)
    unchanged = forgotten = 0
    for resource in plan["resource_changes"]:
        change = resource["change"]
        if change["actions"] in (["no-op"], ["read"]):
            unchanged += 1
            continue
        before, after = change["before"] or {}, change["after"] or {}
        differing = {name: before.get(name) for name in after if after[name] != before.get(name)}
        unknown = [name for name, value in change.get("after_unknown", {}).items() if value not in (False, [], {})]
        known = (
            resource["type"] in ("aws_cloudwatch_metric_alarm", "aws_dynamodb_table")
            and change["actions"] == ["update"]
            and not unknown
            and all(name in FORGOTTEN and value == FORGOTTEN[name] for name, value in differing.items())
        )
        forgotten += known
        if not known:
            report.check(False, f"{resource['address']} is unchanged", f"{change['actions']} {differing} {unknown}")
    changed_outputs = [n for n, c in plan.get("output_changes", {}).items() if c["actions"] != ["no-op"]]
    report.check(not changed_outputs, "no output changes", ", ".join(changed_outputs))
    report.check(unchanged > 0, f"{unchanged} resources are unchanged; {forgotten} differ only in what the local endpoint does not return")
    report.end()


def send(credentials, url, event, **more):
    body = event if isinstance(event, str) else json.dumps(event)
    return client("sqs", credentials).send_message(QueueUrl=url, MessageBody=body, **more)["MessageId"]


def without_tls(credentials):
    """An SQS client whose requests seem to arrive without TLS."""
    sqs = new_client("sqs", credentials)

    # Local: the endpoint reads the scheme from this header if it is present.
    def mark(request, **_):
        request.headers["X-Forwarded-Proto"] = "http"

    sqs.meta.events.register("before-send.sqs", mark)
    return sqs


def consumer_credentials(outputs):
    # Local: the administrator can assume a role that only Lambda can assume on AWS.
    session = client("sts", ADMINISTRATOR).assume_role(
        RoleArn=outputs["consumer_role_arn"], RoleSessionName="permissions"
    )["Credentials"]
    return {"key": session["AccessKeyId"], "secret": session["SecretAccessKey"], "token": session["SessionToken"]}


def permissions(state, outputs_path):
    report = Report()
    who = read(state)
    outputs = outputs_of(outputs_path)
    queue, dead_letter, table = outputs["EVENT_QUEUE_URL"], outputs["DEAD_LETTER_QUEUE_URL"], outputs["EVENT_TABLE"]
    key = {"ID": {"S": "permissions"}, "Timestamp": {"N": "1"}}
    item = {**key, "EventType": {"S": "FORGED"}}
    event = {**EXAMPLE, "ID": "permissions"}

    iam = client("iam", ADMINISTRATOR)
    iam.attach_user_policy(UserName="producer", PolicyArn=outputs["producer_policy_arn"])
    iam.attach_user_policy(UserName="reader", PolicyArn=outputs["reader_policy_arn"])
    iam.attach_user_policy(UserName="operator", PolicyArn=outputs["operator_policy_arn"])

    administrator = client("sqs", ADMINISTRATOR)
    for name, url in (("queue", queue), ("dead-letter queue", dead_letter)):
        size = administrator.get_queue_attributes(QueueUrl=url, AttributeNames=["MaximumMessageSize"])["Attributes"]
        report.check(size["MaximumMessageSize"] == "1048576", f"the {name} accepts messages of 1 MiB", str(size))

    def writes(credentials, subject):
        dynamodb = client("dynamodb", credentials)
        report.may_not(f"{subject} cannot put an item", lambda: dynamodb.put_item(TableName=table, Item=item))
        report.may_not(
            f"{subject} cannot update an item",
            lambda: dynamodb.update_item(
                TableName=table, Key=key, UpdateExpression="SET #t = :t",
                ExpressionAttributeNames={"#t": "EventType"}, ExpressionAttributeValues={":t": {"S": "FORGED"}},
            ),
        )
        report.may_not(f"{subject} cannot delete an item", lambda: dynamodb.delete_item(TableName=table, Key=key))
        report.may_not(
            f"{subject} cannot put or delete items in a batch",
            lambda: dynamodb.batch_write_item(RequestItems={table: [{"PutRequest": {"Item": item}}]}),
        )
        report.may_not(
            f"{subject} cannot put or delete items in a transaction",
            lambda: dynamodb.transact_write_items(TransactItems=[{"Delete": {"TableName": table, "Key": key}}]),
        )
        for statement in (
            f"UPDATE \"{table}\" SET EventType='FORGED' WHERE ID='permissions' AND \"Timestamp\"=1",
            f"DELETE FROM \"{table}\" WHERE ID='permissions' AND \"Timestamp\"=1",
        ):
            report.may_not(
                f"{subject} cannot {statement.split()[0]} through PartiQL",
                lambda statement=statement: dynamodb.execute_statement(Statement=statement),
            )
        report.may_not(f"{subject} cannot delete the table", lambda: dynamodb.delete_table(TableName=table))
        report.may_not(
            f"{subject} cannot change the table's expiry",
            lambda: dynamodb.update_time_to_live(
                TableName=table, TimeToLiveSpecification={"Enabled": True, "AttributeName": "Timestamp"}
            ),
        )

    def reads(credentials, subject):
        dynamodb = client("dynamodb", credentials)
        report.may_not(f"{subject} cannot get an item", lambda: dynamodb.get_item(TableName=table, Key=key))
        report.may_not(
            f"{subject} cannot query",
            lambda: dynamodb.query(
                TableName=table, KeyConditionExpression="ID = :id", ExpressionAttributeValues={":id": {"S": "permissions"}}
            ),
        )
        report.may_not(f"{subject} cannot scan", lambda: dynamodb.scan(TableName=table))

    def takes(credentials, subject, url, name):
        sqs = client("sqs", credentials)
        report.may_not(f"{subject} cannot receive from the {name}", lambda: sqs.receive_message(QueueUrl=url))
        report.may_not(
            f"{subject} cannot delete from the {name}", lambda: sqs.delete_message(QueueUrl=url, ReceiptHandle="none")
        )
        report.may_not(f"{subject} cannot purge the {name}", lambda: sqs.purge_queue(QueueUrl=url))
        report.may_not(
            f"{subject} cannot change the {name}",
            lambda: sqs.set_queue_attributes(QueueUrl=url, Attributes={"MessageRetentionPeriod": "60"}),
        )

    def invokes(credentials, subject):
        function = client("lambda", credentials)
        report.may_not(
            f"{subject} cannot invoke the function", lambda: function.invoke(FunctionName=outputs["function_name"])
        )

    for name, subject in (("producer", "a producer"), ("named-producer", "a producer named in the queue's policy")):
        report.may(f"{subject} may send to the queue", lambda: send(who[name], queue, event))
        report.may_not(f"{subject} cannot send to the dead-letter queue", lambda: send(who[name], dead_letter, event))
        report.may_not(
            f"{subject} cannot send without TLS",
            lambda: without_tls(who[name]).send_message(QueueUrl=queue, MessageBody=json.dumps(event)),
        )
        takes(who[name], subject, queue, "queue")
        takes(who[name], subject, dead_letter, "dead-letter queue")
        reads(who[name], subject)
        writes(who[name], subject)
        invokes(who[name], subject)

    reader = client("dynamodb", who["reader"])
    report.may("a reader may get an item", lambda: reader.get_item(TableName=table, Key=key, ConsistentRead=True))
    report.may(
        "a reader may query the table",
        lambda: reader.query(
            TableName=table, KeyConditionExpression="ID = :id", ExpressionAttributeValues={":id": {"S": "permissions"}}
        ),
    )
    report.may(
        "a reader may query the index",
        lambda: reader.query(
            TableName=table, IndexName="by-type", KeyConditionExpression="IndexKey = :key",
            ExpressionAttributeValues={":key": {"S": "EVENT_TEST#0"}},
        ),
    )
    report.may(
        "a reader may query the index by correlation",
        lambda: reader.query(
            TableName=table, IndexName="by-correlation", KeyConditionExpression="CorrelationId = :id",
            ExpressionAttributeValues={":id": {"S": "conversation"}},
        ),
    )
    report.may_not("a reader cannot scan", lambda: reader.scan(TableName=table))
    report.may_not("a reader cannot send", lambda: send(who["reader"], queue, event))
    takes(who["reader"], "a reader", queue, "queue")
    writes(who["reader"], "a reader")
    invokes(who["reader"], "a reader")

    consumer = consumer_credentials(outputs)
    sqs = client("sqs", consumer)
    report.may(
        "the consumer's role may receive from the queue", lambda: sqs.receive_message(QueueUrl=queue, VisibilityTimeout=0, WaitTimeSeconds=0)
    )
    report.may(
        "the consumer's role may read the queue's attributes",
        lambda: sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["All"]),
    )
    report.may("the consumer's role may send to the dead-letter queue", lambda: send(consumer, dead_letter, "{}"))
    report.may(
        "the consumer's role may get an item",
        lambda: client("dynamodb", consumer).get_item(TableName=table, Key=key, ConsistentRead=True),
    )
    report.may_not("the consumer's role cannot send to the queue", lambda: send(consumer, queue, event))
    report.may_not(
        "the consumer's role cannot send to the dead-letter queue without TLS",
        lambda: without_tls(consumer).send_message(QueueUrl=dead_letter, MessageBody="{}"),
    )
    report.may_not(
        "the consumer's role cannot receive from the dead-letter queue", lambda: sqs.receive_message(QueueUrl=dead_letter)
    )
    report.may_not("the consumer's role cannot purge the queue", lambda: sqs.purge_queue(QueueUrl=queue))
    report.may_not("the consumer's role cannot query", lambda: client("dynamodb", consumer).query(
        TableName=table, KeyConditionExpression="ID = :id", ExpressionAttributeValues={":id": {"S": "permissions"}}))
    report.may_not("the consumer's role cannot scan", lambda: client("dynamodb", consumer).scan(TableName=table))
    writes(consumer, "the consumer's role")
    report.may_not(
        "the consumer's role cannot create a log group",
        lambda: client("logs", consumer).create_log_group(logGroupName="/aws/lambda/other"),
    )
    report.may_not(
        "the consumer's role cannot change its own permissions",
        lambda: client("iam", consumer).delete_role_policy(RoleName=role_name(outputs), PolicyName="consumer"),
    )

    # The policy in the runbook. PartiQLInsert is tested for the function.
    iam.put_user_policy(UserName="worker", PolicyName=LOCAL, PolicyDocument=runbook_policy("Worker instead of the function", outputs))
    worker = who["worker"]
    sqs = client("sqs", worker)
    report.may("a worker may receive from the queue", lambda: sqs.receive_message(QueueUrl=queue, VisibilityTimeout=0, WaitTimeSeconds=0))
    for action, call in (
        ("hide a message", lambda sqs: sqs.change_message_visibility(QueueUrl=queue, ReceiptHandle="none", VisibilityTimeout=1)),
        ("delete a message", lambda sqs: sqs.delete_message(QueueUrl=queue, ReceiptHandle="none")),
    ):
        report.lets(f"a worker may {action}", lambda call=call: call(sqs))
    report.may_not(
        "the consumer's role cannot hide a message",
        lambda: client("sqs", consumer).change_message_visibility(QueueUrl=queue, ReceiptHandle="none", VisibilityTimeout=1),
    )
    report.may("a worker may send to the dead-letter queue", lambda: send(worker, dead_letter, "{}"))
    report.may(
        "a worker may get an item", lambda: client("dynamodb", worker).get_item(TableName=table, Key=key, ConsistentRead=True)
    )
    report.may_not("a worker cannot send to the queue", lambda: send(worker, queue, event))
    report.may_not("a worker cannot purge the queue", lambda: sqs.purge_queue(QueueUrl=queue))
    takes(worker, "a worker", dead_letter, "dead-letter queue")
    writes(worker, "a worker")
    invokes(worker, "a worker")

    operator = who["operator"]
    sqs = client("sqs", operator)
    report.may("an operator may receive from the dead-letter queue", lambda: sqs.receive_message(QueueUrl=dead_letter, VisibilityTimeout=0, WaitTimeSeconds=0))
    for action, call in (
        ("hide a message of the dead-letter queue", lambda: sqs.change_message_visibility(QueueUrl=dead_letter, ReceiptHandle="none", VisibilityTimeout=1)),
        ("delete a message of the dead-letter queue", lambda: sqs.delete_message(QueueUrl=dead_letter, ReceiptHandle="none")),
    ):
        report.lets(f"an operator may {action}", call)
    report.may("an operator may send to the queue", lambda: send(operator, queue, event))
    report.may("an operator may scan the table", lambda: client("dynamodb", operator).scan(TableName=table, Limit=1))
    report.may("an operator may describe the table", lambda: client("dynamodb", operator).describe_table(TableName=table))
    report.may(
        "an operator may read the queue's attributes", lambda: sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["All"])
    )
    report.may(
        "an operator may read the function's configuration",
        lambda: client("lambda", operator).get_function_configuration(FunctionName=outputs["function_name"]),
    )
    report.may(
        "an operator may read the log",
        lambda: client("logs", operator).filter_log_events(logGroupName=outputs["log_group_name"]),
    )
    report.may_not("an operator cannot send to the dead-letter queue", lambda: send(operator, dead_letter, event))
    takes(operator, "an operator", queue, "queue")
    report.may_not("an operator cannot purge the dead-letter queue", lambda: sqs.purge_queue(QueueUrl=dead_letter))
    report.may_not(
        "an operator cannot change the function",
        lambda: client("lambda", operator).update_function_configuration(FunctionName=outputs["function_name"], MemorySize=128),
    )
    writes(operator, "an operator")
    invokes(operator, "an operator")

    report.may_not("a user without policy cannot send", lambda: send(who["stranger"], queue, event))
    report.may_not(
        "a user without policy cannot send to the dead-letter queue", lambda: send(who["stranger"], dead_letter, event)
    )
    takes(who["stranger"], "a user without policy", queue, "queue")
    takes(who["stranger"], "a user without policy", dead_letter, "dead-letter queue")
    reads(who["stranger"], "a user without policy")
    writes(who["stranger"], "a user without policy")
    invokes(who["stranger"], "a user without policy")

    # The messages of this step must not reach the pipeline step.
    administrator.purge_queue(QueueUrl=queue)
    administrator.purge_queue(QueueUrl=dead_letter)
    report.end()


def runbook_policy(section, outputs):
    """The first policy in a section of the runbook, with the ARNs of this deployment."""
    text = read_text(os.path.join(INFRASTRUCTURE, "README.md"))
    policy = text.split(f"### {section}\n")[1].split("```json\n")[1].split("```")[0]
    for name in ("DEAD_LETTER_QUEUE_ARN", "QUEUE_ARN", "TABLE_ARN"):
        policy = policy.replace(f'"{name}"', json.dumps(outputs[name.lower()]))
    return json.dumps(json.loads(policy))


def role_name(outputs):
    return outputs["consumer_role_arn"].rsplit("/", 1)[-1]


def arn(url):
    return f"arn:aws:sqs:{REGION}:{url.split('/')[-2]}:{url.split('/')[-1]}"


LOCAL = "local-endpoint-only"


def grant_locally(outputs):
    """Permissions that do not exist or are not needed on AWS."""
    iam = client("iam", ADMINISTRATOR)

    def allow(action, resource):
        return {"Effect": "Allow", "Action": action, "Resource": resource}

    # Local: SendMessageBatch is a separate action; on AWS, SendMessage covers it.
    # BatchExecuteStatement and ExecuteStatement are separate actions, on every
    # table; on AWS, PartiQLInsert covers an INSERT and nothing else.
    iam.put_user_policy(
        UserName="producer", PolicyName=LOCAL,
        PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [
            allow("sqs:SendMessageBatch", arn(outputs["EVENT_QUEUE_URL"])),
        ]}),
    )
    iam.put_role_policy(
        RoleName=role_name(outputs), PolicyName=LOCAL,
        PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [
            allow("sqs:SendMessageBatch", arn(outputs["DEAD_LETTER_QUEUE_URL"])),
            allow(["dynamodb:BatchExecuteStatement", "dynamodb:ExecuteStatement"], "*"),
        ]}),
    )


def leave(state, outputs_path):
    iam = client("iam", ADMINISTRATOR)
    outputs = outputs_of(outputs_path)
    for call in (
        lambda: iam.delete_role_policy(RoleName=role_name(outputs), PolicyName=LOCAL),
        lambda: iam.delete_user_policy(UserName="producer", PolicyName=LOCAL),
        lambda: iam.delete_user_policy(UserName="worker", PolicyName=LOCAL),
    ):
        try:
            call()
        except iam.exceptions.NoSuchEntityException:
            pass
    for name, policy in (
        ("producer", "producer_policy_arn"), ("reader", "reader_policy_arn"), ("operator", "operator_policy_arn"),
    ):
        iam.detach_user_policy(UserName=name, PolicyArn=outputs[policy])
    print("  policies detached")


def pipeline(state, outputs_path):
    report = Report()
    who = read(state)
    outputs = outputs_of(outputs_path)
    queue, dead_letter, table = outputs["EVENT_QUEUE_URL"], outputs["DEAD_LETTER_QUEUE_URL"], outputs["EVENT_TABLE"]
    reader = client("dynamodb", who["reader"])
    administrator = client("sqs", ADMINISTRATOR)

    def history(entity):
        return reader.query(
            TableName=table, ConsistentRead=True, KeyConditionExpression="ID = :id",
            ExpressionAttributeValues={":id": {"S": entity}},
        )["Items"]

    def stored(entity, count=1, seconds=60):
        return until(seconds, lambda: len(history(entity)) >= count and history(entity)) or []

    def depth(url):
        attributes = administrator.get_queue_attributes(
            QueueUrl=url,
            AttributeNames=["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"],
        )["Attributes"]
        return sum(int(value) for value in attributes.values())

    def new_entity():
        return str(uuid.uuid4())

    # With its own role, the function cannot write yet: see `grant_locally`. With
    # any other credentials it could, and the following checks would prove nothing.
    send(who["producer"], queue, {**EXAMPLE, "ID": "control"})
    session = f"assumed-role/{role_name(outputs)}/"
    refused = until(PATIENCE, lambda: any("AccessDenied" in line and session in line for line in logged(outputs)))
    report.check(bool(refused) and not history("control"), "the function runs with its own role", session)
    administrator.purge_queue(QueueUrl=queue)
    grant_locally(outputs)

    # A plain event from a producer without the SDK.
    began = time.monotonic()
    message_id = send(who["producer"], queue, EXAMPLE)
    items = stored(EXAMPLE["ID"])
    report.check(len(items) == 1, "the example of the wire format is stored", f"{time.monotonic() - began:.1f} s")
    if items:
        item = items[0]
        report.check(
            all(item[name] == {"S": EXAMPLE[name]} for name in ("ID", "EventType", "EmitterId", "EmitterType"))
            and item["Timestamp"] == {"N": "1596719980"}
            and item["Data"] == {"M": {"foo": {"S": "bar"}}},
            "its fields are the item's attributes, and Data is a native map",
        )
        report.check(item["EventId"] == {"S": message_id}, "its identity is the SQS message id, because it has none")
        report.check("StoredAt" in item and "IndexKey" in item, "the item has the time of storage, and is in the index")
    else:
        report.end()

    # The same event twice has one effect.
    entity = new_entity()
    twice = {**EXAMPLE, "ID": entity, "EventId": str(uuid.uuid4())}
    send(who["producer"], queue, twice)
    send(who["named-producer"], queue, twice)
    stored(entity)
    drained = until(PATIENCE, lambda: depth(queue) == 0)
    report.check(bool(drained) and len(history(entity)) == 1, "an event that is sent twice is stored once")

    # Larger than the limit of SQS before August 2025.
    entity = new_entity()
    send(who["producer"], queue, {**EXAMPLE, "ID": entity, "Data": {"blob": "x" * 300_000}})
    items = stored(entity)
    report.check(len(items) == 1 and len(items[0]["Data"]["M"]["blob"]["S"]) == 300_000, "an event of 300 KB is stored")

    # One bad event among good ones.
    good = [new_entity() for _ in range(9)]
    bad = json.dumps({"EventType": "no type", "ID": "bad"})
    bad_id = None
    for position, entity in enumerate(good):
        send(who["producer"], queue, {**EXAMPLE, "ID": entity})
        if position == 4:
            bad_id = send(who["producer"], queue, bad)
    report.check(all(stored(entity) for entity in good), "nine good events around a bad one are stored")
    rejected = until(
        60,
        lambda: administrator.receive_message(
            QueueUrl=dead_letter, MessageAttributeNames=["All"], VisibilityTimeout=0, WaitTimeSeconds=1
        ).get("Messages"),
    )
    report.check(bool(rejected), "the bad event is in the dead-letter queue")
    if rejected:
        message = rejected[0]
        attributes = {name: value["StringValue"] for name, value in message.get("MessageAttributes", {}).items()}
        report.check(message["Body"] == bad, "its body is unchanged")
        report.check(
            bool(attributes.get("RejectionCode")) and bool(attributes.get("RejectionReason"))
            and attributes.get("OriginalMessageId") == bad_id,
            "its attributes contain code, reason and message id", json.dumps(attributes),
        )
    report.check(bool(until(PATIENCE, lambda: depth(queue) == 0)), "the queue is empty: no message is delivered repeatedly")

    # The SDK itself: emit, and read back, each with its own credentials.
    entity = new_entity()
    producing = {"EVENT_QUEUE_URL": queue, "EVENT_EMITTER_ID": "end_to_end.py", "EVENT_ENTITY_ID": entity}
    emitted = run_as(report, "PRODUCER_CMD", who["producer"], producing)
    if emitted is not None:
        refused_to(report, "PRODUCER_CMD", "stranger", who, producing)
        event_id = emitted.split()[-1] if emitted.split() else ""

        def found():
            # The command may ignore EVENT_ENTITY_ID, so search the whole table.
            for page in client("dynamodb", ADMINISTRATOR).get_paginator("scan").paginate(TableName=table, ConsistentRead=True):
                for item in page["Items"]:
                    if item.get("EventId") == {"S": event_id}:
                        return item
            return None

        item = until(PATIENCE, found)
        report.check(bool(item), "the event that PRODUCER_CMD emitted is stored", event_id)
        if item:
            report.check(
                any(other["EventId"] == {"S": event_id} for other in history(item["ID"]["S"])), "a reader reads it back"
            )
            reading = {
                "EVENT_TABLE": table, "EVENT_ENTITY_ID": item["ID"]["S"], "EVENT_INDEX_SHARDS": str(outputs["EVENT_INDEX_SHARDS"]),
            }
            listed = run_as(report, "READER_CMD", who["reader"], reading)
            if listed is not None:
                report.check(event_id in listed, "READER_CMD reads it back", listed.strip())
                refused_to(report, "READER_CMD", "producer", who, reading)
    measured(report, outputs)
    report.end()


def measured(report, outputs):
    """The function printed every metric of its own that the dashboard shows."""
    drawn = set(re.findall(
        r'"DomainEvents","(\w+)","Function"',
        client("cloudwatch", ADMINISTRATOR).get_dashboard(DashboardName=outputs["dashboard_name"])["DashboardBody"],
    )) | {"Rejected"}
    printed, dimensions = set(), set()
    for line in logged(outputs):
        try:
            metrics = json.loads(line)
            directives = metrics["_aws"]["CloudWatchMetrics"]
        except (ValueError, KeyError, TypeError):
            continue
        if metrics.get("Function") != outputs["function_name"]:
            continue
        for directive in directives:
            if directive["Namespace"] == "DomainEvents":
                names = {metric["Name"] for metric in directive["Metrics"]}
                printed |= names
                if "Rejected" in names:
                    dimensions |= {tuple(group) for group in directive["Dimensions"]}
    report.check(drawn <= printed, "the function prints every metric that the dashboard shows", ", ".join(sorted(drawn - printed or drawn)))
    report.check(
        dimensions == {("Function",), ("Function", "Code")}, "it counts rejected events in total and by code", str(sorted(dimensions))
    )


def logged(outputs):
    logs = client("logs", ADMINISTRATOR)
    for page in logs.get_paginator("filter_log_events").paginate(logGroupName=outputs["log_group_name"]):
        for event in page["events"]:
            yield from event["message"].splitlines()


def command_as(variable, credentials, extra):
    environment = {
        **os.environ, **extra,
        "AWS_ACCESS_KEY_ID": credentials["key"], "AWS_SECRET_ACCESS_KEY": credentials["secret"],
    }
    return subprocess.run(
        ["bash", "-c", os.environ[variable]], env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=PATIENCE
    )


def run_as(report, variable, credentials, extra):
    """The output of the command in `variable`, or None if it is not set or fails."""
    if not os.environ.get(variable):
        print(f"  --    {variable} is not set: not run")
        return None
    done = command_as(variable, credentials, extra)
    report.check(done.returncode == 0, f"{variable} succeeds", f"exit {done.returncode} {done.stderr.strip()}")
    return done.stdout if done.returncode == 0 else None


def refused_to(report, variable, name, who, extra):
    done = command_as(variable, who[name], extra)
    refused = done.returncode != 0 and "AccessDenied" in done.stderr
    report.check(refused, f"{variable} is refused to {name}", "AccessDenied" if refused else f"exit {done.returncode} {done.stderr}")


def protected(outputs_path):
    report = Report()
    table = outputs_of(outputs_path)["EVENT_TABLE"]
    dynamodb = client("dynamodb", ADMINISTRATOR)
    try:
        dynamodb.delete_table(TableName=table)
        report.check(False, "not even an administrator can delete the table", "it was deleted")
    except ClientError as error:
        report.check("rotect" in str(error), "not even an administrator can delete the table", str(error))
    report.end()


def gone(outputs_path):
    report = Report()
    outputs = outputs_of(outputs_path)
    name = outputs["deployment"]["name"]
    # The runbook's restore put another table in the place of the first one, which
    # remains as the runbook says.
    former = name if outputs["EVENT_TABLE"] != name else None
    tables = client("dynamodb", ADMINISTRATOR).list_tables()["TableNames"]
    report.check([t for t in tables if t.startswith(name) and t != former] == [], "no table is left", str(tables))
    queues = client("sqs", ADMINISTRATOR).list_queues(QueueNamePrefix=name).get("QueueUrls", [])
    report.check(not queues, "no queue is left", str(queues))
    functions = [f["FunctionName"] for f in client("lambda", ADMINISTRATOR).list_functions()["Functions"]]
    report.check(outputs["function_name"] not in functions, "the function is gone", str(functions))
    iam = client("iam", ADMINISTRATOR)
    roles = [role["RoleName"] for role in iam.list_roles()["Roles"]]
    report.check(role_name(outputs) not in roles, "the role is gone")
    policies = [policy["Arn"] for policy in iam.list_policies(Scope="Local")["Policies"]]
    left = [outputs[f"{who}_policy_arn"] for who in ("producer", "reader", "operator") if outputs[f"{who}_policy_arn"] in policies]
    report.check(not left, "the policies are gone", str(left))
    alarms = client("cloudwatch", ADMINISTRATOR).describe_alarms(AlarmNamePrefix=name)
    report.check(not alarms["MetricAlarms"], "no alarm is left")
    report.end()


STEPS = {
    "wait": wait,
    "principals": principals,
    "no-changes": no_changes,
    "permissions": permissions,
    "pipeline": pipeline,
    "protected": protected,
    "leave": leave,
    "gone": gone,
}

if __name__ == "__main__":
    if len(sys.argv) < 2 or sys.argv[1] not in STEPS:
        sys.exit(__doc__)
    STEPS[sys.argv[1]](*sys.argv[2:])
