"""Runs the producers in Python and TypeScript against the embedded stack.

    target/venv/bin/python examples/tests/producers.py

Both must have their events stored, on a standard and on a FIFO queue, and both must derive
the group ids that docs/wire-format.md lists. Without npm, the TypeScript producer is skipped.
"""

import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = ROOT / "examples"
TYPESCRIPT = ROOT / "target" / "typescript-producer"


def start(*options):
    command = ["cargo", "run", "--quiet", "--bin", "domain-events", "--", "local", "--sqs-port", "0", "--dynamodb-port", "0", *options]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    environment = dict(os.environ)
    for line in process.stdout:
        name, separator, value = line.removeprefix("export ").strip().partition("=")
        if separator and line.startswith("export "):
            environment[name] = value
        if {"EVENT_QUEUE_URL", "EVENT_TABLE", "AWS_SECRET_ACCESS_KEY", "AWS_ENDPOINT_URL_DYNAMODB"} <= environment.keys():
            return process, environment
    raise SystemExit("domain-events local ended early")


def vectors():
    """The table of group ids in the wire format."""
    page = (ROOT / "docs" / "wire-format.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| (?:(\d+) times )?`([^`]+)` \| `([^`]+)` \|$", page, re.M)
    found = [(text * int(times or 1), group) for times, text, group in rows]
    assert len(found) >= 6, f"only {len(found)} vectors in docs/wire-format.md"
    return found


def python_group(text, environment):
    code = f"import sys; sys.path.insert(0, {str(EXAMPLES / 'python')!r}); import producer; print(producer.sqs_id(sys.argv[1]))"
    return subprocess.run([sys.executable, "-c", code, text], env=environment, check=True, capture_output=True, text=True).stdout.strip()


def typescript_group(text, environment):
    script = TYPESCRIPT / "group.mts"
    script.write_text("import { sqsId } from './producer.ts';\nconsole.log(sqsId(process.env.TEXT!));\n", encoding="utf-8")
    command = ["npx", "tsx", script.name]
    return subprocess.run(command, cwd=TYPESCRIPT, env={**environment, "TEXT": text}, check=True, capture_output=True, text=True).stdout.strip()


def stored(entity, environment):
    import boto3
    from boto3.dynamodb.conditions import Key

    table = boto3.resource(
        "dynamodb",
        endpoint_url=environment["AWS_ENDPOINT_URL_DYNAMODB"],
        region_name="us-east-1", aws_access_key_id="local", aws_secret_access_key="local",
    ).Table(environment["EVENT_TABLE"])
    for _ in range(200):
        items = table.query(KeyConditionExpression=Key("ID").eq(entity), ConsistentRead=True)["Items"]
        if items:
            return items
        time.sleep(0.05)
    raise SystemExit(f"the event of {entity} was not stored")


def main():
    producers = {"python": ([sys.executable, str(EXAMPLES / "python" / "producer.py")], ROOT, python_group)}
    if shutil.which("npm"):
        TYPESCRIPT.mkdir(parents=True, exist_ok=True)
        for name in ("package.json", "package-lock.json", "producer.ts"):
            shutil.copy2(EXAMPLES / "typescript" / name, TYPESCRIPT / name)
        subprocess.run(["npm", "ci", "--silent", "--no-audit", "--no-fund"], cwd=TYPESCRIPT, check=True)
        producers["typescript"] = (["npx", "tsx", "producer.ts"], TYPESCRIPT, typescript_group)
    else:
        print("npm is not installed: TypeScript skipped")

    passed = 0
    for options in ([], ["--fifo"]):
        process, environment = start(*options)
        try:
            for language, (command, folder, group) in producers.items():
                entity = f"order of {language}"  # the space makes FIFO use a UUID
                subprocess.run([*command, entity], cwd=folder, env=environment, check=True)
                items = stored(entity, environment)
                assert items[0]["EventType"] == "ORDER_PLACED" and items[0]["Data"] == {"total_cents": 4990}, items
                passed += 1
                if not options:
                    for text, expected in vectors():
                        found = group(text, environment)
                        assert found == expected, f"{language}: group of {text!r} is {found}, not {expected}"
                        passed += 1
        finally:
            process.terminate()
            process.wait()
    print(f"{passed} passed, 0 failed")


if __name__ == "__main__":
    main()
