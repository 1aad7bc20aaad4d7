#!/usr/bin/env bash
#
# Applies the whole root module to a local AWS endpoint that enforces IAM and
# TLS, uses what was created with the permissions that were created, and
# destroys it again. Nothing leaves this computer, and nothing is written to
# the repository.
#
#   TF_PLUGIN_DIR   folder to take the provider from, instead of the registry
#   BOOTSTRAP_ZIP   the function's package for this computer's architecture;
#                   built by run.sh when not set; "none" leaves the road out
#   PRODUCER_CMD    a command that emits one event to EVENT_QUEUE_URL, for the
#                   entity EVENT_ENTITY_ID, and prints its EventId; it gets the
#                   producer's credentials. When not set: the example `emit`,
#                   if cargo has built it
#   READER_CMD      a command that prints the EventIds in the history of
#                   EVENT_ENTITY_ID in EVENT_TABLE; it gets the reader's
#                   credentials. When not set: the example `read`, likewise
#
# To build the two: cargo build --workspace --all-features --bin emit --bin read

set -euo pipefail

here=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd)
infrastructure=$(dirname -- "$here")
root=$(dirname -- "$infrastructure")

started=$SECONDS
say() { printf '\n==> [%3d s] %s\n' $((SECONDS - started)) "$*"; }
fail() {
  printf 'apply.sh: %s\n' "$*" >&2
  exit 1
}

missing=()
for tool in terraform python3 openssl; do
  command -v "$tool" >/dev/null || missing+=("$tool")
done
((${#missing[@]} == 0)) || fail "missing: ${missing[*]}"

case $(uname -m) in
  aarch64 | arm64) arch=arm64 ;;
  x86_64) arch=x86_64 ;;
  *) fail "the function is built for arm64 and x86_64, not for $(uname -m)" ;;
esac

# A folder with spaces in its name: every script has to cope with one.
temporary=$(mktemp -d "${TMPDIR:-/tmp}/domain events.XXXXXX")
endpoint_pid=
stop() {
  local status=$?
  if ((status != 0)) && [[ -f $temporary/endpoint.log ]]; then
    printf '\nLast lines of the local endpoint:\n' >&2
    tail -n 40 "$temporary/endpoint.log" >&2
  fi
  if [[ -n $endpoint_pid ]]; then
    kill "$endpoint_pid" 2>/dev/null || true
    wait "$endpoint_pid" 2>/dev/null || true
  fi
  rm -rf -- "$temporary"
  exit "$status"
}
trap stop EXIT

say "Package"
road=true
package=${BOOTSTRAP_ZIP:-}
if [[ $package == none ]]; then
  road=false
  package=$here/package.txt
  echo "BOOTSTRAP_ZIP=none: everything but the road through the function is tested."
elif [[ -z $package ]]; then
  # The folder of the build stays the usual one, so that it is built only once.
  "$infrastructure/run.sh" package --arch "$arch" | tee "$temporary/package.log"
  package=$(sed -nE 's/^==> Package: (.*), [0-9]+ bytes$/\1/p' "$temporary/package.log")
fi
[[ -f $package ]] || fail "no such package: $package"
package=$(cd -- "$(dirname -- "$package")" && pwd)/$(basename -- "$package")
printf '%s bytes: %s\n' "$(wc -c <"$package" | tr -d ' ')" "$package"

built=${CARGO_TARGET_DIR:-target}
[[ $built == /* ]] || built=$root/$built
built=$built/debug
if [[ -z ${PRODUCER_CMD:-} && -x $built/emit ]]; then
  printf -v PRODUCER_CMD 'exec %q' "$built/emit"
fi
if [[ -z ${READER_CMD:-} && -x $built/read ]]; then
  printf -v READER_CMD 'exec %q' "$built/read"
fi
export PRODUCER_CMD=${PRODUCER_CMD:-} READER_CMD=${READER_CMD:-}
printf 'producer: %s\nreader: %s\n' "${PRODUCER_CMD:-none}" "${READER_CMD:-none}"

say "Python environment with the local endpoint and boto3"
if [[ -n ${APPLY_VENV:-} ]]; then
  venv=$APPLY_VENV
else
  venv=$temporary/venv
fi
if [[ ! -x $venv/bin/ministack ]]; then
  python3 -m venv "$venv"
  # Everything is started through the interpreter: the first line of a script
  # cannot hold a path with spaces.
  "$venv/bin/python" -m pip install --quiet --disable-pip-version-check -r "$here/requirements.txt"
fi
"$venv/bin/python" -m pip list --format=freeze 2>/dev/null | grep -E '^(ministack|boto3)=='

say "Local endpoint, with IAM and TLS"
mkdir -p -- "$temporary/tls" "$temporary/tmp" "$temporary/bin"
openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj "/CN=localhost" \
  -addext "subjectAltName=DNS:localhost,IP:127.0.0.1" -addext "basicConstraints=critical,CA:FALSE" \
  -keyout "$temporary/tls/key.pem" -out "$temporary/tls/certificate.pem" 2>/dev/null
port=$("$venv/bin/python" -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')

# The apply needs the AWS CLI. An environment of its own, since the CLI and
# boto3 each insist on their own version of a library they share.
if ! command -v aws >/dev/null; then
  python3 -m venv "$temporary/cli"
  "$temporary/cli/bin/python" -m pip install --quiet --disable-pip-version-check awscli==1.45.11
  printf '#!/bin/sh\nexec "%s" -m awscli "$@"\n' "$temporary/cli/bin/python" >"$temporary/bin/aws"
  chmod +x "$temporary/bin/aws"
  export PATH=$temporary/bin:$PATH
fi
aws --version

# Nothing of the caller's AWS setup may reach the tools, and nothing of theirs
# the real AWS. The key `test` is the endpoint's administrator.
unset AWS_PROFILE AWS_SESSION_TOKEN AWS_DEFAULT_PROFILE
export AWS_ENDPOINT_URL=https://localhost:$port
export AWS_ACCESS_KEY_ID=test AWS_SECRET_ACCESS_KEY=test
export AWS_REGION=eu-central-1 AWS_DEFAULT_REGION=eu-central-1
export AWS_CONFIG_FILE=/dev/null AWS_SHARED_CREDENTIALS_FILE=/dev/null
export AWS_EC2_METADATA_DISABLED=true
export AWS_CA_BUNDLE=$temporary/tls/certificate.pem SSL_CERT_FILE=$temporary/tls/certificate.pem

# It listens on every interface unless told otherwise. Functions inherit its
# environment, and so the endpoint and its certificate.
HOME=$temporary TMPDIR=$temporary/tmp BIND_HOST=127.0.0.1 GATEWAY_PORT=$port \
  AUTH=true USE_SSL=1 MINISTACK_SSL_CERT=$temporary/tls/certificate.pem MINISTACK_SSL_KEY=$temporary/tls/key.pem \
  "$venv/bin/python" -c "from ministack.app import main; main()" >"$temporary/endpoint.log" 2>&1 &
endpoint_pid=$!
"$venv/bin/python" "$here/road.py" wait
echo "$AWS_ENDPOINT_URL"

say "Principals: two producers, a reader, and one without any policy"
state=$temporary/principals.json
"$venv/bin/python" "$here/road.py" principals "$state"
named_producer=$("$venv/bin/python" -c 'import json, sys; print(json.load(open(sys.argv[1]))["named-producer"]["arn"])' "$state")

# A copy: the operator's own terraform.tfvars and state stay out of it.
copy=$temporary/infrastructure
mkdir -p -- "$copy"
cp -R -- "$infrastructure"/*.tf "$infrastructure/.terraform.lock.hcl" "$infrastructure/modules" \
  "$infrastructure/run.sh" "$infrastructure/destroy.sh" "$copy"
cat >"$copy/terraform.tfvars" <<TFVARS
producer_arns      = ["$named_producer"]
create_alarm_topic = true
index_shards       = 4
stream_view_type   = "NEW_IMAGE"
TFVARS
export TF_IN_AUTOMATION=true TF_CLI_ARGS=-no-color CHECKPOINT_DISABLE=true
unset TF_DATA_DIR TF_WORKSPACE
run=("$copy/run.sh" --arch "$arch" --package "$package" --yes)
if [[ $road == false ]]; then
  # run.sh checks what it deploys, and the stand-in is no executable.
  mkdir -p -- "$temporary/stand-in"
  cp -- "$package" "$temporary/stand-in/bootstrap"
  package=$temporary/stand-in.zip
  "$venv/bin/python" -m zipfile -c "$package" "$temporary/stand-in/bootstrap"
  terraform "-chdir=$copy" init -input=false ${TF_PLUGIN_DIR:+"-plugin-dir=$TF_PLUGIN_DIR"} -lockfile=readonly
  run=(terraform "-chdir=$copy" apply -input=false -auto-approve -var "package_path=$package" -var "architecture=$arch")
fi

say "Apply"
(cd / && "${run[@]}")
terraform "-chdir=$copy" output -json >"$temporary/outputs.json"

say "Second plan: no changes"
terraform "-chdir=$copy" plan -input=false -out "$temporary/second-plan" \
  -var "package_path=$package" -var "architecture=$arch" >/dev/null
terraform "-chdir=$copy" show -json "$temporary/second-plan" >"$temporary/second-plan.json"
"$venv/bin/python" "$here/road.py" no-changes "$temporary/second-plan.json"

if [[ $road == true ]]; then
  say "run.sh refuses to delete a queue or the table"
  # As Terraform words a change that cannot be made in place, and as it words a
  # replacement that was asked for. What is deployed was read a moment ago.
  for change in -var=fifo=true -replace=module.queue.aws_sqs_queue.events -replace=module.table.aws_dynamodb_table.events; do
    if "$copy/run.sh" plan --arch "$arch" --package "$package" -- -refresh=false "$change" >"$temporary/refusal.log" 2>&1; then
      cat "$temporary/refusal.log"
      fail "run.sh plan took $change"
    fi
    grep -q 'this plan deletes the above' "$temporary/refusal.log" || {
      cat "$temporary/refusal.log"
      fail "run.sh plan $change failed for another reason than the deletion"
    }
    echo "  ok    $change"
  done
  # What the runbook says to do is not refused.
  "$copy/run.sh" plan --arch "$arch" --package "$package" -- -refresh=false \
    '-replace=module.queue.terraform_data.max_message_size["events"]' >"$temporary/replace.log" 2>&1 || {
    cat "$temporary/replace.log"
    fail "run.sh refuses to set the message size again"
  }
fi

say "Who may do what"
"$venv/bin/python" "$here/road.py" permissions "$state" "$temporary/outputs.json"

if [[ $road == true ]]; then
  say "The road: producer, queue, function, table, reader"
  "$venv/bin/python" "$here/road.py" road "$state" "$temporary/outputs.json"
else
  say "The road is left out: no package"
fi

say "Destroy refuses while the table is protected"
before=$(terraform "-chdir=$copy" state list)
if "$copy/destroy.sh" --yes >"$temporary/refusal.log" 2>&1; then
  cat "$temporary/refusal.log"
  fail "destroy.sh destroyed a protected table's deployment"
fi
grep -q 'refused, nothing was touched' "$temporary/refusal.log" || {
  cat "$temporary/refusal.log"
  fail "destroy.sh failed for another reason than the protection"
}
[[ $(terraform "-chdir=$copy" state list) == "$before" ]] || fail "destroy.sh refused, but touched something"
"$venv/bin/python" "$here/road.py" protected "$temporary/outputs.json"

say "Protection off, then destroy"
"$venv/bin/python" "$here/road.py" leave "$state" "$temporary/outputs.json"
echo 'deletion_protection = false' >>"$copy/terraform.tfvars"
terraform "-chdir=$copy" apply -input=false -auto-approve -target=module.table.aws_dynamodb_table.events \
  -var "package_path=$package" -var "architecture=$arch" >"$temporary/unprotect.log" || {
  cat "$temporary/unprotect.log"
  fail "the protection could not be switched off"
}
(cd / && "$copy/destroy.sh" --yes)
"$venv/bin/python" "$here/road.py" gone "$temporary/outputs.json"

say "Destroy again: nothing to do"
"$copy/destroy.sh" --yes | tee "$temporary/again.log"
grep -q 'nothing to destroy' "$temporary/again.log" || fail "a second destroy must find nothing to do"

say "Done"
