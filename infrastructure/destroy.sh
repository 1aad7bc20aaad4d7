#!/usr/bin/env bash
#
# Destroys a deployment. It refuses as long as the table is protected, before
# anything is touched. Safe to run twice.

set -euo pipefail

here=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd)

usage() {
  cat <<'TEXT'
Usage: infrastructure/destroy.sh [--yes] [-- terraform options]

  --yes   destroy without asking; a protected table is refused all the same

Variables come from terraform.tfvars beside this script, from TF_VAR_name, or
from what follows "--".
TF_PLUGIN_DIR names a folder to take the provider from, instead of the registry.
TEXT
}

say() { printf '==> %s\n' "$*"; }

fail() {
  printf 'destroy.sh: %s\n' "$*" >&2
  exit 1
}

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

command -v terraform >/dev/null || fail "missing: terraform (1.11 or later, https://developer.hashicorp.com/terraform); nothing was done"

# Without Terraform's advice on the next command: this script is that command.
export TF_IN_AUTOMATION=true
terraform=(terraform "-chdir=$here")
init=(init -input=false)
if [[ -n ${TF_PLUGIN_DIR:-} ]]; then
  init+=("-plugin-dir=$TF_PLUGIN_DIR" -lockfile=readonly)
fi
say "terraform ${init[*]}"
"${terraform[@]}" "${init[@]}"

resources=$("${terraform[@]}" state list 2>/dev/null || true)
if [[ -z $resources ]]; then
  say "Nothing is deployed from this state: nothing to destroy."
  exit 0
fi

# A plain destroy would remove everything else first, and then fail on the
# table: producers would find no queue, and the table would stay.
table=module.table.aws_dynamodb_table.events
name=
if grep -qx "$table" <<<"$resources"; then
  state=$("${terraform[@]}" state show -no-color "$table")
  name=$(sed -nE 's/^ +name +=  *"(.*)"$/\1/p' <<<"$state" | head -n 1)
  if ! grep -qE '^ +deletion_protection_enabled += false$' <<<"$state"; then
    cat >&2 <<TEXT
destroy.sh: refused, nothing was touched.

The table "$name" is protected against deletion: it holds the history of events.
What else this deployment consists of stays too, so that events keep flowing.

To destroy it with all its events:

  1. Save what you need, for instance:
       aws dynamodb create-backup --table-name "$name" --backup-name "$name-last"
  2. Switch the protection off: deletion_protection = false in terraform.tfvars,
     then infrastructure/run.sh
  3. Run infrastructure/destroy.sh again.
TEXT
    exit 1
  fi
fi

say "This destroys:"
while IFS= read -r resource; do
  case $resource in *data.*) ;; *) printf '    %s\n' "$resource" ;; esac
done <<<"$resources"
say "Events in the table, the queue and the dead-letter queue are deleted with them."
say "It leaves: backups of the table, past metrics, the built package, Terraform's state."

if [[ $yes == false ]]; then
  [[ -t 0 ]] || fail "no terminal to ask on. Nothing was destroyed; pass --yes to destroy without asking"
  read -r -p "Type ${name:-destroy} to destroy: " answer
  [[ $answer == "${name:-destroy}" ]] || fail "not confirmed, nothing was destroyed"
fi

say "terraform destroy"
# Nothing is deployed, so any file will do as the package.
"${terraform[@]}" destroy -input=false -auto-approve -var "package_path=$here/main.tf" "$@"
say "Destroyed."
