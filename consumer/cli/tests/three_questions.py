"""Three questions of an operator, each answered by one command.

    three_questions.py

1. What happened to order 7?
2. What was rejected and why? Send it again, corrected.
3. Copy yesterday's events to staging.

The set-up comes from the environment: EVENT_QUEUE_URL, DEAD_LETTER_QUEUE_URL and EVENT_TABLE,
STAGING_QUEUE_URL and STAGING_TABLE, and the variables of the AWS SDKs. A consumer must run for
both queues. Without EVENT_QUEUE_URL, the test starts `domain-events local` twice.

DOMAIN_EVENTS is the command; without it, Cargo builds the command.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
import uuid
from datetime import datetime, timedelta

import boto3

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), *[os.pardir] * 3)
BUILD = ["cargo", "build", "--workspace", "--all-features", "--quiet", "--bin", "domain-events"]


def command():
    if os.environ.get("DOMAIN_EVENTS"):
        return os.environ["DOMAIN_EVENTS"]
    subprocess.run(BUILD, cwd=ROOT, check=True)
    return os.path.join(ROOT, os.environ.get("CARGO_TARGET_DIR", "target"), "debug", "domain-events")


COMMAND = command()


def run(*arguments, environment=None, exit_code=0):
    done = subprocess.run([COMMAND, *arguments], env=environment or os.environ, capture_output=True, text=True, timeout=300)
    assert done.returncode == exit_code, f"{arguments}: exit code {done.returncode}\n{done.stdout}{done.stderr}"
    return done.stdout


def local(folder):
    """Starts `domain-events local`, and returns its process and its variables."""
    arguments = ["--no-page", "--sqs-port", "0", "--dynamodb-port", "0", "--data", folder]
    process = subprocess.Popen([COMMAND, "local", *arguments], stdout=subprocess.PIPE, text=True)
    variables = {}
    while "AWS_SECRET_ACCESS_KEY" not in variables:
        line = process.stdout.readline()
        assert line.startswith("export "), f"domain-events local ended early: {line}"
        name, value = line.removeprefix("export ").strip().split("=", 1)
        variables[name] = value
    return process, variables


def history(entity, count, environment=None):
    """The history of an entity, once it contains this number of events."""
    found = []
    for _ in range(120):
        found = [json.loads(line) for line in run("history", entity, "--json", environment=environment).splitlines()]
        if len(found) >= count:
            break
        time.sleep(0.5)
    assert len(found) == count, f"{entity}: {found}"
    return found


def event(event_type, entity, timestamp):
    return json.dumps({
        "Timestamp": round(timestamp, 6), "EventType": event_type, "ID": entity, "EmitterId": "42", "EmitterType": "USER",
        "EventId": str(uuid.uuid4()), "Data": {"cents": 4990},
    })


def emit(*lines):
    with tempfile.NamedTemporaryFile("w", suffix=".jsonl") as file:
        file.write("\n".join(lines))
        file.flush()
        run("emit", file.name)


def what_happened(order):
    emit(event("ORDER_PLACED", order, time.time()), event("ORDER_SHIPPED", order, time.time() + 0.001))
    history(order, 2)
    printed = run("history", order)
    types = [line.split()[1] for line in printed.splitlines()]
    assert types == ["ORDER_PLACED", "ORDER_SHIPPED"], printed
    assert all(order in line and "USER 42" in line for line in printed.splitlines()), printed


def rejected_and_corrected(order, folder):
    invalid = event("order refunded", order, time.time() + 1)
    sqs = boto3.client("sqs", endpoint_url=os.environ.get("AWS_ENDPOINT_URL_SQS"))
    queue = os.environ["EVENT_QUEUE_URL"]
    group = {"MessageGroupId": order, "MessageDeduplicationId": order} if queue.endswith(".fifo") else {}
    sqs.send_message(QueueUrl=queue, MessageBody=invalid, **group)
    for _ in range(60):
        printed = run("rejected", "pull", "--to", folder)
        letters = [json.loads(line) for line in run("rejected", "list", folder, "--json").splitlines()]
        ours = [letter["message_id"] for letter in letters if letter["body"] == invalid]
        if ours:
            break
        time.sleep(0.5)
    line = next(line for line in printed.splitlines() if line.startswith(ours[0]))
    assert "INVALID_VALUE at /EventType: " in line and "must be of the form EVENT_EXAMPLE" in line, printed
    # The queue may contain messages of other tests, so the command names the message.
    pushed = run("rejected", "push", folder, ours[0], "--set", "/EventType=ORDER_REFUNDED")
    assert pushed == "1 message corrected\n1 sent, 0 still invalid\n", pushed
    assert [found["EventType"] for found in history(order, 3)] == ["ORDER_PLACED", "ORDER_SHIPPED", "ORDER_REFUNDED"]


def copied(order, staging):
    noon = datetime.now().replace(hour=12, minute=0) - timedelta(days=1)
    yesterday = order + "-yesterday"
    emit(event("ORDER_PLACED", yesterday, noon.timestamp()))
    stored = history(yesterday, 1)
    copy = ["replay", "--to", os.environ["STAGING_QUEUE_URL"], "--since", "yesterday", "--until", "today", "--dry-run=false"]
    printed = run(*copy)
    assert " sent to " in printed, printed
    # The copy has the same identity, timestamp and data. A second copy changes nothing.
    run(*copy)
    copies = history(yesterday, 1, environment=staging)
    for name in ("EventId", "Timestamp", "EventType", "Data"):
        assert copies[0][name] == stored[0][name], name
    assert not run("history", order, "--json", environment=staging), "an event of today was copied"
    history(yesterday, 1)


def main():
    processes, folder = [], tempfile.mkdtemp()
    try:
        staging = dict(os.environ)
        if "EVENT_QUEUE_URL" not in os.environ:
            for key in [key for key in os.environ if key.startswith("AWS_")]:
                del os.environ[key]
            for environment in (os.environ, staging):
                process, variables = local(os.path.join(folder, str(len(processes))))
                processes.append(process)
                environment.update(variables)
            os.environ |= {"STAGING_QUEUE_URL": staging["EVENT_QUEUE_URL"], "STAGING_TABLE": staging["EVENT_TABLE"]}
        staging["EVENT_TABLE"] = os.environ["STAGING_TABLE"]
        order = f"order-7-{uuid.uuid4()}"
        for question, answer in [
            ("what happened to order 7", lambda: what_happened(order)),
            ("what was rejected and why, and send it again, corrected", lambda: rejected_and_corrected(order, os.path.join(folder, "letters"))),
            ("copy yesterday's events to staging", lambda: copied(order, staging)),
        ]:
            answer()
            print(f"  ok    {question}", flush=True)
    finally:
        for process in processes:
            process.terminate()
            process.wait()


if __name__ == "__main__":
    sys.exit(main())
