#!/bin/sh
# make_bundle.sh [--quick] SOURCE BUILD OUT: a folder for a machine with a GPU and no compiler: programs, libraries, models, what the
# emulation computes for the same inputs, and verify.sh. Called by the target gpu_bundle; with --quick, which records only
# what `verify.sh --quick` asks for, by a test.
set -eu
models="stories260K-f32 tinystories-1.4M-f16" tokens=8 filter='*' streams_flag=
if [ "$1" = --quick ]; then
  shift
  models=stories260K-f32 tokens=2 filter='SwiGlu*:Embed*:Prepare*' streams_flag=--quick
fi
source=$1 build=$2 out=$3
limit_kb=32768
rm -rf "$out"
mkdir -p "$out/models" "$out/expected"
cmake --install "$build" --component gpu_bundle --prefix "$out" --strip >/dev/null
cp "$source/tests/gpu/verify.sh" "$out/"
[ "$filter" != '*' ] || cp "$source/samples/models/village-target-f16.gguf" "$out/models/"
for model in $models; do
  # Beside the checkout, where it is; the bundle then has fewer models.
  if [ -f "$source/../shared/models/$model.gguf" ]; then
    cp "$source/../shared/models/$model.gguf" "$out/models/"
  fi
done
git -C "$source" describe --always --dirty --abbrev=12 >"$out/COMMIT" 2>/dev/null || echo unknown >"$out/COMMIT"

# What the same programs compute on the emulation, as the architecture that the bundle is for.
LD_LIBRARY_PATH=$build/tests/cuda_host
export LD_LIBRARY_PATH
echo $tokens >"$out/expected/tokens"
# What runs under compute-sanitizer, four times over: every kernel, in few and small shapes.
cat >"$out/expected/small_kernels" <<END
${LLMRT_SMALL_KERNELS:-MatMulTest.ARowIsTheSame*:MatMulTest.OnlyTheFeatures*:MatMulTest.TheOutputIsAdded*:\
AttentionTest.Decode*:AttentionTest.HeadsMayHave*:AttentionTest.APrefillChunk*:AttentionTest.SplitOver*:\
AttentionTest.InfiniteValues*:DrawKernelTest.ManyParts*:DrawKernelTest.States*:RmsNormKernelTest.RowsAre*:\
RmsNormKernelTest.ChunksAre*:SwiGluKernelTest.OutputMayBe*:*EmbedKernelTest.Rows*:*PrepareKernelTest.Equals*:\
*RopeStoreKernelTest.Dimensions*:ReadBandwidthKernelTest.ThreadsSum*}
END
LLMRT_TEST_HASHES_WRITE=$out/expected/kernels.jsonl "$out/bin/cuda_kernels_test" --gtest_brief=1 \
  --gtest_filter="$filter"
sort -u -o "$out/expected/kernels.jsonl" "$out/expected/kernels.jsonl"
# shellcheck disable=SC2086  # empty or one word
"$out/bin/gpu_end_to_end" $streams_flag --tokens $tokens --record "$out/expected/streams.txt" "$out"/models/*.gguf

size_kb=$(du -sk "$out" | cut -f1)
echo "$out: $size_kb KB; carry it to a machine with a GPU and run verify.sh"
if [ "$size_kb" -gt $limit_kb ]; then
  echo "make_bundle.sh: more than $limit_kb KB" >&2
  exit 1
fi
