#!/usr/bin/env bash
# Checks what the program depends on, with cargo-deny and the lists in .cargo/deny.toml.
#
#   pipelines/dependencies.sh [CHECK...]    default: bans licenses sources
#
# The check `advisories` downloads a database from GitHub; ci.yml runs it. cargo-deny is built once, from crates.io, into
# target/tools, unless the pinned version is installed.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

version=0.20.2
deny=cargo-deny
if [ "$($deny --version 2>/dev/null)" != "cargo-deny $version" ]; then
  folder=$PWD/target/tools/cargo-deny-$version
  deny=$folder/bin/cargo-deny
  # Without optimization and debug information: half the time to build, and a check takes a second.
  [ -x "$deny" ] || CARGO_PROFILE_DEV_DEBUG=0 CARGO_TARGET_DIR=$folder/build \
    cargo install --quiet --locked --debug --root "$folder" "cargo-deny@$version"
  rm -rf "$folder/build"
fi
[ $# -gt 0 ] || set -- bans licenses sources
"$deny" --locked check "$@"
