"""The embedded stack, used from Python with boto3 alone.

Starts `domain-events local`, sends events to the queue and reads the table.
"""

import decimal
import json
import os
import subprocess
import time

import boto3
from boto3.dynamodb.conditions import Key

EXAMPLE = (
    '{"Timestamp":1596719980,"EventType":"EVENT_TEST","ID":"53877b2e-e496-11ea-b678-9b42a44d5e59",'
    '"EmitterId":"6b04fd08-e496-11ea-8176-9f85e075569c","EmitterType":"USER","Data":{"foo":"bar"}}'
)


def start():
    root = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "..")
    command = ["cargo", "run", "--quiet", "--bin", "domain-events", "--", "local"]
    process = subprocess.Popen(
        command + ["--sqs-port", "0", "--dynamodb-port", "0"], cwd=root, stdout=subprocess.PIPE, text=True
    )
    for line in process.stdout:
        name, value = line.removeprefix("export ").strip().split("=", 1)
        os.environ[name] = value
        if name == "AWS_SECRET_ACCESS_KEY":
            return process
    raise SystemExit("domain-events local ended early")


def until(look, what):
    for _ in range(200):
        found = look()
        if found:
            return found
        time.sleep(0.05)
    raise SystemExit(f"timeout while waiting for {what}")


def main():
    process = start()
    try:
        sqs, queue = boto3.client("sqs"), os.environ["EVENT_QUEUE_URL"]
        table = boto3.resource("dynamodb").Table(os.environ["EVENT_TABLE"])

        def send(body):
            return sqs.send_message(QueueUrl=queue, MessageBody=body)["MessageId"]

        def history(entity):
            return table.query(KeyConditionExpression=Key("ID").eq(entity), ConsistentRead=True)["Items"]

        # The contract's example arrives as it was sent.
        example = json.loads(EXAMPLE)
        message_id = send(EXAMPLE)
        item = until(lambda: history(example["ID"]), "the example")[0]
        assert item["Timestamp"] == decimal.Decimal(1596719980), item
        for field in ("EventType", "ID", "EmitterId", "EmitterType", "Data"):
            assert item[field] == example[field], (field, item)
        assert item["EventId"] == message_id, item

        # Two events with the same timestamp are both kept; an event that is sent twice is stored once.
        tied = {**example, "ID": "tied"}
        send(json.dumps({**tied, "EventId": "a", "Data": {"n": 1}}))
        send(json.dumps({**tied, "EventId": "b", "Data": {"n": 2}}))
        send(json.dumps({**tied, "EventId": "b", "Data": {"n": 2}}))
        send(json.dumps({**tied, "EventId": "last", "Timestamp": 1596719981}))
        until(lambda: any(i["EventId"] == "last" for i in history("tied")), "the last event")
        until(lambda: len(history("tied")) == 3, "the tied events")
        time.sleep(0.5)
        items = history("tied")
        assert sorted(i["EventId"] for i in items) == ["a", "b", "last"], items
        assert [int(i["Timestamp"]) for i in items] == [1596719980, 1596719980, 1596719981], items

        # A batch of ten: one is not JSON, one violates the schema, one has unusual characters.
        bodies = [json.dumps({**example, "ID": "batch", "Timestamp": n}) for n in range(7)]
        bodies.append(json.dumps({**example, "ID": "batch", "Timestamp": 7, "Data": {"odd": "\ufffe\uffff\U0001f600"}}))
        bodies += ["hello", json.dumps({**example, "EventType": "event test"})]
        entries = [{"Id": str(n), "MessageBody": body} for n, body in enumerate(bodies)]
        sent = sqs.send_message_batch(QueueUrl=queue, Entries=entries)
        assert len(sent["Successful"]) == 10, sent
        stored = until(lambda: len(history("batch")) == 8 and history("batch"), "eight of ten")
        assert stored[7]["Data"]["odd"] == "\ufffe\uffff\U0001f600", stored[7]

        letters = {}

        def dead_letters():
            url = os.environ["DEAD_LETTER_QUEUE_URL"]
            received = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10, MessageAttributeNames=["All"])
            for letter in received.get("Messages", []):
                attributes = letter["MessageAttributes"]
                letters[letter["Body"]] = {name: value["StringValue"] for name, value in attributes.items()}
            return len(letters) == 2

        until(dead_letters, "two dead letters")
        assert letters["hello"]["RejectionCode"] == "NOT_JSON", letters
        breach = letters[bodies[9]]
        assert (breach["RejectionCode"], breach["RejectionPointer"]) == ("INVALID_VALUE", "/EventType"), breach
    finally:
        process.terminate()
        process.wait(10)
    print("boto3: 1 passed, 0 failed")


main()
