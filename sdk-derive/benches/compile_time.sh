#!/usr/bin/env bash
# What deriving 200 events costs the compiler, beside what serde's derive costs
# for the same 200 structs; both beyond an empty crate.
#
#   sdk-derive/benches/compile_time.sh [runs]
#
# Compares user CPU time, the least of several runs, of `cargo check` and of
# `cargo build`. Fails if events cost more than 1.3 times as much.
set -euo pipefail
runs=${1:-7}
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

# structs DERIVES ATTRIBUTES...: events as they are in services.
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

# seconds COMMAND SOURCE: the least user time of all runs.
seconds() {
  cp "$crate/$2.rs" "$crate/src/lib.rs"
  for _ in $(seq "$runs"); do
    touch "$crate/src/lib.rs"
    TIMEFORMAT=%U
    { time cargo "$1" --quiet --manifest-path "$crate/Cargo.toml" >&2; } 2>&1 | tail -n 1
  done | sort -n | head -n 1
}

worst=0
for command in check build; do
  : > "$crate/src/lib.rs"
  cargo "$command" --quiet --manifest-path "$crate/Cargo.toml"
  empty=$(seconds "$command" empty)
  serialize=$(seconds "$command" serialize)
  events=$(seconds "$command" events)
  awk -v c="$command" -v n="$empty" -v s="$serialize" -v e="$events" 'BEGIN {
    printf "cargo %s: empty %.2f s, Serialize +%.2f s, Serialize and DomainEvent +%.2f s: %.2f times\n",
      c, n, s - n, e - n, (e - n) / (s - n)
    exit (e - n) > 1.3 * (s - n)
  }' || worst=1
done
exit "$worst"
