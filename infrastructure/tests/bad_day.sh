#!/usr/bin/env bash
#
# An operator's bad day on a local AWS endpoint. Each scenario makes one mistake,
# follows what the refusal says, and proves that nothing in the first deployment
# has changed that was not requested.
#
#   TF_PLUGIN_DIR, ENDPOINT_VENV   see endpoint.sh
#   INTERRUPT_AFTER                seconds from the creation of the dead-letter
#                                  queue to the interrupt, 0 to 20 (default: 2)
#   DOMAIN_EVENTS_CMD              the command `domain-events`. If not set: the one
#                                  that cargo has built; without it, the events of
#                                  the restore are not brought back

set -euo pipefail

# shellcheck source-path=SCRIPTDIR source=endpoint.sh
. "$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd)/endpoint.sh"

say "Local endpoint"
start_endpoint
package=$temporary/stand-in.zip
stand_in_package "$package"
passed=0
ok() {
  passed=$((passed + 1))
  echo "  ok    $*"
}

# A folder with the module and a deployment's variables.
deployment() { # FOLDER NAME REGION
  copy_module "$temporary/$1"
  sed -e "s/^name .*/name = \"$2\"/" -e "s/^region .*/region = \"$3\"/" "$infrastructure/terraform.tfvars.example" \
    >"$temporary/$1/infrastructure/terraform.tfvars"
  echo "architecture = \"$arch\"" >>"$temporary/$1/infrastructure/terraform.tfvars"
}
in_folder() { # FOLDER SCRIPT ARGUMENTS...
  "$temporary/$1/infrastructure/$2" "${@:3}"
}
apply() { # FOLDER ARGUMENTS...
  in_folder "$1" run.sh --yes --package "$package" "${@:2}"
}

domain_events=${DOMAIN_EVENTS_CMD:-}
if [[ -z $domain_events ]]; then
  domain_events=${CARGO_TARGET_DIR:-target}
  [[ $domain_events == /* ]] || domain_events=$root/$domain_events
  domain_events=$domain_events/debug/domain-events
fi

say "The first deployment"
deployment first journal eu-central-1
apply first >"$temporary/first.log" 2>&1 || {
  cat "$temporary/first.log"
  fail "the first deployment cannot be applied"
}
"$venv/bin/python" "$here/bad_day.py" snapshot eu-central-1 journal >"$temporary/before.json"
state=$temporary/first/infrastructure/terraform.tfstate
cp -- "$state" "$temporary/state-before"

unchanged() {
  "$venv/bin/python" "$here/bad_day.py" snapshot eu-central-1 journal >"$temporary/after.json"
  "$venv/bin/python" "$here/bad_day.py" difference "$temporary/before.json" "$temporary/after.json"
}

# The command must fail, say why and what to do, and not change the state. The
# caller compares the deployment afterwards.
refused() { # SENTENCE TEXT COMMAND...
  local sentence=$1 text=$2 log
  log=$temporary/refused.log
  shift 2
  if "$@" >"$log" 2>&1; then
    cat "$log"
    fail "$sentence: not refused"
  fi
  grep -qF -- "$text" "$log" || {
    cat "$log"
    fail "$sentence: refused without the text: $text"
  }
  ! grep -q 'Building the function' "$log" || fail "$sentence: refused only after the build"
  cmp -s -- "$state" "$temporary/state-before" || fail "$sentence: refused, but changed the state"
  ok "$sentence"
}

# Independent scenarios run at the same time: most of an apply is waiting for SQS.

other_region() {
  unset AWS_REGION AWS_DEFAULT_REGION
  deployment second journal us-east-1
  apply second || return 1
  local snapshot=("$venv/bin/python" "$here/bad_day.py" snapshot us-east-1 journal)
  AWS_REGION=us-east-1 "${snapshot[@]}" >"$temporary/second.json" || return 1

  echo "the queue is deleted by hand; the next apply creates it again, with a mapping"
  local url
  url=$(aws --region us-east-1 sqs get-queue-url --queue-name journal --query QueueUrl --output text) || return 1
  aws --region us-east-1 sqs delete-queue --queue-url "$url" || return 1
  apply second || return 1
  AWS_REGION=us-east-1 "${snapshot[@]}" >"$temporary/second-again.json" || return 1
  local part='[.queues, [.mappings[] | [.EventSourceArn, .FunctionArn, .State]]] | del(.[0][].CreatedTimestamp)'
  diff <(jq -S "$part" "$temporary/second.json") <(jq -S "$part" "$temporary/second-again.json") || return 1
}

interrupted() {
  local log=$temporary/interrupt.log job url address
  deployment third shop eu-central-1
  # Job control gives the run a process group of its own, which gets the interrupt
  # as a terminal would send it.
  set -m
  apply third >"$log" 2>&1 &
  job=$!
  set +m
  # A busy machine takes minutes until then.
  for _ in $(seq 3000); do
    grep -q 'dead_letter: Creating' "$log" && break
    sleep 0.1
  done
  # The queue exists, and the provider waits until SQS has all its attributes.
  sleep "${INTERRUPT_AFTER:-2}"
  kill -INT -- "-$job"
  if wait "$job"; then
    cat "$log"
    echo "the interrupted apply reports success"
    return 1
  fi
  grep -q 'the apply did not finish' "$log" || { cat "$log" && return 1; }
  url=$(aws sqs get-queue-url --queue-name shop-dead-letter --query QueueUrl --output text) || return 1
  aws sqs send-message --queue-url "$url" --message-body kept >/dev/null || return 1

  echo "interrupted; the next apply must refuse, and name the command"
  if apply third >"$log" 2>&1; then
    cat "$log"
    echo "the apply after the interrupt is not refused"
    return 1
  fi
  grep -E '^    terraform .* untaint ' "$log" >"$temporary/untaint" || { cat "$log" && return 1; }
  bash -euc "$(cat "$temporary/untaint")" || return 1
  apply third >"$log" 2>&1 || { cat "$log" && return 1; }
  [[ $(aws sqs receive-message --queue-url "$url" --visibility-timeout 0 --query 'Messages[0].Body' --output text) == kept ]] ||
    { echo "the queue was replaced" && return 1; }

  echo "the state is lost; the next apply must refuse, and name the imports"
  rm -- "$temporary/third/infrastructure"/terraform.tfstate*
  if apply third >"$log" 2>&1; then
    cat "$log"
    echo "the apply without a state is not refused"
    return 1
  fi
  grep -E '^    AWS_REGION=.* import ' "$log" >"$temporary/imports" || { cat "$log" && return 1; }
  [[ $(wc -l <"$temporary/imports") -eq 11 ]] || { cat "$log" && return 1; }
  bash -euc "$(cat "$temporary/imports")" >"$log" 2>&1 || { cat "$log" && return 1; }
  apply third >"$log" 2>&1 || { cat "$log" && return 1; }
  for address in module.queue.aws_sqs_queue.events module.table.aws_dynamodb_table.events; do
    grep -q "$address: Modifications complete\|$address: Refreshing" "$log" || { cat "$log" && return 1; }
  done
  [[ $(aws sqs receive-message --queue-url "$url" --visibility-timeout 0 --query 'Messages[0].Body' --output text) == kept ]] ||
    { echo "the queue was replaced" && return 1; }
}

# The credentials end after the dead-letter queue was created.
revoked() {
  local log=$temporary/revoked.log key url
  deployment fourth ledger eu-central-1
  aws iam create-user --user-name revoked >/dev/null || return 1
  aws iam put-user-policy --user-name revoked --policy-name all --policy-document \
    '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}' || return 1
  key=$(aws iam create-access-key --user-name revoked --query 'AccessKey.[AccessKeyId, SecretAccessKey]' --output text) || return 1
  (
    AWS_ACCESS_KEY_ID=${key%%[[:space:]]*} AWS_SECRET_ACCESS_KEY=${key##*[[:space:]]}
    apply fourth
  ) >"$log" 2>&1 &
  local job=$!
  for _ in $(seq 3000); do
    grep -q 'dead_letter: Creating' "$log" && break
    sleep 0.1
  done
  sleep 3
  aws iam delete-access-key --user-name revoked --access-key-id "${key%%[[:space:]]*}" || return 1
  if wait "$job"; then
    cat "$log"
    echo "the apply succeeds with credentials that have ended"
    return 1
  fi
  grep -q 'the apply did not finish.*log in again' "$log" || { cat "$log" && return 1; }
  url=$(aws sqs get-queue-url --queue-name ledger-dead-letter --query QueueUrl --output text) || return 1
  aws sqs send-message --queue-url "$url" --message-body kept >/dev/null || return 1

  # With other credentials: the next apply refuses, names commands, and continues after them.
  if ! apply fourth >"$log" 2>&1; then
    grep -E '^    terraform .* untaint |^    AWS_REGION=.* import ' "$log" >"$temporary/continue" || { cat "$log" && return 1; }
    bash -euc "$(cat "$temporary/continue")" || return 1
    apply fourth >"$log" 2>&1 || { cat "$log" && return 1; }
  fi
  [[ $(aws sqs receive-message --queue-url "$url" --visibility-timeout 0 --query 'Messages[0].Body' --output text) == kept ]] ||
    { echo "the queue was replaced" && return 1; }
}

environments() {
  local example=$temporary/environments/infrastructure/examples/environments root=$temporary/environments/infrastructure/examples/one-environment
  local terraform=(terraform "-chdir=$example") plugins=()
  [[ -z ${TF_PLUGIN_DIR:-} ]] || plugins=("-plugin-dir=$TF_PLUGIN_DIR")
  copy_module "$temporary/environments"
  # The state stays here.
  rm -- "$example/backend.tf"
  cp -- "$infrastructure/.terraform.lock.hcl" "$example"
  cp -- "$infrastructure/.terraform.lock.hcl" "$root"
  # A table that exists becomes part of the deployment, with an import block.
  aws dynamodb create-table --table-name events-staging --billing-mode PAY_PER_REQUEST \
    --attribute-definitions AttributeName=ID,AttributeType=S AttributeName=Timestamp,AttributeType=N \
    --key-schema AttributeName=ID,KeyType=HASH AttributeName=Timestamp,KeyType=RANGE >/dev/null || return 1
  aws dynamodb put-item --table-name events-staging --item '{"ID":{"S":"kept"},"Timestamp":{"N":"1"}}' || return 1
  printf '%s\n' 'package_path = "'"$package"'"' "architecture = \"$arch\"" 'environments = { staging = {}, production = { index_shards = 1, composite_alarm = true, max_write_request_units = 100 } }' \
    >"$example/terraform.tfvars"
  # The module must also work below something that changes, with count and depends_on.
  cat >"$example/dependency.tf" <<'TERRAFORM'
variable "change" {
  default = 1
}

resource "terraform_data" "before" {
  input = var.change
}

import {
  to = module.domain_events["staging"].module.table.aws_dynamodb_table.events
  id = "events-staging"
}

# Two submodules alone, with their required variables.
module "queue_alone" {
  source = "../../modules/queue"
  name   = "alone"
  region = var.region
}

module "table_alone" {
  source = "../../modules/table"
  count  = 1
  name   = "alone"
  region = var.region

  billing_mode    = "PROVISIONED"
  read_capacity   = 5
  write_capacity  = 6
  ignore_capacity = true
}
TERRAFORM
  sed -i.bak 's|^  source   = "../.."$|&\n  depends_on = [terraform_data.before]|' "$example/main.tf"
  grep -q depends_on "$example/main.tf" || return 1
  "${terraform[@]}" init -input=false ${plugins[@]+"${plugins[@]}"} -lockfile=readonly || return 1
  "${terraform[@]}" apply -input=false -auto-approve || return 1
  "${terraform[@]}" output -json environments | jq -e '
    (keys == ["production", "staging"])
    and (.staging.EVENT_QUEUE_URL | endswith("/events-staging"))
    and (.production.EVENT_TABLE == "events-production")
    and (.production.consumer_role_arn | endswith(":role/domain-events/events-production-consumer-eu-central-1"))
    and (.staging.producer_policy_arn | endswith(":policy/domain-events/events-staging-producer-eu-central-1"))' || return 1
  [[ $(aws dynamodb describe-table --table-name events-staging --query 'Table.DeletionProtectionEnabled' --output text) == True ]] &&
    [[ $(aws dynamodb describe-time-to-live --table-name events-staging --query 'TimeToLiveDescription.AttributeName' --output text) == ExpiresAt ]] &&
    [[ $(aws dynamodb describe-continuous-backups --table-name events-staging --output text \
      --query 'ContinuousBackupsDescription.PointInTimeRecoveryDescription.PointInTimeRecoveryStatus') == ENABLED ]] &&
    [[ $(aws dynamodb get-item --table-name events-staging --key '{"ID":{"S":"kept"},"Timestamp":{"N":"1"}}' --query Item.ID.S --output text) == kept ]] ||
    { echo "the imported table has no protection, expiry or recovery, or lost its item" && return 1; }

  # Something else changes the capacity, and the next plan keeps it.
  aws dynamodb update-table --table-name alone --provisioned-throughput ReadCapacityUnits=50,WriteCapacityUnits=60 >/dev/null || return 1
  "${terraform[@]}" plan -input=false -out "$temporary/capacity" >/dev/null || return 1
  "${terraform[@]}" show -json "$temporary/capacity" | jq -e '
    .resource_changes[] | select(.address == "module.table_alone[0].aws_dynamodb_table.events").change
    | .before.read_capacity == 50 and .after.read_capacity == 50 and .after.write_capacity == 60' ||
    { echo "a plan changes the capacity that something else has set" && return 1; }

  "${terraform[@]}" plan -input=false -var change=2 -out "$temporary/change" >/dev/null || return 1
  # Local: the endpoint returns composite alarms without their attributes.
  "${terraform[@]}" show -json "$temporary/change" | jq -e '
    [.resource_changes[] | select((.change.actions | index("delete")) and .type != "aws_cloudwatch_composite_alarm") | .address] | . == []' ||
    { echo "a change of what the module depends on replaces parts of the module" && return 1; }

  # A maximum of a table with an index is set and removed.
  local query='Table.[OnDemandThroughput, GlobalSecondaryIndexes[0].OnDemandThroughput][].MaxWriteRequestUnits'
  [[ $(aws dynamodb describe-table --table-name events-production --query "$query" --output text) == 100$'\t'100 ]] ||
    { echo "the maximum of the table or of its index is not set" && return 1; }
  sed -i.bak 's/, max_write_request_units = 100//' "$example/terraform.tfvars"
  "${terraform[@]}" apply -input=false -auto-approve -target='module.domain_events["production"].module.table' || return 1
  # Local: the endpoint accepts the update of the index, and ignores its maximum.
  [[ $(aws dynamodb describe-table --table-name events-production --query "$query" --output text) =~ ^(-1.100|None|)$ ]] ||
    { echo "the maximum of the table is not removed" && return 1; }

  # With count on the module.
  sed -i.bak -e 's|^  source = "../.."$|&\n  count  = 1|' -e 's/module\.domain_events\./module.domain_events[0]./' "$root/main.tf"
  grep -q 'count  = 1' "$root/main.tf" || return 1
  terraform "-chdir=$root" init -input=false ${plugins[@]+"${plugins[@]}"} -lockfile=readonly || return 1
  terraform "-chdir=$root" plan -input=false -var "package_path=$package" -var "architecture=$arch" || return 1
}

say "Scenarios at the same time: one name in two regions, an interrupted apply and a lost state, credentials that end during an apply, two environments with for_each"
declare -A job
for scenario in other_region interrupted revoked environments; do
  # shellcheck disable=SC2069
  (trap - EXIT; set +e; "$scenario") >"$temporary/$scenario.log" 2>&1 &
  job[$scenario]=$!
done

# Without a package, so that a refusal after the build is noticed.
source=()
command -v cargo >/dev/null || source=(--package "$package")

say "The wrong region"
refused "run.sh in another region" "AWS_REGION is us-east-1" env AWS_REGION=us-east-1 "$temporary/first/infrastructure/run.sh" --yes ${source[@]+"${source[@]}"}
refused "run.sh with another region as the variable" "this state deploys to eu-central-1" \
  env -u AWS_REGION -u AWS_DEFAULT_REGION "$temporary/first/infrastructure/run.sh" --yes ${source[@]+"${source[@]}"} -- -var region=us-east-1
refused "destroy.sh in another region" "AWS_REGION is us-east-1" env AWS_REGION=us-east-1 "$temporary/first/infrastructure/destroy.sh" --yes
refused "plain terraform in another region" "The AWS provider is configured for the region" \
  env AWS_REGION=us-east-1 AWS_DEFAULT_REGION=us-east-1 terraform "-chdir=$temporary/first/infrastructure" apply -input=false -auto-approve -var "package_path=$package"
refused "plain terraform with another region as the variable" "This state deploys to eu-central-1" \
  env AWS_REGION=us-east-1 AWS_DEFAULT_REGION=us-east-1 terraform "-chdir=$temporary/first/infrastructure" apply -input=false -auto-approve -var "package_path=$package" -var region=us-east-1
refused "plain terraform with -target in another region" "The AWS provider is configured for the region" \
  env AWS_REGION=us-east-1 AWS_DEFAULT_REGION=us-east-1 terraform "-chdir=$temporary/first/infrastructure" apply -input=false -auto-approve -var "package_path=$package" -target=module.queue
unchanged

say "The wrong account, and credentials that are no longer valid"
refused "run.sh in another account" "this state deploys to the account 000000000000" \
  env AWS_ACCESS_KEY_ID=111122223333 "$temporary/first/infrastructure/run.sh" --yes ${source[@]+"${source[@]}"}
refused "run.sh with credentials that are no longer valid" "AWS does not accept the credentials" \
  env AWS_ACCESS_KEY_ID=ASIAEXPIREDEXPIRED00 AWS_SESSION_TOKEN=expired "$temporary/first/infrastructure/run.sh" --yes ${source[@]+"${source[@]}"}
printf '%s\n' '[profile other]' 'aws_access_key_id = 111122223333' 'aws_secret_access_key = test' >"$temporary/profiles"
refused "run.sh with the profile of another account" "this state deploys to the account 000000000000" \
  env -u AWS_ACCESS_KEY_ID -u AWS_SECRET_ACCESS_KEY "AWS_CONFIG_FILE=$temporary/profiles" AWS_PROFILE=other "$temporary/first/infrastructure/run.sh" --yes ${source[@]+"${source[@]}"}
refused "run.sh with a profile that does not exist" "AWS does not accept the credentials" \
  env -u AWS_ACCESS_KEY_ID -u AWS_SECRET_ACCESS_KEY "AWS_CONFIG_FILE=$temporary/profiles" AWS_PROFILE=misspelt "$temporary/first/infrastructure/run.sh" --yes ${source[@]+"${source[@]}"}
refused "destroy.sh in another account" "this state deploys to the account 000000000000" \
  env AWS_ACCESS_KEY_ID=111122223333 "$temporary/first/infrastructure/destroy.sh" --yes
refused "plain terraform in another account" "This state deploys to the account 000000000000" \
  env AWS_ACCESS_KEY_ID=111122223333 terraform "-chdir=$temporary/first/infrastructure" apply -input=false -auto-approve -var "package_path=$package"
unchanged

say "Wrong variables, and plans that delete events"
refused "run.sh with another name" 'this state deploys "journal"' "$temporary/first/infrastructure/run.sh" --yes ${source[@]+"${source[@]}"} -- -var name=shop-events
refused "run.sh with an architecture that differs from the variable" "the variable architecture is $arch" \
  "$temporary/first/infrastructure/run.sh" --yes ${source[@]+"${source[@]}"} --arch "$([[ $arch == arm64 ]] && echo x86_64 || echo arm64)"
refused "run.sh with a package for another architecture" "is not a Linux executable for" \
  "$temporary/first/infrastructure/run.sh" --yes --package "$package" -- -var "architecture=$([[ $arch == arm64 ]] && echo x86_64 || echo arm64)"
refused "run.sh with a misspelt value" "a variable is not valid" "$temporary/first/infrastructure/run.sh" --yes ${source[@]+"${source[@]}"} -- -var billing_mode=ON_DEMAND
refused "destroy.sh of a protected table" "refused, nothing was changed" "$temporary/first/infrastructure/destroy.sh" --yes
refused "a plan that replaces the queues" "this plan deletes the resource(s) above" \
  "$temporary/first/infrastructure/run.sh" plan --package "$package" -- -refresh=false -var fifo=true
refused "a plan that replaces the table" "this plan deletes the resource(s) above" \
  "$temporary/first/infrastructure/run.sh" plan --package "$package" -- -refresh=false -replace=module.table.aws_dynamodb_table.events
unchanged

say "A first deployment without variables, and where the resources exist"
copy_module "$temporary/empty"
refused "run.sh without name and region" "name and region must be set explicitly" "$temporary/empty/infrastructure/run.sh" --yes ${source[@]+"${source[@]}"}
deployment foreign journal eu-central-1
refused "run.sh where the queue exists" "exist, and this state does not contain them" "$temporary/foreign/infrastructure/run.sh" --yes ${source[@]+"${source[@]}"}
refused "plain terraform where the resources exist" "EntityAlreadyExists" \
  terraform "-chdir=$temporary/foreign/infrastructure" apply -input=false -auto-approve -var "package_path=$package"
taken=$(terraform "-chdir=$temporary/foreign/infrastructure" state list | grep -v -e '^data\.' -e '\.data\.' -e '^terraform_data\.' || true)
[[ -z $taken ]] || fail "an apply without the state has taken over: $taken"
ok "an apply without the state takes nothing over"
terraform "-chdir=$temporary/first/infrastructure" workspace new other >/dev/null
refused "run.sh in another workspace" 'The selected workspace is "other"' "$temporary/first/infrastructure/run.sh" --yes ${source[@]+"${source[@]}"}
terraform "-chdir=$temporary/first/infrastructure" workspace select default >/dev/null
unchanged

say "Two people apply at the same time"
mkfifo "$temporary/answer"
terraform "-chdir=$temporary/first/infrastructure" apply -var "package_path=$package" -var max_write_request_units=5 \
  <"$temporary/answer" >"$temporary/question.log" 2>&1 &
first_person=$!
exec 7>"$temporary/answer"
for _ in $(seq 600); do
  grep -q 'Enter a value' "$temporary/question.log" && break
  sleep 0.1
done
refused "run.sh while another run holds the lock" "another run holds the lock of the state" \
  "$temporary/first/infrastructure/run.sh" --yes --package "$package"
echo no >&7
exec 7>&-
! wait "$first_person" || fail "the first person did not confirm, and the apply succeeded"
unchanged

say "A maximum is set and removed, and the log group is deleted by hand"
throughput() { aws dynamodb describe-table --table-name journal --query 'Table.OnDemandThroughput.MaxWriteRequestUnits' --output text; }
aws logs delete-log-group --log-group-name /aws/lambda/journal-consumer
apply first -- -var max_write_request_units=500 >"$temporary/maximum.log" 2>&1 || { cat "$temporary/maximum.log"; fail "a maximum cannot be set"; }
[[ $(throughput) == 500 ]] || fail "the maximum is $(throughput) instead of 500"
ok "a maximum of 500 is set"
apply first >"$temporary/maximum.log" 2>&1 || { cat "$temporary/maximum.log"; fail "a maximum cannot be removed"; }
[[ $(throughput) == -1 || $(throughput) == None ]] || fail "the maximum is still $(throughput)"
terraform "-chdir=$temporary/first/infrastructure" plan -input=false -out "$temporary/plan" -var "package_path=$package" >/dev/null
terraform "-chdir=$temporary/first/infrastructure" show -json "$temporary/plan" >"$temporary/plan.json"
"$venv/bin/python" "$here/end_to_end.py" no-changes "$temporary/plan.json"
unchanged
ok "null removes it, and the next plan changes nothing"

say "Events are deleted, and brought back from a restore"
if [[ ! -x $domain_events ]]; then
  echo "  --    not run: cargo has not built the command domain-events"
else
  compare() { "$venv/bin/python" "$here/bad_day.py" compare journal journal-restored; }
  "$venv/bin/python" "$here/bad_day.py" events | "$domain_events" import --table journal
  aws dynamodb restore-table-to-point-in-time --source-table-name journal --target-table-name journal-restored --use-latest-restorable-time >/dev/null
  "$venv/bin/python" "$here/bad_day.py" delete journal
  [[ $(compare) == "50 events, 7 missing, 0 different, 0 new" ]] || fail "the deleted events are not missing: $(compare)"
  "$domain_events" export --table journal-restored "$temporary/restored.jsonl"
  "$domain_events" import --table journal "$temporary/restored.jsonl"
  [[ $(compare) == "50 events, 0 missing, 0 different, 0 new" ]] || fail "the tables differ after the import: $(compare)"
  "$domain_events" export --table journal "$temporary/present.jsonl"
  cmp <(sort "$temporary/restored.jsonl") <(sort "$temporary/present.jsonl") || fail "the exports of both tables differ"
  unchanged
  ok "seven deleted events are brought back with export and import, also those with one timestamp"
fi

say "Scenarios that ran at the same time"
for scenario in other_region interrupted revoked environments; do
  wait "${job[$scenario]}" || {
    tail -n 80 "$temporary/$scenario.log"
    fail "$scenario failed"
  }
  unchanged
  ok "$scenario"
done

say "All $passed scenarios passed"
