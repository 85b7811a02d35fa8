#!/bin/sh
# rehearse_bundle.sh SOURCE BUILD: makes a small bundle, moves it elsewhere and runs its verify.sh on the emulated driver,
# which must find everything in order; then with one recorded hash spoiled, which must be found.
set -eu
source=$1 build=$2
[ -f "$source/../shared/models/stories260K-f32.gguf" ] || { echo "../shared/models is not there"; exit 77; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"$source/tests/gpu/make_bundle.sh" --quick "$source" "$build" "$work/made"
mv "$work/made" "$work/carried"
LD_LIBRARY_PATH=$build/tests/cuda_host
export LD_LIBRARY_PATH
"$work/carried/verify.sh" --quick "$work/results"
python3 - "$work/results/report.json" <<'PYTHON'
import json, sys
report = json.load(open(sys.argv[1]))
assert report['good'] and all(part['status'] == 0 for part in report['parts'].values()), report['parts']
assert set(report['parts']) == {'probes', 'kernels', 'streams', 'bench_kernels'}, report['parts']
assert all(row['verdict'] != 'BAD' for part in ('probes', 'streams') for row in report[part]['rows'])
PYTHON
sed -i '1s/"fnv1a": "[0-9a-f]*"/"fnv1a": "0000000000000000"/' "$work/carried/expected/kernels.jsonl"
if "$work/carried/verify.sh" --quick "$work/spoiled" >"$work/log" 2>&1; then
  echo "a spoiled hash went unnoticed"
  exit 1
fi
grep -q '^kernels  *FAILED' "$work/log"
echo "rehearsed"
