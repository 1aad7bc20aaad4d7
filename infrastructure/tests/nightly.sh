#!/usr/bin/env bash
#
# The long forms of the tests in check.sh: every part that check.sh has, and the
# tests on the local endpoint with the optimised package, repeatedly, so that an
# interrupt hits the apply at different moments.
#
#   REPEAT   how often (default: 5)

set -euo pipefail

here=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd)

unset CARGO_PROFILE_LAMBDA_LTO CARGO_PROFILE_LAMBDA_OPT_LEVEL CARGO_PROFILE_LAMBDA_CODEGEN_UNITS
"$here/check.sh"
for ((run = 1; run <= ${REPEAT:-5}; run++)); do
  printf '\n== bad day %d of %d\n' "$run" "${REPEAT:-5}"
  INTERRUPT_AFTER=$((run * 3)) "$here/bad_day.sh"
done
