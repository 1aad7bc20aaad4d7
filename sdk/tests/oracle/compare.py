"""Compares the verdicts of the Python oracle with the verdicts of the Rust decoder.

    compare.py VERDICTS [--random N] [--seed S] [--corpus FOLDER]... [--one N]

VERDICTS is the program that prints the verdicts of the Rust decoder. Without
`--corpus`, the recorded fixtures are compared. `--random` generates N more inputs;
the same seed generates the same inputs on every machine. `--one` prints the N-th
generated input.
"""

import argparse
import json
import os
import pathlib
import secrets
import subprocess
import sys
import tempfile
from concurrent.futures import ProcessPoolExecutor

import contract
import generate

HERE = pathlib.Path(__file__).resolve().parent
FIXTURES = HERE.parent / "fixtures"
CHUNK = 5000


def recorded(path):
    """The name, body and recorded case of each message in a fixture file."""
    for line in path.read_text().splitlines():
        case = json.loads(line)
        yield case["name"], body_of(case), case


def body_of(case):
    if "hex" in case:
        return bytes.fromhex(case["hex"])
    if "parts" in case:
        return "".join(text * times for text, times in case["parts"]).encode()
    return case["body"].encode()


def rust(program, bodies):
    """The verdict of the Rust decoder on each body."""
    with tempfile.TemporaryFile() as given, tempfile.TemporaryFile() as output:
        for body in bodies:
            given.write(len(body).to_bytes(4, "big") + body)
        given.seek(0)
        subprocess.run([program], stdin=given, stdout=output, check=True)
        output.seek(0)
        verdicts = [json.loads(line) for line in output]
    assert len(verdicts) == len(bodies)
    return verdicts


def difference(body, ours):
    """Describes the first difference between the two verdicts, or returns None."""
    oracle = contract.judge(body)
    if isinstance(ours, dict) or isinstance(oracle, dict):
        return None if ours == oracle else f"oracle {brief(oracle)}, Rust {brief(ours)}"
    if len(ours) != len(oracle):
        return f"oracle {len(oracle)} events, Rust {len(ours)}"
    for index, (own, expected) in enumerate(zip(ours, oracle)):
        if "event" not in expected or "message" not in own:
            if own != expected:
                return f"event {index}: oracle {brief(expected)}, Rust {brief(own)}"
            continue
        fields = expected["event"]
        item = contract.of_item(own["item"])
        item["Timestamp"] = contract.cut_to_nine_decimals(item["Timestamp"])
        if item != fields:
            return f"event {index}: item differs: {brief(item)}, expected {brief(fields)}"
        for way in ("message", "read"):
            if own[way] is None:
                if len(json.dumps(fields, default=repr)) < 1_000_000:
                    return f"event {index}: no {way}"
                continue
            again = contract.plain(contract.DECODER.decode(own[way]))
            if again != fields:
                return f"event {index}: {way} differs: {brief(again)}, expected {brief(fields)}"
    return None


def brief(value):
    text = repr(value)
    return text if len(text) < 400 else f"{text[:200]} … {text[-200:]}"


def compare(program, names, bodies):
    """Prints every difference. Returns the number of accepted bodies and of differences."""
    accepted = differ = 0
    for name, body, ours in zip(names, bodies, rust(program, bodies)):
        accepted += isinstance(ours, list) and any("message" in e for e in ours)
        wrong = difference(body, ours)
        if wrong:
            differ += 1
            print(f"{name}: {wrong}\n    {brief(body)}")
    return accepted, differ


def random_chunk(job):
    program, seed, start, count = job
    numbers = range(start, start + count)
    bodies = [generate.body(seed, n) for n in numbers]
    return compare(program, [f"random {seed} {n}" for n in numbers], bodies)


def expectation(case):
    """The recorded verdict on a body, and the oracle's verdict in the same form."""

    def form(verdict):
        if "event" in verdict:
            return "accept"
        return f"{verdict['code']} {verdict['at']}".rstrip()

    got = contract.judge(body_of(case))
    got = form(got) if isinstance(got, dict) else [form(one) for one in got]
    expected = case["expect"]
    if isinstance(expected, list):
        # Equal verdicts in a row are recorded as one verdict and a count.
        pairs = [one if isinstance(one, list) else [one, 1] for one in expected]
        expected = [verdict for verdict, times in pairs for _ in range(times)]
    elif isinstance(got, list) and len(got) == 1:
        got = got[0]
    return expected, got


def main():
    options = argparse.ArgumentParser()
    options.add_argument("program")
    options.add_argument("--random", type=int, default=0)
    options.add_argument("--seed", type=int)
    options.add_argument("--corpus", action="append", default=[], type=pathlib.Path)
    options.add_argument("--one", type=int)
    options = options.parse_args()
    seed = secrets.randbits(32) if options.seed is None else options.seed
    if options.one is not None:
        sys.stdout.buffer.write(generate.body(seed, options.one))
        return

    failed = 0
    if not options.corpus:
        for path in sorted(FIXTURES.glob("*.jsonl")):
            cases = list(recorded(path))
            accepted, differ = compare(
                options.program, [c[0] for c in cases], [c[1] for c in cases]
            )
            for name, _, case in cases:
                if "expect" not in case:
                    continue
                recorded_one, own = expectation(case)
                if recorded_one != own:
                    differ += 1
                    print(f"{name}: recorded {brief(recorded_one)}, oracle {brief(own)}")
            print(f"{path.name}: {len(cases)} messages, {accepted} accepted, {differ} differ")
            failed += differ
    for folder in options.corpus:
        files = sorted(p for p in folder.rglob("*") if p.is_file())
        bodies = [p.read_bytes() for p in files]
        accepted, differ = compare(options.program, files, bodies)
        print(f"{folder}: {len(files)} inputs, {accepted} accepted, {differ} differ")
        failed += differ
    if options.random:
        print(f"random: {options.random} inputs, seed {seed}", flush=True)
        jobs = [
            (options.program, seed, start, min(CHUNK, options.random - start))
            for start in range(0, options.random, CHUNK)
        ]
        with ProcessPoolExecutor(os.cpu_count()) as pool:
            outcomes = list(pool.map(random_chunk, jobs))
        accepted = sum(a for a, _ in outcomes)
        differ = sum(d for _, d in outcomes)
        print(f"random: {accepted} accepted, {differ} differ")
        failed += differ
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
