#!/usr/bin/env bash
# The oracle against the decoder: run.sh [random inputs, 100000] [seed].
set -euo pipefail
cd "$(dirname "$0")/../../.."
cargo build --quiet --workspace --all-features --bin verdicts
oracle=sdk/tests/oracle/compare.py
python3 $oracle target/debug/verdicts --corpus sdk/fuzz/corpus/decode --corpus sdk/fuzz/corpus/item
python3 $oracle target/debug/verdicts --random "${1:-100000}" ${2:+--seed "$2"}
