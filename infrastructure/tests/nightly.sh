#!/usr/bin/env bash
#
# The long forms of the tests in check.sh: all of its parts with the optimised
# package that run.sh builds, and the operator's bad day repeatedly, with the
# interrupt at different times of the apply.
#
#   REPEAT   how often (default: 5)

set -euo pipefail

here=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd)

CHECK_PACKAGE=optimised "$here/check.sh"
for ((run = 1; run <= ${REPEAT:-5}; run++)); do
  printf '\n== bad day %d of %d\n' "$run" "${REPEAT:-5}"
  INTERRUPT_AFTER=$((run * 3)) "$here/bad_day.sh"
done
