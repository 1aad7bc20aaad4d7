#!/usr/bin/env bash
#
# Destroys a deployment. Refuses while the table is protected, and with another
# region or account than the deployment has, before anything is changed.
# Running it again after it succeeded changes nothing.

set -euo pipefail

usage() {
  cat <<'TEXT'
Usage: infrastructure/destroy.sh [--yes] [-- terraform options]

  --yes   destroy without asking, for CI. A protected table is refused anyway.

Variables come from terraform.tfvars beside this script, from TF_VAR_name, or
from the options after "--".
TF_PLUGIN_DIR names a folder to load the provider from, instead of the registry.
TEXT
}

# shellcheck source-path=SCRIPTDIR source=preflight.sh
. "$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd)/preflight.sh"

yes=false
while (($# > 0)); do
  case $1 in
    --yes) yes=true ;;
    --help | -h)
      usage
      exit 0
      ;;
    --)
      shift
      break
      ;;
    *)
      usage >&2
      fail "unknown argument: $1"
      ;;
  esac
  shift
done

need_deployment_tools
check_tools
initialize
read_state

resources=$("${terraform[@]}" state list 2>/dev/null || true)
if [[ -z $resources ]]; then
  say "Nothing is deployed from this state: nothing to destroy."
  exit 0
fi

read_variables "$@"
check_deployment

# A plain destroy would remove everything else first and then fail on the table:
# producers would have no queue, and the table would remain. The outbox table has the
# same protection; the table of events is named first.
table=
protected=$(jq -r '[.resources | sort_by(.module != "module.table") | .[] | select(.mode == "managed" and .type == "aws_dynamodb_table") | .instances[].attributes
  | select(.deletion_protection_enabled != false) | .name] | .[0] // empty' "$work/state.json")
if [[ -n $protected ]]; then
  cat >&2 <<TEXT
destroy.sh: refused, nothing was changed.

The table "$protected" is protected against deletion: it contains the history of events, or the
committed events of an outbox that are not sent yet.
The other resources of this deployment remain too, so that events are still stored.

To destroy it with all its events:

  1. Save what you need, for instance:
       aws dynamodb create-backup --table-name "$protected" --backup-name "$protected-last"
  2. Switch the protection off: set deletion_protection = false in terraform.tfvars,
     then run infrastructure/run.sh
  3. Run infrastructure/destroy.sh again.
TEXT
  exit 1
fi
if in_state module.table.aws_dynamodb_table.events; then
  table=$table_name
fi

# IAM refuses to delete a policy that is attached, after most of the rest is gone.
attached=$(
  jq -r '.resources[] | select(.mode == "managed" and .type == "aws_iam_policy") | .instances[].attributes.arn' "$work/state.json" |
    while IFS= read -r arn; do
      "${aws[@]}" iam list-entities-for-policy --policy-arn "$arn" --output json |
        jq -r --arg arn "$arn" '
          (.PolicyRoles[] | "    aws iam detach-role-policy --role-name \(.RoleName) --policy-arn \($arn)"),
          (.PolicyUsers[] | "    aws iam detach-user-policy --user-name \(.UserName) --policy-arn \($arn)"),
          (.PolicyGroups[] | "    aws iam detach-group-policy --group-name \(.GroupName) --policy-arn \($arn)")'
    done
)
if [[ -n $attached ]]; then
  fail "applications or people still use the policies of this deployment. Nothing was changed. Stop them, detach the policies, then run the same command again:
$attached"
fi

say "This destroys:"
while IFS= read -r resource; do
  case $resource in *data.aws_*) ;; *) printf '    %s\n' "$resource" ;; esac
done <<<"$resources"
say "The events in the table, the queue and the dead-letter queue are deleted with them."
say "Not destroyed: backups of the table, past metrics, the built package, Terraform's state."

if [[ $yes == false ]]; then
  [[ -t 0 ]] || fail "there is no terminal to ask on. Nothing was destroyed. Add --yes to destroy without asking"
  read -r -p "Type ${table:-destroy} to destroy: " answer
  [[ $answer == "${table:-destroy}" ]] || fail "not confirmed. Nothing was destroyed"
fi

say "terraform destroy"
# Nothing is deployed, so any existing file serves as a package.
"${terraform[@]}" destroy -input=false -auto-approve -var "package_path=$here/main.tf" -var "outbox_relay_package_path=$here/main.tf" "$@" ||
  fail "the destroy did not finish, see above. Remove the cause and run infrastructure/destroy.sh again; it continues"
say "Destroyed."
