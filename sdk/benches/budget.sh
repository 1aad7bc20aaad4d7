#!/usr/bin/env bash
# Compares the instructions of the hot paths with sdk/benches/budget.txt.
#
#   budget.sh          fails if a path needs over 5 % more instructions than its budget
#   budget.sh write    writes the budget
#
# The counts do not depend on the load of the machine. They depend on the compiler and on the
# versions of the dependencies: after an update of either, write the budget again.
set -euo pipefail
shopt -s inherit_errexit
cd "$(dirname "$0")/../.."
if ! command -v valgrind >/dev/null; then
  { apt-get update --quiet && apt-get install --yes --quiet valgrind; } >/dev/null 2>&1 ||
    { echo "skipped: valgrind is not installed"; exit 0; }
fi
budget=sdk/benches/budget.txt
# Cargo's messages contain the path of the program.
program=$(cargo bench --quiet -p domain-events-benches --bench instructions --no-run --message-format=json |
  python3 -c 'import json, sys; print([m for m in map(json.loads, sys.stdin) if m.get("executable")][-1]["executable"])')

instructions() { # PATH STEPS
  valgrind --tool=callgrind --callgrind-out-file=/dev/null "$program" "$1" "$2" 2>&1 |
    sed -n 's/.*Collected : //p'
}

# The instructions per event: the second step of 2,000 events.
per_event() { # PATH
  local one two
  one=$(instructions "$1" 1)
  two=$(instructions "$1" 2)
  echo $(((two - one) / 2000))
}

if [ "${1-}" = write ]; then
  echo "# Instructions per event, written by budget.sh. $(rustc --version)" >$budget
fi
failed=0
for path in encode decode append read; do
  count=$(per_event $path)
  if [ "${1-}" = write ]; then
    echo "$path $count" | tee -a $budget
    continue
  fi
  allowed=$(sed -n "s/^$path //p" $budget)
  printf '%s: %s instructions per event, %+d %% of the budget of %s\n' \
    "$path" "$count" $(((100 * count + allowed / 2) / allowed - 100)) "$allowed"
  if [ $((100 * count)) -gt $((105 * allowed)) ]; then
    echo "$path needs over 5 % more instructions than its budget of $(sed -n '1s/.*[.] //p' $budget)"
    failed=1
  fi
done
if [ $failed = 1 ]; then
  echo "Reduce the cost, or, if it pays for something, write the budget: sdk/benches/budget.sh write"
fi
exit $failed
