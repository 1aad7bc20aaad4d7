#!/usr/bin/env bash
# Validates the exported documents with third-party validators. `jsonschema` (PyPI) and
# `ajv` (npm) validate the schemas and their examples. `@asyncapi/parser` (npm), the
# parser of the AsyncAPI project, validates the AsyncAPI document.
#
#   sdk/tests/schema/validate.sh
#
# Needs cargo, python3 and npm. The validators are installed into the target folder.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
cd "$here/../../.."

if ! command -v npm >/dev/null; then
  echo "skipped: npm is not installed"
  exit 0
fi

tools=${CARGO_TARGET_DIR:-$PWD/target}/schema-validators
documents=$tools/documents
rm -rf "$documents"
mkdir -p "$documents"

EVENTS_SCHEMAS=$documents cargo test --quiet -p domain-events --no-default-features \
  --features derive,schema --test it -- --ignored --exact schema::documents_for_the_validators

if [ ! -x "$tools/venv/bin/python" ]; then
  python3 -m venv "$tools/venv"
fi
"$tools/venv/bin/pip" install --quiet --require-virtualenv -r "$here/requirements.txt"
"$tools/venv/bin/python" "$here/validate.py" "$documents"

cp "$here/package.json" "$here/package-lock.json" "$here/validate.mjs" "$tools/"
(cd "$tools" && npm ci --ignore-scripts --silent --no-audit --no-fund && node validate.mjs "$documents")
