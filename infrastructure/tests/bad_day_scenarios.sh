# shellcheck shell=bash
#
# Sourced by bad_day.sh: the scenarios that run at the same time, because most of an
# apply is waiting for SQS. Each has its own deployment and runs in a subshell
# with `set -e`: a command that fails ends the scenario.

# shellcheck disable=SC2154 # bad_day.sh and endpoint.sh set the variables

logged() { # LOG COMMAND...: shows the log only if the command fails
  local log=$1
  shift
  "$@" >"$log" 2>&1 || {
    cat -- "$log"
    return 1
  }
}

must_refuse() { # LOG TEXT COMMAND...: the command fails with the text
  local log=$1 text=$2
  shift 2
  if "$@" >"$log" 2>&1; then
    cat -- "$log"
    echo "not refused: $*"
    return 1
  fi
  grep -qF -- "$text" "$log" || {
    cat -- "$log"
    echo "refused without the text: $text"
    return 1
  }
}

wait_for_dead_letter_queue() { # LOG of an apply
  # A busy machine takes minutes until then.
  for _ in $(seq 3000); do
    ! grep -q 'dead_letter: Creating' "$1" || return 0
    sleep 0.1
  done
  echo "the apply does not create the dead-letter queue"
  return 1
}

# A message in the dead-letter queue of a deployment proves that nothing replaces it.
keep_message() { # NAME
  aws sqs send-message --queue-url "$(aws sqs get-queue-url --queue-name "$1-dead-letter" --query QueueUrl --output text)" \
    --message-body kept >/dev/null
}
message_is_kept() { # NAME
  local url
  url=$(aws sqs get-queue-url --queue-name "$1-dead-letter" --query QueueUrl --output text)
  [[ $(aws sqs receive-message --queue-url "$url" --visibility-timeout 0 --query 'Messages[0].Body' --output text) == kept ]] || {
    echo "the queue was replaced"
    return 1
  }
}

other_region() {
  unset AWS_REGION AWS_DEFAULT_REGION
  deployment second journal us-east-1
  apply second
  local snapshot=("$venv/bin/python" "$here/bad_day.py" snapshot us-east-1 journal)
  AWS_REGION=us-east-1 "${snapshot[@]}" >"$temporary/second.json"

  echo "the queue is deleted by hand; the next apply creates it again, with a mapping"
  local url
  url=$(aws --region us-east-1 sqs get-queue-url --queue-name journal --query QueueUrl --output text)
  aws --region us-east-1 sqs delete-queue --queue-url "$url"
  apply second
  AWS_REGION=us-east-1 "${snapshot[@]}" >"$temporary/second-again.json"
  local part='[.queues, [.mappings[] | [.EventSourceArn, .FunctionArn, .State]]] | del(.[0][].CreatedTimestamp)'
  diff <(jq -S "$part" "$temporary/second.json") <(jq -S "$part" "$temporary/second-again.json")
}

interrupted() {
  local log=$temporary/interrupt.log job
  deployment third shop eu-central-1
  # With everything that a lost state has to find again.
  printf '%s\n' 'outbox = true' "outbox_relay_package_path = \"$package\"" >>"$temporary/third/infrastructure/terraform.tfvars"
  # Job control gives the run a separate process group, which gets the interrupt
  # as a terminal would send it.
  set -m
  apply third >"$log" 2>&1 &
  job=$!
  set +m
  wait_for_dead_letter_queue "$log"
  # The queue exists, and the provider waits until SQS has all its attributes.
  sleep "${INTERRUPT_AFTER:-2}"
  kill -INT -- "-$job"
  if wait "$job"; then
    cat "$log"
    echo "the interrupted apply reports success"
    return 1
  fi
  grep -q 'the apply did not finish' "$log" || {
    cat "$log"
    return 1
  }
  keep_message shop

  echo "interrupted; the next apply must refuse, and name the command"
  must_refuse "$log" 'would delete and create them again' apply third
  grep -E '^    terraform .* untaint ' "$log" >"$temporary/untaint"
  bash -euc "$(cat "$temporary/untaint")"
  logged "$log" apply third
  message_is_kept shop

  echo "the state is lost; the next apply must refuse, and import with the option that it names"
  rm -- "$temporary/third/infrastructure"/terraform.tfstate*
  must_refuse "$log" 'run the same command with --import-existing' apply third
  logged "$log" apply third --import-existing
  # Everything that AWS would refuse to create again, or that Terraform would take over.
  grep -E '^Plan: 20 to import, [0-9]+ to add, [0-9]+ to change, 0 to destroy' "$log" || {
    grep -E '^Plan|will be imported|imported from|must be replaced' "$log"
    echo "other resources were imported"
    return 1
  }
  [[ ! -e $temporary/third/infrastructure/imports_of_this_run.tf ]]
  message_is_kept shop
}

# The credentials end after the dead-letter queue was created.
revoked() {
  local log=$temporary/revoked-apply.log key job
  deployment fourth ledger eu-central-1
  aws iam create-user --user-name revoked >/dev/null
  aws iam put-user-policy --user-name revoked --policy-name all --policy-document \
    '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}'
  key=$(aws iam create-access-key --user-name revoked --query 'AccessKey.[AccessKeyId, SecretAccessKey]' --output text)
  (
    export AWS_ACCESS_KEY_ID=${key%%[[:space:]]*} AWS_SECRET_ACCESS_KEY=${key##*[[:space:]]}
    apply fourth
  ) >"$log" 2>&1 &
  job=$!
  wait_for_dead_letter_queue "$log"
  sleep 3
  aws iam delete-access-key --user-name revoked --access-key-id "${key%%[[:space:]]*}"
  if wait "$job"; then
    cat "$log"
    echo "the apply succeeds with credentials that have ended"
    return 1
  fi
  grep -q 'the apply did not finish.*log in again' "$log" || {
    cat "$log"
    return 1
  }
  keep_message ledger

  # With other credentials, the next apply continues, or refuses and says how.
  if ! apply fourth >"$log" 2>&1; then
    cat "$log"
    if grep -E '^    terraform .* untaint ' "$log" >"$temporary/untaint-fourth"; then
      bash -euc "$(cat "$temporary/untaint-fourth")"
    fi
    logged "$log" apply fourth --import-existing
  fi
  message_is_kept ledger
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
    --key-schema AttributeName=ID,KeyType=HASH AttributeName=Timestamp,KeyType=RANGE >/dev/null
  aws dynamodb put-item --table-name events-staging --item '{"ID":{"S":"kept"},"Timestamp":{"N":"1"}}'
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
  grep -q depends_on "$example/main.tf"
  "${terraform[@]}" init -input=false ${plugins[@]+"${plugins[@]}"} -lockfile=readonly
  "${terraform[@]}" apply -input=false -auto-approve
  "${terraform[@]}" output -json environments | jq -e '
    (keys == ["production", "staging"])
    and (.staging.EVENT_QUEUE_URL | endswith("/events-staging"))
    and (.production.EVENT_TABLE == "events-production")
    and (.production.consumer_role_arn | endswith(":role/domain-events/events-production-consumer-eu-central-1"))
    and (.staging.producer_policy_arn | endswith(":policy/domain-events/events-staging-producer-eu-central-1"))'
  [[ $(aws dynamodb describe-table --table-name events-staging --query 'Table.DeletionProtectionEnabled' --output text) == True ]] &&
    [[ $(aws dynamodb describe-time-to-live --table-name events-staging --query 'TimeToLiveDescription.AttributeName' --output text) == ExpiresAt ]] &&
    [[ $(aws dynamodb describe-continuous-backups --table-name events-staging --output text \
      --query 'ContinuousBackupsDescription.PointInTimeRecoveryDescription.PointInTimeRecoveryStatus') == ENABLED ]] &&
    [[ $(aws dynamodb get-item --table-name events-staging --key '{"ID":{"S":"kept"},"Timestamp":{"N":"1"}}' --query Item.ID.S --output text) == kept ]] ||
    { echo "the imported table has no protection, expiry or recovery, or lost its item"; return 1; }

  # Another program changes the capacity, and the next plan keeps it.
  aws dynamodb update-table --table-name alone --provisioned-throughput ReadCapacityUnits=50,WriteCapacityUnits=60 >/dev/null
  "${terraform[@]}" plan -input=false -out "$temporary/capacity" >/dev/null
  "${terraform[@]}" show -json "$temporary/capacity" | jq -e '
    .resource_changes[] | select(.address == "module.table_alone[0].aws_dynamodb_table.events").change
    | .before.read_capacity == 50 and .after.read_capacity == 50 and .after.write_capacity == 60' ||
    { echo "a plan changes the capacity that another program has set"; return 1; }

  "${terraform[@]}" plan -input=false -var change=2 -out "$temporary/change" >/dev/null
  # Local: the endpoint returns composite alarms without their attributes.
  "${terraform[@]}" show -json "$temporary/change" | jq -e '
    [.resource_changes[] | select((.change.actions | index("delete")) and .type != "aws_cloudwatch_composite_alarm") | .address] | . == []' ||
    { echo "a change of what the module depends on replaces parts of the module"; return 1; }

  # A maximum of a table with an index is set and removed.
  local query='Table.[OnDemandThroughput, GlobalSecondaryIndexes[0].OnDemandThroughput][].MaxWriteRequestUnits'
  [[ $(aws dynamodb describe-table --table-name events-production --query "$query" --output text) == 100$'\t'100 ]] ||
    { echo "the maximum of the table or of its index is not set"; return 1; }
  sed -i.bak 's/, max_write_request_units = 100//' "$example/terraform.tfvars"
  "${terraform[@]}" apply -input=false -auto-approve -target='module.domain_events["production"].module.table'
  # Local: the endpoint accepts the update of the index, and ignores its maximum.
  [[ $(aws dynamodb describe-table --table-name events-production --query "$query" --output text) =~ ^(-1.100|None|)$ ]] ||
    { echo "the maximum of the table is not removed"; return 1; }

  # With count on the module.
  sed -i.bak -e 's|^  source = "../.."$|&\n  count  = 1|' -e 's/module\.domain_events\./module.domain_events[0]./' "$root/main.tf"
  grep -q 'count  = 1' "$root/main.tf"
  terraform "-chdir=$root" init -input=false ${plugins[@]+"${plugins[@]}"} -lockfile=readonly
  terraform "-chdir=$root" plan -input=false -var "package_path=$package" -var "architecture=$arch"
}
