"""Measures a cold start of the consumer and of the relay of the outbox, and of a Python handler
with boto3.

    cargo build -p domain-events-consumer --bin bootstrap --profile lambda
    cargo build -p domain-events-relay --bin relay --profile lambda
    cargo build --workspace --all-features --bin domain-events
    .ci/venv && target/venv/bin/python consumer/benches/cold_start.py

Each run is a new process that talks to a Runtime API of this script. DynamoDB and SQS are
the embedded endpoints behind TLS. The CPU time comes from the kernel and includes all
threads, so a busy machine changes it little. The results are medians of several runs.
"""

import glob
import http.client
import http.server
import json
import os
import socketserver
import ssl
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import uuid
import zipfile

import trustme

ROOT = os.path.abspath(os.path.join(os.path.dirname(__file__), "..", ".."))
TARGET = os.environ.get("CARGO_TARGET_DIR", os.path.join(ROOT, "target"))
BOOTSTRAP = os.path.join(TARGET, "lambda", "bootstrap")
RELAY = os.path.join(TARGET, "lambda", "relay")
STACK = os.path.join(TARGET, "debug", "domain-events")
OUTBOX_TABLE = "events-outbox"
RUNS = int(os.environ.get("RUNS", "15"))

PYTHON_HANDLER = """
import json, os, urllib.request
from decimal import Decimal
import boto3
table = boto3.resource("dynamodb").Table(os.environ["EVENT_TABLE"])
api = "http://" + os.environ["AWS_LAMBDA_RUNTIME_API"] + "/2018-06-01/runtime/invocation/"
while True:
    with urllib.request.urlopen(api + "next") as response:
        request, event = response.headers["Lambda-Runtime-Aws-Request-Id"], json.load(response)
    for record in event["Records"]:
        table.put_item(Item=json.loads(record["body"], parse_float=Decimal))
    report = urllib.request.Request(api + request + "/response", data=b'{"batchItemFailures":[]}')
    urllib.request.urlopen(report).read()
"""


class Server(socketserver.ThreadingMixIn, http.server.HTTPServer):
    daemon_threads = True
    request_queue_size = 64

    def handle_error(self, *_):
        """Ignores the open connections of a killed function."""


def serve(handler, context=None):
    server = Server(("127.0.0.1", 0), handler)
    if context:
        server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server.server_address[1]


def tls_in_front_of(url, context):
    host = url.removeprefix("http://")

    class Relay(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self):
            body = self.rfile.read(int(self.headers.get("content-length", 0)))
            upstream = http.client.HTTPConnection(host)
            upstream.request("POST", self.path, body, dict(self.headers))
            response = upstream.getresponse()
            data = response.read()
            self.send_response(response.status)
            for name, value in response.getheaders():
                if name.lower() not in ("connection", "transfer-encoding", "content-length"):
                    self.send_header(name, value)
            self.send_header("content-length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *_):
            pass

    return f"https://localhost:{serve(Relay, context)}"


def cpu_ms(pid):
    total = 0
    for path in glob.glob(f"/proc/{pid}/task/*/schedstat"):
        try:
            total += int(open(path).read().split()[0])
        except OSError:
            pass
    return total / 1e6


def peak_mib(pid):
    for line in open(f"/proc/{pid}/status"):
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) / 1024
    return 0.0


def body(event_id):
    return json.dumps(
        {
            "Timestamp": time.time_ns() // 1000 / 1e6,
            "EventType": "ORDER_PLACED",
            "ID": str(uuid.uuid4()),
            "EmitterId": "u-42",
            "EmitterType": "USER",
            "Data": {"total_cents": 4990, "lines": [{"sku": "A-1", "quantity": 2}]},
            "EventId": event_id,
        }
    )


def message(event_id):
    return {"messageId": event_id, "body": body(event_id), "attributes": {}, "messageAttributes": {}}


def outbox_row(event_id):
    row = {"EventId": {"S": event_id}, "Message": {"S": body(event_id)}, "At": {"N": str(int(time.time()))}}
    stream = f"arn:aws:dynamodb:us-east-1:123456789012:table/{OUTBOX_TABLE}/stream/2026-01-01T00:00:00.000"
    change = {"SequenceNumber": str(uuid.uuid4().int)[:21], "NewImage": row}
    return {"eventID": event_id, "eventName": "INSERT", "eventSourceARN": stream, "dynamodb": change}


def cold_start(command, record, environment):
    """Returns the CPU time before the first poll and of the first invocation in ms, and the peak memory in MiB."""
    figures, done, process = {}, threading.Event(), None
    started = threading.Event()

    class RuntimeApi(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self):
            started.wait()
            if "poll" in figures:
                done.wait()
                time.sleep(3600)
            figures["poll"] = cpu_ms(process.pid)
            payload = json.dumps({"Records": [record(str(uuid.uuid4())) for _ in range(10)]}).encode()
            self.send_response(200)
            self.send_header("Lambda-Runtime-Aws-Request-Id", "1")
            self.send_header("Lambda-Runtime-Deadline-Ms", str(int(time.time() * 1000) + 30_000))
            self.send_header("Lambda-Runtime-Invoked-Function-Arn", "arn:aws:lambda:us-east-1:0:function:f")
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(payload)))
            self.end_headers()
            self.wfile.write(payload)

        def do_POST(self):
            response = self.rfile.read(int(self.headers.get("content-length", 0)))
            figures["invocation"] = cpu_ms(process.pid) - figures["poll"]
            figures["peak"] = peak_mib(process.pid)
            figures["response"] = response.decode()
            self.send_response(202)
            self.send_header("Content-Length", "0")
            self.end_headers()
            done.set()

        def log_message(self, *_):
            pass

    environment = {**environment, "AWS_LAMBDA_RUNTIME_API": f"127.0.0.1:{serve(RuntimeApi)}"}
    process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL)
    started.set()
    if not done.wait(60):
        raise SystemExit("the function did not respond")
    process.kill()
    process.wait()
    assert json.loads(figures["response"]) == {"batchItemFailures": []}, figures["response"]
    return figures["poll"], figures["invocation"], figures["peak"]


def zip_mb(folder, program):
    package = os.path.join(folder, "bootstrap.zip")
    with zipfile.ZipFile(package, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        archive.write(program, "bootstrap")
    return os.path.getsize(package) / 1e6


def main():
    stack = subprocess.Popen(
        [STACK, "local", "--sqs-port", "0", "--dynamodb-port", "0", "--outbox", "dynamodb"], stdout=subprocess.PIPE, text=True
    )
    environment = {"PATH": os.environ["PATH"], "AWS_LAMBDA_FUNCTION_NAME": "consumer"}
    environment |= {"AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "256", "AWS_LAMBDA_FUNCTION_VERSION": "1"}
    environment["EVENT_OUTBOX_TABLE"] = OUTBOX_TABLE
    environment |= {"AWS_LAMBDA_LOG_GROUP_NAME": "g", "AWS_LAMBDA_LOG_STREAM_NAME": "s"}
    for line in stack.stdout:
        name, value = line.removeprefix("export ").strip().split("=", 1)
        environment[name] = value
        if name == "AWS_SECRET_ACCESS_KEY":
            break
    threading.Thread(target=stack.stdout.read, daemon=True).start()
    try:
        with tempfile.TemporaryDirectory() as folder:
            authority = trustme.CA()
            certificates = os.path.join(folder, "ca.pem")
            authority.cert_pem.write_to_path(certificates)
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            authority.issue_cert("localhost").configure_cert(context)
            environment |= {"SSL_CERT_FILE": certificates, "AWS_CA_BUNDLE": certificates}
            for name in ("AWS_ENDPOINT_URL_DYNAMODB", "AWS_ENDPOINT_URL_SQS"):
                environment[name] = tls_in_front_of(environment[name], context)
            handler = os.path.join(folder, "handler.py")
            open(handler, "w").write(PYTHON_HANDLER)

            rows = [("consumer", [BOOTSTRAP], message, RUNS)]
            if os.path.exists(RELAY):
                rows.append(("relay of the outbox", [RELAY], outbox_row, RUNS))
            rows.append(("Python with boto3", [sys.executable, handler], message, max(3, RUNS // 3)))
            print(f"{'cold start':<20} {'CPU to first poll':>18} {'CPU, ten events':>16} {'peak memory':>12} {'zip':>10}")
            for name, command, record, runs in rows:
                figures = [cold_start(command, record, environment) for _ in range(runs)]
                poll, invocation, peak = (statistics.median(column) for column in zip(*figures))
                size = "" if command[0] == sys.executable else f"{zip_mb(folder, command[0]):.2f} MB"
                print(f"{name:<20} {poll:>15.1f} ms {invocation:>13.1f} ms {peak:>8.1f} MiB {size:>10}")
    finally:
        stack.terminate()


main()
