#!/usr/bin/env bash
# Installs the packaging tools from npm into target/tools/npm, and prints that folder. By the lock file, with checksums, and
# without running anything that the packages bring. Needs Node and npm.
set -euo pipefail

top=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
tools=$top/target/tools/npm
if ! cmp -s "$top/pipelines/packaging/package-lock.json" "$tools/installed"; then
  rm -rf "$tools"
  mkdir -p "$tools"
  cp "$top"/pipelines/packaging/package*.json "$tools/"
  npm ci --prefix "$tools" --ignore-scripts --no-audit --no-fund --loglevel=error >&2 ||
    { printf 'tools.sh: could not install the packaging tools from npm\n' >&2; exit 1; }
  cp "$tools/package-lock.json" "$tools/installed"
fi
printf '%s\n' "$tools"
