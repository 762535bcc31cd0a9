#!/usr/bin/env bash
# Assembles the task's folder exactly as it is shipped, with the binary of this machine's platform only:
#
#   pipelines/package.sh [--binary FILE] [--out DIR]
#
#   --binary FILE   take this binary instead of building one
#   --out DIR       put the folder there; default: target/extension/RotatePat
#
# Needs Rust and a C compiler (unless --binary is given), and Node.
set -euo pipefail

die() { printf 'package.sh: %s\n' "$*" >&2; exit 1; }
absolute() { case $1 in /*) printf '%s' "$1" ;; *) printf '%s' "$PWD/$1" ;; esac }

top=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
out=$top/target/extension/RotatePat
binary=
while [ $# -gt 0 ]; do
  case $1 in
    --binary) [ $# -ge 2 ] || die "--binary needs a file"; binary=$(absolute "$2"); shift 2 ;;
    --out) [ $# -ge 2 ] || die "--out needs a folder"; out=$(absolute "$2"); shift 2 ;;
    *) die "unknown argument: $1" ;;
  esac
done

case $(uname -s)-$(uname -m) in
  Linux-x86_64) platform=linux-x64 arch=x86_64 ;;
  Linux-aarch64 | Linux-arm64) platform=linux-arm64 arch=aarch64 ;;
  Darwin-x86_64) platform=macos-x64 arch=x86_64 ;;
  Darwin-arm64) platform=macos-arm64 arch=aarch64 ;;
  *) die "this script builds on Linux and macOS (x64, arm64), not on $(uname -s) $(uname -m)" ;;
esac

# Whether an empty program links for a target with the given flags.
links() {
  local try
  try=$(mktemp -d)
  printf 'fn main() {}\n' >"$try/main.rs"
  if rustc --edition 2024 --target "$1" "${@:2}" -o "$try/main" "$try/main.rs" >/dev/null 2>&1; then
    rm -rf "$try"
  else
    rm -rf "$try"
    return 1
  fi
}

# Whether there is a C compiler for musl (`ring` has C in it): the names that the `cc` crate looks for.
musl_cc() {
  local named=CC_${arch}_unknown_linux_musl
  [ -n "${!named:-}" ] || command -v "$arch-linux-musl-gcc" >/dev/null || command -v musl-gcc >/dev/null
}

# Builds a release binary, static on Linux, and prints its path.
build() {
  local target static flags=${RUSTFLAGS:-} folder
  command -v cargo >/dev/null || die "cargo is not installed; give a ready binary with --binary"
  if [ "${platform%-*}" = macos ]; then
    target=$arch-apple-darwin static=
  elif musl_cc && links "$arch-unknown-linux-musl"; then
    target=$arch-unknown-linux-musl static=
  else
    # musl is the better one (smaller, and it never loads the host's name services), where it can be had.
    target=$arch-unknown-linux-gnu static="-C target-feature=+crt-static"
    links "$target" -C target-feature=+crt-static ||
      die "could not link a static program for $target. Install the static C library (libc6-dev, glibc-static), or rustup's target $arch-unknown-linux-musl and musl-tools"
  fi
  # The target is named even if it is the host's: otherwise RUSTFLAGS would reach build scripts and macros too.
  if [ -n "$static" ]; then export RUSTFLAGS="${flags:+$flags }$static"; fi
  if [ -n "${CARGO_TARGET_DIR:-}" ]; then CARGO_TARGET_DIR=$(absolute "$CARGO_TARGET_DIR"); export CARGO_TARGET_DIR; fi
  cd "$top"
  cargo build --release --locked --target "$target" >&2
  folder=$(cargo metadata --no-deps --locked --format-version 1 |
    node -e 'process.stdout.write(JSON.parse(require("fs").readFileSync(0, "utf8")).target_directory)')
  printf '%s' "$folder/$target/release/rotate-pat"
}

if [ -z "$binary" ]; then binary=$(build); fi
[ -f "$binary" ] || die "no such binary: $binary"

# Only a folder that an earlier call made is removed.
if [ -e "$out" ] && [ -n "$(ls -A "$out")" ] && ! { [ -f "$out/task.json" ] && [ -f "$out/launcher.js" ]; }; then
  die "$out is not empty and holds no packaged task: name another folder, or delete it"
fi
rm -rf "$out"
mkdir -p "$out/bin"
files=("$top/task.json" "$top"/pipelines/launcher/*.js)
if [ -f "$top/extension/icon.png" ]; then files+=("$top/extension/icon.png"); fi
cp "${files[@]}" "$out/"
cp "$binary" "$out/bin/rotate-pat-$platform"
# An extension's archive carries no modes, so what reaches an agent may not be executed: the launcher sees to that.
find "$out" -type f -exec chmod 644 {} +

printf '%s\n' "$out"
(cd "$out" && find . -type f | sort | while read -r file; do printf '%10d  %s\n' "$(wc -c <"$file")" "${file#./}"; done)
