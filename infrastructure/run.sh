#!/usr/bin/env bash
#
# Builds the function, packs it, plans and applies. Safe to run twice: the same
# source gives the same package, and a plan without changes applies nothing.

set -euo pipefail

here=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd)
root=$(dirname -- "$here")

usage() {
  cat <<'TEXT'
Usage: infrastructure/run.sh [plan | apply | package] [options] [-- terraform options]

  package   build and pack the function, print the package's size
  plan      package, and show what would change
  apply     plan, ask, and apply (the default)

Options:
  --arch arm64|x86_64  instruction set of the function (default: arm64)
  --package FILE       deploy this package instead of building one
  --yes                apply without asking
  --allow-replace      accept a plan that deletes a queue or the table
  --help               show this text

Variables come from terraform.tfvars beside this script, from TF_VAR_name, or
from what follows "--", for instance: run.sh plan -- -var fifo=true
TF_PLUGIN_DIR names a folder to take the provider from, instead of the registry.
TEXT
}

say() { printf '==> %s\n' "$*"; }

fail() {
  printf 'run.sh: %s\n' "$*" >&2
  exit 1
}

command=apply
arch=arm64
package=
yes=false
allow_replace=false

while (($# > 0)); do
  case $1 in
    plan | apply | package) command=$1 ;;
    --arch)
      arch=${2:?"--arch needs arm64 or x86_64"}
      shift
      ;;
    --package)
      package=${2:?"--package needs a file"}
      shift
      ;;
    --yes) yes=true ;;
    --allow-replace) allow_replace=true ;;
    --help | -h)
      usage
      exit 0
      ;;
    --)
      shift
      break
      ;;
    *)
      usage >&2
      fail "unknown argument: $1"
      ;;
  esac
  shift
done

case $arch in
  arm64) cpu=aarch64 machine=b7 ;;
  x86_64) cpu=x86_64 machine=3e ;;
  *) fail "--arch must be arm64 or x86_64, not $arch" ;;
esac

# Tools

missing=()
need() { command -v "$1" >/dev/null || missing+=("$1 ($2)"); }

if [[ -z $package ]]; then
  need cargo "the Rust toolchain, https://rustup.rs"
  command -v zip >/dev/null || need python3 "or zip, to pack the function"
fi
if [[ $command != package ]]; then
  need terraform "1.11 or later, https://developer.hashicorp.com/terraform"
fi
if ((${#missing[@]} > 0)); then
  fail "missing: $(printf '%s; ' "${missing[@]}")nothing was done"
fi
if [[ $command == apply ]] && ! command -v aws >/dev/null; then
  say "Note: the AWS CLI (command: aws) is missing. It is needed unless max_message_size is null."
fi

# The second field of an ELF header's machine type, 3e for x86-64, b7 for arm64.
machine_of() { od -An -tx1 -j18 -N1 "$1" | tr -d ' \n'; }

check_binary() {
  local found newest
  found=$(machine_of "$1")
  [[ $found == "$machine" ]] || fail "$1 is not a Linux executable for $arch (machine type $found, expected $machine)"

  # Amazon Linux 2023 has glibc 2.34. A binary that asks for a later one would
  # not start, and every invocation would fail.
  newest=$(LC_ALL=C grep -aoE 'GLIBC_2\.[0-9]+' "$1" | sort -t. -k2 -n | tail -n 1 || true)
  if [[ -n $newest ]] && ((${newest#GLIBC_2.} > 34)); then
    fail "the executable needs $newest, but provided.al2023 has 2.34. Install cargo-lambda (pip install cargo-lambda), or build on a system with glibc 2.34 or older"
  fi
}

# Paths stay as they are: folders may have spaces in their names.
work=$(mktemp -d)
trap 'rm -rf -- "$work"' EXIT

build() {
  local target_dir build_args binary
  # Cargo reads .cargo/config.toml from the folder it is called in, and a
  # setting there decides about the cold start.
  cd -- "$root"
  target_dir=${CARGO_TARGET_DIR:-target}
  # Cargo takes a relative one from the folder it is called in, which is this.
  [[ $target_dir == /* ]] || target_dir=$root/$target_dir
  build_args=(-p domain-events-consumer --bin bootstrap --profile lambda)

  if command -v cargo-lambda >/dev/null; then
    say "Building the function for $arch with cargo-lambda"
    cargo lambda build "${build_args[@]}" "--${arch/_/-}" --lambda-dir "$target_dir/package/cargo-lambda"
    binary=$target_dir/package/cargo-lambda/bootstrap/bootstrap
  elif [[ $(uname -s) == Linux && $(uname -m) == "$cpu" ]]; then
    say "Building the function for $arch with cargo"
    cargo build "${build_args[@]}"
    binary=$target_dir/lambda/bootstrap
  else
    local triple=$cpu-unknown-linux-gnu
    [[ $(uname -s) == Linux ]] || fail "building for Linux from $(uname -s) needs cargo-lambda (pip install cargo-lambda)"
    if command -v rustup >/dev/null && ! rustup target list --installed | grep -qx "$triple"; then
      fail "the Rust target $triple is not installed. Install cargo-lambda (pip install cargo-lambda); or run 'rustup target add $triple' and have a linker for it; or build for this machine: --arch $(uname -m | sed s/aarch64/arm64/)"
    fi
    say "Building the function for $arch with cargo, target $triple"
    cargo build "${build_args[@]}" --target "$triple"
    binary=$target_dir/$triple/lambda/bootstrap
  fi

  check_binary "$binary"
  package=$target_dir/package/domain-events-consumer-$arch.zip
  mkdir -p -- "$target_dir/package"

  # One fixed time stamp: the same executable gives the same package, and
  # Terraform sees no change.
  cp -- "$binary" "$work/bootstrap"
  chmod 755 "$work/bootstrap"
  TZ=UTC touch -t 200001010000 "$work/bootstrap"
  rm -f -- "$package"
  if command -v zip >/dev/null; then
    (cd -- "$work" && TZ=UTC zip -q -9 -X package.zip bootstrap && mv -- package.zip "$package")
  else
    python3 - "$work/bootstrap" "$package" <<'PYTHON'
import sys, zipfile
entry = zipfile.ZipInfo("bootstrap", (2000, 1, 1, 0, 0, 0))
entry.external_attr = 0o100755 << 16
with zipfile.ZipFile(sys.argv[2], "w", zipfile.ZIP_DEFLATED, compresslevel=9) as package:
    package.writestr(entry, open(sys.argv[1], "rb").read())
PYTHON
  fi
  say "Executable: $(wc -c <"$binary" | tr -d ' ') bytes"
}

if [[ -n $package ]]; then
  [[ -f $package ]] || fail "no such package: $package"
  package=$(cd -- "$(dirname -- "$package")" && pwd)/$(basename -- "$package")
  if command -v unzip >/dev/null; then
    unzip -p "$package" bootstrap >"$work/bootstrap" 2>/dev/null || fail "$package holds no file named bootstrap"
    check_binary "$work/bootstrap"
  fi
else
  build
fi
say "Package: $package, $(wc -c <"$package" | tr -d ' ') bytes"

[[ $command != package ]] || exit 0

# Plan

# Without Terraform's advice on the next command: this script is that command.
export TF_IN_AUTOMATION=true
terraform=(terraform "-chdir=$here")
init=(init -input=false)
if [[ -n ${TF_PLUGIN_DIR:-} ]]; then
  init+=("-plugin-dir=$TF_PLUGIN_DIR" -lockfile=readonly)
fi
say "terraform ${init[*]}"
"${terraform[@]}" "${init[@]}"

say "terraform plan"
status=0
"${terraform[@]}" plan -input=false -detailed-exitcode "-out=$work/plan" \
  -var "package_path=$package" -var "architecture=$arch" "$@" || status=$?
case $status in
  0)
    say "Nothing to change."
    exit 0
    ;;
  2) ;;
  *) exit "$status" ;;
esac

# Queues and table hold events. Terraform's prevent_destroy would also forbid
# what an operator asks for; this asks first. "Must be replaced" is a changed
# argument, "will be replaced, as requested" is -replace.
doomed=$("${terraform[@]}" show -no-color "$work/plan" |
  grep -E '^ *# module\.(queue|table)\.aws_(sqs_queue|dynamodb_table)\..* (must|will) be (replaced|destroyed)' || true)
if [[ -n $doomed && $allow_replace == false ]]; then
  printf '%s\n' "$doomed" >&2
  fail "this plan deletes the above, with all events in it. Nothing was applied. If that is what you want: drain the queue, save what you need, and pass --allow-replace"
fi

[[ $command == apply ]] || exit 0

# Apply

if [[ $yes == false ]]; then
  [[ -t 0 ]] || fail "no terminal to ask on. Nothing was applied; pass --yes to apply without asking"
  read -r -p "Apply this plan? Only 'yes' does: " answer
  [[ $answer == yes ]] || fail "not confirmed, nothing was applied"
fi

say "terraform apply"
"${terraform[@]}" apply -input=false "$work/plan"

say "Deployed. What applications need:"
for name in EVENT_QUEUE_URL EVENT_TABLE producer_policy_arn reader_policy_arn; do
  printf '    %s=%s\n' "$name" "$("${terraform[@]}" output -raw "$name")"
done
