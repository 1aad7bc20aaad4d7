"""Tests the query protocol (form requests and XML responses) with a client from before 2023.

Starts `domain-events local` and calls every operation with boto3 1.26. botocore checks
the MD5 of each message itself.
"""

import json
import os
import subprocess
import time

import boto3
import botocore
from botocore.exceptions import ClientError

EXAMPLE = {
    "Timestamp": 1596719980,
    "EventType": "EVENT_TEST",
    "ID": "query-protocol",
    "EmitterId": "u-1",
    "EmitterType": "USER",
}
# Characters that XML or a form could change.
ODD = "<a b=\"c\">&amp;\r\n\t'é😀 + %20 ]]>\ufffd"


def start():
    root = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "..")
    command = ["cargo", "run", "--quiet", "--bin", "domain-events", "--", "local", "--no-page"]
    process = subprocess.Popen(
        command + ["--sqs-port", "0", "--dynamodb-port", "0"], cwd=root, stdout=subprocess.PIPE, text=True
    )
    for line in process.stdout:
        name, value = line.removeprefix("export ").strip().split("=", 1)
        os.environ[name] = value
        if name == "AWS_SECRET_ACCESS_KEY":
            return process
    raise SystemExit("domain-events local ended early")


def error_code(call, **arguments):
    try:
        call(**arguments)
    except ClientError as error:
        assert error.response["Error"]["Message"], error.response
        return error.response["Error"]["Code"], error.response["ResponseMetadata"]["HTTPStatusCode"]
    raise AssertionError(f"{call} did not fail")


def receive(sqs, url, **arguments):
    arguments = {"MaxNumberOfMessages": 10, "AttributeNames": ["All"], "MessageAttributeNames": ["All"], **arguments}
    return sqs.receive_message(QueueUrl=url, **arguments).get("Messages", [])


def queues(sqs):
    dead = sqs.create_queue(QueueName="dead", tags={"team": "a&b"})["QueueUrl"]
    dead_arn = sqs.get_queue_attributes(QueueUrl=dead, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    redrive = json.dumps({"deadLetterTargetArn": dead_arn, "maxReceiveCount": "1"})
    url = sqs.create_queue(QueueName="q", Attributes={"VisibilityTimeout": "0", "RedrivePolicy": redrive})["QueueUrl"]
    assert sqs.get_queue_url(QueueName="q")["QueueUrl"] == url
    assert sqs.list_queues(QueueNamePrefix="q")["QueueUrls"] == [url]
    pages = list(sqs.get_paginator("list_queues").paginate(PaginationConfig={"PageSize": 1}))
    assert len(pages) == 4 and all(len(page["QueueUrls"]) == 1 for page in pages), pages
    assert sqs.list_dead_letter_source_queues(QueueUrl=dead)["queueUrls"] == [url]
    sqs.set_queue_attributes(QueueUrl=url, Attributes={"VisibilityTimeout": "30", "DelaySeconds": "0"})
    attributes = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
    assert attributes["VisibilityTimeout"] == "30" and json.loads(attributes["RedrivePolicy"]), attributes
    assert sqs.list_queue_tags(QueueUrl=dead)["Tags"] == {"team": "a&b"}
    sqs.tag_queue(QueueUrl=dead, Tags={"stage": "test"})
    sqs.untag_queue(QueueUrl=dead, TagKeys=["team"])
    assert sqs.list_queue_tags(QueueUrl=dead)["Tags"] == {"stage": "test"}
    return url, dead, dead_arn


def messages(sqs, url):
    attributes = {
        "text": {"DataType": "String", "StringValue": ODD},
        "number": {"DataType": "Number.int", "StringValue": "12345678901234567890"},
        "binary": {"DataType": "Binary", "BinaryValue": bytes(range(256))},
    }
    trace = {"AWSTraceHeader": {"DataType": "String", "StringValue": "Root=1-5e3d83c1-e6a0db584850d61342823d4c"}}
    sent = sqs.send_message(
        QueueUrl=url, MessageBody=ODD, MessageAttributes=attributes, MessageSystemAttributes=trace, DelaySeconds=0
    )
    assert sent["MD5OfMessageAttributes"] and sent["MD5OfMessageSystemAttributes"], sent
    (message,) = receive(sqs, url)
    assert message["Body"] == ODD, message["Body"]
    assert message["MessageId"] == sent["MessageId"]
    assert message["MessageAttributes"] == attributes, message
    assert message["MD5OfMessageAttributes"] == sent["MD5OfMessageAttributes"]
    assert message["Attributes"]["AWSTraceHeader"] == trace["AWSTraceHeader"]["StringValue"], message
    handle = {"QueueUrl": url, "ReceiptHandle": message["ReceiptHandle"]}
    sqs.change_message_visibility(**handle, VisibilityTimeout=60)
    sqs.delete_message(**handle)
    assert receive(sqs, url) == []


def batches(sqs, url):
    entries = [{"Id": f"e{n}", "MessageBody": f"{n} {ODD}"} for n in range(9)]
    entries.append({"Id": "bad", "MessageBody": "x", "DelaySeconds": 901})
    sent = sqs.send_message_batch(QueueUrl=url, Entries=entries)
    assert [entry["Id"] for entry in sent["Successful"]] == [f"e{n}" for n in range(9)], sent
    (failed,) = sent["Failed"]
    assert (failed["Id"], failed["SenderFault"], failed["Code"]) == ("bad", True, "InvalidParameterValue"), failed
    received = receive(sqs, url)
    assert sorted(m["Body"] for m in received) == sorted(e["MessageBody"] for e in entries[:9])
    handles = [{"Id": str(n), "ReceiptHandle": m["ReceiptHandle"]} for n, m in enumerate(received)]
    changed = sqs.change_message_visibility_batch(
        QueueUrl=url, Entries=[{**handle, "VisibilityTimeout": 60} for handle in handles]
    )
    assert len(changed["Successful"]) == 9, changed
    deleted = sqs.delete_message_batch(QueueUrl=url, Entries=[*handles, {"Id": "bad", "ReceiptHandle": "x"}])
    assert len(deleted["Successful"]) == 9, deleted
    assert deleted["Failed"][0]["Code"] == "ReceiptHandleIsInvalid", deleted


def fifo(sqs):
    url = sqs.create_queue(QueueName="f.fifo", Attributes={"FifoQueue": "true"})["QueueUrl"]
    send = {"QueueUrl": url, "MessageBody": "x", "MessageGroupId": "g", "MessageDeduplicationId": "d"}
    first, second = sqs.send_message(**send), sqs.send_message(**send)
    assert first["SequenceNumber"] == second["SequenceNumber"], (first, second)
    (message,) = receive(sqs, url, ReceiveRequestAttemptId="attempt")
    assert message["Attributes"]["MessageGroupId"] == "g", message
    return url


def move_tasks(sqs, url, dead, dead_arn):
    sqs.send_message(QueueUrl=url, MessageBody="dead")
    assert receive(sqs, url, VisibilityTimeout=0)
    assert receive(sqs, url) == []
    handle = sqs.start_message_move_task(SourceArn=dead_arn)["TaskHandle"]
    assert handle
    for _ in range(100):
        (task,) = sqs.list_message_move_tasks(SourceArn=dead_arn)["Results"]
        if task["Status"] == "COMPLETED":
            break
        time.sleep(0.05)
    assert task["ApproximateNumberOfMessagesMoved"] == 1 and isinstance(task["StartedTimestamp"], int), task
    assert receive(sqs, url)[0]["Body"] == "dead"
    assert error_code(sqs.cancel_message_move_task, TaskHandle=handle)[1] == 400


def errors(sqs, url):
    missing = url.rsplit("/", 1)[0] + "/missing"
    nonexistent = ("AWS.SimpleQueueService.NonExistentQueue", 400)
    for call in (sqs.send_message, sqs.receive_message, sqs.purge_queue, sqs.get_queue_attributes):
        body = {"MessageBody": "x"} if call == sqs.send_message else {}
        assert error_code(call, QueueUrl=missing, **body) == nonexistent
    try:
        sqs.get_queue_url(QueueName="missing")
    except sqs.exceptions.QueueDoesNotExist:
        pass
    entries = [{"Id": "same", "MessageBody": "x"}] * 2
    code = "AWS.SimpleQueueService.BatchEntryIdsNotDistinct"
    assert error_code(sqs.send_message_batch, QueueUrl=url, Entries=entries) == (code, 400)
    code = "AWS.SimpleQueueService.UnsupportedOperation"
    permission = {"Label": "l", "AWSAccountIds": ["1"], "Actions": ["*"]}
    assert error_code(sqs.add_permission, QueueUrl=url, **permission) == (code, 400)
    assert error_code(sqs.send_message, QueueUrl=url, MessageBody="\x01")[0] == "InvalidMessageContents"


def pipeline(sqs):
    """An event that was sent with the query protocol reaches the table."""
    sqs.send_message(QueueUrl=os.environ["EVENT_QUEUE_URL"], MessageBody=json.dumps(EXAMPLE))
    dynamodb = boto3.client("dynamodb", endpoint_url=os.environ["AWS_ENDPOINT_URL_DYNAMODB"])
    key = {"ID": {"S": EXAMPLE["ID"]}, "Timestamp": {"N": str(EXAMPLE["Timestamp"])}}
    for _ in range(200):
        item = dynamodb.get_item(TableName=os.environ["EVENT_TABLE"], Key=key).get("Item")
        if item:
            return
        time.sleep(0.05)
    raise AssertionError("the event was not stored")


def main():
    process = start()
    try:
        # boto3 1.26 does not read AWS_ENDPOINT_URL_SQS.
        sqs = boto3.client("sqs", endpoint_url=os.environ["AWS_ENDPOINT_URL_SQS"])
        assert sqs.meta.service_model.metadata["protocol"] == "query", botocore.__version__
        url, dead, dead_arn = queues(sqs)
        messages(sqs, url)
        batches(sqs, url)
        fifo_url = fifo(sqs)
        move_tasks(sqs, url, dead, dead_arn)
        errors(sqs, url)
        pipeline(sqs)
        sqs.purge_queue(QueueUrl=url)
        for each in (url, dead, fifo_url):
            sqs.delete_queue(QueueUrl=each)
        assert error_code(sqs.get_queue_attributes, QueueUrl=url)[1] == 400
    finally:
        process.terminate()
        process.wait(10)
    print(f"boto3 {boto3.__version__}, query protocol: passed")


main()
