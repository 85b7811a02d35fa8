#!/bin/sh
# Verifies llmrt's CUDA backend on this machine's GPU, and measures it. Everything it needs lies beside it but the driver;
# compute-sanitizer is used where it is installed.
#
#   verify.sh [--quick] [OUT]     OUT: a folder for the results (default: results, here); report.json there is what to keep
#     --quick    a fraction of the checks and no benchmarks: a rehearsal of this script on an emulated GPU
#
# Exit status 0: everything that must hold holds.
set -u
here=$(cd "$(dirname "$0")" && pwd)
quick=0
if [ "${1:-}" = --quick ]; then
  quick=1
  shift
fi
out=${1:-$here/results}
mkdir -p "$out" || exit 1
failed=0
parts=

note() { printf '\n== %s\n' "$*"; }

# part NAME COMMAND...: runs one part, its output to OUT/NAME.log as well, and notes how it ended.
part() {
  name=$1
  shift
  note "$name"
  start=$(date +%s)
  { "$@" 2>&1; echo $? >"$out/$name.status"; } | tee "$out/$name.log" | grep -vE '^\[ *(RUN|OK) |^\[-----' || true
  status=$(cat "$out/$name.status")
  rm -f "$out/$name.status"
  [ "$status" -eq 0 ] || failed=1
  parts="$parts$name $status $(($(date +%s) - start))
"
}

device=$(nvidia-smi --query-gpu=name,driver_version,memory.total --format=csv,noheader 2>/dev/null | head -n 1)
device=${device:-unknown}
commit=$(cat "$here/COMMIT")
note "llmrt $commit on $device, $(uname -srm), $(date -u +%Y-%m-%dT%H:%MZ)"

if [ $quick -eq 1 ]; then
  models=$here/models/stories260K-f32.gguf
  flag=--quick filter='SwiGlu*:Embed*:Prepare*'
else
  models=$(ls "$here"/models/*.gguf)
  flag= filter='*'
fi
tokens=$(cat "$here/expected/tokens")

# shellcheck disable=SC2086  # empty or one word
part probes "$here/bin/gpu_probes" $flag --json "$out/probes.json"
part kernels env LLMRT_TEST_HASHES_READ="$here/expected/kernels.jsonl" "$here/bin/cuda_kernels_test" \
  --gtest_brief=1 --gtest_filter="$filter" --gtest_output="json:$out/kernels.json"
# shellcheck disable=SC2086
part streams "$here/bin/gpu_end_to_end" $flag --tokens "$tokens" --expect "$here/expected/streams.txt" --json "$out/streams.json" $models

if [ $quick -eq 0 ] && command -v compute-sanitizer >/dev/null; then
  for tool in memcheck racecheck synccheck initcheck; do
    part "$tool" timeout 240 compute-sanitizer --tool "$tool" --error-exitcode 99 --print-limit 20 \
      "$here/bin/cuda_kernels_test" --gtest_brief=1 --gtest_filter="$(cat "$here/expected/small_kernels")"
  done
else
  note "compute-sanitizer: not run"
fi

if [ $quick -eq 0 ]; then
  part bench_kernels "$here/bin/gpu_bench" --json "$out/bench_kernels.json"
  model=$out/llama-3.2-1b-f16.gguf
  part synth "$here/bin/llmrt" synth --shape llama-3.2-1b --type F16 "$model"
  part bench_model "$here/bin/llmrt" bench "$model" --device cuda:0 --pp 512 --tg 128 --batch 1,4,16 --json
  rm -f "$model"
else
  part bench_kernels "$here/bin/gpu_bench" --quick --json "$out/bench_kernels.json"
fi

note "parts"
printf '%-16s %-8s %s\n' part result seconds
printf '%s' "$parts" | while read -r name status seconds; do
  result=ok
  [ "$status" -eq 0 ] || result="FAILED"
  printf '%-16s %-8s %s\n' "$name" "$result" "$seconds"
done

# One object: what ran where, and each part's own results.
{
  printf '{"commit": "%s", "date": "%s", "device": "%s", "system": "%s", "good": %s,\n "parts": {' \
    "$commit" "$(date -u +%Y-%m-%d)" "$device" "$(uname -srm)" "$([ $failed -eq 0 ] && echo true || echo false)"
  separator=
  printf '%s' "$parts" | while read -r name status seconds; do
    printf '%s\n  "%s": {"status": %s, "seconds": %s}' "$separator" "$name" "$status" "$seconds"
    separator=,
  done
  printf '}'
  for name in probes streams bench_kernels; do
    [ -f "$out/$name.json" ] && printf ',\n "%s": ' "$name" && cat "$out/$name.json"
  done
  [ -f "$out/bench_model.log" ] && printf ',\n "bench_model": ' && grep '^{' "$out/bench_model.log" | head -n 1
  printf '}\n'
} >"$out/report.json"
note "$([ $failed -eq 0 ] && echo "everything holds" || echo "SOMETHING DOES NOT HOLD"); $out/report.json"
exit $failed
