#!/usr/bin/env bash
#
# Applies the module to a local AWS endpoint with the deployer's permissions, sends
# and reads events with the created permissions, runs the commands of the runbook on
# a standard and on a FIFO deployment, and destroys.
#
#   TF_PLUGIN_DIR   folder to load the provider from, instead of the registry
#   ENDPOINT_VENV   see endpoint.sh
#   BOOTSTRAP_ZIP   the function's package for this computer's architecture;
#                   built by run.sh if not set; "none" leaves the pipeline out
#   PRODUCER_CMD    a command that emits one event to EVENT_QUEUE_URL, for the
#                   entity EVENT_ENTITY_ID, and prints its EventId; it gets the
#                   producer's credentials. If not set: the example `emit`, if
#                   cargo has built it
#   READER_CMD      a command that prints the EventIds in the history of
#                   EVENT_ENTITY_ID in EVENT_TABLE; it gets the reader's
#                   credentials. If not set: the example `read`, likewise
#
# To build both examples and the command that the runbook uses:
# cargo build --workspace --all-features --bin emit --bin read --bin domain-events

set -euo pipefail

# shellcheck source-path=SCRIPTDIR source=endpoint.sh
. "$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd)/endpoint.sh"

say "Package"
pipeline=true
package=${BOOTSTRAP_ZIP:-}
if [[ $package == none ]]; then
  pipeline=false
  echo "BOOTSTRAP_ZIP=none: everything except the pipeline through the function is tested."
elif [[ -z $package ]]; then
  "$infrastructure/run.sh" package --arch "$arch" | tee "$temporary/package.log"
  package=$(sed -nE 's/^==> Package: (.*), [0-9]+ bytes$/\1/p' "$temporary/package.log")
fi

built=${CARGO_TARGET_DIR:-target}
[[ $built == /* ]] || built=$root/$built
built=$built/debug
if [[ -z ${PRODUCER_CMD:-} && -x $built/emit ]]; then
  printf -v PRODUCER_CMD 'exec %q' "$built/emit"
fi
if [[ -z ${READER_CMD:-} && -x $built/read ]]; then
  printf -v READER_CMD 'exec %q' "$built/read"
fi
# The command `domain-events`, for the runbook.
export PATH=$PATH:$built
export PRODUCER_CMD=${PRODUCER_CMD:-} READER_CMD=${READER_CMD:-}
printf 'producer: %s\nreader: %s\n' "${PRODUCER_CMD:-none}" "${READER_CMD:-none}"

say "Local endpoint, with IAM and TLS"
start_endpoint
if [[ $pipeline == false ]]; then
  package=$temporary/stand-in.zip
  stand_in_package "$package"
fi
[[ -f $package ]] || fail "no such package: $package"
package=$(cd -- "$(dirname -- "$package")" && pwd)/$(basename -- "$package")
printf '%s bytes: %s\n' "$(wc -c <"$package" | tr -d ' ')" "$package"

say "Principals"
state=$temporary/principals.json
"$venv/bin/python" "$here/end_to_end.py" principals "$state" domain-events orders
named_producer=$(jq -r '.["named-producer"].arn' "$state")

standard="$temporary/standard queue/infrastructure"
fifo="$temporary/fifo queue/infrastructure"
copy_module "$(dirname -- "$standard")"
copy_module "$(dirname -- "$fifo")"
cat >"$standard/terraform.tfvars" <<TFVARS
name               = "domain-events"
region             = "$AWS_REGION"
architecture       = "$arch"
producer_arns      = ["$named_producer"]
create_alarm_topic = true
index_shards       = 4
correlation_index  = true
warm_throughput    = { read = 12000, write = 20000 }
stream_view_type   = "NEW_IMAGE"
outbox             = true
TFVARS
cat >"$fifo/terraform.tfvars" <<TFVARS
name         = "orders"
region       = "$AWS_REGION"
architecture = "$arch"
fifo         = true
outbox       = true
TFVARS

say "Apply with the deployer's policy, standard and FIFO"
(
  credentials_of "$state" deployer-orders
  cd / && "$fifo/run.sh" --package "$package" --yes
) >"$temporary/fifo.log" 2>&1 &
fifo_apply=$!
(
  credentials_of "$state" deployer-domain-events
  cd / && "$standard/run.sh" --package "$package" --yes
)
terraform "-chdir=$standard" output -json >"$temporary/outputs.json"
wait "$fifo_apply" || {
  cat "$temporary/fifo.log"
  fail "the FIFO deployment cannot be applied with the deployer's policy"
}
echo "FIFO: $(grep 'Apply complete' "$temporary/fifo.log")"

say "Second plan: no changes"
terraform "-chdir=$standard" plan -input=false -out "$temporary/second-plan" -var "package_path=$package" >/dev/null
terraform "-chdir=$standard" show -json "$temporary/second-plan" >"$temporary/second-plan.json"
"$venv/bin/python" "$here/end_to_end.py" no-changes "$temporary/second-plan.json"

say "Permissions of each principal"
"$venv/bin/python" "$here/end_to_end.py" permissions "$state" "$temporary/outputs.json"

if [[ $pipeline == true ]]; then
  say "Pipeline: producer, queue, function, table, reader"
  "$venv/bin/python" "$here/end_to_end.py" pipeline "$state" "$temporary/outputs.json"
else
  say "Pipeline not run: no package"
fi

say "Runbook: every command, on both deployments"
runbook() { # FOLDER USER
  "$venv/bin/python" "$here/runbook.py" "$(dirname -- "$1")" "$state" "$2" "$package" "$pipeline"
}
runbook "$fifo" deployer-orders >"$temporary/runbook-fifo.log" 2>&1 &
fifo_runbook=$!
runbook "$standard" deployer-domain-events
wait "$fifo_runbook" || {
  cat "$temporary/runbook-fifo.log"
  fail "a command of the runbook fails on the FIFO deployment"
}
tail -n 1 "$temporary/runbook-fifo.log"
terraform "-chdir=$standard" output -json >"$temporary/outputs.json"

if [[ $pipeline == true && -x $built/domain-events ]]; then
  say "The command: three questions of an operator, and doctor"
  terraform "-chdir=$fifo" output -json >"$temporary/outputs-fifo.json"
  DOMAIN_EVENTS=$built/domain-events "$venv/bin/python" "$root/consumer/cli/tests/applied.py" \
    "$temporary/outputs.json" "$temporary/outputs-fifo.json" "$state"
fi

say "Destroy refuses while the table is protected"
before=$(terraform "-chdir=$standard" state list)
if "$standard/destroy.sh" --yes >"$temporary/refusal.log" 2>&1; then
  cat "$temporary/refusal.log"
  fail "destroy.sh destroyed a deployment with a protected table"
fi
grep -q 'refused, nothing was changed' "$temporary/refusal.log" || {
  cat "$temporary/refusal.log"
  fail "destroy.sh failed for another reason than the protection"
}
[[ $(terraform "-chdir=$standard" state list) == "$before" ]] || fail "destroy.sh refused, but changed the state"
"$venv/bin/python" "$here/end_to_end.py" protected "$temporary/outputs.json"

say "Protection off, then destroy, with the deployer's policy"
"$venv/bin/python" "$here/end_to_end.py" leave "$state" "$temporary/outputs.json"
credentials_of "$state" deployer-domain-events
echo 'deletion_protection = false' >>"$standard/terraform.tfvars"
terraform "-chdir=$standard" apply -input=false -auto-approve -target=module.table.aws_dynamodb_table.events \
  -target=module.outbox \
  -var "package_path=$package" >"$temporary/unprotect.log" 2>&1 || {
  cat "$temporary/unprotect.log"
  fail "the protection could not be switched off"
}
# A command of the runbook attached the producer's policy to a role.
if "$standard/destroy.sh" --yes >"$temporary/refusal.log" 2>&1; then
  cat "$temporary/refusal.log"
  fail "destroy.sh does not notice a policy that is attached"
fi
grep -E '^    aws iam detach-' "$temporary/refusal.log" >"$temporary/detach" || {
  cat "$temporary/refusal.log"
  fail "destroy.sh does not say how to detach the policies"
}
[[ $(terraform "-chdir=$standard" state list) == "$before" ]] || fail "destroy.sh refused, but changed the state"
AWS_ACCESS_KEY_ID=test AWS_SECRET_ACCESS_KEY=test bash -euc "$(cat "$temporary/detach")"
(cd / && "$standard/destroy.sh" --yes)
"$venv/bin/python" "$here/end_to_end.py" gone "$temporary/outputs.json"

say "Destroy again: nothing to do"
"$standard/destroy.sh" --yes | tee "$temporary/again.log"
grep -q 'nothing to destroy' "$temporary/again.log" || fail "a second destroy must find nothing to do"

finish "Done"
