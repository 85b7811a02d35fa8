#!/usr/bin/env bash
# Installs what building llmrt needs and this machine lacks, on Debian 12, Ubuntu 24.04 or newer. Does nothing, quickly,
# when everything is there.
#
#   tools/install_dependencies.sh build    compiler, CMake and libraries: enough for the library and the command line
#   tools/install_dependencies.sh tests    the above and what the tests need (the default)
set -euo pipefail

build_packages=(g++ cmake ninja-build dpkg-dev ca-certificates libutf8proc-dev nlohmann-json3-dev)
test_packages=(googletest python3 binutils libboost-context-dev)
# Without these the build is slower or leaves something out, and says so.
optional_build_packages=(ccache)
optional_test_packages=(libbenchmark-dev clang-format)

required=("${build_packages[@]}")
optional=("${optional_build_packages[@]}")
case ${1:-tests} in
  build) ;;
  tests)
    required+=("${test_packages[@]}")
    optional+=("${optional_test_packages[@]}")
    ;;
  *)
    echo "usage: ${0##*/} [build|tests]" >&2
    exit 2
    ;;
esac

say() { printf 'install_dependencies: %s\n' "$*"; }

if ! command -v dpkg-query >/dev/null || ! command -v apt-get >/dev/null; then
  say "this is neither Debian nor Ubuntu; install the equivalents of: ${required[*]} (better with: ${optional[*]})" >&2
  exit 1
fi

installed=$(dpkg-query -W -f '${db:Status-Status} ${Package}\n' "${required[@]}" "${optional[@]}" 2>/dev/null || true)
missing=() wished=()
for package in "${required[@]}"; do
  grep -qxF "installed $package" <<<"$installed" || missing+=("$package")
done
for package in "${optional[@]}"; do
  grep -qxF "installed $package" <<<"$installed" || wished+=("$package")
done
if ((${#missing[@]} + ${#wished[@]} == 0)); then
  exit 0
fi

as_root=()
if ((EUID != 0)); then
  if ! command -v sudo >/dev/null; then
    ((${#wished[@]} == 0)) || say "not root and no sudo; going on without ${wished[*]}" >&2
    ((${#missing[@]})) || exit 0
    say "not root and no sudo; run as root: apt-get install ${missing[*]}" >&2
    exit 1
  fi
  as_root=(sudo)
fi
# Another apt may hold the lock on a machine that has just started, so wait for it.
apt=("${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -qq -o Dpkg::Use-Pty=0 -o DPkg::Lock::Timeout=120)
install() { "${apt[@]}" install -y --no-install-recommends "$@" >/dev/null; }

say "installing ${missing[*]} ${wished[*]}"
# A list that fails to refresh (a third-party source, say) matters only if a package is then not found.
"${apt[@]}" update || say "apt-get update reported errors; trying all the same" >&2
if ((${#missing[@]})) && ! install "${missing[@]}"; then
  say "could not install ${missing[*]}, which building needs" >&2
  exit 1
fi
if ((${#wished[@]})) && ! install "${wished[@]}"; then
  say "could not install ${wished[*]}; going on without" >&2
fi
say "done"
