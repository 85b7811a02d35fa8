#!/usr/bin/env bash
# Gets the sources of Abseil's distribution package and prints the folder they lie in. Needs no root: apt works on lists
# and a cache in a scratch folder. The sources stay in a cache, so the next clone has them at once.
#
#   tools/fetch_abseil.sh [FALLBACK]
#
# The cache is $LLMRT_CACHE, else llmrt in $XDG_CACHE_HOME or ~/.cache, else, where that cannot be written, FALLBACK.
set -euo pipefail

version=20220623.1
orig_sha256=abfe2897f3a30edaa74bc34365afe3c2a3cd012091a97dc7e008f7016adcd5fe

say() { printf 'fetch_abseil: %s\n' "$*" >&2; }

folders=()
if [[ -n ${LLMRT_CACHE:-} ]]; then
  folders=("$LLMRT_CACHE")
else
  home_cache=${XDG_CACHE_HOME:-${HOME:+$HOME/.cache}}
  [[ -z $home_cache ]] || folders+=("$home_cache/llmrt")
  [[ -z ${1:-} ]] || folders+=("$1")
fi

for cache in "${folders[@]}"; do
  target=$cache/abseil-$version-std
  if [[ -f $target/CMakeLists.txt ]]; then
    echo "$target"
    exit 0
  fi
done
cache=
for folder in "${folders[@]}"; do
  if mkdir -p "$folder" 2>/dev/null && [[ -w $folder ]]; then
    cache=$folder
    break
  fi
done
if [[ -z $cache ]]; then
  say "no folder for Abseil's sources can be written (tried: ${folders[*]:-none}); set LLMRT_CACHE to one that can"
  exit 1
fi
target=$cache/abseil-$version-std
scratch=$(mktemp -d "$cache/fetch.XXXXXX")
trap 'rm -rf "$scratch"' EXIT
mkdir -p "$scratch/lists/partial" "$scratch/archives/partial"

# Debian 12 and Ubuntu 24.04 carry the same upstream tarball; each signs its index with a key that every newer or older
# release of the same family knows.
. /etc/os-release
case " ${ID:-} ${ID_LIKE:-} " in
  *' ubuntu '*) line='deb-src http://archive.ubuntu.com/ubuntu noble universe' ;;
  *) line='deb-src http://deb.debian.org/debian bookworm main' ;;
esac
echo "$line" >"$scratch/sources.list"

options=(
  -qq
  -o "Dir::Etc::sourcelist=$scratch/sources.list" -o Dir::Etc::sourceparts=/dev/null
  -o "Dir::State::lists=$scratch/lists" -o "Dir::Cache=$scratch" -o "Dir::Cache::archives=$scratch/archives"
  # As root, apt would drop to a user who cannot write here.
  -o "APT::Sandbox::User=$(id -un)"
)
say "downloading the source package of Abseil $version"
apt-get "${options[@]}" update >&2
(cd "$scratch" && apt-get "${options[@]}" source --download-only abseil >&2)

orig=$scratch/abseil_$version.orig.tar.gz
if ! echo "$orig_sha256  $orig" | sha256sum --check --status; then
  say "$orig is missing or has another SHA-256 than $orig_sha256"
  exit 1
fi
# apt has checked the package's signature; dpkg-source would ask for a keyring that a plain system lacks.
dpkg-source --no-check -q -x "$scratch"/abseil_*.dsc "$scratch/source" >&2
# The distribution sets Abseil's own string_view, optional, variant and any, none of which converts
# from the standard library's; here they are the standard ones.
sed -i -E 's/^(#define ABSL_OPTION_USE_STD_[A-Z_]+) [02]/\1 1/' "$scratch/source/absl/base/options.h"
# Where another build has put it there meanwhile, that one serves.
mv -T "$scratch/source" "$target" 2>/dev/null || [[ -f $target/CMakeLists.txt ]]
echo "$target"
