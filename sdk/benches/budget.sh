#!/usr/bin/env bash
# Compares the instructions of the hot paths with sdk/benches/budget.txt.
#
#   budget.sh          fails if a path takes over 5 % more than its budget
#   budget.sh write    writes the budget
#
# The count does not depend on the load of the machine. It depends on the compiler and on
# the versions of the dependencies: after an update, write the budget again.
set -euo pipefail
cd "$(dirname "$0")/../.."
if ! command -v valgrind >/dev/null; then
  { apt-get update --quiet && apt-get install --yes --quiet valgrind; } >/dev/null 2>&1 ||
    { echo "skipped: valgrind is not installed"; exit 0; }
fi
budget=sdk/benches/budget.txt
# The path of the program is in Cargo's messages.
program=$(cargo bench --quiet -p domain-events-benches --bench instructions --no-run --message-format=json |
  python3 -c 'import json, sys; print([m for m in map(json.loads, sys.stdin) if m.get("executable")][-1]["executable"])')

# instructions CASE STEPS
instructions() {
  valgrind --tool=callgrind --callgrind-out-file=/dev/null "$program" "$1" "$2" 2>&1 |
    sed -n 's/.*Collected : //p'
}

# The difference between one step and two steps, per event. A step has 2,000 events.
per_event() {
  local one two
  one=$(instructions "$1" 1)
  two=$(instructions "$1" 2)
  echo $(((two - one) / 2000))
}

if [ "${1-}" = write ]; then
  echo "# Instructions per event; budget.sh compares them. $(rustc --version)" >$budget
fi
failed=0
for case in encode decode append read; do
  count=$(per_event $case)
  if [ "${1-}" = write ]; then
    echo "$case $count" >>$budget
    echo "$case: $count instructions per event"
    continue
  fi
  allowed=$(sed -n "s/^$case //p" $budget)
  printf '%s: %s instructions per event, %+d %% of the budget of %s\n' \
    "$case" "$count" $((100 * count / allowed - 100)) "$allowed"
  if [ $((100 * count)) -gt $((105 * allowed)) ]; then
    echo "$case takes over 5 % more than its budget"
    failed=1
  fi
done
exit $failed
