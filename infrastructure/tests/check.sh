#!/usr/bin/env bash
#
# Everything that a change to the infrastructure must pass. A part whose tool
# or provider is absent says so and is left out; a part that runs must pass.
#
#   TF_PLUGIN_DIR   folder to take the provider from, instead of the registry
#   CHECK_APPLY     "no" leaves the apply out
#   and the variables of apply.sh

set -euo pipefail

here=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd)
infrastructure=$(dirname -- "$here")

work=$(mktemp -d "${TMPDIR:-/tmp}/domain events.XXXXXX")
trap 'rm -rf -- "$work"' EXIT

left_out=()
began=$SECONDS

part() {
  began=$SECONDS
  printf '\n== %s\n' "$1"
}
passed() { printf '== passed in %d s\n' $((SECONDS - began)); }
absent() {
  printf '== LEFT OUT: %s\n' "$1"
  left_out+=("$1")
}
has() { command -v "$1" >/dev/null; }

# Nothing is written beside the sources: data and lock stay in a copy.
export TF_DATA_DIR=$work/terraform TF_IN_AUTOMATION=true CHECKPOINT_DISABLE=true TF_CLI_ARGS=-no-color
terraform=(terraform "-chdir=$infrastructure")

part "shellcheck"
if has shellcheck; then
  shellcheck "$infrastructure"/*.sh "$here"/*.sh
  passed
else
  absent "shellcheck is not installed"
fi

provider=false
if has terraform; then
  part "terraform fmt"
  "${terraform[@]}" fmt -check -diff -recursive
  passed

  part "terraform init"
  init=(init -input=false -backend=false -lockfile=readonly)
  if [[ -n ${TF_PLUGIN_DIR:-} ]]; then
    init+=("-plugin-dir=$TF_PLUGIN_DIR")
  fi
  if "${terraform[@]}" "${init[@]}" >"$work/init.log" 2>&1; then
    provider=true
    passed
  elif [[ -z ${TF_PLUGIN_DIR:-} ]] && grep -qE 'Failed to (query|install)|could not connect|no such host|registry' "$work/init.log"; then
    absent "the AWS provider cannot be fetched (TF_PLUGIN_DIR may name a folder that holds it)"
  else
    cat "$work/init.log" >&2
    exit 1
  fi
else
  absent "terraform is not installed"
fi

if [[ $provider == true ]]; then
  part "terraform validate"
  "${terraform[@]}" validate
  passed

  part "terraform test"
  "${terraform[@]}" test
  passed
fi

part "checkov"
if has python3; then
  if python3 -m venv "$work/checkov" &&
    "$work/checkov/bin/python" -m pip install --quiet --disable-pip-version-check 'checkov==3.3.*' >"$work/pip.log" 2>&1; then
    "$work/checkov/bin/python" -m checkov.main -d "$infrastructure" --framework terraform --compact --quiet --skip-download
    passed
  else
    tail -n 3 "$work/pip.log" >&2 || true
    absent "checkov cannot be installed"
  fi
else
  absent "python3 is not installed"
fi

part "apply to a local endpoint"
if [[ ${CHECK_APPLY:-yes} == no ]]; then
  absent "the apply (CHECK_APPLY=no)"
elif [[ $provider == false ]]; then
  absent "the apply: it needs terraform and its provider"
elif ! has python3 || ! has openssl; then
  absent "the apply: it needs python3 and openssl"
elif ! has cargo && [[ -z ${BOOTSTRAP_ZIP:-} ]]; then
  BOOTSTRAP_ZIP=none "$here/apply.sh"
  passed
  absent "the road through the function: cargo is not installed and BOOTSTRAP_ZIP is not set"
else
  "$here/apply.sh"
  passed
fi

if ((${#left_out[@]} > 0)); then
  printf '\nLeft out:\n'
  printf '  - %s\n' "${left_out[@]}"
fi
printf '\nEverything else passed.\n'
