#!/usr/bin/env python3
"""Reads a history with the AWS SDK for JavaScript from the embedded stack.

    consumer/tests/javascript/check.py

With the setting that docs/reading.md recommends, a reader must find every event once, in
order and with its exact sort key, also events with ties and nanoseconds. Without it, the
reader must fail in the documented way: otherwise the page warns of nothing. Needs cargo,
python3 and npm.
"""

import json
import os
import shutil
import subprocess
import sys
import time
from decimal import Decimal
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
HERE = Path(__file__).resolve().parent
WORK = ROOT / "target" / "javascript-reader"
EVENTS = 300
PROGRAM = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")) / "debug" / "domain-events"


def start():
    command = [PROGRAM, "local", "--sqs-port", "0", "--dynamodb-port", "0"]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    environment = dict(os.environ)
    # `local` does not block when its output is not read, so the rest can be ignored.
    for line in process.stdout:
        name, separator, value = line.removeprefix("export ").strip().partition("=")
        if separator and line.startswith("export "):
            environment[name] = value
        if {"EVENT_QUEUE_URL", "EVENT_TABLE", "AWS_SECRET_ACCESS_KEY", "AWS_ENDPOINT_URL_DYNAMODB"} <= environment.keys():
            return process, environment
    raise SystemExit("domain-events local ended early")


def event(entity, timestamp):
    return json.dumps({"ID": entity, "EventType": "EVENT_TEST", "EmitterId": "check", "EmitterType": "SYSTEM"})[:-1] + f', "Timestamp": {timestamp}}}'


def read(settings, entity, environment):
    command = ["node", "reader.mjs", settings, entity]
    output = subprocess.run(command, cwd=WORK, env=environment, check=True, capture_output=True, text=True).stdout
    return json.loads(output)


def main():
    if not shutil.which("npm"):
        print("npm is not installed: skipped")
        return
    WORK.mkdir(parents=True, exist_ok=True)
    for name in ("package.json", "package-lock.json", "reader.mjs"):
        shutil.copy2(HERE / name, WORK / name)
    subprocess.run(["npm", "ci", "--silent", "--no-audit", "--no-fund"], cwd=WORK, check=True)
    histories = {
        "microseconds": [f"1596719980.{n:06}" for n in range(EVENTS)],
        "nanoseconds": [f"1596719980.{n * 7:09}" for n in range(EVENTS)],
        "ties": ["1596719980.5"] * EVENTS,
    }
    subprocess.run(["cargo", "build", "--quiet", "--bin", "domain-events"], cwd=ROOT, check=True)
    process, environment = start()
    try:
        for entity, timestamps in histories.items():
            lines = "\n".join(event(entity, timestamp) for timestamp in timestamps)
            subprocess.run([PROGRAM, "emit", "-"], cwd=ROOT, env=environment, input=lines, check=True, text=True, stdout=subprocess.DEVNULL)
        failures = []
        for entity, timestamps in histories.items():
            for _ in range(600):
                exact = read("exact", entity, environment)
                if len(exact) >= EVENTS:
                    break
                time.sleep(0.1)
            values = [Decimal(key) for key in exact]
            if len(set(exact)) != EVENTS or len(exact) != EVENTS or values != sorted(values):
                failures.append(f"{entity}: {len(exact)} events with wrapNumbers, {len(set(exact))} of them different")
            cut = sorted(value.quantize(Decimal("1e-9"), rounding="ROUND_DOWN") for value in values)
            if cut != sorted(Decimal(timestamp) for timestamp in timestamps):
                failures.append(f"{entity}: the timestamps are not exact")
            default = read("default", entity, environment)
            complete = len(default) == EVENTS and len(set(default)) == EVENTS
            print(f"{entity}: {len(exact)} events with wrapNumbers, {len(default)} without, {len(set(default))} of them different")
            if complete != (entity == "microseconds"):
                failures.append(f"{entity}: docs/reading.md describes the default settings wrongly")
    finally:
        process.terminate()
        process.wait()
    if failures:
        sys.exit("\n".join(failures))


if __name__ == "__main__":
    main()
