"""A producer in Python. It needs boto3 and the variables of `domain-events local`.

    python3 producer.py order-7
"""

import json
import os
import sys
import time
import uuid

import boto3

QUEUE_URL = os.environ["EVENT_QUEUE_URL"]
sqs = boto3.client("sqs")


def sqs_id(text):
    """Returns `text` if SQS accepts it as a group or deduplication id, and otherwise its UUID (v5)."""
    if 1 <= len(text) <= 128 and all("!" <= c <= "~" for c in text):
        return text
    return str(uuid.uuid5(uuid.NAMESPACE_OID, text))


def event(event_type, entity_id, emitter_id, data):
    return {
        # In microseconds, because a double can represent them exactly until the year 2255.
        "Timestamp": time.time_ns() // 1000 / 1e6,
        "EventType": event_type,
        "ID": entity_id,
        "EmitterId": emitter_id,
        "EmitterType": "SYSTEM",
        "EventId": str(uuid.uuid4()),
        "Data": data,
    }


def emit(event):
    """Sends the event. For a retry, call it again with the same event."""
    message = {"QueueUrl": QUEUE_URL, "MessageBody": json.dumps(event)}
    if QUEUE_URL.endswith(".fifo"):
        message["MessageGroupId"] = sqs_id(event["ID"])
        message["MessageDeduplicationId"] = sqs_id(event["EventId"])
    return sqs.send_message(**message)["MessageId"]


if __name__ == "__main__":
    placed = event("ORDER_PLACED", sys.argv[1], "python-shop", {"total_cents": 4990})
    print("SQS accepted", placed["EventId"], "in message", emit(placed))
