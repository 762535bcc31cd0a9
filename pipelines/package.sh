#!/usr/bin/env bash
# Assembles what is shipped: the task's folder, and the extension with it. The same sources and binaries give the same bytes.
#
#   pipelines/package.sh [--all] [--publisher NAME] [PLATFORM...]     builds them first; default: this machine's platform
#   pipelines/package.sh [--all] [--publisher NAME] --binaries DIR    takes all rotate-pat-PLATFORM in a folder
#   pipelines/package.sh --binary FILE [--out DIR]                    takes one, as this machine's platform
#
#   --all              there must be a binary for each platform that the launcher knows
#   --publisher NAME   the Marketplace's publisher, in place of the manifest's
#   --out DIR          the task's folder alone, there, without its icon: for the tests. Needs no network
#
# Leaves target/extension/RotatePat, the folder exactly as shipped, and PUBLISHER.rotate-pat-VERSION.vsix beside it.
# Needs Node and npm, and what pipelines/build.sh needs if it is to build. Packaging tools come from npm, by a lock file.
set -euo pipefail

die() { printf 'package.sh: %s\n' "$*" >&2; exit 1; }
absolute() { case $1 in /*) printf '%s' "$1" ;; *) printf '%s' "$PWD/$1" ;; esac }

top=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
stage=$top/target/extension
out= binary= binaries= publisher= all= platforms=()
while [ $# -gt 0 ]; do
  case $1 in
    --binary) [ $# -ge 2 ] || die "--binary needs a file"; binary=$(absolute "$2"); shift 2 ;;
    --binaries) [ $# -ge 2 ] || die "--binaries needs a folder"; binaries=$(absolute "$2"); shift 2 ;;
    --out) [ $# -ge 2 ] || die "--out needs a folder"; out=$(absolute "$2"); shift 2 ;;
    --publisher) [ $# -ge 2 ] || die "--publisher needs a name"; publisher=$2; shift 2 ;;
    --all) all=yes; shift ;;
    -*) die "unknown argument: $1" ;;
    *) platforms+=("$1"); shift ;;
  esac
done
[ -z "$binary" ] || [ -z "$binaries" ] || die "--binary and --binaries exclude each other"
[ ${#platforms[@]} -eq 0 ] || [ -z "$binary$binaries" ] || die "platforms are built, and so exclude --binary and --binaries"
folder=${out:-$stage/RotatePat}

# Which binaries, as files whose names are those that the launcher knows.
files=() names=()
if [ -n "$binary" ]; then
  [ -f "$binary" ] || die "no such binary: $binary"
  case $(uname -s)-$(uname -m) in
    Linux-x86_64) names=(rotate-pat-linux-x64) ;;
    Linux-aarch64 | Linux-arm64) names=(rotate-pat-linux-arm64) ;;
    Darwin-x86_64) names=(rotate-pat-macos-x64) ;;
    Darwin-arm64) names=(rotate-pat-macos-arm64) ;;
    *) die "--binary takes this machine's platform, and $(uname -s) $(uname -m) is none that the launcher knows" ;;
  esac
  files=("$binary")
else
  if [ -z "$binaries" ]; then
    built=$("$top/pipelines/build.sh" ${platforms[@]+"${platforms[@]}"}) || exit 1
    while read -r file; do files+=("$file"); done <<<"$built"
  else
    for file in "$binaries"/rotate-pat-*; do if [ -f "$file" ]; then files+=("$file"); fi; done
  fi
  [ ${#files[@]} -gt 0 ] || die "there is no binary to package"
  # Binaries of several commits or versions are not one release.
  said=
  for file in "${files[@]}"; do
    names+=("$(basename "$file")")
    says=$(grep -aom1 'rotate-pat [0-9.]* (commit [0-9a-z]*, target' "$file") || die "$file names no version and commit"
    [ -z "$said" ] || [ "$said" = "$says" ] || die "$file is ${says% target}), another is ${said% target})"
    said=$says
  done
fi

# Only a folder that an earlier call made is removed.
if [ -e "$folder" ] && [ -n "$(ls -A "$folder")" ] && ! { [ -f "$folder/task.json" ] && [ -f "$folder/launcher.js" ]; }; then
  die "$folder is not empty and holds no packaged task: name another folder, or delete it"
fi
rm -rf "$folder"
mkdir -p "$folder/bin"
cp "$top/task.json" "$top"/pipelines/launcher/*.js "$folder/"
for i in "${!files[@]}"; do cp "${files[$i]}" "$folder/bin/${names[$i]}"; done
node - "$folder" "$top/pipelines/packaging/checks.js" "$all" <<'CHECKS' || exit 1
const fs = require('fs');
const [folder, checks, all] = process.argv.slice(2);
const { filesOf, folder: check } = require(checks);
// The launcher compares each program with its line.
const line = (file) => `${require('crypto').createHash('sha256').update(fs.readFileSync(`${folder}/bin/${file}`)).digest('hex')}  ${file}\n`;
fs.writeFileSync(`${folder}/bin/SHA256SUMS`, filesOf(`${folder}/bin`).map(line).join(''));
try {
  const missing = check(folder).filter(({ there }) => !there).map(({ program }) => program);
  if (all && missing.length > 0) throw new Error(`no binary: ${missing.join(', ')}`);
} catch (error) {
  console.error(`package.sh: ${error.message}`);
  process.exitCode = 1;
}
CHECKS
# An extension's archive carries no modes, so what reaches an agent may not be executed: the launcher sees to that.
find "$folder" -type f -exec chmod 644 {} +

if [ -z "$out" ]; then
  tools=$("$top/pipelines/packaging/tools.sh") || die "no packaging tools; the task's folder is $folder, without its icon"
  find "$stage" -mindepth 1 -maxdepth 1 ! -name RotatePat -exec rm -rf {} +
  kinds=()
  for name in "${names[@]}"; do name=${name#rotate-pat-}; kinds+=("${name%.exe}"); done
  node "$top/pipelines/packaging/extension.js" "$top" "$stage" "$tools" "$publisher" "${kinds[@]}"
fi

printf '%s\n' "$folder"
(cd "$folder" && find . -type f | LC_ALL=C sort | while read -r file; do printf '%10d  %s\n' "$(wc -c <"$file")" "${file#./}"; done)
