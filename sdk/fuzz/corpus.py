#!/usr/bin/env python3
"""Packs and unpacks the fuzz corpora: one file per target, one input per line.

    corpus.py unpack FOLDER            corpus/*.jsonl -> FOLDER/TARGET/NUMBER
    corpus.py pack TARGET FOLDER       FOLDER/* -> corpus/TARGET.jsonl

A line is a JSON string whose characters U+0000 to U+00FF are the bytes of the input.
The lines are sorted, so that a new input adds one line.
"""

import json
import sys
from pathlib import Path

CORPUS = Path(__file__).resolve().parent / "corpus"


def unpack(folder):
    for packed in sorted(CORPUS.glob("*.jsonl")):
        target = Path(folder, packed.stem)
        target.mkdir(parents=True, exist_ok=True)
        for number, line in enumerate(packed.read_text(encoding="utf-8").splitlines()):
            (target / f"{number:04}").write_bytes(json.loads(line).encode("latin-1"))


def pack(target, folder):
    inputs = {file.read_bytes() for file in Path(folder).iterdir() if file.is_file()}
    lines = sorted(json.dumps(content.decode("latin-1")) for content in inputs)
    (CORPUS / f"{target}.jsonl").write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")


if __name__ == "__main__":
    commands = {("unpack", 1): unpack, ("pack", 2): pack}
    command = commands.get((sys.argv[1] if len(sys.argv) > 1 else "", len(sys.argv) - 2))
    if command is None:
        sys.exit(__doc__)
    command(*sys.argv[2:])
