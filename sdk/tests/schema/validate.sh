#!/usr/bin/env bash
# Has the exported documents judged by the validators of their formats: the
# schemas and their examples by `jsonschema` (PyPI) and by `ajv` (npm), the
# AsyncAPI document by `@asyncapi/parser` (npm), AsyncAPI's own.
#
#   sdk/tests/schema/validate.sh
#
# Needs cargo, python3 and npm. What it installs it keeps in the target folder.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
cd "$here/../../.."

if ! command -v npm >/dev/null; then
  echo "no npm: left out"
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
