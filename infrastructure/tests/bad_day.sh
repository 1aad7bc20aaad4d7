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
first=$temporary/first/infrastructure
state=$first/terraform.tfstate
plain=(terraform "-chdir=$first")
plain_apply=("${plain[@]}" apply -input=false -auto-approve -var "package_path=$package")
plain_destroy=("${plain[@]}" destroy -input=false -auto-approve -var package_path=main.tf)
elsewhere=(env AWS_REGION=us-east-1 AWS_DEFAULT_REGION=us-east-1)
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

# shellcheck source-path=SCRIPTDIR source=bad_day_scenarios.sh
. "$here/bad_day_scenarios.sh"

say "Scenarios at the same time: one name in two regions, an interrupted apply and a lost state, credentials that end during an apply, two environments with for_each"
declare -A job
for scenario in other_region interrupted revoked environments; do
  (
    trap - EXIT
    "$scenario"
  ) >"$temporary/$scenario.log" 2>&1 &
  job[$scenario]=$!
done

# Without a package, so that a refusal after the build is noticed.
source=(--yes)
command -v cargo >/dev/null || source+=(--package "$package")

say "The wrong region"
refused "run.sh in another region" "AWS_REGION is us-east-1" env AWS_REGION=us-east-1 "$first/run.sh" "${source[@]}"
refused "run.sh with another region as the variable" "this state deploys to eu-central-1" \
  env -u AWS_REGION -u AWS_DEFAULT_REGION "$first/run.sh" "${source[@]}" -- -var region=us-east-1
refused "destroy.sh in another region" "AWS_REGION is us-east-1" env AWS_REGION=us-east-1 "$first/destroy.sh" --yes
refused "plain terraform in another region" "The AWS provider is configured for the region" \
  "${elsewhere[@]}" "${plain_apply[@]}"
refused "plain terraform with another region as the variable" "This state deploys to eu-central-1" \
  "${elsewhere[@]}" "${plain_apply[@]}" -var region=us-east-1
refused "plain terraform with -target in another region" "The AWS provider is configured for the region" \
  "${elsewhere[@]}" "${plain_apply[@]}" -target=module.queue
# Preconditions would be warnings for the next four.
refused "plain terraform destroy in another region" "The AWS provider is configured for the region" "${elsewhere[@]}" "${plain_destroy[@]}"
refused "plain terraform destroy with another region as the variable" "This state deploys to eu-central-1" \
  "${elsewhere[@]}" "${plain_destroy[@]}" -var region=us-east-1
refused "plain terraform destroy with -target in another region" "The AWS provider is configured for the region" \
  "${elsewhere[@]}" "${plain_destroy[@]}" -target=module.observability
refused "plain terraform apply -refresh-only in another region" "This state deploys to eu-central-1" \
  "${elsewhere[@]}" "${plain_apply[@]}" -refresh-only -var region=us-east-1
unchanged

say "The wrong account, and credentials that are no longer valid"
refused "run.sh in another account" "this state deploys to the account 000000000000" \
  env AWS_ACCESS_KEY_ID=111122223333 "$first/run.sh" "${source[@]}"
refused "run.sh with credentials that are no longer valid" "AWS does not accept the credentials" \
  env AWS_ACCESS_KEY_ID=ASIAEXPIREDEXPIRED00 AWS_SESSION_TOKEN=expired "$first/run.sh" "${source[@]}"
printf '%s\n' '[profile other]' 'aws_access_key_id = 111122223333' 'aws_secret_access_key = test' >"$temporary/profiles"
refused "run.sh with the profile of another account" "this state deploys to the account 000000000000" \
  env -u AWS_ACCESS_KEY_ID -u AWS_SECRET_ACCESS_KEY "AWS_CONFIG_FILE=$temporary/profiles" AWS_PROFILE=other "$first/run.sh" "${source[@]}"
refused "run.sh with a profile that does not exist" "AWS does not accept the credentials" \
  env -u AWS_ACCESS_KEY_ID -u AWS_SECRET_ACCESS_KEY "AWS_CONFIG_FILE=$temporary/profiles" AWS_PROFILE=misspelt "$first/run.sh" "${source[@]}"
refused "destroy.sh in another account" "this state deploys to the account 000000000000" \
  env AWS_ACCESS_KEY_ID=111122223333 "$first/destroy.sh" --yes
refused "plain terraform in another account" "This state deploys to the account 000000000000" \
  env AWS_ACCESS_KEY_ID=111122223333 "${plain_apply[@]}"
refused "plain terraform destroy in another account" "This state deploys to the account 000000000000" \
  env AWS_ACCESS_KEY_ID=111122223333 "${plain_destroy[@]}"
unchanged

say "Wrong variables, and plans that delete events"
refused "run.sh with another name" 'this state deploys "journal"' "$first/run.sh" "${source[@]}" -- -var name=shop-events
refused "run.sh with an architecture that differs from the variable" "the variable architecture is $arch" \
  "$first/run.sh" "${source[@]}" --arch "$([[ $arch == arm64 ]] && echo x86_64 || echo arm64)"
refused "run.sh with a package for another architecture" "is not a Linux executable for" \
  "$first/run.sh" --yes --package "$package" -- -var "architecture=$([[ $arch == arm64 ]] && echo x86_64 || echo arm64)"
refused "run.sh with a misspelt value" "a variable is not valid" "$first/run.sh" "${source[@]}" -- -var billing_mode=ON_DEMAND
refused "destroy.sh of a protected table" "refused, nothing was changed" "$first/destroy.sh" --yes
refused "a plan that replaces the queues" "this plan deletes the resource(s) above" \
  "$first/run.sh" plan --package "$package" -- -refresh=false -var fifo=true
refused "a plan that replaces the table" "this plan deletes the resource(s) above" \
  "$first/run.sh" plan --package "$package" -- -refresh=false -replace=module.table.aws_dynamodb_table.events
unchanged

say "A first deployment without variables, and where the resources exist"
copy_module "$temporary/empty"
refused "run.sh without name and region" "name and region must be set explicitly" "$temporary/empty/infrastructure/run.sh" "${source[@]}"
deployment foreign journal eu-central-1
refused "run.sh where the queue exists" "exist, and this state does not contain them" "$temporary/foreign/infrastructure/run.sh" "${source[@]}"
refused "plain terraform where the resources exist" "EntityAlreadyExists" \
  terraform "-chdir=$temporary/foreign/infrastructure" apply -input=false -auto-approve -var "package_path=$package"
taken=$(terraform "-chdir=$temporary/foreign/infrastructure" state list | grep -v -e '^data\.' -e '\.data\.' -e '^terraform_data\.' || true)
[[ -z $taken ]] || fail "an apply without the state has taken over: $taken"
ok "an apply without the state takes nothing over"
"${plain[@]}" workspace new other >/dev/null
refused "run.sh in another workspace" 'The selected workspace is "other"' "$first/run.sh" "${source[@]}"
"${plain[@]}" workspace select default >/dev/null
unchanged

say "A copy of the state in another folder"
cp -R -- "$temporary/first" "$temporary/copy"
copy=$temporary/copy/infrastructure
refused "run.sh with a copied state and another name" 'this state deploys "journal"' "$copy/run.sh" "${source[@]}" -- -var name=shop-events
refused "run.sh with a copied state and another region" "this state deploys to eu-central-1" \
  env -u AWS_REGION -u AWS_DEFAULT_REGION "$copy/run.sh" "${source[@]}" -- -var region=us-east-1
refused "destroy.sh with a copied state and another name" 'this state deploys "journal"' "$copy/destroy.sh" --yes -- -var name=shop-events
refused "plain terraform with a copied state and another name" 'This state deploys "journal"' \
  terraform "-chdir=$copy" apply -input=false -auto-approve -var "package_path=$package" -var name=shop-events
terraform "-chdir=$copy" plan -input=false -out "$temporary/plan" -var "package_path=$package" >/dev/null
terraform "-chdir=$copy" show -json "$temporary/plan" >"$temporary/plan.json"
"$venv/bin/python" "$here/end_to_end.py" no-changes "$temporary/plan.json"
ok "a copy of the state with the same name and region changes nothing"
unchanged

say "Two people apply at the same time"
mkfifo "$temporary/answer"
"${plain[@]}" apply -var "package_path=$package" -var max_write_request_units=5 \
  <"$temporary/answer" >"$temporary/question.log" 2>&1 &
first_person=$!
exec 7>"$temporary/answer"
for _ in $(seq 600); do
  grep -q 'Enter a value' "$temporary/question.log" && break
  sleep 0.1
done
refused "run.sh while another run holds the lock" "another run holds the lock of the state" \
  "$first/run.sh" --yes --package "$package"
echo no >&7
exec 7>&-
! wait "$first_person" || fail "the first person did not confirm, and the apply succeeded"
unchanged

say "A maximum is set while another plan waits for its answer, and the log group is deleted by hand"
throughput() { aws dynamodb describe-table --table-name journal --query 'Table.OnDemandThroughput.MaxWriteRequestUnits' --output text; }
"${plain[@]}" plan -input=false -out "$temporary/saved-plan" -var "package_path=$package" -var max_write_request_units=7 >/dev/null
set_maximum() {
  aws logs delete-log-group --log-group-name /aws/lambda/journal-consumer
  apply first -- -var max_write_request_units=500
}
export -f set_maximum apply in_folder
export temporary package
if "$venv/bin/python" "$here/bad_day.py" answer "set_maximum >'$temporary/maximum.log' 2>&1" \
  "$first/run.sh" --package "$package" -- -var max_write_request_units=5 >"$temporary/answer.log" 2>&1; then
  cat "$temporary/answer.log"
  fail "a plan from before the change was applied"
fi
[[ $(throughput) == 500 ]] || {
  cat "$temporary/maximum.log" "$temporary/answer.log"
  fail "the maximum is $(throughput) instead of 500"
}
ok "a maximum of 500 is set"
grep -q 'another run has changed the deployment since this plan. Nothing was changed' "$temporary/answer.log" || {
  cat "$temporary/answer.log"
  fail "run.sh does not say that its plan is outdated"
}
ok "run.sh refuses to apply its plan after another run has changed the deployment"
cp -- "$state" "$temporary/state-before"
refused "a saved plan from before the change" "Saved plan is stale" "${plain[@]}" apply -input=false "$temporary/saved-plan"
[[ $(throughput) == 500 ]] || fail "an outdated plan changed the maximum to $(throughput)"
apply first >"$temporary/maximum.log" 2>&1 || { cat "$temporary/maximum.log"; fail "a maximum cannot be removed"; }
[[ $(throughput) == -1 || $(throughput) == None ]] || fail "the maximum is still $(throughput)"
"${plain[@]}" plan -input=false -out "$temporary/plan" -var "package_path=$package" >/dev/null
"${plain[@]}" show -json "$temporary/plan" >"$temporary/plan.json"
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
    cat "$temporary/$scenario.log"
    fail "the scenario $scenario failed, see the lines above"
  }
  unchanged
  ok "$scenario"
done

finish "All $passed scenarios passed"
