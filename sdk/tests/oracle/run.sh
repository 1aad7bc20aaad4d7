#!/usr/bin/env bash
# Compares the oracle with the Rust decoder.
#
#   run.sh [number of random inputs, default 100000] [seed]
set -euo pipefail
cd "$(dirname "$0")/../../.."
cargo build --quiet --workspace --all-features --bin verdicts
oracle=sdk/tests/oracle/compare.py
corpus=target/oracle-corpus
rm -rf $corpus
sdk/fuzz/corpus.py unpack $corpus
python3 $oracle target/debug/verdicts --corpus $corpus/decode --corpus $corpus/item
python3 $oracle target/debug/verdicts --random "${1:-100000}" ${2:+--seed "$2"}
