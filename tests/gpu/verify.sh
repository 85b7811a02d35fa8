#!/bin/sh
# Verifies llmrt's CUDA backend on this machine's GPU, and measures it. Everything it needs lies beside it but the driver;
# compute-sanitizer is used where it is installed.
#
#   verify.sh [--quick] [--seconds N] [--only "PART ..."] [OUT]
#     OUT          a folder for the results (default: results, here): report.json, which is what to keep, and verify.log.
#                  Both grow part by part: what has run is there although a later part hangs or is killed.
#     --seconds N  parts that do not fit any more are left out, and the last one is cut short
#     --only       of: probes kernels streams bench_kernels synth bench_model memcheck racecheck synccheck initcheck
#     --quick      a fraction of the checks and no benchmarks: a rehearsal of this script on an emulated GPU
#
# Exit status 0: everything that must hold holds.
set -u
here=$(cd "$(dirname "$0")" && pwd)
quick=0 seconds=86400 only=
while [ $# -gt 0 ]; do
  case $1 in
    --quick) quick=1 ;;
    --seconds) seconds=$2 && shift ;;
    --only) only=$2 && shift ;;
    *) break ;;
  esac
  shift
done
out=${1:-$here/results}
mkdir -p "$out" && work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
PATH=$PATH:/usr/local/cuda/bin
log=$out/verify.log
: >"$log"
failed=0 status=0
parts=
began=$(date +%s)

note() { printf '\n== %s\n' "$*" | tee -a "$log"; }

# One object: what ran where, and each part's own results.
write_report() {
  {
    printf '{"commit": "%s", "date": "%s", "device": "%s", "system": "%s", "good": %s,\n "parts": {' \
      "$commit" "$(date -u +%Y-%m-%d)" "$device" "$(uname -srm)" "$([ $failed -eq 0 ] && echo true || echo false)"
    separator=
    printf '%s' "$parts" | while read -r part status took; do
      printf '%s\n  "%s": {"status": %s, "seconds": %s}' "$separator" "$part" "$status" "$took"
      separator=,
    done
    printf '}'
    for part in probes streams bench_kernels bench_model; do
      [ -s "$work/$part.json" ] && printf ',\n "%s": ' "$part" && cat "$work/$part.json"
    done
    printf '}\n'
  } >"$out/report.json"
}

# part NAME SECONDS COMMAND...: runs one part, its output to the log as well, and notes how it ended. 124, 137: too long.
part() {
  name=$1 limit=$2 status=0
  shift 2
  case " ${only:-$name} ${only:+kernels_alone} " in *" $name "*) ;; *) return ;; esac
  start=$(date +%s)
  left=$((seconds - (start - began) - 5))
  note "$name"
  if [ $left -lt 10 ]; then
    status=125
    echo "left out: no time" | tee -a "$log"
  else
    [ $limit -le $left ] || limit=$left
    { timeout -k 10 "$limit" "$@" 2>&1; echo $? >"$work/status"; } | tee -a "$log" "$work/$name.log" |
      grep --line-buffered -vE '^\[ *(RUN|OK) |^\[-----' || true
    status=$(cat "$work/status")
  fi
  [ "$status" -eq 0 ] || failed=1
  parts="$parts$name $status $(($(date +%s) - start))
"
  [ "$name" != bench_model ] || grep '^{' "$work/$name.log" | head -n 1 >"$work/$name.json"
  write_report
}

device=$(nvidia-smi --query-gpu=name,driver_version,memory.total --format=csv,noheader 2>/dev/null | head -n 1)
device=${device:-unknown}
commit=$(cat "$here/COMMIT")
note "llmrt $commit on $device, $(uname -srm), $(date -u +%Y-%m-%dT%H:%MZ)"
nvidia-smi >>"$log" 2>&1

if [ $quick -eq 1 ]; then
  models=$here/models/stories260K-f32.gguf
  flag=--quick filter='SwiGlu*:Embed*:Prepare*'
else
  models=$(ls "$here"/models/*.gguf)
  flag= filter='*'
fi
tokens=$(cat "$here/expected/tokens")
kernels=$here/bin/cuda_kernels_test

# shellcheck disable=SC2086  # empty or one word
part probes 150 "$here/bin/gpu_probes" $flag --json "$work/probes.json"
hashes=LLMRT_TEST_HASHES_READ=$here/expected/kernels.jsonl
part kernels 150 env "$hashes" "$kernels" --gtest_brief=1 --gtest_filter="$filter"
# A kernel that faults may take the driver's state in this process with it: then each suite has a process of its own.
if [ "$status" -ne 0 ]; then
  suites=$("$kernels" --gtest_list_tests | grep '\.$')
  # shellcheck disable=SC2016  # the inner shell's
  part kernels_alone 150 env "$hashes" sh -c 'bad=0
    for suite in $2; do
      echo "-- $suite"
      timeout -k 5 40 "$1" --gtest_brief=1 --gtest_filter="$suite*" || bad=1
    done
    exit $bad' sh "$kernels" "$suites"
fi
# shellcheck disable=SC2086
part streams 100 "$here/bin/gpu_end_to_end" $flag --tokens "$tokens" --expect "$here/expected/streams.txt" \
  --json "$work/streams.json" $models

part bench_kernels 90 "$here/bin/gpu_bench" $flag --json "$work/bench_kernels.json"
if [ $quick -eq 0 ]; then
  model=$work/llama-3.2-1b-f16.gguf
  part synth 90 "$here/bin/llmrt" synth --shape llama-3.2-1b --type f16 "$model"
  part bench_model 120 "$here/bin/llmrt" bench "$model" --device cuda:0 --pp 512 --tg 128 --batch 1,4,16 --repeat 5 --json
  rm -f "$model"
fi

# Last: these take longest.
if [ $quick -eq 0 ] && command -v compute-sanitizer >/dev/null; then
  for tool in memcheck racecheck synccheck initcheck; do
    part "$tool" 120 compute-sanitizer --tool "$tool" --error-exitcode 99 --print-limit 20 "$kernels" --gtest_brief=1 \
      --gtest_filter="$(cat "$here/expected/small_kernels")"
  done
else
  note "compute-sanitizer: not run"
fi

note "parts"
{
  printf '%-16s %-12s %s\n' part result seconds
  printf '%s' "$parts" | while read -r part status took; do
    case $status in 0) result=ok ;; 124 | 137) result="TOO LONG" ;; 125) result="LEFT OUT" ;; *) result=FAILED ;; esac
    printf '%-16s %-12s %s\n' "$part" "$result" "$took"
  done
} | tee -a "$log"
write_report
note "$([ $failed -eq 0 ] && echo "everything holds" || echo "SOMETHING DOES NOT HOLD"); $out/report.json"
exit $failed
