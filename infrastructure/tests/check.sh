#!/usr/bin/env bash
#
# Everything that a change to the infrastructure must pass. A part whose tool
# or provider is absent says so and is left out; a part that runs must pass.
#
#   TF_PLUGIN_DIR   folder to take the provider from. When not set: the registry,
#                   and where that cannot be reached, a mirror on this disk
#   CHECK_APPLY     "no" leaves the apply out
#   CI              "true" builds the function with less optimisation
#   and the variables of apply.sh

set -euo pipefail

here=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd)
infrastructure=$(dirname -- "$here")
root=$(dirname -- "$infrastructure")

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

init() {
  "${terraform[@]}" init -input=false -backend=false -lockfile=readonly \
    ${TF_PLUGIN_DIR:+"-plugin-dir=$TF_PLUGIN_DIR"} >"$work/init.log" 2>&1
}

# Terraform breaks its messages into framed lines.
unreachable() {
  tr -s '│ \n' ' ' <"$work/init.log" |
    grep -qiE 'could not connect|no such host|timeout|timed out|connection refused|network is unreachable'
}

# Folders of this disk that Terraform can take a provider from. What lies in a
# data folder of Terraform was put there by an init, and links to elsewhere.
mirrors() {
  find / -xdev \( -name .terraform -o -path /proc -o -path /sys -o -path "${TMPDIR:-/tmp}" \) -prune \
    -o -type d -path '*/registry.terraform.io/hashicorp/aws' -print0 2>/dev/null || true
}

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
  if init; then
    provider=true
  elif [[ -z ${TF_PLUGIN_DIR:-} ]] && unreachable; then
    # The first mirror that holds a version the lock file has.
    while [[ $provider == false ]] && IFS= read -r -d '' folder; do
      export TF_PLUGIN_DIR=${folder%/registry.terraform.io/hashicorp/aws}
      if init; then
        provider=true
        echo "The registry cannot be reached; the provider is taken from $TF_PLUGIN_DIR"
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
    absent "the AWS provider: the registry cannot be reached, and no mirror on this disk holds it (TF_PLUGIN_DIR may name one)"
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

part "package, producer and reader"
case $(uname -m) in
  aarch64 | arm64) arch=arm64 ;;
  *) arch=x86_64 ;;
esac
if ! has cargo; then
  absent "the package: cargo is not installed"
elif [[ $(uname -s) != Linux ]]; then
  absent "the package: what runs in Lambda runs here on Linux only"
else
  if [[ -z ${BOOTSTRAP_ZIP:-} ]]; then
    "$infrastructure/run.sh" package --arch "$arch" | tee "$work/package.log"
    BOOTSTRAP_ZIP=$(sed -nE 's/^==> Package: (.*), [0-9]+ bytes$/\1/p' "$work/package.log")
  fi
  # The features of the whole workspace, as the other steps of CI build them:
  # with others, the dependencies would be built once more.
  (cd -- "$root" && cargo build --quiet --workspace --all-features --bin emit --bin read)
  passed
fi
# Without a package everything but the road through the function is tested.
export BOOTSTRAP_ZIP=${BOOTSTRAP_ZIP:-none}

part "apply to a local endpoint"
if [[ ${CHECK_APPLY:-yes} == no ]]; then
  absent "the apply (CHECK_APPLY=no)"
elif [[ $provider == false ]]; then
  absent "the apply: it needs terraform and its provider"
elif ! has python3 || ! has openssl; then
  absent "the apply: it needs python3 and openssl"
else
  "$here/apply.sh"
  passed
  if [[ $BOOTSTRAP_ZIP == none ]]; then
    absent "the road through the function: there is no package"
  fi
fi

if ((${#left_out[@]} > 0)); then
  printf '\nLeft out:\n'
  printf '  - %s\n' "${left_out[@]}"
fi
printf '\nEverything else passed.\n'
