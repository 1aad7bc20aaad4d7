#!/usr/bin/env bash
#
# Writes every message of the dead-letter queue to a file, then deletes it from
# the queue. A message is deleted only after the file has been written to disk.
# The exit code is 0 only if the queue is empty at the end: messages that an
# earlier receive has hidden are waited for, and reported if they do not appear.

set -euo pipefail

usage() {
  cat <<'TEXT'
Usage: infrastructure/save-dead-letters.sh FILE [--queue-url URL] [--wait SECONDS]

  FILE             one message per line is appended, as JSON with its attributes
  --queue-url URL  the queue (default: the output DEAD_LETTER_QUEUE_URL)
  --wait SECONDS   how long to wait for hidden messages (default: 120)
TEXT
}

here=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd)

say() { printf '==> %s\n' "$*"; }

fail() {
  printf 'save-dead-letters.sh: %s\n' "$*" >&2
  exit 1
}

file=
url=
patience=120
while (($# > 0)); do
  case $1 in
    --queue-url)
      url=${2:?"--queue-url needs a URL"}
      shift
      ;;
    --wait)
      patience=${2:?"--wait needs a number of seconds"}
      shift
      ;;
    --help | -h)
      usage
      exit 0
      ;;
    -*)
      usage >&2
      fail "unknown argument: $1"
      ;;
    *) file=$1 ;;
  esac
  shift
done
if [[ -z $file ]]; then
  usage >&2
  fail "the file is missing"
fi

for tool in aws jq; do
  command -v "$tool" >/dev/null || fail "not installed: $tool. Nothing was received"
done
if [[ -z $url ]]; then
  command -v terraform >/dev/null || fail "not installed: terraform. Nothing was received. Pass the queue with --queue-url"
  url=$(terraform "-chdir=$here" output -raw DEAD_LETTER_QUEUE_URL) || fail "the state has no output DEAD_LETTER_QUEUE_URL. Nothing was received. Pass the queue with --queue-url"
  AWS_REGION=$(terraform "-chdir=$here" output -json deployment | jq -r .region)
  export AWS_REGION AWS_DEFAULT_REGION=$AWS_REGION
fi
aws=(aws ${AWS_ENDPOINT_URL:+--endpoint-url "$AWS_ENDPOINT_URL"})

# The file contains events, so only its owner may read it.
umask 077
touch -- "$file" || fail "$file cannot be written. Nothing was received"

work=$(mktemp -d)
trap 'rm -rf -- "$work"' EXIT

# Visible, hidden and delayed messages.
count() {
  "${aws[@]}" sqs get-queue-attributes --queue-url "$url" --output json --attribute-names \
    ApproximateNumberOfMessages ApproximateNumberOfMessagesNotVisible ApproximateNumberOfMessagesDelayed |
    jq '[.Attributes[] | tonumber] | add'
}

saved=0
empty=0
waited=$SECONDS
while true; do
  # Long enough to write and delete ten messages of 1 MiB.
  "${aws[@]}" sqs receive-message --queue-url "$url" --max-number-of-messages 10 --wait-time-seconds 2 --visibility-timeout 120 \
    --message-attribute-names All --attribute-names All --output json >"$work/received"
  if [[ -s $work/received ]] && jq -e '.Messages | length > 0' "$work/received" >/dev/null; then
    jq -c '.Messages[]' "$work/received" >>"$file" || fail "$file cannot be written. The messages of this receive are still in the queue, hidden for two minutes. Saved before: $saved"
    sync -- "$file" 2>/dev/null || sync
    jq '[.Messages[] | {Id: .MessageId, ReceiptHandle}]' "$work/received" >"$work/entries"
    "${aws[@]}" sqs delete-message-batch --queue-url "$url" --entries "file://$work/entries" --output json >"$work/deleted"
    saved=$((saved + $(jq '.Messages | length' "$work/received")))
    if [[ -s $work/deleted ]] && jq -e '(.Failed // []) | length > 0' "$work/deleted" >/dev/null; then
      fail "SQS did not delete $(jq '.Failed | length' "$work/deleted") messages that are in $file. Run the same command again: they are written a second time, with the same MessageId. Saved: $saved"
    fi
    empty=0
    waited=$SECONDS
    continue
  fi

  # SQS counts approximately, so the queue counts as empty only after two looks.
  left=$(count)
  if ((left == 0)); then
    empty=$((empty + 1))
    ((empty < 2)) || break
  elif ((SECONDS - waited >= patience)); then
    fail "$left messages are still in the queue, hidden by an earlier receive. They appear again after their visibility timeout. Run the same command again later, or with a longer --wait. Saved to $file: $saved"
  else
    empty=0
    sleep 1
  fi
done
say "Saved $saved messages to $file. The queue is empty."
