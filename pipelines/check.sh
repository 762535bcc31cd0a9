#!/usr/bin/env bash
# Checks every pipeline of this folder against Microsoft's schema of pipelines, and that the packaging's own checks find what
# they are for. Needs Node and npm, and Python with pip, for the one package that brings the schema.
set -euo pipefail

top=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
tools=$("$top/pipelines/packaging/tools.sh")

# Microsoft publishes the schema in a repository only; this package holds a copy. Nothing of it is run.
schema=$top/target/tools/check-jsonschema-0.39.0
if [ ! -d "$schema/check_jsonschema" ]; then
  mkdir -p "$schema"
  printf 'check-jsonschema==0.39.0 --hash=sha256:14ce5c94871c551268ea948ffe21e9f1464dc48fb20bf9a4c13deeaaf756cf9b\n' >"$schema/requirements.txt"
  python3 -m pip install -q --disable-pip-version-check --root-user-action ignore --no-deps --only-binary :all: --require-hashes \
    --target "$schema" -r "$schema/requirements.txt" >&2
fi
schema=$schema/check_jsonschema/builtin_schemas/vendor/azure-pipelines.json
node "$top/pipelines/packaging/pipelines.js" "$top" "$tools" "$schema" "$top"/pipelines/*.yml
TOOLS=$tools SCHEMA=$schema node --test --test-reporter tap "$top/pipelines/packaging/selftest.js" >"$top/target/tools/selftest.txt" ||
  { cat "$top/target/tools/selftest.txt"; exit 1; }
printf '%s checks were made to fail\n' "$(grep -c '^ok ' "$top/target/tools/selftest.txt" || true)"
