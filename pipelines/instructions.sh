#!/usr/bin/env bash
# Counts the instructions of the shipped program's stages with valgrind, and fails where there are more than tests/it/robustness/bench
# allows: a regression shows however busy the machine is.
#
#   pipelines/instructions.sh [PROGRAM]     default: the one in target/binaries, which pipelines/package.sh builds
set -euo pipefail
top=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cd "$top"
program=${1:-$top/target/binaries/rotate-pat-linux-x64}
[ -f "$program" ] || { printf 'instructions.sh: there is no %s: run pipelines/package.sh on Linux x64 first\n' "$program" >&2; exit 1; }
if ! command -v valgrind >/dev/null; then printf 'not counted: valgrind is not installed\n'; exit 0; fi
ROTATE_PAT_PROGRAM=$program cargo test --quiet --locked --test it -- bench::no_stage --ignored --nocapture --test-threads 1
