#!/usr/bin/env bash
# Fetches the versions of Node that agents bring, pinned, from npm's registry, and prints their programs' paths joined as in
# PATH: for ROTATE_PAT_NODES, which the tests of the launcher read. Node 16 is what the oldest supported agents have, 24 the
# newest's. Needs npm.
set -euo pipefail

tools=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)/target/tools
paths=()
for version in 16.20.2 18.20.8 20.20.2 22.23.3 24.21.0; do
  folder=$tools/node-$version
  program=$folder/node_modules/node/bin/node
  if [ ! -x "$program" ]; then
    mkdir -p "$folder"
    npm install --silent --no-save --no-audit --no-fund --prefix "$folder" "node@$version" >&2
  fi
  [ "$("$program" --version)" = "v$version" ] || { printf 'nodes.sh: %s is not Node %s\n' "$program" "$version" >&2; exit 1; }
  paths+=("$program")
done
(IFS=:; printf '%s\n' "${paths[*]}")
