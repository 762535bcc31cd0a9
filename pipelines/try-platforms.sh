#!/usr/bin/env bash
# Runs the packaged extension on every platform that this machine can play: the .vsix is unpacked as the agent unpacks it, and
# the tests' emulated agent starts its launcher, which starts the program of that platform. Whole rotations, both stages.
#
#   pipelines/try-platforms.sh [VSIX [TESTS...]]     default: the .vsix in target/extension; the tests of `rotation`
#
# | platform             | how                                                                       |
# |----------------------|---------------------------------------------------------------------------|
# | linux-x64, linux-arm64 | as it is, on such a machine                                             |
# | empty root           | the same binary in a root folder with nothing else on disk, and by name over TLS |
# | linux-arm64          | qemu-aarch64-static                                                       |
# | windows-x64          | wine64 (not Windows: its certificates, console and paths are unproven)    |
# | macOS                | on macOS only                                                             |
#
# Only the last step is another one than on an agent: where the program needs a helper, Node is told that it is on that
# platform, and the helper starts the program. What cannot be tried here is named, and is no failure.
set -euo pipefail

top=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
die() { printf 'try-platforms.sh: %s\n' "$*" >&2; exit 1; }
vsix=${1:-$(ls "$top"/target/extension/*.vsix 2>/dev/null | head -n 1)}
[ -f "$vsix" ] || die "no .vsix: run pipelines/package.sh first"
if [ $# -gt 1 ]; then tests=("${@:2}"); else tests=(rotation::); fi

work=$(mktemp -d)
wineserver=
finish() {
  if [ -n "$wineserver" ]; then WINEPREFIX=$work/wine "$wineserver" -k || true; fi
  rm -rf "$work"
}
trap finish EXIT
unzip -q "$vsix" 'RotatePat/*' -d "$work"
task=$work/RotatePat
program() { ls "$task/bin/rotate-pat-$1" 2>/dev/null; }

# try NAME PLATFORM ARCH [HELPER...]: the tests, with the launcher told that it is there, and the program started by the
# helper, in which {} stands for the program's file. No shell may be among them: it would drop variables that have a hyphen.
try() {
  local name=$1 preload=$work/preload.cjs
  printf '\n==> %s\n' "$name"
  {
    printf "const child = require('child_process'), spawn = child.spawn;\n"
    printf "Object.defineProperty(process, 'platform', { value: '%s' });\n" "$2"
    printf "Object.defineProperty(process, 'arch', { value: '%s' });\n" "$3"
    shift 3
    if [ $# -gt 0 ]; then
      printf "const helper = %s;\n" "$(node -e 'process.stdout.write(JSON.stringify(process.argv.slice(1)))' "$@")"
      printf "child.spawn = (file, args, options) => {\n"
      printf "  const [command, ...first] = helper.map((part) => (part === '{}' ? file : part));\n"
      printf "  return spawn(command, [...first, ...args], options);\n};\n"
    fi
  } >"$preload"
  (cd "$top" && ROTATE_PAT_PACKAGE=$task ROTATE_PAT_PRELOAD=$preload cargo test --quiet --locked --test it -- "${tests[@]}") ||
    { printf '==> %s: FAILED\n' "$name"; failed=yes; return 0; }
  printf '==> %s: ok\n' "$name"
}
untried() { printf '\n==> %s: not tried, %s\n' "$1" "$2"; }
failed=

own=
case $(uname -s)-$(uname -m) in
  Linux-x86_64) own=linux-x64 ;;
  Linux-aarch64) own=linux-arm64 ;;
  Darwin-x86_64) own=macos-x64 ;;
  Darwin-arm64) own=macos-arm64 ;;
esac
arch=${own#*-}
for platform in linux-x64 linux-arm64 macos-x64 macos-arm64; do
  if [ "$platform" != "$own" ]; then continue; fi
  if [ -z "$(program "$platform")" ]; then untried "$platform" "the package has no program for it"; continue; fi
  system=${platform%-*}
  try "$platform" "${system/macos/darwin}" "$arch"
done

# A root folder with nothing in it but the program.
if [ "${own%-*}" != linux ] || [ -z "$(program "$own")" ]; then
  untried "empty root" "it needs Linux and a program for it"
elif ! unshare -r true 2>/dev/null; then
  untried "empty root" "this machine permits no user namespace"
else
  mkdir "$work/root"
  cp "$(program "$own")" "$work/root/program"
  chmod 755 "$work/root/program"
  try "$own in an empty root" linux "$arch" unshare -r chroot "$work/root" /program
  if command -v ip >/dev/null && command -v openssl >/dev/null && unshare -rn ip link set lo up 2>/dev/null; then
    printf '\n==> %s in an empty root, by name over TLS\n' "$own"
    openssl req -x509 -newkey rsa:2048 -nodes -keyout "$work/key.pem" -out "$work/cert.pem" -days 2 -subj /CN=dev.azure.com -addext basicConstraints=critical,CA:FALSE \
      -addext subjectAltName=DNS:dev.azure.com,DNS:vssps.dev.azure.com 2>/dev/null
    unshare -rn sh -c 'ip link set lo up && exec node "$@"' sh "$top/pipelines/packaging/by-name.js" "$work" ||
      { printf '==> by name over TLS: FAILED\n'; failed=yes; }
  else
    untried "by name over TLS" "it needs ip, openssl and a network namespace"
  fi
fi

if [ "$own" != linux-arm64 ]; then
  if [ -z "$(program linux-arm64)" ]; then untried linux-arm64 "the package has no program for it"
  elif ! command -v qemu-aarch64-static >/dev/null; then untried linux-arm64 "qemu-aarch64-static is not installed"
  else try "linux-arm64 under qemu" linux arm64 qemu-aarch64-static {}; fi
fi

if [ -z "$(program windows-x64.exe)" ]; then untried windows-x64 "the package has no program for it"
elif ! command -v wine64 >/dev/null && [ ! -x /usr/lib/wine/wine64 ]; then untried windows-x64 "wine64 is not installed"
else
  wine=$(command -v wine64 || echo /usr/lib/wine/wine64)
  wineserver=$(command -v wineserver || ls /usr/lib/wine/wineserver64)
  export WINEPREFIX=$work/wine WINEDEBUG=-all WINEDLLOVERRIDES=bcryptprimitives=n
  mkdir "$WINEPREFIX"
  "$wineserver" -p
  "$wine" wineboot -i >/dev/null 2>&1 || true
  # wine 8 lacks this library, which Rust's standard library asks for random numbers.
  if command -v x86_64-w64-mingw32-gcc >/dev/null; then
    printf '%s\n' '#include <windows.h>' 'BOOLEAN NTAPI SystemFunction036(PVOID, ULONG);' \
      '__declspec(dllexport) BOOL ProcessPrng(PBYTE to, SIZE_T size) { return SystemFunction036(to, (ULONG)size); }' >"$work/prng.c"
    x86_64-w64-mingw32-gcc -shared -o "$WINEPREFIX/drive_c/windows/system32/bcryptprimitives.dll" "$work/prng.c" -ladvapi32
  fi
  # The emulated agent gives a task its own environment, so wine's variables are given here.
  try "windows-x64 under wine" win32 x64 env WINEPREFIX="$WINEPREFIX" WINEDEBUG="$WINEDEBUG" WINEDLLOVERRIDES="$WINEDLLOVERRIDES" "$wine" {}
fi

case $own in macos-*) ;; *) untried "macos-x64, macos-arm64" "they run on macOS only" ;; esac
[ -z "$failed" ]
