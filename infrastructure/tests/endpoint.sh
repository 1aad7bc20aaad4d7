# shellcheck shell=bash
#
# Sourced by the tests: a local AWS endpoint that enforces IAM and TLS, the tools
# that talk to it, and an environment in which they cannot reach AWS. Nothing is
# written to the repository.
#
#   ENDPOINT_VENV   a Python environment with requirements.txt; created if not set

# shellcheck disable=SC2034 # the scripts that source this file use the variables

here=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd)
infrastructure=$(dirname -- "$here")
root=$(dirname -- "$infrastructure")

started=$SECONDS
step=start
finished=false
say() {
  step=$*
  printf '\n==> [%3d s] %s\n' $((SECONDS - started)) "$step"
}
finish() {
  say "$*"
  finished=true
}
fail() {
  printf '%s: %s\n' "$(basename -- "$0")" "$*" >&2
  exit 1
}

# No command fails without a message, also in functions and subshells.
set -E
trap 'printf "%s: line %d failed: %s\n" "$(basename -- "$0")" "$LINENO" "$BASH_COMMAND" >&2' ERR

missing=()
for tool in terraform python3 openssl jq; do
  command -v "$tool" >/dev/null || missing+=("$tool")
done
((${#missing[@]} == 0)) || fail "not installed: ${missing[*]}"

case $(uname -m) in
  aarch64 | arm64) arch=arm64 machine=b7 ;;
  x86_64) arch=x86_64 machine=3e ;;
  *) fail "the function is built for arm64 and x86_64, not for $(uname -m)" ;;
esac

# A folder with a space in its name: every script must work there.
temporary=$(mktemp -d "${TMPDIR:-/tmp}/domain events.XXXXXX")
endpoint_pid=
stop() {
  local status=$? how=failed
  trap - ERR
  # If a signal ends the script, for instance because of a time limit, the status is 0 here.
  ((status != 0)) || how="was ended by a signal"
  if [[ $finished == false ]]; then
    if [[ -f $temporary/endpoint.log ]]; then
      printf '\nLast lines of the local endpoint:\n' >&2
      tail -n 40 "$temporary/endpoint.log" >&2
    fi
    printf '\n%s %s after %d s, in the step: %s\n' "$(basename -- "$0")" "$how" $((SECONDS - started)) "$step" >&2
  fi
  local job
  for job in $(jobs -p); do kill "$job" 2>/dev/null || true; done
  if [[ -n $endpoint_pid ]]; then
    kill "$endpoint_pid" 2>/dev/null || true
    wait "$endpoint_pid" 2>/dev/null || true
  fi
  rm -rf -- "$temporary"
  exit "$status"
}
trap stop EXIT

start_endpoint() {
  local port real
  venv=${ENDPOINT_VENV:-$temporary/venv}
  if [[ ! -x $venv/bin/ministack ]]; then
    python3 -m venv "$venv"
    # All programs are started through the interpreter, because the first line of
    # a script cannot contain a path with spaces.
    "$venv/bin/python" -m pip install --quiet --disable-pip-version-check -r "$here/requirements.txt"
  fi
  mkdir -p -- "$temporary/tls" "$temporary/tmp" "$temporary/bin"
  openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj "/CN=localhost" \
    -addext "subjectAltName=DNS:localhost,IP:127.0.0.1" -addext "basicConstraints=critical,CA:FALSE" \
    -keyout "$temporary/tls/key.pem" -out "$temporary/tls/certificate.pem" 2>/dev/null
  # A free port below those that the system assigns: another program could get an assigned
  # port before the endpoint listens on it.
  port=$("$venv/bin/python" - <<'PYTHON'
import random
import socket

while True:
    with socket.socket() as listener:
        try:
            listener.bind(("127.0.0.1", random.randrange(10_000, 32_000)))
        except OSError:
            continue
        print(listener.getsockname()[1])
        break
PYTHON
  )

  # The AWS CLI needs a separate environment, because the CLI and boto3 require
  # different versions of a library.
  if ! real=$(command -v aws); then
    python3 -m venv "$temporary/cli"
    "$temporary/cli/bin/python" -m pip install --quiet --disable-pip-version-check awscli==1.45.11
    printf '#!/bin/sh\nexec "%s" -m awscli "$@"\n' "$temporary/cli/bin/python" >"$temporary/cli/aws"
    chmod +x "$temporary/cli/aws"
    real=$temporary/cli/aws
  fi
  # Version 1 of the CLI does not read AWS_ENDPOINT_URL for SQS.
  # shellcheck disable=SC2016
  printf '#!/bin/sh\nexec "%s" --endpoint-url "$AWS_ENDPOINT_URL" "$@"\n' "$real" >"$temporary/bin/aws"
  chmod +x "$temporary/bin/aws"
  export PATH=$temporary/bin:$PATH

  # The caller's AWS settings must not reach the tools, and the tools must not
  # reach AWS. The key `test` is the administrator of the endpoint.
  unset AWS_PROFILE AWS_SESSION_TOKEN AWS_DEFAULT_PROFILE
  export AWS_ENDPOINT_URL=https://localhost:$port
  export AWS_ACCESS_KEY_ID=test AWS_SECRET_ACCESS_KEY=test
  export AWS_REGION=eu-central-1 AWS_DEFAULT_REGION=eu-central-1
  export AWS_CONFIG_FILE=/dev/null AWS_SHARED_CREDENTIALS_FILE=/dev/null
  export AWS_EC2_METADATA_DISABLED=true AWS_PAGER=''
  export AWS_CA_BUNDLE=$temporary/tls/certificate.pem SSL_CERT_FILE=$temporary/tls/certificate.pem
  export TF_IN_AUTOMATION=true TF_CLI_ARGS=-no-color CHECKPOINT_DISABLE=true
  # Every Terraform command loads the schema of the provider. Without frequent garbage
  # collection, that takes a quarter less of a CPU, and 0.5 GB.
  export GOGC=400
  unset TF_DATA_DIR TF_WORKSPACE

  # By default the endpoint listens on every interface. Functions inherit its
  # environment, and with it the endpoint's URL and certificate.
  HOME=$temporary TMPDIR=$temporary/tmp BIND_HOST=127.0.0.1 GATEWAY_PORT=$port \
    AUTH=true USE_SSL=1 MINISTACK_SSL_CERT=$temporary/tls/certificate.pem MINISTACK_SSL_KEY=$temporary/tls/key.pem \
    "$venv/bin/python" -c "from ministack.app import main; main()" >"$temporary/endpoint.log" 2>&1 &
  endpoint_pid=$!
  "$venv/bin/python" "$here/end_to_end.py" wait
  echo "$AWS_ENDPOINT_URL"
}

# A copy of the module, so that the operator's terraform.tfvars and state are not
# touched: $1 is the folder of a repository, which gets the folder infrastructure.
copy_module() {
  mkdir -p -- "$1/infrastructure"
  (cd -- "$infrastructure" && cp -R -- *.tf *.sh *.json README.md .terraform.lock.hcl modules examples "$1/infrastructure")
}

# A package that run.sh accepts and that cannot run: for tests that deploy the
# function without invoking it.
stand_in_package() {
  mkdir -p -- "$temporary/stand-in"
  # An ELF header: 64 bit, little endian, an executable for this machine.
  "$venv/bin/python" -c 'import sys; sys.stdout.buffer.write(bytes.fromhex("7f454c46020101" + "00" * 9 + "0200" + sys.argv[1] + "00" * 45))' \
    "$machine" >"$temporary/stand-in/bootstrap"
  "$venv/bin/python" -m zipfile -c "$1" "$temporary/stand-in/bootstrap"
}

credentials_of() { # STATE USER: sets the credentials of a user that end_to_end.py created
  AWS_ACCESS_KEY_ID=$(jq -r --arg user "$2" '.[$user].key' "$1")
  AWS_SECRET_ACCESS_KEY=$(jq -r --arg user "$2" '.[$user].secret' "$1")
}
