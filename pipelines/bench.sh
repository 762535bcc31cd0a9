#!/usr/bin/env bash
# Builds the shipped program for this machine and measures what a run costs: the tables of docs/performance.md.
#
#   pipelines/bench.sh [PROGRAM]     default: builds one; ROTATE_PAT_RUNS: how many runs each, default 15
set -euo pipefail
top=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cd "$top"
program=${1:-}
if [ -z "$program" ]; then
  pipelines/build.sh >&2
  program=$(ls "$top"/target/binaries/rotate-pat-* | grep -v arm64 | head -n 1)
fi
printf 'on %s cores of %s, %s\n' "$(getconf _NPROCESSORS_ONLN)" "$(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -n 1)" "$(uname -sr)"
ROTATE_PAT_PROGRAM=$program cargo test --quiet --locked --test it -- bench::what_a_run_costs --ignored --nocapture --test-threads 1
