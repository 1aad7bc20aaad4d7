# shellcheck shell=bash
#
# Sourced by run.sh and destroy.sh: the checks that both make before they plan.
# Every refusal says what to do next, and nothing is changed before the last
# check has passed.

here=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd)

# For commands in messages.
quoted_here=$(printf %q "$here")

# Paths are not changed, because folders may have spaces in their names.
work=$(mktemp -d)
trap 'rm -rf -- "$work"' EXIT

say() { printf '==> %s\n' "$*"; }

fail() {
  printf '%s: %s\n' "$(basename -- "$0")" "$*" >&2
  exit 1
}

# Terraform would otherwise suggest commands that bypass these scripts.
export TF_IN_AUTOMATION=true
terraform=(terraform "-chdir=$here")

missing=()
need() { command -v "$1" >/dev/null || missing+=("$1 ($2)"); }

need_deployment_tools() {
  need terraform "1.11 or later, https://developer.hashicorp.com/terraform"
  need aws "the AWS CLI, https://aws.amazon.com/cli"
  need jq "https://jqlang.org"
}

check_tools() {
  if ((${#missing[@]} > 0)); then
    fail "not installed: $(printf '%s; ' "${missing[@]}")install them and run the same command again"
  fi
}

initialize() {
  local init=(init -input=false)
  if [[ -n ${TF_PLUGIN_DIR:-} ]]; then
    init+=("-plugin-dir=$TF_PLUGIN_DIR" -lockfile=readonly)
  fi
  say "terraform ${init[*]}"
  "${terraform[@]}" "${init[@]}" >"$work/init.log" 2>&1 || {
    cat "$work/init.log" >&2
    fail "terraform init failed, see above. Nothing was changed. After a change of the backend: terraform -chdir=$quoted_here init -migrate-state"
  }
}

# The arguments that set variables, out of the caller's Terraform options.
variable_options() {
  variables=()
  while (($# > 0)); do
    case $1 in
      -var | --var | -var-file | --var-file)
        variables+=("$1" "${2:?"$1 needs a value"}")
        shift
        ;;
      -var=* | --var=* | -var-file=* | --var-file=*) variables+=("$1") ;;
    esac
    shift
  done
  return 0
}

# Prints the errors of Terraform in FILE, and stops if they say that the state is locked.
check_lock() { # FILE
  cat "$1" >&2
  ! grep -q 'Error acquiring the state lock' "$1" ||
    fail "another run holds the lock of the state, see above. Nothing was changed. Wait until that run has finished, then run the same command again. If no run is in progress (one was killed), release the lock, with the ID above: terraform -chdir=$quoted_here force-unlock ID"
}

# Terraform itself evaluates the variables: from terraform.tfvars, from
# *.auto.tfvars, from TF_VAR_name and from the caller's options.
# shellcheck disable=SC2034 # run.sh uses them
read_variables() {
  local values invalid elsewhere
  variable_options "$@"
  # One element of a list on each line; one that is not set is "(known after apply)".
  values=$("${terraform[@]}" console -no-color -var "package_path=$here/main.tf" ${variables[@]+"${variables[@]}"} 2>"$work/console.log" \
    <<<'[var.name, var.region, var.architecture, coalesce(var.table_name, var.name), tostring(var.fifo), var.iam_path, tostring(var.outbox), tostring(var.outbox_relay_package_path != null)]' |
    sed -nE 's/^  "?([^"]*[^",])"?,$/\1/p') || true
  # The state of an interrupted apply causes other errors, which do not matter here.
  # check_deployment refuses another name, region or account, with a better message.
  invalid=$(grep -c 'Error: Invalid value for' "$work/console.log" || true)
  elsewhere=$(grep -c 'in module "deployment"' "$work/console.log" || true)
  if ((invalid > elsewhere)) || [[ $(grep -c . <<<"$values") -ne 8 ]]; then
    check_lock "$work/console.log"
    fail "a variable is not valid, see above. Nothing was changed. Correct it in $here/terraform.tfvars, in TF_VAR_name or in the options after --"
  fi
  {
    read -r name
    read -r region
    read -r architecture
    read -r table_name
    read -r fifo
    read -r iam_path
    read -r outbox
    read -r outbox_function
  } <<<"$values"
}

read_state() {
  "${terraform[@]}" state pull >"$work/state.json" 2>"$work/state.log" || {
    cat "$work/state.log" >&2
    fail "the state cannot be read, see above. Nothing was changed"
  }
  # An empty state is an empty file.
  [[ -s $work/state.json ]] || echo '{"resources": []}' >"$work/state.json"
}

# Whether the state contains the resource, such as module.queue.aws_sqs_queue.events.
in_state() { # ADDRESS
  jq -e --arg address "$1" '
    [.resources[] | select(.mode == "managed" and (.instances | length) > 0)
      | (if .module then .module + "." else "" end) + .type + "." + .name]
    | index($address) != null' "$work/state.json" >/dev/null
}

# Region and account of what is deployed, for instance "eu-central-1 123456789012".
# They are read from the ARNs, so that also a state of an earlier version and
# the state of an interrupted apply have them.
deployed_targets() {
  jq -r '
    [.resources[]
      | select(.mode == "managed" and (.type | IN("aws_sqs_queue", "aws_dynamodb_table", "aws_lambda_function", "aws_cloudwatch_log_group", "aws_cloudwatch_metric_alarm", "aws_sns_topic")))
      | .instances[].attributes.arn // empty | split(":") | .[3] + " " + .[4]]
    | unique | .[]' "$work/state.json"
}

deployed_name() {
  jq -r '[.resources[] | select(.mode == "managed" and .type == "terraform_data" and .name == "deployment")
    | .instances[].attributes.output.value.name] | .[0] // empty' "$work/state.json"
}

# Sets the region of all later commands, and account and partition.
# shellcheck disable=SC2034 # run.sh uses the partition
check_deployment() {
  local targets deployed_region deployed_account other
  targets=$(deployed_targets)
  if [[ $(grep -c . <<<"$targets") -gt 1 ]]; then
    fail "this state contains resources in more than one region or account: $(tr '\n' ';' <<<"$targets" | sed 's/;$//; s/;/, /g'). An earlier run used another region or account. Nothing was changed. Restore the state from before that run (backups: terraform.tfstate.backup beside the state, or the versions of the state's S3 object), then run the same command again"
  fi
  read -r deployed_region deployed_account <<<"$targets"

  local unset="(known after apply)"
  if [[ $name == "$unset" || $region == "$unset" ]]; then
    local deployed
    deployed=$(deployed_name)
    fail "name and region must be set explicitly. Nothing was changed. Write to $here/terraform.tfvars, for instance:
  name   = \"${deployed:-domain-events}\"
  region = \"${deployed_region:-eu-central-1}\""
  fi
  if [[ -n $deployed_region && $deployed_region != "$region" ]]; then
    fail "this state deploys to $deployed_region, and the variable region is $region. Nothing was changed. Set region = \"$deployed_region\" in $here/terraform.tfvars. To deploy to $region as well, use a second state: see \"More than one deployment\" in the runbook"
  fi
  for other in AWS_REGION AWS_DEFAULT_REGION; do
    if [[ -n ${!other:-} && ${!other} != "$region" ]]; then
      fail "$other is ${!other}, and the variable region is $region. Nothing was changed. Run: unset $other. Or, for another deployment, use its own state and variables: see \"More than one deployment\" in the runbook"
    fi
  done
  export AWS_REGION=$region AWS_DEFAULT_REGION=$region

  # Version 1 of the CLI reads AWS_ENDPOINT_URL only for some services.
  aws=(aws ${AWS_ENDPOINT_URL:+--endpoint-url "$AWS_ENDPOINT_URL"})
  local identity
  identity=$("${aws[@]}" sts get-caller-identity --query '[Account, Arn]' --output text 2>"$work/sts.log") || {
    cat "$work/sts.log" >&2
    fail "AWS does not accept the credentials, or there are none. Nothing was changed. Log in again (for instance: aws sso login), or set AWS_PROFILE, and check with: aws sts get-caller-identity"
  }
  account=${identity%%[[:space:]]*}
  partition=$(cut -d: -f2 <<<"$identity")
  if [[ -n $deployed_account && $deployed_account != "$account" ]]; then
    fail "this state deploys to the account $deployed_account, and the credentials belong to $account. Nothing was changed. Set AWS_PROFILE to a profile of $deployed_account, and check with: aws sts get-caller-identity"
  fi

  local deployed
  deployed=$(deployed_name)
  if [[ -n $deployed && $deployed != "$name" ]]; then
    fail "this state deploys \"$deployed\", and the variable name is \"$name\". Nothing was changed. Set name = \"$deployed\" in $here/terraform.tfvars. To deploy \"$name\" as well, use a second state: see \"More than one deployment\" in the runbook"
  fi
  say "Deployment $name in $region, account $account"
}
