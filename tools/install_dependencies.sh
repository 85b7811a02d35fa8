#!/usr/bin/env bash
# Installs what building llmrt needs and this machine lacks, on Debian 12, Ubuntu 24.04 or newer. Does nothing, quickly,
# when everything is there.
#
#   tools/install_dependencies.sh build    compiler, CMake and libraries: enough for the library and the command line
#   tools/install_dependencies.sh tests    the above and what the tests need (the default)
set -euo pipefail

build_packages=(
  g++ cmake ninja-build ccache dpkg-dev ca-certificates
  libpcre2-dev libutf8proc-dev nlohmann-json3-dev
)
test_packages=(googletest libgtest-dev libbenchmark-dev python3 clang-format binutils)

case ${1:-tests} in
  build) wanted=("${build_packages[@]}") ;;
  tests) wanted=("${build_packages[@]}" "${test_packages[@]}") ;;
  *)
    echo "usage: ${0##*/} [build|tests]" >&2
    exit 2
    ;;
esac

say() { printf 'install_dependencies: %s\n' "$*"; }

if ! command -v dpkg-query >/dev/null || ! command -v apt-get >/dev/null; then
  say "this is neither Debian nor Ubuntu; install the equivalents of: ${wanted[*]}" >&2
  exit 1
fi

installed=$(dpkg-query -W -f '${db:Status-Status} ${Package}\n' "${wanted[@]}" 2>/dev/null || true)
missing=()
for package in "${wanted[@]}"; do
  grep -qx "installed $package" <<<"$installed" || missing+=("$package")
done
if ((${#missing[@]} == 0)); then
  exit 0
fi

as_root=()
if ((EUID != 0)); then
  if ! command -v sudo >/dev/null; then
    say "not root and no sudo; run as root: apt-get install ${missing[*]}" >&2
    exit 1
  fi
  as_root=(sudo)
fi
say "installing ${missing[*]}"
# Another apt may hold the lock on a machine that has just started, so wait for it.
apt=("${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -qq -o Dpkg::Use-Pty=0 -o DPkg::Lock::Timeout=120)
# A list that fails to refresh (a third-party source, say) matters only if a package is then not found.
"${apt[@]}" update || say "apt-get update reported errors; trying all the same" >&2
"${apt[@]}" install -y --no-install-recommends "${missing[@]}" >/dev/null
say "done"
