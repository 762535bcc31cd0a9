#!/usr/bin/env bash
# Builds the release binary for each platform named, and says how: the one place that knows how a target is built.
#
#   pipelines/build.sh [--out DIR] [PLATFORM...]
#
#   PLATFORM    linux-x64, linux-arm64, windows-x64, macos-x64, macos-arm64; default: this machine's
#   --out DIR   where rotate-pat-PLATFORM goes; default: target/binaries
#
# | platform      | target                     | compiled and linked by | standard library              |
# |---------------|----------------------------|------------------------|-------------------------------|
# | linux-*       | *-unknown-linux-musl       | zig (PyPI, pinned)     | rustup's, else from source    |
# | windows-x64   | x86_64-pc-windows-msvc     | Visual Studio          | rustup's; on Windows only     |
# |               | x86_64-pc-windows-gnu      | zig                    | rustup's, else from source    |
# | macos-*       | *-apple-darwin             | Xcode                  | rustup's; on macOS only       |
#
# Releases use rustup's standard library. Where a target cannot be installed with rustup, the library is built from the source
# of exactly this compiler: rustup's component rust-src, else Debian's package from trixie-backports.
# What is fetched goes to target/tools. Needs Rust and Python with pip (Linux), or the system's own compiler.
set -euo pipefail

die() { printf 'build.sh: %s\n' "$*" >&2; exit 1; }
note() { printf 'build.sh: %s\n' "$*" >&2; }

top=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
tools=$top/target/tools
out=$top/target/binaries
platforms=()
while [ $# -gt 0 ]; do
  case $1 in
    --out) [ $# -ge 2 ] || die "--out needs a folder"; mkdir -p "$2"; out=$(cd "$2" && pwd); shift 2 ;;
    linux-x64 | linux-arm64 | windows-x64 | macos-x64 | macos-arm64) platforms+=("$1"); shift ;;
    *) die "unknown argument: $1" ;;
  esac
done

case $(uname -s)-$(uname -m) in
  Linux-x86_64) host=linux-x64 ;;
  Linux-aarch64 | Linux-arm64) host=linux-arm64 ;;
  Darwin-x86_64) host=macos-x64 ;;
  Darwin-arm64) host=macos-arm64 ;;
  MINGW*-x86_64 | MSYS*-x86_64) host=windows-x64 ;;
  *) die "this script runs on Linux and macOS (x64, arm64) and on Windows x64, not on $(uname -s) $(uname -m)" ;;
esac
[ ${#platforms[@]} -gt 0 ] || platforms=("$host")
command -v cargo >/dev/null || die "cargo is not installed"

cd "$top"
if [ -n "${CARGO_TARGET_DIR:-}" ]; then mkdir -p "$CARGO_TARGET_DIR"; CARGO_TARGET_DIR=$(cd "$CARGO_TARGET_DIR" && pwd); fi
export CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-$top/target}
# The flags below and no others: the same sources give the same bytes, whoever builds them, in whichever folder.
unset RUSTFLAGS CARGO_ENCODED_RUSTFLAGS CARGO_BUILD_RUSTFLAGS
export CARGO_INCREMENTAL=0 SOURCE_DATE_EPOCH=0
cargo_home=${CARGO_HOME:-$HOME/.cargo}

# Whether rustc has the standard library of a target.
std_installed() {
  local libraries
  libraries=$(rustc --print target-libdir --target "$1" 2>/dev/null) && compgen -G "$libraries/libstd-*.rlib" >/dev/null
}

# Prints the folder of the standard library's source, of exactly this compiler.
std_source() {
  local version sysroot deb root=$tools/rust-src
  sysroot=$(rustc --print sysroot)
  if [ -f "$sysroot/lib/rustlib/src/rust/library/Cargo.lock" ]; then
    printf '%s' "$sysroot/lib/rustlib/src/rust/library"
    return
  fi
  version=$(rustc -V | cut -d' ' -f2)
  if [ ! -f "$root/usr/src/rustc-$version/library/Cargo.lock" ]; then
    local keyring=/usr/share/keyrings/debian-archive-keyring.gpg
    command -v apt-get >/dev/null && command -v dpkg >/dev/null && [ -f "$keyring" ] || return 1
    note "fetching the source of Rust $version's standard library from Debian's trixie-backports"
    # An apt of its own: the machine's packages and sources stay as they are. apt checks Debian's signature.
    mkdir -p "$root"/apt/{etc/apt.conf.d,etc/preferences.d,etc/sources.list.d,lists/partial,cache/archives/partial,download}
    : >"$root/apt/status"
    printf 'deb [signed-by=%s] http://deb.debian.org/debian trixie-backports main\n' "$keyring" >"$root/apt/etc/sources.list"
    cat >"$root/apt/apt.conf" <<CONF
Dir::Etc "$root/apt/etc";
Dir::State::Lists "$root/apt/lists";
Dir::State::Status "$root/apt/status";
Dir::Cache "$root/apt/cache";
APT::Sandbox::User "";
CONF
    export APT_CONFIG=$root/apt/apt.conf
    apt-get -qq update >&2 || return 1
    deb=$(apt-cache madison rust-src | awk -v v="$version+" 'index($3, v) == 1 { print $3; exit }')
    [ -n "$deb" ] || { note "trixie-backports has no rust-src $version"; return 1; }
    (cd "$root/apt/download" && apt-get -qq download "rust-src=$deb" >&2) || return 1
    dpkg -x "$root"/apt/download/rust-src_*.deb "$root" || return 1
    rm -rf "$root/apt"
  fi
  printf '%s' "$root/usr/src/rustc-$version/library"
}

# Puts zig and cargo-zigbuild of pinned versions on PATH: C compiler and linker for every target, with musl and mingw.
zig() {
  local folder=$tools/zig-0.17.1
  if [ ! -x "$folder/bin/cargo-zigbuild" ]; then
    command -v python3 >/dev/null || return 1
    note "fetching zig from PyPI"
    rm -rf "$folder"
    mkdir -p "$folder"
    cat >"$folder/requirements.txt" <<'PINNED'
ziglang==0.17.1 \
  --hash=sha256:ea6cc5d87b033cf0aedfbc8f9549a908cae6c50ac31f1698188fa48a74524b54 \
  --hash=sha256:b7c5f02fccd40f89b999ee16a1f5ddced56e6182370f8affe494bcf8a28cf07e
cargo-zigbuild==0.24.0 \
  --hash=sha256:484412e39e4c6039474535ce97ee75a22bab22d58233056f8ec8a8f9034bb957 \
  --hash=sha256:6942e4320f7b05d8fb29e0a8ce5670bcbb3d254275100b85b5b7c86552f9a744
PINNED
    python3 -m pip install -q --disable-pip-version-check --root-user-action ignore --no-deps --only-binary :all: --require-hashes \
      --target "$folder" -r "$folder/requirements.txt" >&2 || return 1
  fi
  export PATH=$folder/bin:$PATH PYTHONPATH=$folder
}

# An array of flags as cargo's --config takes it.
toml() {
  local item list=
  for item in "$@"; do
    item=${item//\\/\\\\}
    list+="\"${item//\"/\\\"}\","
  done
  printf '[%s]' "$list"
}

# cargo_build TARGET SUBCOMMAND [cargo's arguments...] -- [rustc's flags...]
cargo_build() {
  local target=$1 subcommand=$2 arguments=() flags=()
  shift 2
  while [ $# -gt 0 ] && [ "$1" != -- ]; do arguments+=("$1"); shift; done
  shift
  flags=("$@" "--remap-path-prefix=$top=rotate-pat" "--remap-path-prefix=$cargo_home=cargo")
  # The target is named even if it is the host's: otherwise the flags would reach build scripts and macros too.
  cargo "$subcommand" --release --locked --package rotate-pat --bin rotate-pat --target "$target" --config "target.$target.rustflags=$(toml "${flags[@]}")" \
    ${arguments[@]+"${arguments[@]}"} >&2
}

# Prints a path of the standard library's source that is the same in every checkout: cargo hashes the path into the names of
# symbols, so two checkouts would give different bytes.
fixed_path() {
  local link
  link=/tmp/rotate-pat-rust-src-$(rustc -V | cut -d' ' -f2)
  [ "$(readlink "$link")" = "$1" ] || ln -sfn "$1" "$link" || true
  # Whoever owns the link decides what is built.
  [ "$(readlink "$link")" = "$1" ] && [ -n "$(find "$link" -user "$(id -u)")" ] || { note "$link is somebody else's: remove it"; return 1; }
  printf '%s' "$link"
}

# zig_build TARGET
zig_build() {
  local target=$1 source flags=()
  zig || { note "$target: could not install zig"; return 1; }
  if std_installed "$target"; then
    note "$target: zig, with rustup's standard library"
    cargo_build "$target" zigbuild -- || die "could not build for $target"
    return
  fi
  source=$(std_source) || { note "$target: its standard library is not installed, and its source could not be found"; return 1; }
  note "$target: zig, with the standard library built from $source"
  source=$(fixed_path "${source%/library}")/library || die "could not build for $target"
  flags=("--remap-path-prefix=${source%/library}=rust")
  # zig brings musl's start files; rustc's own are not there.
  case $target in *-musl) flags+=(-C link-self-contained=no) ;; esac
  # `-Zbuild-std` is unstable, so the compiler is told to accept that, and cargo where the source lies (seen in code: cargo).
  RUSTC_BOOTSTRAP=1 __CARGO_TESTS_ONLY_SRC_ROOT=$source cargo_build "$target" zigbuild \
    -Zbuild-std=std,panic_abort -- "${flags[@]}" || die "could not build for $target"
}

# build PLATFORM: sets `target`.
build() {
  local arch=x86_64
  case $1 in *-arm64) arch=aarch64 ;; esac
  case $1 in
    linux-*)
      target=$arch-unknown-linux-musl
      if rustc -vV | grep -q "^host: $target$"; then
        note "$target: this machine's own target"
        cargo_build "$target" build -- -C target-feature=+crt-static
      else
        zig_build "$target" || die "cannot build for $1 here. Install rustup's target $target, and Python with pip"
      fi
      ;;
    windows-x64)
      if [ "$host" = windows-x64 ]; then
        target=x86_64-pc-windows-msvc
        note "$target: Visual Studio"
        cargo_build "$target" build -- -C target-feature=+crt-static
      else
        target=x86_64-pc-windows-gnu
        zig_build "$target" || die "cannot build for $1 here. Install rustup's target $target, and Python with pip"
      fi
      ;;
    macos-*)
      target=$arch-apple-darwin
      case $host in macos-*) ;; *) die "$1 can be built on macOS only (Apple's linker and libraries): the release pipeline does" ;; esac
      std_installed "$target" || die "run: rustup target add $target"
      note "$target: Xcode"
      cargo_build "$target" build --
      ;;
  esac
}

most_bytes=4000000
mkdir -p "$out"
for platform in "${platforms[@]}"; do
  build "$platform"
  case $platform in windows-*) suffix=.exe ;; *) suffix= ;; esac
  file=$out/rotate-pat-$platform$suffix
  cp "$CARGO_TARGET_DIR/$target/release/rotate-pat$suffix" "$file"
  size=$(wc -c <"$file")
  [ "$size" -le $most_bytes ] || die "$file has $size bytes: $most_bytes is the limit"
  printf '%s\n' "$file"
done
