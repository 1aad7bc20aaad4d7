#!/usr/bin/env bash
#
# Checks, builds the function, packs it, plans and applies. Running it again is
# safe: the same source gives the same package, and a plan without changes
# applies nothing.

set -euo pipefail

usage() {
  cat <<'TEXT'
Usage: infrastructure/run.sh [plan | apply | package] [options] [-- terraform options]

  package   build and pack the function, and print the package's path and size;
            with --relay, the relay function of the outbox
  plan      check, package, and show what would change
  apply     plan, ask, and apply (the default)

Options:
  --arch arm64|x86_64  instruction set for `package` (default: arm64). plan and
                       apply use the variable `architecture`
  --package FILE       deploy this package instead of building one
  --relay              for `package`: build the relay function of the outbox. Its
                       path belongs into the variable outbox_relay_package_path
  --yes                apply without asking, for CI
  --allow-replace      accept a plan that deletes a queue or the table
  --import-existing    import resources that exist and that the state does not
                       contain, after an apply was killed or the state was lost
  --help               show this text

Variables come from terraform.tfvars beside this script, from TF_VAR_name, or
from the options after "--", for instance: run.sh plan -- -var fifo=true
TF_PLUGIN_DIR names a folder to load the provider from, instead of the registry.
TEXT
}

# shellcheck source-path=SCRIPTDIR source=preflight.sh
. "$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd)/preflight.sh"
root=$(dirname -- "$here")

command=apply
arch=
package=
relay=false
yes=false
allow_replace=false
import_existing=false

while (($# > 0)); do
  case $1 in
    plan | apply | package) command=$1 ;;
    --arch)
      arch=${2:?"--arch needs arm64 or x86_64"}
      shift
      ;;
    --package)
      package=${2:?"--package needs a file"}
      shift
      ;;
    --relay) relay=true ;;
    --yes) yes=true ;;
    --allow-replace) allow_replace=true ;;
    --import-existing) import_existing=true ;;
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

# Checks

[[ $relay == false || $command == package ]] || fail "--relay belongs to the command package. Nothing was changed. Build the package first, and set its path as outbox_relay_package_path"
if [[ -n $package ]]; then
  [[ -f $package ]] || fail "no such package: $package. Build one with: infrastructure/run.sh package"
else
  need cargo "the Rust toolchain, https://rustup.rs"
  command -v zip >/dev/null || need python3 "or zip, to pack the function"
fi
[[ $command == package ]] || need_deployment_tools
check_tools

# Import blocks have to be beside the configuration while Terraform plans.
imports=$here/imports_of_this_run.tf
trap 'rm -rf -- "$work" "$imports"' EXIT

# A resource that exists but is not in this state belongs to another deployment,
# or an apply that was killed left it behind. The AWS commands run at the same time.
existing() { # ADDRESS, the id that an import needs, and an AWS command that succeeds if the resource exists
  local address=$1 id=$2
  shift 2
  ! in_state "${address%\[0\]}" || return 0
  looks=$((looks + 1))
  {
    if "${aws[@]}" "$@" >"$work/look.$looks.id" 2>/dev/null; then
      # A command may print the id that only AWS knows.
      [[ $id == - ]] || printf '%s\n' "$id" >"$work/look.$looks.id"
    else
      : >"$work/look.$looks.id"
    fi
  } &
  printf '%s\n' "$address" >"$work/look.$looks.address"
}

existing_policy() { # ADDRESS NAME
  existing "$1" "$policies_arn$2" iam get-policy --policy-arn "$policies_arn$2"
}

existing_function() { # ADDRESS NAME
  existing "$1" "$2" lambda get-function-configuration --function-name "$2"
}

existing_log_group() { # ADDRESS NAME
  existing "$1" - logs describe-log-groups --log-group-name-prefix "$2" --query "logGroups[?logGroupName=='$2'] | [0].logGroupName" --output text
}

check_existing() {
  local suffix='' policies_arn workspace hint='' id relay_name=$name-outbox-relay outbox_address='module.outbox[0]'
  local found=() looks=0 look
  [[ $fifo != true ]] || suffix=.fifo
  policies_arn=arn:$partition:iam::$account:policy$iam_path
  existing module.queue.aws_sqs_queue.events - sqs get-queue-url --queue-name "$name$suffix" --query QueueUrl --output text
  existing module.queue.aws_sqs_queue.dead_letter - sqs get-queue-url --queue-name "$name-dead-letter$suffix" --query QueueUrl --output text
  existing module.table.aws_dynamodb_table.events "$table_name" dynamodb describe-table --table-name "$table_name"
  existing_function module.consumer.aws_lambda_function.consumer "$name-consumer"
  existing module.consumer.aws_lambda_alias.live "$name-consumer/live" lambda get-alias --function-name "$name-consumer" --name live
  existing module.consumer.aws_lambda_event_source_mapping.events - lambda list-event-source-mappings \
    --event-source-arn "arn:$partition:sqs:$region:$account:$name$suffix" --query 'EventSourceMappings[0].UUID' --output text
  existing_log_group module.consumer.aws_cloudwatch_log_group.consumer "/aws/lambda/$name-consumer"
  existing module.consumer.aws_iam_role.consumer "$name-consumer-$region" iam get-role --role-name "$name-consumer-$region"
  existing_policy module.queue.aws_iam_policy.producer "$name-producer-$region"
  existing_policy module.table.aws_iam_policy.reader "$name-reader-$region"
  existing_policy aws_iam_policy.operator "$name-operator-$region"
  if [[ $outbox == true ]]; then
    existing "$outbox_address.aws_dynamodb_table.outbox" "$name-outbox" dynamodb describe-table --table-name "$name-outbox"
    existing_policy "$outbox_address.aws_iam_policy.writer" "$name-outbox-writer-$region"
    existing_policy "$outbox_address.aws_iam_policy.relay" "$name-outbox-relay-$region"
  fi
  if [[ $outbox == true && $outbox_function == true ]]; then
    existing_function "$outbox_address.aws_lambda_function.relay[0]" "$relay_name"
    existing "$outbox_address.aws_lambda_event_source_mapping.rows[0]" - lambda list-event-source-mappings \
      --function-name "$relay_name" --query 'EventSourceMappings[0].UUID' --output text
    # Of a rule that is not imported, the ARN is unknown, and the permission would be replaced.
    existing "$outbox_address.aws_cloudwatch_event_rule.sweep[0]" "$relay_name-sweep" events describe-rule --name "$relay_name-sweep"
    existing "$outbox_address.aws_lambda_permission.sweep[0]" "$relay_name/ScheduleInvokesTheRelay" lambda get-policy --function-name "$relay_name"
    existing_log_group "$outbox_address.aws_cloudwatch_log_group.relay[0]" "/aws/lambda/$relay_name"
    existing "$outbox_address.aws_iam_role.relay[0]" "$relay_name-$region" iam get-role --role-name "$relay_name-$region"
  fi
  wait
  for ((look = 1; look <= looks; look++)); do
    id=$(cat "$work/look.$look.id")
    [[ $id == None || -z $id ]] || found+=("$(cat "$work/look.$look.address")" "$id")
  done
  ((${#found[@]} > 0)) || return 0

  if [[ $import_existing == true ]]; then
    # Part of this plan, so that the operator sees what is imported and what changes.
    printf 'import {\n  to = %s\n  id = "%s"\n}\n' "${found[@]}" >"$imports"
    return 0
  fi
  workspace=$("${terraform[@]}" workspace show)
  [[ $workspace == default ]] || hint="
  The selected workspace is \"$workspace\". If the deployment is in the workspace \"default\": terraform -chdir=$quoted_here workspace select default"
  fail "the resource(s) below exist, and this state does not contain them. Nothing was changed.
$(printf '    %s: %s\n' "${found[@]}")$hint
  If another deployment owns them: use the state of that deployment, or choose another name.
  If they shall become part of this deployment (an apply was killed, the state was lost, or the table was restored): run the same command with --import-existing. The plan shows what it imports"
}

# An apply that is interrupted while it creates a resource leaves the resource
# tainted, and the next plan replaces it. A queue or table that receives events
# meanwhile must not be replaced, and need not be: Terraform corrects its settings.
check_tainted() {
  local tainted
  tainted=$(jq -r '.resources[] | select(.type | IN("aws_sqs_queue", "aws_dynamodb_table"))
    | (if .module then .module + "." else "" end) + .type + "." + .name as $address
    | .instances[] | select(.status == "tainted")
    | $address + (if .index_key == null then "" elif (.index_key | type) == "number" then "[\(.index_key)]" else "[\"\(.index_key)\"]" end)' "$work/state.json")
  [[ -n $tainted ]] || return 0
  fail "an earlier apply was interrupted while it created the resource(s) below. Terraform marked them as tainted and would delete and create them again. Nothing was changed.
  Keep them; the next apply completes their settings. Run, then run the same command again:
$(while IFS= read -r address; do printf "    terraform -chdir=%s untaint '%s'\n" "$quoted_here" "$address"; done <<<"$tainted")"
}

if [[ $command == package ]]; then
  architecture=${arch:-arm64}
else
  rm -f -- "$imports"
  initialize
  read_variables "$@"
  read_state
  check_deployment
  check_tainted
  check_existing
  if [[ -n $arch && $arch != "$architecture" ]]; then
    fail "--arch is $arch, and the variable architecture is $architecture. Nothing was changed. Set architecture = \"$arch\" in $here/terraform.tfvars, so that every later apply uses it, and leave --arch out"
  fi
fi

case $architecture in
  arm64) cpu=aarch64 machine=b7 ;;
  x86_64) cpu=x86_64 machine=3e ;;
  *) fail "the architecture must be arm64 or x86_64, not $architecture" ;;
esac

# The machine type in the ELF header: 3e is x86-64, b7 is arm64.
machine_of() { od -An -tx1 -j18 -N1 "$1" | tr -d ' \n'; }

check_binary() {
  local found newest
  found=$(machine_of "$1")
  [[ $found == "$machine" ]] || fail "$2 is not a Linux executable for $architecture (machine type $found, expected $machine). Build one with: infrastructure/run.sh package --arch $architecture. Or set the variable architecture to match the package"

  # Amazon Linux 2023 has glibc 2.34. A binary that needs a later version does
  # not start, and every invocation fails.
  newest=$(LC_ALL=C grep -aoE 'GLIBC_2\.[0-9]+' "$1" | sort -t. -k2 -n | tail -n 1 || true)
  if [[ -n $newest ]] && ((${newest#GLIBC_2.} > 34)); then
    fail "$2 needs $newest, and provided.al2023 has 2.34. Install cargo-lambda (pip install cargo-lambda), or build on a system with glibc 2.34 or older"
  fi
}

if [[ -n $package ]]; then
  package=$(cd -- "$(dirname -- "$package")" && pwd)/$(basename -- "$package")
  if command -v unzip >/dev/null; then
    unzip -p "$package" bootstrap >"$work/bootstrap" 2>/dev/null || fail "$package does not contain a file named bootstrap. Build a package with: infrastructure/run.sh package"
    check_binary "$work/bootstrap" "$package"
  fi
fi

# How the function can be built here. Decided before the build, which takes minutes.
if [[ -z $package ]]; then
  triple=$cpu-unknown-linux-gnu
  if command -v cargo-lambda >/dev/null; then
    builder=cargo-lambda
  elif [[ $(uname -s) == Linux && $(uname -m) == "$cpu" ]]; then
    builder=cargo
  elif [[ $(uname -s) != Linux ]]; then
    fail "building for Linux on $(uname -s) needs cargo-lambda. Install it: pip install cargo-lambda"
  elif command -v rustup >/dev/null && ! rustup target list --installed | grep -qx "$triple"; then
    fail "the Rust target $triple is not installed. Install cargo-lambda (pip install cargo-lambda); or run 'rustup target add $triple' and install a linker for it; or build for this machine, with the variable architecture = \"$(uname -m | sed s/aarch64/arm64/)\""
  else
    builder=cross
  fi
fi

# Build

build() {
  local target_dir build_args binary of=consumer executable=bootstrap
  # Cargo reads .cargo/config.toml from the current folder, and a setting there
  # determines the cold start.
  cd -- "$root"
  target_dir=${CARGO_TARGET_DIR:-target}
  [[ $target_dir == /* ]] || target_dir=$root/$target_dir
  [[ $relay == false ]] || of=relay executable=relay
  build_args=(-p "domain-events-$of" --bin "$executable" --profile lambda)

  say "Building the function for $architecture ($builder)"
  case $builder in
    cargo-lambda)
      cargo lambda build "${build_args[@]}" "--${architecture/_/-}" --lambda-dir "$target_dir/package/cargo-lambda"
      binary=$target_dir/package/cargo-lambda/$executable/bootstrap
      ;;
    cargo)
      cargo build "${build_args[@]}"
      binary=$target_dir/lambda/$executable
      ;;
    cross)
      cargo build "${build_args[@]}" --target "$triple"
      binary=$target_dir/$triple/lambda/$executable
      ;;
  esac

  check_binary "$binary" "the executable"
  package=$target_dir/package/domain-events-$of-$architecture.zip
  mkdir -p -- "$target_dir/package"

  # A fixed time stamp, so that the same executable gives the same package, and
  # Terraform finds no change.
  cp -- "$binary" "$work/bootstrap"
  chmod 755 "$work/bootstrap"
  TZ=UTC touch -t 200001010000 "$work/bootstrap"
  rm -f -- "$package"
  if command -v zip >/dev/null; then
    (cd -- "$work" && TZ=UTC zip -q -9 -X package.zip bootstrap && mv -- package.zip "$package")
  else
    python3 - "$work/bootstrap" "$package" <<'PYTHON'
import sys, zipfile
entry = zipfile.ZipInfo("bootstrap", (2000, 1, 1, 0, 0, 0))
entry.external_attr = 0o100755 << 16
with zipfile.ZipFile(sys.argv[2], "w", zipfile.ZIP_DEFLATED, compresslevel=9) as package:
    package.writestr(entry, open(sys.argv[1], "rb").read())
PYTHON
  fi
  say "Executable: $(wc -c <"$binary" | tr -d ' ') bytes"
}

[[ -n $package ]] || build
say "Package: $package, $(wc -c <"$package" | tr -d ' ') bytes"

[[ $command != package ]] || exit 0

# Plan

say "terraform plan"
status=0
"${terraform[@]}" plan -input=false -detailed-exitcode "-out=$work/plan" -var "package_path=$package" "$@" 2>"$work/errors" || status=$?
check_lock "$work/errors"
case $status in
  0)
    say "Nothing to change."
    exit 0
    ;;
  2) ;;
  *) fail "terraform plan failed, see above. Nothing was changed" ;;
esac

# Queues and tables contain events. Terraform's prevent_destroy would also refuse
# what the operator wants, so this script asks for --allow-replace instead.
deleted=$("${terraform[@]}" show -json "$work/plan" |
  jq -r '.resource_changes[] | select((.type | IN("aws_sqs_queue", "aws_dynamodb_table")) and (.change.actions | index("delete")))
    | "  " + .address + " (" + (.action_reason // "deleted") + ")"')
if [[ -n $deleted && $allow_replace == false ]]; then
  printf '%s\n' "$deleted" >&2
  fail "this plan deletes the resource(s) above, with all events in them. Nothing was changed. If you did not intend this, undo the change of the variables. If you did: drain the queue, save what you need, and run the same command with --allow-replace"
fi

[[ $command == apply ]] || exit 0

# Apply

if [[ $yes == false ]]; then
  [[ -t 0 ]] || fail "there is no terminal to ask on. Nothing was changed. Add --yes to apply without asking"
  read -r -p "Apply this plan? Type yes to apply: " answer
  [[ $answer == yes ]] || fail "not confirmed. Nothing was changed"
fi

say "terraform apply"
# Terraform receives the interrupt too, and stops after the current resource.
trap 'say "Interrupted: Terraform is stopping"' INT
status=0
"${terraform[@]}" apply -input=false "$work/plan" 2>"$work/errors" || status=$?
trap - INT
if ((status != 0)); then
  check_lock "$work/errors"
  ! grep -q 'Saved plan is stale' "$work/errors" || fail "another run has changed the deployment since this plan. Nothing was changed. Run the same command again, and read the new plan"
  fail "the apply did not finish, see above. What it created is in the state. Remove the cause (for credentials that expired: log in again) and run the same command again; it continues, or says what to do first"
fi

say "Deployed. Values for applications:"
"${terraform[@]}" output -json |
  jq -r '"EVENT_QUEUE_URL", "EVENT_TABLE", "producer_policy_arn", "reader_policy_arn" as $name | "    \($name)=\(.[$name].value)"'
