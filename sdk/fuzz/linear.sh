#!/usr/bin/env bash
# Checks with callgrind that the number of instructions grows linearly with the size of
# a message. The program runs with sizes n, 2n and 4n. The step from 2n to 4n may cost
# about twice as much as the step from n to 2n. Comparing steps instead of totals
# excludes the constant cost of starting the program.
set -euo pipefail
cd "$(dirname "$0")/../.."
if ! command -v valgrind >/dev/null; then
  { apt-get update --quiet && apt-get install --yes --quiet valgrind; } >/dev/null 2>&1 ||
    { echo "skipped: valgrind is not installed"; exit 0; }
fi
cargo build --quiet --workspace --all-features --bin verdicts

instructions() { # FAMILY N
  valgrind --tool=callgrind --callgrind-out-file=/dev/null target/debug/verdicts cost "$1" "$2" 2>&1 |
    sed -n 's/.*Collected : //p'
}

family() {
  local one two four
  one=$(instructions "$1" 300)
  two=$(instructions "$1" 600)
  four=$(instructions "$1" 1200)
  python3 - "$1" "$one" "$two" "$four" <<'PYTHON'
import sys
name, (one, two, four) = sys.argv[1], map(int, sys.argv[2:])
first, second = two - one, four - two
ratio = second / first
print(f"{name}: {first:,} more instructions, then {second:,} more: a ratio of {ratio:.2f}")
# Hash maps use random keys, so the cost differs slightly from run to run.
sys.exit(second > 2.2 * first + 20_000)
PYTHON
}

export -f family instructions
target/debug/verdicts families | tr '\n' '\0' | xargs -0 -P 2 -I {} bash -c 'family "$1"' _ {}
