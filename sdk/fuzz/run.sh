#!/usr/bin/env bash
# Runs coverage-guided fuzzing on every target.
#
#   run.sh [seconds per target, default 25]
#   run.sh keep
#
# Replays the corpus of the repository, searches for new inputs, and compares the
# verdicts on all inputs with the oracle. Writes inputs that crash to
# target/fuzz/crashes and new inputs to target/fuzz/found. `run.sh keep` adds the new
# inputs that cover new code to the corpus.
#
# Needs a C++ compiler for libFuzzer. The stable Rust toolchain is enough, because
# LLVM's coverage instrumentation needs no nightly flag.
set -euo pipefail
cd "$(dirname "$0")/../.."
targets="decode derive item lambda page sort_key"
here=sdk/fuzz out=target/fuzz
if ! command -v c++ >/dev/null; then
  apt-get install --yes --quiet g++ >/dev/null || { echo "skipped: no C++ compiler is installed"; exit 0; }
fi

RUSTC_WORKSPACE_WRAPPER=$PWD/$here/instrument \
  cargo build --quiet --workspace --all-features --bin fuzz
mkdir -p $out/crashes $out/found
corpus=$out/corpus
rm -rf "$corpus"
$here/corpus.py unpack "$corpus"
# A plain build would overwrite target/debug/fuzz, so keep a copy under another name.
cp target/debug/fuzz $out/libfuzzer

# libfuzzer TARGET [libFuzzer options]
libfuzzer() {
  local target=$1
  shift
  FUZZ_TARGET=$target RUST_BACKTRACE=0 $out/libfuzzer "$@"
}

# The maximum length of an input that is worth trying for a target, in bytes.
max_len() {
  case $1 in
    derive) echo 2048 ;;
    sort_key) echo 256 ;;
    *) echo 4096 ;;
  esac
}

fuzz() {
  local target=$1 seconds=$2 log=$out/$1.log
  mkdir -p "$out/found/$target"
  if ! libfuzzer "$target" -runs=0 "$corpus/$target" >"$log" 2>&1; then
    echo "$target: an input of the corpus fails"
    tail -30 "$log"
    return 1
  fi
  local replayed
  replayed=$(grep -o 'cov: [0-9]*' "$log" | tail -1)
  local result=0
  libfuzzer "$target" -max_total_time="$seconds" -max_len="$(max_len "$target")" -timeout=10 \
    -dict="$here/dictionaries/$target.dict" -artifact_prefix="$out/crashes/$target-" \
    -print_final_stats=1 -verbosity=1 \
    "$out/found/$target" "$corpus/$target" >"$log" 2>&1 || result=1
  local crashes
  crashes=$(find $out/crashes -name "$target-*" | wc -l)
  printf '%-9s %9s executions, %s (replay %s), corpus %s (%s kept + %s found), crashes %s\n' "$target" \
    "$(sed -n 's/^stat::number_of_executed_units: *//p' "$log")" \
    "$(grep -o 'cov: [0-9]*' "$log" | tail -1)" "${replayed#cov: }" \
    "$(grep -o 'corp: [0-9]*/[0-9]*[KMb]*' "$log" | tail -1 | cut -c7-)" \
    "$(find "$corpus/$target" -type f | wc -l)" \
    "$(find "$out/found/$target" -type f | wc -l)" "$crashes"
  if [ $result != 0 ] || [ "$crashes" != 0 ]; then
    tail -30 "$log"
    return 1
  fi
}

keep() {
  for target in $targets; do
    mkdir -p "$out/kept/$target" "$out/found/$target" "$corpus/$target"
    # Compare inputs by the code that they cover, not by how often they run it. This
    # keeps a fifth of the inputs.
    libfuzzer "$target" -merge=1 -use_counters=0 -max_len="$(max_len "$target")" \
      "$out/kept/$target" "$corpus/$target" "$out/found/$target" >"$out/$target.log" 2>&1
    $here/corpus.py pack "$target" "$out/kept/$target"
    rm -rf "$out/kept/$target"
    echo "$target: $(wc -l <"$here/corpus/$target.jsonl") inputs"
  done
}

if [ "${1-}" = keep ]; then
  keep
  exit
fi

# Fuzz two targets at a time: the usual machine has two cores.
export -f fuzz libfuzzer max_len
export here out corpus
failed=0
echo "$targets" | tr ' ' '\n' | xargs -P 2 -I {} bash -c "fuzz {} ${1:-25}" || failed=1

cargo build --quiet --workspace --all-features --bin verdicts
for target in decode item; do
  python3 sdk/tests/oracle/compare.py target/debug/verdicts \
    --corpus "$corpus/$target" --corpus "$out/found/$target" || failed=1
done
exit $failed
