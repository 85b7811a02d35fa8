#!/usr/bin/env bash
# Installs what is missing, builds llmrt and passes every test: first optimized (build/), then under the address and
# undefined-behaviour sanitizers (build/asan/); then the tests that run many threads under the thread sanitizer
# (build/tsan/). Quick the second time.
#
#   tests/run.sh [--quick] [--threads] [--filter REGEX]
#     --quick    the optimized build only
#     --threads  every test under the thread sanitizer, not only those that run many threads
#     --filter   only tests whose name matches; of the thread sanitizer's only with --threads
#
# Whatever cannot run on this machine is named at the end; with CI=true it fails the run.
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.." || exit 1

quick=0 threads=0
filter=
while (($#)); do
  case $1 in
    --quick) quick=1 ;;
    --threads) threads=1 ;;
    --filter)
      filter=${2?--filter needs a regular expression}
      shift
      ;;
    *)
      sed -n '2,/^set/s/^# \{0,1\}//p' "$0" >&2
      exit 2
      ;;
  esac
  shift
done

jobs=$(nproc)
passed=0 failed=0 skipped=0
broken=()    # stages that did not get as far as a test result
not_run=()   # what this machine lacks
minutes=()
junit=$(mktemp)
trap 'rm -f "$junit"' EXIT

stage() { # NAME COMMAND...: runs one stage and notes how long it took.
  local name=$1 start=$SECONDS status
  shift
  printf '\n== %s\n' "$name"
  "$@"
  status=$?
  minutes+=("$(awk -v s=$((SECONDS - start)) 'BEGIN { printf "%.1f", s / 60 }') min  $name")
  return $status
}

build() { # FOLDER SANITIZERS [TARGET]
  local generator=()
  [[ -f $1/CMakeCache.txt ]] || generator=(-G Ninja)
  # Device code is the same under every sanitizer, so it is compiled once, in the optimized build.
  [[ -z $2 ]] || generator+=(-DLLMRT_CUDA_ARCHITECTURES=none)
  cmake -S . -B "$1" "${generator[@]}" -DCMAKE_BUILD_TYPE=Release -DLLMRT_TESTS=ON -DLLMRT_SANITIZE="$2" \
    -Wno-dev >"$junit" || { cat "$junit"; return 1; }
  cmake --build "$1" --parallel "$jobs" --target "${3:-all}"
}

attribute() { # NAME: a count from the first line of the JUnit report that has it
  sed -n "s/.*[[:space:]]$1=\"\([0-9]*\)\".*/\1/p" "$junit" | head -n 1
}

run_tests() { # FOLDER [CTEST ARGUMENT...]: runs ctest and adds its counts to the totals
  local arguments=(--test-dir "$1" --parallel "$jobs" --output-on-failure --no-tests=error --output-junit "$junit" "${@:2}")
  [[ -n $filter ]] && arguments+=(--tests-regex "$filter")
  : >"$junit"
  # One line for each passed test would bury the failures.
  UBSAN_OPTIONS=print_stacktrace=1 ctest "${arguments[@]}" | grep -vE '^ +Start +[0-9]+:|^ *[0-9]+/[0-9]+ Test.* Passed '
  local status=${PIPESTATUS[0]} total fails skips disabled
  total=$(attribute tests) fails=$(attribute failures) skips=$(attribute skipped) disabled=$(attribute disabled)
  # No report: ctest stopped before its first test.
  [[ -n $total && -n $fails && -n $skips && -n $disabled ]] || return 1
  skips=$((skips + disabled))
  passed=$((passed + total - fails - skips)) failed=$((failed + fails)) skipped=$((skipped + skips))
  # A failed test is in the counts; what else ctest complains about is not.
  ((status == 0 || fails > 0))
}

check() { # NAME FOLDER SANITIZERS
  stage "$1: build" build "$2" "$3" || { broken+=("$1: build"); return; }
  stage "$1: tests" run_tests "$2" || broken+=("$1: tests")
}

# The golden models are one thread's work each, and minutes of it under this sanitizer.
check_threads() {
  local name="thread sanitizer, tests that run many threads"
  stage "$name: build" build build/tsan thread tests_threads || { broken+=("$name: build"); return; }
  stage "$name: tests" run_tests build/tsan --label-regex '^threads$' --exclude-regex GoldenModels ||
    broken+=("$name: tests")
}

stage "dependencies" tools/install_dependencies.sh tests || exit 1
check optimized build ""
# A sanitizer keeps some tests from running; nothing keeps them from it here but what this machine lacks.
((skipped)) && not_run+=("$skipped tests of the optimized build, which skipped themselves; ctest lists them above")
((quick)) || check sanitizers build/asan "address,undefined"
if ((threads)); then
  check "thread sanitizer" build/tsan thread
elif ((!quick)) && [[ -z $filter ]]; then
  check_threads
fi

[[ -d ../shared ]] || not_run+=("tests with the files of ../shared: there is no such folder")
grep -q '^LLMRT_NVCC:FILEPATH=.*-NOTFOUND' build/CMakeCache.txt 2>/dev/null &&
  not_run+=("compiling kernels for GPUs: there is no nvcc (their tests ran on the emulation)")

printf '\n== Minutes\n'
printf '%s\n' "${minutes[@]}"
printf '\n== Did not run\n'
# Never here: the kernels' tests run on an emulated GPU, whatever this machine has.
echo "the CUDA backend on a GPU: cmake --build build --target gpu_bundle makes a folder for that; run its verify.sh there"
((quick)) && echo "the address and undefined-behaviour sanitizers: --quick"
((threads)) || echo "the whole suite under the thread sanitizer: wants --threads"
((${#not_run[@]})) && printf '%s\n' "${not_run[@]}"
((skipped)) && printf '%s tests in all skipped themselves; ctest lists them above\n' "$skipped"
((${#broken[@]})) && printf '\nFAILED: %s\n' "${broken[@]}"
printf '\n%d passed, %d failed\n' "$passed" "$failed"

((failed == 0 && passed > 0 && ${#broken[@]} == 0)) || exit 1
if [[ ${CI:-} == true ]] && ((${#not_run[@]})); then
  echo "CI=true: what did not run counts as a failure" >&2
  exit 1
fi
