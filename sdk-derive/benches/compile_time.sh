#!/usr/bin/env bash
# Compares the compile time of deriving 200 events with the compile time of serde's
# derive for the same 200 structs. The time for an empty crate is subtracted from both.
#
#   sdk-derive/benches/compile_time.sh [runs]
#   sdk-derive/benches/compile_time.sh instructions
#
# The first form measures the minimum user CPU time of several runs of `cargo check` and
# `cargo build`. The second form counts the instructions of the compiler, which do not
# depend on the load of the machine. It uses perf if the machine permits it, and otherwise
# callgrind, which takes some minutes. The script fails if events need more than 1.3 times
# as much.
set -euo pipefail
unit=s runs=${1:-7}
if [ "$runs" = instructions ]; then unit="G instructions" runs=1; fi
sdk=$(cd "$(dirname "$0")/../../sdk" && pwd)
crate=${CARGO_TARGET_DIR:-$sdk/../target}/compile-time
export CARGO_TARGET_DIR=$crate/target
mkdir -p "$crate/src"

cat > "$crate/Cargo.toml" <<TOML
[package]
name = "compile-time"
edition = "2024"

[dependencies]
domain-events = { path = "$sdk", default-features = false, features = ["derive"] }
serde = { version = "1", features = ["derive"] }

[profile.dev]
incremental = false

[workspace]
TOML

# structs DERIVES ATTRIBUTES...: prints structs that are typical events of services.
structs() {
  echo '#![allow(dead_code)]'
  for n in $(seq 200); do
    cat <<RUST
#[derive($1)]
$2
pub struct OrderPlaced$n {
    $3
    pub order_id: String,
    $4
    pub customer: u64,
    pub total_cents: u64,
    pub currency: String,
    pub lines: Vec<(String, u32)>,
    pub note: Option<String>,
}
RUST
  done
}
: > "$crate/empty.rs"
structs serde::Serialize '' '' '' > "$crate/serialize.rs"
structs 'serde::Serialize, domain_events::DomainEvent' '#[event(emitter_type = "USER")]' \
  '#[event(id)]' '#[event(emitter_id)]' > "$crate/events.rs"

# A wrapper of the compiler that counts the instructions for this crate and writes the count
# to a file.
export COUNTER=callgrind COUNT=$crate/count
if perf stat -e instructions:u true 2>&1 | grep -q '[0-9].*instructions'; then COUNTER=perf; fi
cat > "$crate/counted" <<'BASH'
#!/usr/bin/env bash
set -euo pipefail
shift
rustc=$(rustc --print sysroot)/bin/rustc
case "$COUNTER $*" in
  *" --print "* | *" -vV"*) exec "$rustc" "$@" ;;
  perf*) exec perf stat -x , -e instructions:u -o "$COUNT" "$rustc" "$@" ;;
esac
valgrind --tool=callgrind --callgrind-out-file=/dev/null --log-file="$COUNT" "$rustc" "$@"
BASH
chmod +x "$crate/counted"
if [ "$unit" != s ]; then export RUSTC_WORKSPACE_WRAPPER=$crate/counted; fi

# cost COMMAND SOURCE: prints the minimum user time of all runs, or the instructions.
cost() {
  cp "$crate/$2.rs" "$crate/src/lib.rs"
  for _ in $(seq "$runs"); do
    touch "$crate/src/lib.rs"
    TIMEFORMAT=%U
    { time cargo "$1" --quiet --manifest-path "$crate/Cargo.toml" >&2; } 2>&1 | tail -n 1
  done | sort -n | head -n 1 | if [ "$unit" = s ]; then cat; else cat > /dev/null; counted; fi
}

# Prints the counted instructions, in billions.
counted() {
  if [ "$COUNTER" = perf ]; then
    awk -F , '/instructions/ { print $1 / 1e9 }' "$COUNT"
  else
    awk '/Collected/ { print $NF / 1e9 }' "$COUNT"
  fi
}

worst=0
for command in check build; do
  : > "$crate/src/lib.rs"
  cargo "$command" --quiet --manifest-path "$crate/Cargo.toml"
  empty=$(cost "$command" empty)
  serialize=$(cost "$command" serialize)
  events=$(cost "$command" events)
  awk -v c="$command" -v n="$empty" -v s="$serialize" -v e="$events" -v u="$unit" 'BEGIN {
    printf "cargo %s: empty %.2f %s, Serialize +%.2f, Serialize and DomainEvent +%.2f: %.2f times\n",
      c, n, u, s - n, e - n, (e - n) / (s - n)
    printf "  DomainEvent alone is %.2f of Serialize alone\n", (e - s) / (s - n)
    exit (e - n) > 1.3 * (s - n)
  }' || worst=1
done
exit "$worst"
